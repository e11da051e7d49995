/* The command line of dayflyd: see options.h. */
#include "daemon/options.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/units.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SOCKET_NAME "dayfly.sock"

struct option_def {
	const char *name;
	const char *arg; /* as --help shows it; NULL: takes none */
	int (*set)(struct options *o, const char *arg, struct err *e);
	const char *help;
};

static int set_string(char **where, const char *arg, struct err *e)
{
	char *copy = strdup(arg);
	if (!copy)
		return err_set(e, ERR_INTERNAL, ENOMEM, "read options");
	free(*where);
	*where = copy;
	return 0;
}

static int set_count(
	uint64_t *where, const char *arg, uint64_t max, const char *name, struct err *e)
{
	uint64_t v;
	if (units_parse_uint(arg, max, &v) < 0 || v == 0)
		return err_set(e, ERR_BAD_VALUE, 0, "--%s: \"%s\" is not a number from 1 to %llu",
			name, arg, (unsigned long long)max);
	*where = v;
	return 0;
}

static int set_socket(struct options *o, const char *arg, struct err *e)
{
	return set_string(&o->socket_path, arg, e);
}

static int set_runtime_dir(struct options *o, const char *arg, struct err *e)
{
	return set_string(&o->runtime_dir, arg, e);
}

static int set_state_dir(struct options *o, const char *arg, struct err *e)
{
	return set_string(&o->state_dir, arg, e);
}

static int set_warden(struct options *o, const char *arg, struct err *e)
{
	return set_string(&o->warden_path, arg, e);
}

static int set_user(struct options *o, const char *arg, struct err *e)
{
	return set_string(&o->user, arg, e);
}

static int set_upper(struct options *o, const char *arg, struct err *e)
{
	if (strcmp(arg, "auto") && strcmp(arg, "tmpfs") && strcmp(arg, "disk"))
		return err_set(
			e, ERR_BAD_VALUE, 0, "--upper: \"%s\" is none of auto, tmpfs, disk", arg);
	return set_string(&o->upper, arg, e);
}

static int set_max_tasks(struct options *o, const char *arg, struct err *e)
{
	return set_count(&o->max_tasks, arg, 10000, "max-tasks", e);
}

static int set_max_queue(struct options *o, const char *arg, struct err *e)
{
	return set_count(&o->max_queue, arg, 1000000, "max-queue", e);
}

