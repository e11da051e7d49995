/* One request line -> struct request: see request.h. */
#include "proto/request.h"

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/str.h"
#include "proto/git_needs.h"
#include "proto/json_load.h"
#include "proto/scan.h"
#include "proto/schema.h"

#include <jansson.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void cleanup_json(json_t **json)
{
	json_decref(*json);
}
#define auto_json __attribute__((cleanup(cleanup_json)))

static int load_failed(const json_error_t *why, struct err *e)
{
	char text[JSON_ERROR_TEXT_LENGTH];
	enum json_error_code cause = json_error_code(why);
	str_escape(why->text, strlen(why->text), text, sizeof(text));
	switch (cause) {
	case json_error_out_of_memory:
		return err_set(e, ERR_INTERNAL, ENOMEM, "read the request");
	case json_error_null_character:
	case json_error_null_byte_in_key:
		return err_set(e, ERR_PROTOCOL, 0, "not a request: a NUL in a string (byte %d)",
			why->position);
	case json_error_numeric_overflow:
		return err_set(
			e, ERR_OUT_OF_RANGE, 0, "not a request: %s (byte %d)", text, why->position);
	default:
		return err_set(
			e, ERR_PROTOCOL, 0, "not a request: %s (byte %d)", text, why->position);
	}
}

static int load(const char *line, size_t len, json_t **ret, struct err *e)
{
	int r = scan_request(line, len, e);
	if (r < 0)
		return r;
	/* Keys are hashed with a random seed, so that nobody can send keys that fall into one
	 * chain. Only the first call counts. */
	json_object_seed(0);
	json_error_t why;
	json_t *json = json_load_whole(line, len, JSON_REJECT_DUPLICATES, &why);
	if (!json)
		return load_failed(&why, e);
	*ret = json;
	return 0;
}

/* The tag, if there is one fit to be sent back. */
static int find_id(json_t *json, char **ret_id)
{
	json_t *id = json_object_get(json, "id");
	if (!json_is_string(id) || json_string_length(id) > LIMIT_TAG_BYTES ||
		!json_string_length(id))
		return 0;
	*ret_id = strdup(json_string_value(id));
	return *ret_id ? 0 : -ENOMEM;
}

static int find_op(json_t *json, enum op *ret, struct err *e)
{
	json_t *value = json_object_get(json, "op");
	if (!value)
		return err_set_field(e, ERR_MISSING_FIELD, "op", "is missing: the operation");
	if (!json_is_string(value))
		return err_set_field(e, ERR_WRONG_TYPE, "op", "must be a string");
	const char *name = json_string_value(value);
	*ret = op_from_name(name);
	if (*ret != OP_COUNT)
		return 0;
	char shown[64];
	const char *names[OP_COUNT];
	str_escape(name, strlen(name), shown, sizeof(shown));
	err_set_field(e, ERR_UNKNOWN_OP, "op", "there is no operation \"%s\"", shown);
	for (unsigned i = 0; i < OP_COUNT; i++)
		names[i] = op_name((enum op)i);
	const char *nearest = str_nearest(name, names, OP_COUNT);
	if (nearest)
		err_hint(e, "did you mean \"%s\"?", nearest);
	return -EINVAL;
}

static int check_source(const struct spec_source *source, const char *field, struct err *e)
{
	if (source->path || source->fd >= 0)
		return 0;
	return err_set_field(e, ERR_MISSING_FIELD, field, "needs \"path\" or \"fd\"");
}

static int check_mount(const struct spec_mount *mount, const char *field, struct err *e)
{
	char target[64];
	int r = check_source(&mount->source, field, e);
	if (r < 0 || mount->target || mount->source.path)
		return r;
	snprintf(target, sizeof(target), "%s.target", field);
	return err_set_field(e, ERR_MISSING_FIELD, target,
		"is missing: a descriptor without a path has no place of its own");
}

