/* The command line of dayflyd, and all that it was told together: see options.h. */
#include "daemon/options.h"

#include "base/cleanup.h"
#include "base/str.h"
#include "base/units.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SOCKET_NAME "dayfly.sock"
#define CONFIG_NAME "dayfly/dayflyd.conf"

/* An option that is no setting; the settings have theirs in config.c. */
struct option_def {
	const char *name;
	const char *arg; /* as --help shows it; NULL: takes none */
	int (*set)(struct options *o, const char *arg, struct err *e);
	const char *help;
};

static int no_memory(struct err *e)
{
	return err_set(e, ERR_INTERNAL, ENOMEM, "read options");
}

static int set_config(struct options *o, const char *arg, struct err *e)
{
	char *copy = strdup(arg);
	if (!copy)
		return no_memory(e);
	free(o->config_path);
	o->config_path = copy;
	return 0;
}

static int set_ready_fd(struct options *o, const char *arg, struct err *e)
{
	uint64_t v;
	if (units_parse_uint(arg, 1023, &v) < 0 || fcntl((int)v, F_GETFD) < 0)
		return err_set(
			e, ERR_BAD_VALUE, 0, "--ready-fd: \"%s\" is not an open descriptor", arg);
	o->ready_fd = (int)v;
	return 0;
}

static int set_nothing(struct options *o, const char *arg, struct err *e)
{
	return 0;
}

static int set_help(struct options *o, const char *arg, struct err *e)
{
	o->action = OPTIONS_HELP;
	return 0;
}

static int set_version(struct options *o, const char *arg, struct err *e)
{
	o->action = OPTIONS_VERSION;
	return 0;
}

static int set_protocol(struct options *o, const char *arg, struct err *e)
{
	o->action = OPTIONS_PROTOCOL;
	return 0;
}

static int set_check(struct options *o, const char *arg, struct err *e)
{
	o->action = OPTIONS_CHECK;
	return 0;
}

static int set_print_config(struct options *o, const char *arg, struct err *e)
{
	o->action = OPTIONS_PRINT_CONFIG;
	return 0;
}

/* clang-format off */
static const struct option_def defs[] = {
	{ "config",         "FILE", set_config,       "read this configuration in place of the usual one" },
	{ "check",          NULL,   set_check,        "read the configuration, print every mistake in it, and end" },
	{ "print-config",   NULL,   set_print_config, "print the configuration as it would be in force, and end" },
	{ "ready-fd",       "N",    set_ready_fd,     "write a line there when listening, or why the start failed" },
	{ "foreground",     NULL,   set_nothing,      "accepted and without effect: dayflyd never goes to the background" },
	{ "print-protocol", NULL,   set_protocol,     "print the version of the protocol" },
	{ "version",        NULL,   set_version,      "print the version" },
	{ "help",           NULL,   set_help,         "print this text" },
};
/* clang-format on */

#define N_DEFS ARRAY_SIZE(defs)

/* ---- help ---- */

static const char *arg_name(const struct config_key *k)
{
	static const char *const names[CONFIG_KIND_COUNT] = {
		[CONFIG_SIZE] = "SIZE",
		[CONFIG_DURATION] = "TIME",
		[CONFIG_CPUS] = "N",
		[CONFIG_COUNT] = "N",
		[CONFIG_WORD] = "WORD",
		[CONFIG_TEXT] = "NAME",
		[CONFIG_PATH] = "PATH",
		[CONFIG_PATHS] = "PATH",
		[CONFIG_LABEL_CAPS] = "LABEL:N",
		[CONFIG_HOSTS] = "HOST",
		[CONFIG_GIT_HOSTS] = "HOST",
		[CONFIG_URLS] = "URL",
		[CONFIG_TARGETS] = "TARGET",
		[CONFIG_CHOICES] = "WORD",
		[CONFIG_USERS] = "USER",
		[CONFIG_GROUPS] = "GROUP",
	};
	return names[k->kind];
}

#define HELP_WIDTH  100
#define HELP_INDENT 27

/* Words from column `at` on, lines broken at HELP_WIDTH and continued at `indent`; without the
 * marks of Markdown. Returns the column behind the last one. */
static int print_words(const char *text, int at, int indent)
{
	while (*text) {
		const char *end = text + 1 + strcspn(text + 1, " ");
		int width = 0;
		for (const char *p = text; p < end; p++)
			width += *p != '`';
		if (at + width > HELP_WIDTH) {
			at = printf("\n%*s", indent, "") - 1;
			text += *text == ' ';
		}
		for (; text < end; text++)
			if (*text != '`')
				at += putchar(*text) != EOF;
	}
	return at;
}

static void print_option(const char *name, const char *arg, const char *help, const char *more)
{
	char head[48];
	snprintf(head, sizeof(head), "--%s%s%s", name, arg ? " " : "", arg ? arg : "");
	int at = printf("  %-*s ", HELP_INDENT - 3, head);
	print_words(more, print_words(help, at, HELP_INDENT), HELP_INDENT);
	putchar('\n');
}

