/* dayfly run. */
#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"
#include "cli/artifacts.h"
#include "cli/changes.h"
#include "cli/daemon.h"
#include "cli/git_agent.h"
#include "cli/git_arg.h"
#include "cli/inputs.h"
#include "cli/message.h"
#include "cli/report.h"
#include "cli/sources.h"
#include "cli/stream.h"
#include "cli/verbs.h"
#include "cli/workspace.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STATUS_FAILURE 125
/* So many are asked, one after the other, while each says that it stops. */
#define DAEMONS_MAX 10

struct run_options {
	char **artifacts, **env, **labels, **mounts, **files, **secrets, **tars, **best_effort,
		**webhooks;
	const char *workdir, *workspace, *name, *network, *image, *user, *profile;
	const char *timeout, *idle_timeout, *cpu_time, *grace, *queue_timeout;
	const char *memory, *memory_high, *swap, *cpus, *cpu_weight, *pids, *io_read, *io_write;
	const char *disk, *inodes, *output_limit, *open_files, *file_size, *core;
	const char *priority, *concurrency, *idempotency_key;
	const char *result, *socket, *webhook_on, *changes_file, *changes_format, *changes_branch,
		*apply;
	const char *upload, *upload_url, *upload_credentials;
	struct git_options git;
	const char *artifacts_to, *artifacts_timeout, *artifacts_size, *artifact_files;
	bool hide_ignored, no_git_dir, no_queue, interactive, tty, detach, json, keep, no_autostart,
		kill_on_output_limit, no_wait_upload;
};

static int check_env(const char *text, struct err *e)
{
	if (*text && *text != '=')
		return 0;
	return err_set(e, ERR_BAD_VALUE, 0, "\"%s\" is not NAME=VALUE or NAME", text);
}

static int check_label(const char *text, struct err *e)
{
	if (*text && *text != '=')
		return 0;
	return err_set(e, ERR_BAD_VALUE, 0, "\"%s\" is not KEY=VALUE or KEY", text);
}

static int check_priority(const char *text, struct err *e)
{
	char *end;
	long n = strtol(text, &end, 10);
	if (end != text && !*end && n >= -10 && n <= 10)
		return 0;
	err_set(e, ERR_BAD_VALUE, 0, "\"%s\" is not a whole number from -10 to 10", text);
	err_hint(e, "write 5, or -5 for a task that can wait");
	return -EINVAL;
}

static int check_concurrency(const char *text, struct err *e)
{
	const char *colon = strchr(text, ':');
	if (*text && colon != text &&
		(!colon || !strcmp(colon, ":queue") || !strcmp(colon, ":supersede")))
		return 0;
	err_set(e, ERR_BAD_VALUE, 0, "\"%s\" is not KEY, KEY:queue or KEY:supersede", text);
	err_hint(e, "write deploy, or deploy:supersede to cancel those before it");
	return -EINVAL;
}

#define AT(member) offsetof(struct run_options, member)