/* Whether its bytes are there, and no more of them than all may have together. */
static int check_bytes(
	const char *data, size_t len, const char *list, size_t nth, size_t *left, struct err *e)
{
	char field[48];
	snprintf(field, sizeof(field), "%s[%zu]", list, nth);
	if (!data)
		return err_set_field(e, ERR_MISSING_FIELD, field, "needs \"text\" or \"base64\"");
	if (len > *left)
		return err_set_field(e, ERR_TOO_LARGE, list,
			"have more bytes together than are allowed (%u)",
			!strcmp(list, "task.files") ? LIMIT_FILES_BYTES : LIMIT_SECRETS_BYTES);
	*left -= len;
	return 0;
}

static int check_inputs(const struct task_spec *spec, struct err *e)
{
	size_t files_left = LIMIT_FILES_BYTES, secrets_left = LIMIT_SECRETS_BYTES;
	int r = 0;
	for (size_t i = 0; r == 0 && i < spec->n_files; i++)
		r = check_bytes(spec->files[i].data, spec->files[i].data_len, "task.files", i,
			&files_left, e);
	for (size_t i = 0; r == 0 && i < spec->n_secrets; i++) {
		const struct spec_secret *secret = &spec->secrets[i];
		if (secret->fd < 0 || secret->data)
			r = check_bytes(secret->data, secret->data_len, "task.secrets", i,
				&secrets_left, e);
		if (r == 0 && secret->fd >= 0 && secret->data)
			r = err_set_field(e, ERR_BAD_VALUE, "task.secrets",
				"only one of \"text\", \"base64\" and \"fd\" can be given");
	}
	return r;
}

/* A text without NULs, as programs read it. */
static int check_plain(const char *data, size_t len, const char *field, struct err *e)
{
	if (!data || !memchr(data, '\0', len))
		return 0;
	return err_set_field(e, ERR_BAD_VALUE, field, "has a NUL in it");
}

/* What would be taken, and then not used for this address. */
static int check_git_needs(const struct spec_git *g, struct err *e)
{
	const unsigned given =
		(g->credentials ? GIT_GIVEN_CREDENTIALS : 0) |
		(g->ssh_key ? GIT_GIVEN_SSH_KEY : 0) | (g->agent >= 0 ? GIT_GIVEN_AGENT : 0) |
		(g->known_hosts ? GIT_GIVEN_KNOWN_HOSTS : 0) | (g->ca ? GIT_GIVEN_CA : 0);
	const struct git_needs *n = git_needs_find(g->url, g->submodules, given);
	if (!n)
		return 0;
	char field[GIT_NEEDS_FIELD_SIZE];
	git_needs_field(n, field);
	err_set_field(e, ERR_BAD_VALUE, field, "means nothing where \"url\" %s", n->where);
	err_hint(e, "leave it out, or give %s", n->form);
	return -EINVAL;
}

/* The workspace of a task with a source is what is checked out. */
static int check_origin(const struct task_spec *spec, struct err *e)
{
	const struct spec_mount *w = &spec->workspace;
	const struct spec_git *g = &spec->source.git;
	if (spec->has_workspace && (w->source.path || w->source.fd >= 0))
		return err_set_field(e, ERR_BAD_VALUE,
			w->source.path ? "task.workspace.path" : "task.workspace.fd",
			"cannot be given beside \"task.source\": the workspace comes from one of "
			"them");
	if (spec->has_workspace && (w->mode != 0 || w->hide))
		return err_set_field(e, ERR_BAD_VALUE,
			w->hide ? "task.workspace.hide" : "task.workspace.mode",
			"beside \"task.source\" the workspace is \"cow\", and all of it shows");
	int r = check_plain(g->credentials, g->credentials_len, "task.source.git.credentials", e);
	if (r == 0)
		r = check_plain(g->ssh_key, g->ssh_key_len, "task.source.git.ssh_key", e);
	if (r == 0)
		r = check_plain(
			g->known_hosts, g->known_hosts_len, "task.source.git.known_hosts", e);
	if (r == 0)
		r = check_plain(g->ca, g->ca_len, "task.source.git.ca", e);
	return r < 0 ? r : check_git_needs(g, e);
}

static int check_workspace(const struct task_spec *spec, struct err *e)
{
	if (spec->has_source)
		return check_origin(spec, e);
	return spec->has_workspace ? check_source(&spec->workspace.source, "task.workspace", e) : 0;
}

