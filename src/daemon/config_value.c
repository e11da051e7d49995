/* Settings by kind: text to value and back. See config.h. */
#include "daemon/config.h"

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/path.h"
#include "base/str.h"
#include "base/units.h"
#include "daemon/options.h"
#include "daemon/upload_target.h"
#include "git/url.h"
#include "http/url.h"
#include "proto/schema.h"

#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

static int no_memory(struct err *e)
{
	return err_set(e, ERR_INTERNAL, ENOMEM, "read the configuration");
}

/* ---- numbers ---- */

static const struct {
	int (*parse)(const char *text, uint64_t *ret);
	enum schema_kind kind; /* how it is printed */
	const char *what;
	const char *examples;
} numbers[CONFIG_KIND_COUNT] = {
	[CONFIG_SIZE] = { units_parse_size, KIND_SIZE, "a size", "512MiB or 2GiB" },
	[CONFIG_DURATION] = { units_parse_duration, KIND_DURATION, "a time", "90s, 10m or 1h30m" },
	[CONFIG_CPUS] = { units_parse_cpus, KIND_CPUS, "a number of CPUs", "2 or 0.5" },
	[CONFIG_COUNT] = { NULL, KIND_UINT, "a whole number", "100" },
};

static int parse_number(const struct config_key *k, const char *text, uint64_t *ret)
{
	return numbers[k->kind].parse ? numbers[k->kind].parse(text, ret)
				      : units_parse_uint(text, INT64_MAX, ret);
}

/* A limit of tasks has the bounds of its field in the protocol; 0 is not one of them. */
static void number_bounds(const struct config_key *k, uint64_t *min, uint64_t *max)
{
	const struct schema_field *field =
		k->max ? NULL : schema_find(&schema_limits, OP_RUN, k->name);
	*min = field ? field->min : k->min;
	*max = field ? field->max : k->max;
	if (field && !*min)
		*min = 1;
}

static int set_number(const struct config_key *k, uint64_t *where, const char *text, struct err *e)
{
	uint64_t v = 0, min, max;
	char low[SCHEMA_BOUND_SIZE], high[SCHEMA_BOUND_SIZE];
	const char *none = k->may_be_none ? ", or \"none\"" : "";
	if (k->may_be_none && !strcmp(text, "none")) {
		*where = 0;
		return 0;
	}
	number_bounds(k, &min, &max);
	schema_format_bound(numbers[k->kind].kind, min, low);
	schema_format_bound(numbers[k->kind].kind, max, high);
	int r = parse_number(k, text, &v);
	if (r == -EINVAL) {
		err_set(e, ERR_BAD_VALUE, 0, "\"%.100s\" is not %s", text, numbers[k->kind].what);
		err_hint(e, "write it as %s%s", numbers[k->kind].examples, none);
		return -EINVAL;
	}
	if (r < 0 || v < min || v > max) {
		err_set(e, ERR_OUT_OF_RANGE, 0, "\"%.100s\" is not from %s to %s", text, low, high);
		err_hint(e, "give a value from %s to %s%s", low, high, none);
		return -EINVAL;
	}
	*where = v;
	return 0;
}

/* ---- words ---- */

static int set_bool(bool *where, const char *text, struct err *e)
{
	static const char *const words[][2] = { { "no", "yes" }, { "off", "on" },
		{ "false", "true" } };
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		for (int v = 0; v < 2; v++)
			if (!strcmp(text, words[i][v])) {
				*where = v;
				return 0;
			}
	err_set(e, ERR_BAD_VALUE, 0, "\"%.100s\" is neither yes nor no", text);
	err_hint(e, "write yes or no");
	return -EINVAL;
}