/* clang-format off */
static const struct option_def options[] = {
	{ OPTION_HEADING, .help = "What the task sees" },
	{ OPTION_TEXT, 0,   "workspace",     "DIR[:MODE]",       AT(workspace),     source_check_workspace, "task.workspace",
		"show it this directory: cow (default: discards writes), ro or rw" },
	{ OPTION_FLAG, 0,   "hide-ignored",  NULL,               AT(hide_ignored),  NULL,                   "task.workspace.hide",
		"show the workspace without what git ignores there, such as .env", .needs = "workspace" },
	{ OPTION_FLAG, 0,   "no-git-dir",    NULL,               AT(no_git_dir),    NULL,                   NULL,
		"of a linked worktree or submodule: only itself, git will not work", .needs = "workspace" },
	{ OPTION_TEXT, 0,   "git",           "URL[@REF]",        AT(git.where),     git_arg_check,          "task.source.git",
		"its workspace is checked out of this repository (mode cow)" },
	{ OPTION_TEXT, 0,   "git-ref",       "REF",              AT(git.ref),       NULL,                   "task.source.git.ref",
		"the branch, tag, ref or commit, in place of @REF", .needs = "git" },
	{ OPTION_FLAG, 0,   "git-full",      NULL,               AT(git.full_history), NULL,                "task.source.git.history",
		"with its history, not the commit alone", .needs = "git" },
	{ OPTION_FLAG, 0,   "git-refresh",   NULL,               AT(git.refresh),   NULL,                   "task.source.git.refresh",
		"ask what the ref is now, though it was asked within a minute", .needs = "git" },
	{ OPTION_FLAG, 0,   "git-submodules", NULL,              AT(git.submodules), NULL,                   "task.source.git.submodules",
		"its submodules too; credentials for those of its own server only", .needs = "git" },
	{ OPTION_TEXT, 0,   "git-credentials", "FILE",           AT(git.credentials), NULL,                 "task.source.git.credentials",
		"a store of git's: https://USER:PASSWORD@HOST; no task sees it", .needs = "git" },
	{ OPTION_TEXT, 0,   "git-key",       "FILE",             AT(git.key),       NULL,                   "task.source.git.ssh_key",
		"a private key for ssh", .needs = "git" },
	{ OPTION_WHEN, 0,   "git-agent",     "SOCKET",           AT(git.agent),     NULL,                   "task.source.git.agent",
		"lend the fetch our ssh agent (default: that of SSH_AUTH_SOCK)", .needs = "git" },
	{ OPTION_TEXT, 0,   "git-known-hosts", "FILE",           AT(git.known_hosts), NULL,                 "task.source.git.known_hosts",
		"the keys of ssh servers (default: those of this host)", .needs = "git" },
	{ OPTION_TEXT, 0,   "git-ca",        "FILE",             AT(git.ca),        NULL,                   "task.source.git.ca",
		"who vouches for an https server, as PEM", .needs = "git" },
	{ OPTION_LIST, 0,   "mount",         "SRC[:DST][:MODE]", AT(mounts),        source_check_mount,     "task.mounts",
		"show it one more directory or file: ro (default), rw or cow" },
	{ OPTION_LIST, 0,   "file",          "PATH=FILE",        AT(files),         input_check_file,       "task.files",
		"make this file of ours at PATH in the jail; with its mode" },
	{ OPTION_LIST, 0,   "secret",        "NAME[=FILE]",      AT(secrets),       input_check_secret,     "task.secrets",
		"show FILE, or our variable NAME, as /run/secrets/NAME" },
	{ OPTION_LIST, 0,   "tar",           "[DIR=]FILE",       AT(tars),          input_check_tar,        "task.tars",
		"unpack a tar there (default: workspace, or home); -: our stdin" },
	{ OPTION_TEXT, 0,   "image",         "IMAGE",            AT(image),         NULL,                   "task.image",
		"root file system: host (default) or a directory (./DIR)" },
	{ OPTION_TEXT, 0,   "network",       "NET",              AT(network),       NULL,                   "task.network",
		"none (default) or host" },
	{ OPTION_TEXT, 0,   "user",          "USER",             AT(user),          NULL,                   "task.user",
		"agent (default) or root: root of the jail only" },
	{ OPTION_TEXT, 0,   "profile",       "NAME",             AT(profile),       NULL,                   "task.profile",
		"system calls that are allowed: dev (default) or strict" },
	{ OPTION_LIST, 'e', "env",           "NAME[=VALUE]",     AT(env),           check_env,              "task.env",
		"set a variable; without a value: pass on our own" },
	{ OPTION_TEXT, 'w', "workdir",       "DIR",              AT(workdir),       NULL,                   "task.cwd",
		"start in this directory (default: the workspace, or the home)" },

	{ OPTION_HEADING, .help = "Input and output" },
	{ OPTION_FLAG, 'i', "interactive",   NULL,               AT(interactive),   NULL,                   "task.stdin",
		"send our stdin to the task; without it the task reads nothing" },
	{ OPTION_FLAG, 't', "tty",           NULL,               AT(tty),           NULL,                   "task.tty",
		"give the task a terminal" },
	{ OPTION_FLAG, 'd', "detach",        NULL,               AT(detach),        NULL,                   NULL,
		"print the task's id and leave it running" },
	{ OPTION_FLAG, 0,   "keep",          NULL,               AT(keep),          NULL,                   "task.on_disconnect",
		"let the task go on if dayfly run is killed" },
	{ OPTION_FLAG, 0,   "json",          NULL,               AT(json),          NULL,                   NULL,
		"print the events as lines of JSON in place of the output" },
	{ OPTION_TEXT, 0,   "result",        "FILE",             AT(result),        report_check_file,      NULL,
		"write the record of the finished task there, as JSON" },
	{ OPTION_LIST, 0,   "webhook",       "URL",              AT(webhooks),      NULL,                   "task.webhooks",
		"tell this address of the task, signed; the daemon must allow it" },
	{ OPTION_TEXT, 0,   "webhook-on",    "EVENTS",           AT(webhook_on),    NULL,                   NULL,
		"of what: accepted,started,finished (default: finished)", .needs = "webhook" },
	{ OPTION_TEXT, 0,   "changes",       "FILE",             AT(changes_file),  changes_check_file,     "task.changes",
		"write its changes there: a .tar, a .patch or a .bundle of git" },
	{ OPTION_TEXT, 0,   "changes-format", "FORMAT",          AT(changes_format), changes_check_format,  NULL,
		"tar, patch or bundle, whatever the name of the file", .needs = "changes" },
	{ OPTION_TEXT, 0,   "changes-branch", "NAME",            AT(changes_branch), NULL,                  NULL,
		"of a .bundle: also make this branch in the workspace's repository", .needs = "changes" },
	{ OPTION_WHEN, 0,   "apply",         "WHEN",             AT(apply),         write_back_check,       NULL,
		"write it back to the workspace if it succeeds; or: ask, always" },

	{ OPTION_LIST, 0,   "artifact",      "GLOB[:optional]",  AT(artifacts),     artifacts_check_glob,   "task.artifacts",
		"keep these files of it; without :optional there must be one" },
	{ OPTION_TEXT, 0,   "artifacts-to",  "DIR",              AT(artifacts_to),  NULL,                   NULL,
		"where they go (default: artifacts)", .needs = "artifact" },
	{ OPTION_TEXT, 0,   "artifacts-timeout", "TIME",         AT(artifacts_timeout), options_check_duration, "task.artifacts.timeout",
		"how long taking them may take (default 60s)", .needs = "artifact" },
	{ OPTION_TEXT, 0,   "upload",        "TARGET[/PREFIX]",  AT(upload),        NULL,                   "task.artifacts.upload",
		"have the daemon send them to a target of its configuration", .needs = "artifact" },
	{ OPTION_TEXT, 0,   "upload-url",    "URL",              AT(upload_url),    NULL,                   "task.artifacts.upload.url",
		"or to an address, with {path} in it for several files", .needs = "artifact" },
	{ OPTION_TEXT, 0,   "upload-credentials", "FILE",        AT(upload_credentials), NULL,              "task.artifacts.upload.credentials",
		"sign with the lines of FILE; the daemon must allow that host", .needs = "upload upload-url" },
	{ OPTION_FLAG, 0,   "no-wait-upload", NULL,              AT(no_wait_upload), NULL,                  NULL,
		"do not wait until they are there", .needs = "upload upload-url" },

	{ OPTION_HEADING, .help = "Limits (the task does not run if one cannot be held)" },
	{ OPTION_TEXT, 0,   "timeout",       "TIME",             AT(timeout),       options_check_duration, "task.limits.wall",
		"end it after this time (default 10m)" },
	{ OPTION_TEXT, 0,   "idle-timeout",  "TIME",             AT(idle_timeout),  options_check_duration, "task.limits.idle",
		"end it when it has written nothing for this long" },
	{ OPTION_TEXT, 0,   "cpu-time",      "TIME",             AT(cpu_time),      options_check_duration, "task.limits.cpu_time",
		"CPU time of all its processes together" },
	{ OPTION_TEXT, 0,   "grace",         "TIME",             AT(grace),         options_check_duration, "task.limits.grace",
		"between SIGTERM and SIGKILL (default 5s)" },
	{ OPTION_TEXT, 0,   "queue-timeout", "TIME",             AT(queue_timeout), options_check_duration, "task.limits.queue",
		"give up when it has not started after this time (default 10m)" },
	{ OPTION_TEXT, 'm', "memory",        "SIZE",             AT(memory),        options_check_size,     "task.limits.memory",
		"memory of all its processes together" },
	{ OPTION_TEXT, 0,   "memory-high",   "SIZE",             AT(memory_high),   options_check_size,     "task.limits.memory_high",
		"memory above which it is slowed down" },
	{ OPTION_TEXT, 0,   "swap",          "SIZE",             AT(swap),          options_check_size,     "task.limits.swap",
		"swap, beside --memory (default: none)" },
	{ OPTION_TEXT, 0,   "cpus",          "N",                AT(cpus),          options_check_cpus,     "task.limits.cpus",
		"CPUs, such as 1.5" },
	{ OPTION_TEXT, 0,   "cpu-weight",    "N",                AT(cpu_weight),    options_check_count,    "task.limits.cpu_weight",
		"share of busy CPUs, 1 to 10000 (default 100)" },
	{ OPTION_TEXT, 0,   "pids",          "N",                AT(pids),          options_check_count,    "task.limits.pids",
		"processes and threads" },
	{ OPTION_TEXT, 0,   "io-read",       "SIZE",             AT(io_read),       options_check_size,     "task.limits.io_read",
		"bytes per second from each block device" },
	{ OPTION_TEXT, 0,   "io-write",      "SIZE",             AT(io_write),      options_check_size,     "task.limits.io_write",
		"bytes per second to each block device" },
	{ OPTION_TEXT, 0,   "disk",          "SIZE",             AT(disk),          options_check_size,     "task.limits.disk",
		"bytes that it may write (default 2GiB)" },
	{ OPTION_TEXT, 0,   "inodes",        "N",                AT(inodes),        options_check_count,    "task.limits.inodes",
		"files that it may make (default 500000)" },
	{ OPTION_TEXT, 0,   "output-limit",  "SIZE",             AT(output_limit),  options_check_size,     "task.limits.output",
		"bytes kept of each of stdout and stderr (default 64MiB)" },
	{ OPTION_FLAG, 0,   "kill-on-output-limit", NULL,        AT(kill_on_output_limit), NULL,            "task.on_output_limit",
		"end it when it writes more than that" },
	{ OPTION_TEXT, 0,   "open-files",    "N",                AT(open_files),    options_check_count,    "task.limits.open_files",
		"open files of a process (default 65536)" },
	{ OPTION_TEXT, 0,   "file-size",     "SIZE",             AT(file_size),     options_check_size,     "task.limits.file_size",
		"size of one file" },
	{ OPTION_TEXT, 0,   "core",          "SIZE",             AT(core),          options_check_size,     "task.limits.core",
		"size of a core file (default 0: none)" },
	{ OPTION_TEXT, 0,   "artifacts-size", "SIZE",            AT(artifacts_size), options_check_size,    "task.limits.artifacts",
		"bytes of all artifacts together (default 4GiB)", .needs = "artifact" },
	{ OPTION_TEXT, 0,   "artifact-files", "N",               AT(artifact_files), options_check_count,   "task.limits.artifact_files",
		"how many artifacts there may be (default 1000)", .needs = "artifact" },
	{ OPTION_LIST, 0,   "best-effort",   "LIMIT[,LIMIT]",    AT(best_effort),   NULL,                   "task.best_effort",
		"run even if memory, cpus, pids, ... cannot be held here" },

	{ OPTION_HEADING, .help = "Other" },
	{ OPTION_TEXT, 0,   "name",          "NAME",             AT(name),          NULL,                   "task.name",
		"a name to call the task by" },
	{ OPTION_LIST, 'l', "label",         "KEY[=VALUE]",      AT(labels),        check_label,            "task.labels",
		"a label to find the task by" },
	{ OPTION_TEXT, 0,   "priority",      "N",                AT(priority),      check_priority,         "task.priority",
		"-10 to 10 (default 0): before or after our other tasks" },
	{ OPTION_FLAG, 0,   "no-queue",      NULL,               AT(no_queue),      NULL,                   "task.queue",
		"fail if it cannot start at once" },
	{ OPTION_TEXT, 0,   "concurrency",   "KEY[:MODE]",       AT(concurrency),   check_concurrency,      "task.concurrency",
		"one task with KEY at a time: queue (default) or supersede" },
	{ OPTION_TEXT, 0,   "idempotency-key", "KEY",            AT(idempotency_key), NULL,                 "task.idempotency_key",
		"asked for again with it, the same task answers" },
	{ OPTION_FLAG, 0,   "no-autostart",  NULL,               AT(no_autostart),  NULL,                   NULL,
		"fail if no daemon runs; do not start one" },
	OPTION_SOCKET(struct run_options),
};