static void print_setting(const struct config_key *k)
{
	char more[160] = "";
	const char *fallback = *k->fallback ? k->fallback : k->computed;
	if (config_is_list(k))
		snprintf(more, sizeof(more), "; may be repeated");
	else if (fallback && k->kind != CONFIG_BOOL)
		snprintf(more, sizeof(more), " (default: %s)", fallback);
	print_option(k->option, arg_name(k), k->doc, more);
}

static void print_section(const char *name)
{
	putchar('\n');
	print_words(config_section_title(name), 0, 0);
	printf(":\n");
}

void options_print_help(void)
{
	printf("Usage: dayflyd [OPTION]...\n\n"
	       "Runs each task that it is asked for in a jail of its own, and destroys the jail "
	       "when the task ends.\n\n");
	for (size_t i = 0; i < N_DEFS; i++)
		print_option(defs[i].name, defs[i].arg, defs[i].help, "");
	printf("\nSettings: an option has precedence over the configuration (section and key: "
	       "dayflyd --print-config).\n");
	const char *section = "";
	for (size_t i = 0; i < config_key_count; i++) {
		const struct config_key *k = &config_keys[i];
		if (!k->option)
			continue;
		if (strcmp(section, k->section) != 0)
			print_section(k->section);
		section = k->section;
		print_setting(k);
	}
}

/* ---- the command line ---- */

static void fill_long_options(struct option *out)
{
	size_t n = 0;
	for (size_t i = 0; i < N_DEFS; i++)
		out[n++] = (struct option){ .name = defs[i].name,
			.has_arg = defs[i].arg ? required_argument : no_argument,
			.val = (int)i + 1 };
	for (size_t i = 0; i < config_key_count; i++)
		if (config_keys[i].option)
			out[n++] = (struct option){ .name = config_keys[i].option,
				.has_arg =
					arg_name(&config_keys[i]) ? required_argument : no_argument,
				.val = (int)(N_DEFS + i) + 1 };
}

/* The option of a setting. A fault is noted, and the next one looked at. */
static void assign_setting(struct options *o, size_t key, const char *arg)
{
	static const struct config_origin from = { .kind = CONFIG_FROM_OPTION };
	struct err e;
	if (config_assign(o, key, arg ? arg : "yes", &from, &e) == 0)
		return;
	snprintf(e.field, sizeof(e.field), "--%s", config_keys[key].option);
	config_faults_add(&o->faults, NULL, 0, &e);
}

static int unknown_option(const char *word, struct err *e)
{
	const char *names[N_DEFS + 128];
	char name[64];
	size_t n = 0;
	for (size_t i = 0; i < N_DEFS; i++)
		names[n++] = defs[i].name;
	for (size_t i = 0; i < config_key_count && n < ARRAY_SIZE(names); i++)
		if (config_keys[i].option)
			names[n++] = config_keys[i].option;
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(word, "="), word);
	const char *near = str_nearest(name + (str_starts(name, "--") ? 2 : 0), names, n);
	err_set(e, ERR_BAD_VALUE, 0, "%s: unknown option, or its value is missing", word);
	if (near)
		err_hint(e, "did you mean --%s? dayflyd --help lists the options", near);
	else
		err_hint(e, "dayflyd --help lists the options");
	return -EINVAL;
}

/* Two walks: first what says where the settings are, then, above those, the settings. */
static int walk(struct options *o, bool for_settings, struct err *e)
{
	auto_free struct option *longs = calloc(N_DEFS + config_key_count + 1, sizeof(*longs));
	if (!longs)
		return no_memory(e);
	fill_long_options(longs);
	opterr = 0;
	optind = 0; /* from the beginning */
	for (;;) {
		int c = getopt_long(o->argc, o->argv, "+", longs, NULL), r = 0;
		if (c == -1)
			break;
		if (c == '?')
			return unknown_option(o->argv[optind - 1], e);
		size_t i = (size_t)c - 1;
		if (i >= N_DEFS && for_settings)
			assign_setting(o, i - N_DEFS, optarg);
		else if (i < N_DEFS && !for_settings)
			r = defs[i].set(o, optarg, e);
		if (r < 0)
			return r;
		if (o->action == OPTIONS_HELP || o->action == OPTIONS_VERSION ||
			o->action == OPTIONS_PROTOCOL)
			return 0;
	}
	if (optind < o->argc)
		return err_set(
			e, ERR_BAD_VALUE, 0, "%s: dayflyd takes options only", o->argv[optind]);
	return 0;
}

/* ---- paths ---- */

/* An absolute copy; the current directory may go away later. */
static int make_absolute(const struct options *o, char **path, struct err *e)
{
	char *full = NULL;
	if (!*path || **path == '/')
		return 0;
	if (!o->start_dir)
		return err_set(e, ERR_BAD_VALUE, 0,
			"%s is relative, and the current directory is unknown", *path);
	if (asprintf(&full, "%s/%s", o->start_dir, *path) < 0)
		return no_memory(e);
	free(*path);
	*path = full;
	return 0;
}