static int set_word(const struct config_key *k, int *where, const char *text, struct err *e)
{
	char all[128] = "";
	size_t n = 0;
	for (; k->words[n]; n++) {
		if (!strcmp(text, k->words[n])) {
			*where = (int)n;
			return 0;
		}
		size_t len = strlen(all);
		snprintf(all + len, sizeof(all) - len, "%s%s", n ? ", " : "", k->words[n]);
	}
	const char *near = str_nearest(text, k->words, n);
	err_set(e, ERR_BAD_VALUE, 0, "\"%.100s\" is none of %s", text, all);
	if (near)
		err_hint(e, "did you mean %s?", near);
	else
		err_hint(e, "write one of them");
	return -EINVAL;
}

/* ---- names and paths ---- */

static int set_text(char **where, const char *text, struct err *e)
{
	char *copy = *text ? strdup(text) : NULL;
	if (*text && !copy)
		return no_memory(e);
	free(*where);
	*where = copy;
	return 0;
}

static int set_path(char **where, const char *text, const struct config_origin *from, struct err *e)
{
	if (strlen(text) >= LIMIT_PATH_BYTES) {
		err_set(e, ERR_TOO_LARGE, 0, "has %zu bytes", strlen(text));
		err_hint(e, "a path has less than %d bytes", LIMIT_PATH_BYTES);
		return -EINVAL;
	}
	/* On the command line it is relative to the current directory; a file has none. */
	if (*text && *text != '/' && from->kind != CONFIG_FROM_OPTION) {
		err_set(e, ERR_BAD_VALUE, 0, "\"%.100s\" is not an absolute path", text);
		err_hint(e, "let it begin with /");
		return -EINVAL;
	}
	return set_text(where, text, e);
}

/* An absolute path without empty, "." and ".." parts. A blank at its end would be lost in a file.
 */
static bool is_clean(const char *path)
{
	size_t size = strlen(path);
	if (path[0] != '/' || size >= LIMIT_PATH_BYTES || strchr(" \t", path[size - 1]))
		return false;
	return size == 1 || path_parts_are(path + 1, size - 1, path_part_is_name);
}

static int add_path(char ***where, const char *text, struct err *e)
{
	size_t len = strlen(text);
	while (len > 1 && text[len - 1] == '/')
		len--;
	auto_free char *path = strndup(text, len);
	if (!path)
		return no_memory(e);
	if (!is_clean(path)) {
		err_set(e, ERR_BAD_VALUE, 0,
			"\"%.100s\" is not an absolute path without \"..\" and empty parts", text);
		err_hint(e, "give one whole path; for several, repeat the line");
		return -EINVAL;
	}
	if (strv_len(*where) >= CONFIG_LIST_MAX) {
		err_set(e, ERR_TOO_LARGE, 0, "has over %d entries", CONFIG_LIST_MAX);
		err_hint(e, "name a directory that holds several of them");
		return -EINVAL;
	}
	return strv_add(where, path) < 0 ? no_memory(e) : 0;
}

/* ---- labels with a number ---- */

int config_split_label_cap(const char *text, size_t *ret_label_len, uint64_t *ret_n)
{
	const char *colon = strrchr(text, ':');
	size_t key_len = strcspn(text, "=:");
	char key[LIMIT_NAME_BYTES + 1];
	if (!colon || key_len > LIMIT_NAME_BYTES)
		return -EINVAL;
	memcpy(key, text, key_len);
	key[key_len] = '\0';
	if (!str_is_name(key, LIMIT_NAME_BYTES))
		return -EINVAL;
	*ret_label_len = (size_t)(colon - text);
	return units_parse_uint(colon + 1, 10000, ret_n);
}

static int add_label_cap(char ***where, const char *text, struct err *e)
{
	size_t len;
	uint64_t n;
	if (config_split_label_cap(text, &len, &n) < 0 || !n) {
		err_set(e, ERR_BAD_VALUE, 0, "\"%.100s\" is not KEY:N or KEY=VALUE:N", text);
		err_hint(e, "write it as team=ci:4; for several, repeat the line");
		return -EINVAL;
	}
	if (strv_len(*where) >= CONFIG_LABEL_CAPS_MAX) {
		err_set(e, ERR_TOO_LARGE, 0, "has over %d entries", CONFIG_LABEL_CAPS_MAX);
		err_hint(e, "name the key alone where all its values may share the number");
		return -EINVAL;
	}
	return strv_add(where, text) < 0 ? no_memory(e) : 0;
}