/* A path is made absolute: the daemon does not know our directory. A word without "/" is a name. */
static int set_image(struct dayfly_task *t, const char *image)
{
	if (image[0] == '/' || !strchr(image, '/'))
		return dayfly_task_set_image(t, image);
	auto_free char *path = realpath(image, NULL);
	return path ? dayfly_task_set_image(t, path) : -errno;
}

static int set_priority(struct dayfly_task *t, const char *text)
{
	return dayfly_task_set_priority(t, (int)strtol(text, NULL, 10));
}

/* "KEY" or "KEY:MODE". */
static int set_concurrency(struct dayfly_task *t, const char *text)
{
	const char *colon = strchr(text, ':');
	auto_free char *key = colon ? strndup(text, (size_t)(colon - text)) : strdup(text);
	return key ? dayfly_task_set_concurrency(t, key, colon ? colon + 1 : "queue") : -ENOMEM;
}

/* Texts that are handed on, most of them as they are. */
static const struct {
	size_t offset;
	int (*set)(struct dayfly_task *t, const char *text);
} texts[] = {
	{ AT(workdir), dayfly_task_set_cwd },
	{ AT(image),   set_image },
	{ AT(network), dayfly_task_set_network },
	{ AT(user),    dayfly_task_set_user },
	{ AT(profile), dayfly_task_set_profile },
	{ AT(name),    dayfly_task_set_name },
	{ AT(priority), set_priority },
	{ AT(concurrency), set_concurrency },
	{ AT(idempotency_key), dayfly_task_set_idempotency_key },
};
/* clang-format on */