#define AT(member) offsetof(struct task_spec, member)

/* Numbers, never 0 where they are given, that count for nothing where something else is not. */
static const struct {
	const char *field, *needs;
	size_t offset, needs_offset;
} alone[] = {
	{ "task.rows", "task.tty", AT(rows), AT(tty) },
	{ "task.cols", "task.tty", AT(cols), AT(tty) },
	{ "task.limits.artifacts", "task.artifacts", AT(limits.artifact_bytes), AT(has_artifacts) },
	{ "task.limits.artifact_files", "task.artifacts", AT(limits.artifact_count),
		AT(has_artifacts) },
};

static int check_alone(const struct task_spec *spec, struct err *e)
{
	const char *base = (const char *)spec;
	for (size_t i = 0; i < ARRAY_SIZE(alone); i++) {
		if (!*(const uint64_t *)(base + alone[i].offset) ||
			*(const bool *)(base + alone[i].needs_offset))
			continue;
		err_set_field(e, ERR_BAD_VALUE, alone[i].field, "means nothing without \"%s\"",
			alone[i].needs);
		err_hint(e, "give \"%s\" too, or leave it out", alone[i].needs);
		return -EINVAL;
	}
	return 0;
}

static int check_run(const struct task_spec *spec, struct err *e)
{
	if (!spec->argv[0][0])
		return err_set_field(
			e, ERR_BAD_VALUE, "task.argv[0]", "the command must not be empty");
	if (spec->image && strcmp(spec->image, "host") != 0 && spec->image[0] != '/') {
		err_set_field(e, ERR_BAD_VALUE, "task.image", "there is no such image");
		err_hint(e, "it is \"host\", or the absolute path of a directory that holds a root "
			    "file system");
		return -EINVAL;
	}
	int r = check_alone(spec, e);
	if (r == 0)
		r = check_workspace(spec, e);
	for (size_t i = 0; r == 0 && i < spec->n_mounts; i++) {
		char field[48];
		snprintf(field, sizeof(field), "task.mounts[%zu]", i);
		r = check_mount(&spec->mounts[i], field, e);
	}
	return r < 0 ? r : check_inputs(spec, e);
}

static int check_input(const struct request *rq, struct err *e)
{
	if (rq->data && rq->bytes)
		return err_set_field(e, ERR_BAD_VALUE, "bytes",
			"only one of \"text\", \"base64\" and \"bytes\" can be given");
	if (!rq->data && !rq->bytes && !rq->eof)
		return err_set_field(e, ERR_MISSING_FIELD, "text",
			"\"input\" needs \"text\", \"base64\", \"bytes\" or \"eof\"");
	return 0;
}

/* What no single field shows. */
static int check_together(const struct request *rq, struct err *e)
{
	if (rq->op == OP_RUN)
		return check_run(rq->spec, e);
	return rq->op == OP_INPUT ? check_input(rq, e) : 0;
}

static int read_all(json_t *json, struct request *rq, struct err *e)
{
	enum op op = OP_COUNT;
	int r = find_op(json, &op, e);
	if (r == 0)
		r = schema_read_request(json, op, rq, e);
	return r < 0 ? r : check_together(rq, e);
}

int request_parse(const char *line, size_t len, struct request **ret, char **ret_id, struct err *e)
{
	*ret_id = NULL;
	auto_json json_t *json = NULL;
	int r = load(line, len, &json, e);
	if (r < 0)
		return r;
	char *id = NULL;
	struct request *rq = calloc(1, sizeof(*rq));
	if (!rq || find_id(json, &id) < 0)
		r = err_set(e, ERR_INTERNAL, ENOMEM, "read the request");
	else
		r = read_all(json, rq, e);
	if (r < 0) {
		request_destroy(rq);
		*ret_id = id;
		return r;
	}
	free(id);
	*ret = rq;
	return 0;
}

void request_destroy(struct request *rq)
{
	if (rq)
		schema_free(&schema_request, rq);
	free(rq);
}

void task_spec_destroy(struct task_spec *spec)
{
	if (spec)
		schema_free(&schema_task, spec);
	free(spec);
}