static int default_runtime_dir(const struct options *o, char **ret, struct err *e)
{
	const char *xdg = getenv("XDG_RUNTIME_DIR");
	int n;
	if (o->is_root_mode)
		n = asprintf(ret, "/run/dayfly");
	else if (xdg && xdg[0] == '/')
		n = asprintf(ret, "%s/dayfly", xdg);
	else
		n = asprintf(ret, "/tmp/dayfly-%u", (unsigned)o->owner);
	if (n < 0) {
		*ret = NULL;
		return no_memory(e);
	}
	return 0;
}

static int fill_paths(struct options *o, struct err *e)
{
	int r = make_absolute(o, &o->runtime_dir, e);
	if (r == 0 && !o->runtime_dir && !o->socket_path)
		r = default_runtime_dir(o, &o->runtime_dir, e);
	if (r == 0 && !o->socket_path &&
		asprintf(&o->socket_path, "%s/%s", o->runtime_dir, SOCKET_NAME) < 0) {
		o->socket_path = NULL;
		r = no_memory(e);
	}
	if (r == 0)
		r = make_absolute(o, &o->socket_path, e);
	if (r == 0)
		r = make_absolute(o, &o->state_dir, e);
	return r < 0 ? r : make_absolute(o, &o->warden_path, e);
}

/* The usual place of the configuration; *ret is NULL where a user has none. */
static int usual_config(const struct options *o, char **ret, struct err *e)
{
	const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	int n = 0;
	*ret = NULL;
	if (o->is_root_mode)
		n = asprintf(ret, "/etc/" CONFIG_NAME);
	else if (xdg && xdg[0] == '/')
		n = asprintf(ret, "%s/" CONFIG_NAME, xdg);
	else if (home && home[0] == '/')
		n = asprintf(ret, "%s/.config/" CONFIG_NAME, home);
	if (n < 0)
		*ret = NULL;
	return n < 0 ? no_memory(e) : 0;
}

/* ---- together ---- */

static int read_files(struct options *o, struct err *e)
{
	int r = make_absolute(o, &o->config_path, e);
	if (r == 0 && o->config_path) {
		config_read_files(o, o->config_path, o->owner, true, &o->files, &o->faults);
		return 0;
	}
	auto_free char *usual = NULL;
	if (r == 0)
		r = usual_config(o, &usual, e);
	if (r == 0 && usual)
		config_read_files(o, usual, o->owner, false, &o->files, &o->faults);
	return r;
}

static int tell_fault(const struct config_faults *f, struct err *e)
{
	char text[512];
	*e = f->list[0].err;
	config_fault_text(&f->list[0], text, sizeof(text));
	size_t more = f->n - 1 + f->n_more;
	if (more)
		snprintf(e->msg, sizeof(e->msg), "%.250s (and %zu more: dayflyd --check)", text,
			more);
	else
		snprintf(e->msg, sizeof(e->msg), "%.319s", text);
	return -EINVAL;
}

static int read_settings(struct options *o, struct err *e)
{
	if (config_init(o) < 0)
		return no_memory(e);
	int r = read_files(o, e);
	if (r == 0)
		r = walk(o, true, e);
	if (r < 0)
		return r;
	if (!o->faults.n)
		config_check(o, &o->faults);
	return o->faults.n ? tell_fault(&o->faults, e) : fill_paths(o, e);
}

int options_parse(struct options *o, int argc, char **argv, struct err *e)
{
	memset(o, 0, sizeof(*o));
	o->ready_fd = -1;
	o->argc = argc;
	o->argv = argv;
	o->is_root_mode = geteuid() == 0;
	o->owner = geteuid();
	o->start_dir = getcwd(NULL, 0);
	int r = walk(o, false, e);
	if (r < 0 || o->action == OPTIONS_HELP || o->action == OPTIONS_VERSION ||
		o->action == OPTIONS_PROTOCOL)
		return r;
	return read_settings(o, e);
}

static int copy_text(char **to, const char *from)
{
	*to = from ? strdup(from) : NULL;
	return from && !*to ? -ENOMEM : 0;
}

int options_read_again(struct options *o, const struct options *old, struct err *e)
{
	memset(o, 0, sizeof(*o));
	o->ready_fd = -1;
	o->argc = old->argc;
	o->argv = old->argv;
	o->is_root_mode = old->is_root_mode;
	o->owner = old->owner;
	if (copy_text(&o->start_dir, old->start_dir) < 0 ||
		copy_text(&o->config_path, old->config_path) < 0)
		return no_memory(e);
	return read_settings(o, e);
}

void options_finish(struct options *o)
{
	config_finish(o);
	config_faults_finish(&o->faults);
	free(o->start_dir);
	free(o->config_path);
	strv_free(o->files);
	memset(o, 0, sizeof(*o));
}

bool options_has_others(const struct options *o)
{
	return o->allow_all || o->allow_uids.n || o->allow_gids.n;
}

const char *options_upper_name(int upper)
{
	size_t key = config_find("daemon", "upper");
	return config_keys[key].words[upper];
}