static const struct command command = {
	.name = "run",
	.operands = "[--] COMMAND [ARGUMENT]...",
	.summary = "Runs a command in a jail of its own, made for it and gone after it. It sees "
		   "the programs of this\n"
		   "machine, but none of its data, and has no network, unless the options below "
		   "say so.",
	.more = "Exit status: that of the command; 124 time limit; 125 dayfly itself failed; 126 "
		"the command cannot\n"
		"be executed; 127 it was not found; 128+N ended by signal N; 130 cancelled.\n"
		"Ctrl-C once sends SIGINT to the command, twice kills it.\n\n"
		"  dayfly run --workspace . -- make test\n"
		"  dayfly run --git https://example.org/x.git@main --changes fix.patch -- make "
		"test\n"
		"  echo hello | dayfly run -i -- tr a-z A-Z\n",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.stops_at_operand = true,
	.min_operands = 1,
	.max_operands = -1,
	.usage_status = STATUS_FAILURE,
	.failure_status = STATUS_FAILURE,
};

static int setter_failed(const char *name, int r)
{
	if (r < 0)
		message_error("%s: %s", name, r == -EILSEQ ? "not UTF-8" : strerror(-r));
	return r;
}

/* "KEY=VALUE" or "KEY", which stands for `fallback`. */
static int set_pair(struct dayfly_task *t, const char *text, const char *fallback,
	int (*set)(struct dayfly_task *, const char *, const char *))
{
	auto_free char *key = strdup(text);
	if (!key)
		return -ENOMEM;
	char *equals = strchr(key, '=');
	if (equals)
		*equals++ = '\0';
	return set(t, key, equals ? equals : fallback);
}