/* ---- hosts, addresses of the web, choices ---- */

static int add_text(char ***where, const char *text, size_t max, const char *fix, struct err *e)
{
	if (strv_len(*where) >= max) {
		err_set(e, ERR_TOO_LARGE, 0, "has over %zu entries", max);
		err_hint(e, "%s", fix);
		return -EINVAL;
	}
	return strv_add(where, text) < 0 ? no_memory(e) : 0;
}

static int add_host(char ***where, const char *text, struct err *e)
{
	int r = url_rule_check(text, e);
	return r < 0 ? r
		     : add_text(where, text, CONFIG_LIST_MAX,
			       "name a domain that holds several of them, as *.example.com", e);
}

static int add_git_host(char ***where, const char *text, struct err *e)
{
	int r = git_rule_check(text, e);
	return r < 0 ? r
		     : add_text(where, text, CONFIG_LIST_MAX,
			       "name a domain that holds several of them, as *.example.com", e);
}

static int add_url(char ***where, const char *text, struct err *e)
{
	struct url u;
	int r = url_parse(text, &u, e);
	if (r < 0)
		return r;
	url_finish(&u);
	return add_text(where, text, CONFIG_URLS_MAX, "let one of them tell the others", e);
}

static int add_target(char ***where, const char *text, struct err *e)
{
	int r = upload_target_check_line(text, e);
	return r < 0 ? r
		     : add_text(where, text, 8 * UPLOAD_TARGETS_MAX, "put more keys on a line", e);
}

static int add_choice(const struct config_key *k, char ***where, const char *text, struct err *e)
{
	int nth = 0;
	int r = set_word(k, &nth, text, e);
	for (char **p = *where; r == 0 && p && *p; p++)
		if (!strcmp(*p, text))
			return 0;
	return r < 0 ? r : add_text(where, text, CONFIG_LIST_MAX, "name each once", e);
}

/* ---- users and groups ---- */

static int find_id(bool is_group, const char *text, uint64_t *ret)
{
	if (units_parse_uint(text, UINT32_MAX - 1, ret) == 0)
		return 0;
	const struct passwd *pw = is_group ? NULL : getpwnam(text);
	const struct group *gr = is_group ? getgrnam(text) : NULL;
	if (!pw && !gr)
		return -ENOENT;
	*ret = pw ? pw->pw_uid : gr->gr_gid;
	return 0;
}

static int add_id(struct config_ids *ids, bool is_group, const char *text, struct err *e)
{
	const char *what = is_group ? "group" : "user";
	uint64_t v;
	if (ids->n == CONFIG_LIST_MAX) {
		err_set(e, ERR_TOO_LARGE, 0, "has over %d entries", CONFIG_LIST_MAX);
		err_hint(e, "put the users into a group, and name that under groups");
		return -EINVAL;
	}
	if (find_id(is_group, text, &v) < 0) {
		err_set(e, ERR_BAD_VALUE, 0, "there is no %s \"%.100s\"", what, text);
		err_hint(e, "give one name or number; for several, repeat the line (getent %s)",
			is_group ? "group" : "passwd");
		return -EINVAL;
	}
	if (strv_add(&ids->names, text) < 0)
		return no_memory(e);
	ids->id[ids->n++] = (uint32_t)v;
	return 0;
}

/* ---- any kind ---- */

static void clear_list(const struct config_key *k, void *where)
{
	if (config_is_strv(k)) {
		strv_free(*(char ***)where);
		*(char ***)where = NULL;
	} else {
		struct config_ids *ids = where;
		strv_free(ids->names);
		*ids = (struct config_ids){ .n = 0 };
	}
}