static int set_idle_exit(struct options *o, const char *arg, struct err *e)
{
	if (units_parse_duration(arg, &o->idle_exit_ms) < 0)
		return err_set(
			e, ERR_BAD_VALUE, 0, "--idle-exit: \"%s\" is not a time in seconds", arg);
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

static int set_log_level(struct options *o, const char *arg, struct err *e)
{
	if (log_level_parse(arg, &o->log_level) < 0)
		return err_set(e, ERR_BAD_VALUE, 0,
			"--log-level: \"%s\" is none of error, warning, info, debug", arg);
	return 0;
}

static int set_host_network(struct options *o, const char *arg, struct err *e)
{
	o->policy.allow_host_network = true;
	return 0;
}

static int set_allow_all(struct options *o, const char *arg, struct err *e)
{
	o->allow_all = true;
	return 0;
}

static int too_many_ids(const char *name, struct err *e)
{
	return err_set(e, ERR_TOO_LARGE, 0, "--%s: at most %d", name, OPTIONS_IDS_MAX);
}

static int set_allow_uid(struct options *o, const char *arg, struct err *e)
{
	uint64_t v;
	if (units_parse_uint(arg, UINT32_MAX - 1, &v) < 0) {
		const struct passwd *pw = getpwnam(arg);
		if (!pw)
			return err_set(
				e, ERR_BAD_VALUE, 0, "--allow-uid: there is no user \"%s\"", arg);
		v = pw->pw_uid;
	}
	if (o->n_allow_uids == OPTIONS_IDS_MAX)
		return too_many_ids("allow-uid", e);
	o->allow_uids[o->n_allow_uids++] = (uid_t)v;
	return 0;
}

static int set_allow_gid(struct options *o, const char *arg, struct err *e)
{
	uint64_t v;
	if (units_parse_uint(arg, UINT32_MAX - 1, &v) < 0) {
		const struct group *gr = getgrnam(arg);
		if (!gr)
			return err_set(
				e, ERR_BAD_VALUE, 0, "--allow-gid: there is no group \"%s\"", arg);
		v = gr->gr_gid;
	}
	if (o->n_allow_gids == OPTIONS_IDS_MAX)
		return too_many_ids("allow-gid", e);
	o->allow_gids[o->n_allow_gids++] = (gid_t)v;
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

/* clang-format off */
static const struct option_def defs[] = {
	{ "socket",             "PATH",    set_socket,       "listen here (default: dayfly.sock in the runtime directory)" },
	{ "runtime-dir",        "DIR",     set_runtime_dir,  "directory of the socket (default: /run/dayfly as root, else $XDG_RUNTIME_DIR/dayfly)" },
	{ "state-dir",          "DIR",     set_state_dir,    "directory for the nameless files that keep output (default: /var/tmp)" },
	{ "warden",             "PATH",    set_warden,       "the program that makes jails (default: dayfly-warden beside dayflyd, then as installed)" },
	{ "upper",              "KIND",    set_upper,        "where a jail's private layer lies: auto, tmpfs or disk (default: auto)" },
	{ "user",               "NAME",    set_user,         "as root: become this user after the start (default: dayfly, or an id without a name)" },
	{ "max-tasks",          "N",       set_max_tasks,    "tasks at one time (default: 64)" },
	{ "max-queue",          "N",       set_max_queue,    "tasks that may wait for their turn (default: 1024)" },
	{ "allow-uid",          "USER",    set_allow_uid,    "let this user connect too; may be repeated" },
	{ "allow-gid",          "GROUP",   set_allow_gid,    "let members of this group connect; may be repeated" },
	{ "allow-all",          NULL,      set_allow_all,    "let every local user connect" },
	{ "allow-host-network", NULL,      set_host_network, "let tasks ask for the host's network" },
	{ "idle-exit",          "SECONDS", set_idle_exit,    "leave after so long without connection and task" },
	{ "ready-fd",           "N",       set_ready_fd,     "write a line there when listening, or why the start failed" },
	{ "log-level",          "LEVEL",   set_log_level,    "error, warning, info or debug (default: info)" },
	{ "foreground",         NULL,      set_nothing,      "accepted and without effect: dayflyd never goes to the background" },
	{ "print-protocol",     NULL,      set_protocol,     "print the version of the protocol" },
	{ "version",            NULL,      set_version,      "print the version" },
	{ "help",               NULL,      set_help,         "print this text" },
};
/* clang-format on */

#define N_DEFS ARRAY_SIZE(defs)

void options_print_help(void)
{
	printf("Usage: dayflyd [OPTION]...\n\n"
	       "Runs each task that it is asked for in a jail of its own, and destroys the jail "
	       "when the task ends.\n\n");
	for (size_t i = 0; i < N_DEFS; i++) {
		char head[48];
		snprintf(head, sizeof(head), "--%s%s%s", defs[i].name, defs[i].arg ? " " : "",
			defs[i].arg ? defs[i].arg : "");
		printf("  %-22s %s\n", head, defs[i].help);
	}
	printf("\nThe most that a task may ask for; a request above it is refused:\n");
	for (size_t i = 0; i < policy_field_count; i++)
		printf("  --%-20s task.limits.%s\n", policy_fields[i].option,
			policy_fields[i].name);
}

static void fill_long_options(struct option *out)
{
	for (size_t i = 0; i < N_DEFS; i++)
		out[i] = (struct option){ .name = defs[i].name,
			.has_arg = defs[i].arg ? required_argument : no_argument };
	for (size_t i = 0; i < policy_field_count; i++)
		out[N_DEFS + i] = (struct option){ .name = policy_fields[i].option,
			.has_arg = required_argument };
}

/* An absolute copy; the current directory may go away later. */
static int make_absolute(char **path, struct err *e)
{
	if (!*path || **path == '/')
		return 0;
	auto_free char *cwd = getcwd(NULL, 0);
	char *full = NULL;
	if (!cwd)
		return err_set(e, ERR_BAD_VALUE, errno,
			"%s is relative, and the current directory is unknown", *path);
	if (asprintf(&full, "%s/%s", cwd, *path) < 0)
		return err_set(e, ERR_INTERNAL, ENOMEM, "read options");
	free(*path);
	*path = full;
	return 0;
}

static int default_runtime_dir(char **ret, struct err *e)
{
	const char *xdg = getenv("XDG_RUNTIME_DIR");
	int n;
	if (geteuid() == 0)
		n = asprintf(ret, "/run/dayfly");
	else if (xdg && xdg[0] == '/')
		n = asprintf(ret, "%s/dayfly", xdg);
	else
		n = asprintf(ret, "/tmp/dayfly-%u", (unsigned)geteuid());
	if (n < 0) {
		*ret = NULL;
		return err_set(e, ERR_INTERNAL, ENOMEM, "read options");
	}
	return 0;
}

static int fill_defaults(struct options *o, struct err *e)
{
	int r = make_absolute(&o->runtime_dir, e);
	if (r == 0 && !o->runtime_dir && !o->socket_path)
		r = default_runtime_dir(&o->runtime_dir, e);
	if (r == 0 && !o->socket_path &&
		asprintf(&o->socket_path, "%s/%s", o->runtime_dir, SOCKET_NAME) < 0) {
		o->socket_path = NULL;
		r = err_set(e, ERR_INTERNAL, ENOMEM, "read options");
	}
	if (r == 0)
		r = make_absolute(&o->socket_path, e);
	if (r == 0)
		r = make_absolute(&o->state_dir, e);
	if (r == 0)
		r = make_absolute(&o->warden_path, e);
	if (r == 0 && !o->upper)
		r = set_string(&o->upper, "auto", e);
	return r;
}

int options_parse(struct options *o, int argc, char **argv, struct err *e)
{
	memset(o, 0, sizeof(*o));
	o->max_tasks = 64;
	o->max_queue = 1024;
	o->ready_fd = -1;
	o->log_level = LOG_LEVEL_INFO;
	policy_init(&o->policy);

	auto_free struct option *longs = calloc(N_DEFS + policy_field_count + 1, sizeof(*longs));
	if (!longs)
		return err_set(e, ERR_INTERNAL, ENOMEM, "read options");
	fill_long_options(longs);
	opterr = 0;
	optind = 0; /* a test parses more than once */
	for (;;) {
		int i = -1, c = getopt_long(argc, argv, "+", longs, &i), r;
		if (c == -1)
			break;
		if (c != 0) {
			const char *word = argv[optind - 1];
			return err_set(e, ERR_BAD_VALUE, 0,
				"%s: unknown option, or its value is missing (see dayflyd --help)",
				word);
		}
		if ((size_t)i < N_DEFS)
			r = defs[i].set(o, optarg, e);
		else
			r = policy_set(&o->policy, (size_t)i - N_DEFS, optarg, e);
		if (r < 0)
			return r;
		if (o->action != OPTIONS_RUN)
			return 0;
	}
	if (optind < argc)
		return err_set(e, ERR_BAD_VALUE, 0, "%s: dayflyd takes options only", argv[optind]);
	return fill_defaults(o, e);
}

void options_finish(struct options *o)
{
	free(o->socket_path);
	free(o->runtime_dir);
	free(o->state_dir);
	free(o->warden_path);
	free(o->upper);
	free(o->user);
	memset(o, 0, sizeof(*o));
}