static int set_env(struct dayfly_task *t, const struct run_options *o)
{
	const char *term = getenv("TERM");
	int r = o->tty && term && str_is_utf8(term, strlen(term))
			? dayfly_task_set_env(t, "TERM", term)
			: 0;
	for (char **p = o->env; r == 0 && p && *p; p++) {
		const char *ours = getenv(*p);
		/* As with Docker: a name that we do not have ourselves is left out. */
		if (strchr(*p, '=') || ours)
			r = set_pair(t, *p, ours, dayfly_task_set_env);
	}
	return setter_failed("--env", r);
}

static int set_labels(struct dayfly_task *t, const struct run_options *o)
{
	int r = 0;
	for (char **p = o->labels; r == 0 && p && *p; p++)
		r = set_pair(t, *p, "", dayfly_task_set_label);
	return setter_failed("--label", r);
}

/* Every option that fills a member of task.limits is one of its limits. */
static int set_limits(struct dayfly_task *t, const struct run_options *o)
{
	static const char prefix[] = "task.limits.";
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		const char *field = options[i].field;
		if (!field || !str_starts(field, prefix))
			continue;
		const char *text = *(const char *const *)((const char *)o + options[i].offset);
		int r = text ? dayfly_task_set_limit(t, field + strlen(prefix), text) : 0;
		if (r < 0)
			return setter_failed(options[i].name, r);
	}
	return 0;
}