static int assign(const struct config_key *k, void *where, const char *text,
	const struct config_origin *from, struct err *e)
{
	switch (k->kind) {
	case CONFIG_BOOL:
		return set_bool(where, text, e);
	case CONFIG_WORD:
		return set_word(k, where, text, e);
	case CONFIG_TEXT:
		return set_text(where, text, e);
	case CONFIG_PATH:
		return set_path(where, text, from, e);
	case CONFIG_PATHS:
		return *text ? add_path(where, text, e) : 0;
	case CONFIG_LABEL_CAPS:
		return *text ? add_label_cap(where, text, e) : 0;
	case CONFIG_HOSTS:
		return *text ? add_host(where, text, e) : 0;
	case CONFIG_GIT_HOSTS:
		return *text ? add_git_host(where, text, e) : 0;
	case CONFIG_URLS:
		return *text ? add_url(where, text, e) : 0;
	case CONFIG_TARGETS:
		return *text ? add_target(where, text, e) : 0;
	case CONFIG_CHOICES:
		return *text ? add_choice(k, where, text, e) : 0;
	case CONFIG_USERS:
	case CONFIG_GROUPS:
		return *text ? add_id(where, k->kind == CONFIG_GROUPS, text, e) : 0;
	default:
		return set_number(k, where, text, e);
	}
}

int config_assign(struct options *o, size_t key, const char *text, const struct config_origin *from,
	struct err *e)
{
	const struct config_key *k = &config_keys[key];
	struct config_origin *at = &o->origins[key];
	void *where = (char *)o + k->offset;
	if (config_is_list(k) && (!*text || at->kind != from->kind))
		clear_list(k, where);
	int r = assign(k, where, text, from, e);
	if (r < 0) {
		snprintf(e->field, sizeof(e->field), "%s.%s", k->section, k->name);
		return r;
	}
	char *file = from->file ? strdup(from->file) : NULL;
	if (from->file && !file)
		return no_memory(e);
	free(at->file);
	*at = (struct config_origin){ .kind = from->kind, .file = file, .line = from->line };
	return 0;
}

static char *format_number(const struct config_key *k, uint64_t v)
{
	char text[SCHEMA_BOUND_SIZE];
	if (!v && k->may_be_none)
		return strdup("none");
	schema_format_bound(numbers[k->kind].kind, v, text);
	return strdup(text);
}

static char *nth_of(char *const *v, size_t nth)
{
	return nth < strv_len(v) ? strdup(v[nth]) : NULL;
}

size_t config_count(const struct options *o, size_t key)
{
	const struct config_key *k = &config_keys[key];
	const void *where = (const char *)o + k->offset;
	if (config_is_strv(k))
		return strv_len(*(char *const *const *)where);
	if (k->kind == CONFIG_USERS || k->kind == CONFIG_GROUPS)
		return strv_len(((const struct config_ids *)where)->names);
	return 1;
}

char *config_format(const struct options *o, size_t key, size_t nth)
{
	const struct config_key *k = &config_keys[key];
	const void *where = (const char *)o + k->offset;
	if (config_is_strv(k))
		return nth_of(*(char *const *const *)where, nth);
	if (k->kind == CONFIG_USERS || k->kind == CONFIG_GROUPS)
		return nth_of(((const struct config_ids *)where)->names, nth);
	if (nth)
		return NULL;
	const char *text;
	switch (k->kind) {
	case CONFIG_BOOL:
		return strdup(*(const bool *)where ? "yes" : "no");
	case CONFIG_WORD:
		return strdup(k->words[*(const int *)where]);
	case CONFIG_TEXT:
	case CONFIG_PATH:
		text = *(char *const *)where;
		return strdup(text ? text : "");
	default:
		return format_number(k, *(const uint64_t *)where);
	}
}

char *config_format_public(const struct options *o, size_t key, size_t nth)
{
	char *text = config_format(o, key, nth);
	struct url u;
	if (!text || config_keys[key].kind != CONFIG_URLS)
		return text;
	int r = url_parse(text, &u, NULL);
	free(text);
	/* What cannot be told apart is not told at all. */
	if (r < 0)
		return strdup("?");
	text = take_ptr(u.origin);
	url_finish(&u);
	return text;
}