static int set_best_effort(struct dayfly_task *t, const struct run_options *o)
{
	int r = 0;
	for (char **p = o->best_effort; r == 0 && p && *p; p++) {
		for (char *word = *p; r == 0 && word;) {
			char *comma = strchr(word, ',');
			if (comma)
				*comma++ = '\0';
			if (*word)
				r = dayfly_task_add_best_effort(t, word);
			word = comma;
		}
	}
	return setter_failed("--best-effort", r);
}

static int set_sources(struct dayfly_task *t, const struct run_options *o, struct write_back *back)
{
	struct source_arg s;
	struct dayfly_error e = { 0 };
	struct err bad = { 0 };
	int r = 0;
	const struct workspace_options workspace = { o->workspace, o->hide_ignored, o->no_git_dir,
		back };
	if (o->workspace)
		r = workspace_add(t, &workspace);
	if (o->git.where && (r = git_arg_add(t, &o->git, NULL, &bad)) < 0) {
		message_error("%s", bad.msg);
		message_detail("fix", bad.hint);
	}
	for (char **p = o->mounts; r == 0 && p && *p; p++) {
		bool is_parsed = (r = source_parse_mount(*p, &s, &bad)) == 0;
		if (is_parsed)
			r = dayfly_task_add_mount(t, s.path, s.target, s.mode, &e);
		source_arg_finish(&s);
		if (r < 0) {
			message_error("--mount: %s", is_parsed ? e.message : bad.msg);
			message_detail("fix", is_parsed ? e.hint : bad.hint);
		}
	}
	return r;
}

static int set_inputs(struct dayfly_task *t, char **list, const char *option,
	int (*add)(struct dayfly_task *, const char *, struct err *))
{
	struct err e = { 0 };
	for (char **p = list; p && *p; p++) {
		int r = add(t, *p, &e);
		if (r < 0) {
			message_error("--%s: %s", option, e.msg);
			message_detail("fix", e.hint);
			return r;
		}
	}
	return 0;
}

static int set_stdio(struct dayfly_task *t, const struct run_options *o)
{
	unsigned rows = 0, cols = 0;
	int r = o->interactive ? dayfly_task_set_stdin(t, 1) : 0;
	if (r == 0 && o->tty) {
		terminal_size(&rows, &cols);
		r = dayfly_task_set_tty(t, rows, cols);
	}
	if (r == 0 && o->keep)
		r = dayfly_task_set_keep(t, 1);
	if (r == 0 && o->no_queue)
		r = dayfly_task_set_no_queue(t, 1);
	if (r == 0 && o->kill_on_output_limit)
		r = dayfly_task_set_kill_on_output_limit(t, 1);
	return setter_failed("stdin", r);
}

/* NULL after a message. */
static struct dayfly_task *make_task(
	const struct run_options *o, char **argv, struct write_back *back)
{
	struct dayfly_task *t = dayfly_task_new();
	int r = t ? dayfly_task_set_argv(t, (const char *const *)argv) : -ENOMEM;
	setter_failed("command", r);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(texts); i++) {
		const char *text = *(const char *const *)((const char *)o + texts[i].offset);
		r = text ? setter_failed(text, texts[i].set(t, text)) : 0;
	}
	if (r == 0)
		r = set_env(t, o);
	if (r == 0)
		r = set_labels(t, o);
	if (r == 0)
		r = set_limits(t, o);
	if (r == 0)
		r = set_best_effort(t, o);
	if (r == 0)
		r = set_stdio(t, o);
	if (r == 0)
		r = set_sources(t, o, back);
	if (r == 0)
		r = set_inputs(t, o->files, "file", input_add_file);
	if (r == 0)
		r = set_inputs(t, o->secrets, "secret", input_add_secret);
	for (char **url = o->webhooks; r == 0 && url && *url; url++)
		r = setter_failed(*url, dayfly_task_add_webhook(t, *url, o->webhook_on));
	if (r == 0)
		r = set_inputs(t, o->tars, "tar", input_add_tar);
	if (r == 0)
		return t;
	dayfly_task_free(t);
	return NULL;
}

/*
 * A daemon that stops takes no task, and says so. Where a service manager holds the socket, the
 * next daemon can be asked; elsewhere nobody listens now. NULL: that is how it stays.
 */
static struct dayfly_client *next_daemon(
	const struct run_options *o, const struct dayfly_error *refusal)
{
	struct dayfly_client *c = NULL;
	struct dayfly_error e;
	if (strcmp(refusal->code, err_code_name(ERR_SHUTDOWN)) != 0)
		return NULL;
	return dayfly_connect(o->socket, 0, &c, &e) == 0 ? c : NULL;
}

static int detach(const struct run_options *o, struct dayfly_client *c, const struct dayfly_task *t,
	struct dayfly_client **ret_next)
{
	struct dayfly_error e;
	uint64_t request = 0;
	struct dayfly_event *ev = NULL;
	int r = dayfly_run(c, t, DAYFLY_RUN_DETACH, &request, &e);
	if (r == 0)
		r = dayfly_await(c, request, DAEMON_ANSWER_MS, &ev, &e);
	if (r < 0 && ret_next && (*ret_next = next_daemon(o, &e)))
		return STATUS_FAILURE;
	daemon_report(&command, c, r, &e);
	if (!ev)
		return STATUS_FAILURE;
	int status = daemon_print(&command, dayfly_event_result_text(ev, "task"));
	dayfly_event_free(ev);
	return status;
}

static int write_result(const struct run_options *o, struct dayfly_event *last)
{
	if (!o->result)
		return 0;
	const char *json = dayfly_event_result_json(last);
	auto_free char *refused = NULL;
	/* No task, no record: what the daemon said instead is inside the event. */
	if (!json && asprintf(&refused, "{\"outcome\":\"rejected\",\"answer\":%s}",
			     dayfly_event_json(last)) < 0)
		refused = NULL;
	int r = json || refused ? report_write(o->result, json ? json : refused) : -ENOMEM;
	if (r < 0)
		message_error("--result %s: %s", o->result, strerror(-r));
	return r;
}

/* What is to be kept of the task beside its result. */
struct takings {
	struct changes changes;
	struct artifacts_out artifacts;
};

/* Whoever sees an empty directory is to know why. */
static void tell_submodules(const struct run_options *o, const struct dayfly_event *last)
{
	char text[120];
	int64_t n;
	if (!o->git.where || o->git.submodules || o->json ||
		dayfly_event_result_number(last, "source.submodules", &n) < 0 || n <= 0)
		return;
	snprintf(text, sizeof(text),
		"%" PRId64 " submodule%s %s not there (--git-submodules fetches them)", n,
		n == 1 ? "" : "s", n == 1 ? "is" : "are");
	message_plain(text);
}

static int run_here(const struct run_options *o, struct dayfly_client *c,
	const struct dayfly_task *t, struct takings *takings, struct dayfly_client **ret_next)
{
	struct stream s = {
		.client = c,
		.command = &command,
		.signals = o->keep ? STREAM_SIGNALS_TASK : STREAM_SIGNALS_OWN,
		.prints_json = o->json,
		.wants_input = o->interactive,
		.wants_raw = o->tty,
		.can_detach = o->keep,
	};
	struct dayfly_event *last = NULL;
	struct dayfly_error e;
	if (o->json)
		dayfly_client_set_framing(c, DAYFLY_FRAMING_JSON);
	int status = stream_begin(&s);
	if (status == 0 && dayfly_run(c, t, 0, &s.request, &e) < 0) {
		stream_finish(&s);
		message_report(&command, &e);
		return STATUS_FAILURE;
	}
	if (status == 0)
		status = stream_run(&s, &last);
	if (!last)
		return status;
	/* With --json the refusal is printed already, and for the reader to act upon. */
	if (ret_next && !o->json && dayfly_event_type(last) == DAYFLY_EVENT_ERROR &&
		dayfly_event_error(last, &e) && (*ret_next = next_daemon(o, &e))) {
		dayfly_event_free(last);
		return STATUS_FAILURE;
	}
	status = report_end(&command, last, o->json);
	tell_submodules(o, last);
	if (s.end_signal && !strcmp(dayfly_event_cause(last), "cancel"))
		status = 128 + s.end_signal;
	changes_note(&takings->changes, last);
	artifacts_note(&takings->artifacts, last);
	int waited = artifacts_wait(&takings->artifacts, &command, c, s.task, o->json);
	status = status ? status : waited;
	if (write_result(o, last) < 0 && status == 0)
		status = STATUS_FAILURE;
	dayfly_event_free(last);
	return status;
}

/* What cannot go together, before anything is started. */
static int check_options(const struct run_options *o)
{
	const char *why = NULL;
	size_t n_stdin = 0;
	for (char **p = o->tars; p && *p; p++)
		n_stdin += input_tar_is_stdin(*p);
	if (n_stdin + (o->interactive || o->tty) > 1)
		why = "--tar -: our stdin can be one tar, and then it is not the task's "
		      "(--interactive, --tty)";
	else if (o->git.where && o->workspace)
		why = "--git and --workspace: a task has one workspace";
	else if (o->git.where && o->apply)
		why = "--git and --apply: there is no directory to write back to; take the "
		      "changes with --changes FILE";
	else if (o->git.agent && o->detach)
		why = "--git-agent and --detach: the agent is lent only as long as dayfly run is "
		      "here; give a key with --git-key";
	else if (o->detach && o->interactive)
		why = "--detach and --interactive: a task that is left alone has no stdin from "
		      "here";
	else if (o->detach && o->result)
		why = "--detach and --result: there is no result yet; see dayfly wait and dayfly "
		      "inspect";
	else if (o->detach && o->json)
		why = "--detach and --json: there are no events to print; see dayfly logs --json";
	if (why)
		message_error("%s", why);
	return why ? -EINVAL : 0;
}

static int run(const struct run_options *o, char **argv)
{
	struct takings takings = {
		.changes = {
			.file = o->changes_file,
			.format = o->changes_format,
			.branch = o->changes_branch,
			.workspace = o->workspace,
			.git = o->git.where ? &o->git : NULL,
			.back = { .when = o->apply, .files = o->files, .tty_fd = -1 },
		},
		.artifacts = { .globs = o->artifacts,
			.dir = o->artifacts_to,
			.timeout = o->artifacts_timeout,
			.upload = o->upload,
			.url = o->upload_url,
			.credentials = o->upload_credentials,
			.no_wait = o->no_wait_upload,
			.tar_fd = -1 },
	};
	struct changes *changes = &takings.changes;
	if (changes_check(changes, o->detach, o->keep) < 0 ||
		artifacts_check(&takings.artifacts, o->detach) < 0)
		return STATUS_FAILURE;
	/* The task first: a mistake in it must not start a daemon. */
	struct dayfly_task *t = make_task(o, argv, o->apply ? &changes->back : NULL);
	if (!t) {
		write_back_finish(&changes->back);
		return STATUS_FAILURE;
	}
	struct dayfly_client *c = NULL;
	int status = STATUS_FAILURE;
	if (changes_begin(changes, t) == 0 && artifacts_begin(&takings.artifacts, t) == 0)
		c = daemon_connect(
			&command, o->socket, o->no_autostart ? 0 : DAYFLY_CONNECT_AUTOSTART);
	for (int i = 1; c; i++) {
		struct dayfly_client *next = NULL, **ret_next = i < DAEMONS_MAX ? &next : NULL;
		status = o->detach ? detach(o, c, t, ret_next)
				   : run_here(o, c, t, &takings, ret_next);
		dayfly_client_free(c);
		c = next;
	}
	dayfly_task_free(t);
	bool failed = artifacts_end(&takings.artifacts, o->json) < 0;
	failed = changes_end(changes, &command, o->socket) < 0 || failed;
	if (failed && status == 0)
		status = STATUS_FAILURE;
	return status;
}

/* Before everything else: what stands for the agent must hold no descriptor of the task's. */
static int run_with_agent(struct run_options *o, char **argv)
{
	struct git_agent agent = { 0 };
	struct err e;
	if (o->git.agent && git_agent_begin(&agent, o->git.agent, &e) < 0) {
		message_error("--git-agent: %s", e.msg);
		message_detail("fix", e.hint);
		return STATUS_FAILURE;
	}
	o->git.agent_fd = agent.dir_fd;
	int status = run(o, argv);
	git_agent_end(&agent);
	return status;
}

int verb_run(int argc, char **argv)
{
	struct run_options o = { 0 };
	auto_free char **operands = NULL;
	int status = options_begin(&command, argc, argv, &o, &operands);
	if (status >= 0)
		return status;
	status = check_options(&o) == 0 ? run_with_agent(&o, operands) : STATUS_FAILURE;
	options_finish(&command, &o);
	return status;
}
