/* The options of `dayfly run`: each with its check, the field of the request that it fills, and its
 * line in --help. */
#include "base/cleanup.h"
#include "base/err.h"
#include "cli/artifacts.h"
#include "cli/changes.h"
#include "cli/daemon.h"
#include "cli/inputs.h"
#include "cli/message.h"
#include "cli/report.h"
#include "cli/run_priv.h"
#include "cli/sources.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static int check_env(const char *text, struct err *e)
{
	if (*text && *text != '=')
		return options_check_text(text, e);
	return err_set(e, ERR_BAD_VALUE, 0, "\"%s\" is not NAME=VALUE or NAME", text);
}

/* A path, or what the daemon knows by a word: only this one. */
static int check_image(const char *text, struct err *e)
{
	if (!strcmp(text, "host") || strchr(text, '/'))
		return 0;
	err_set(e, ERR_BAD_VALUE, 0, "there is no image \"%s\"", text);
	err_hint(e, "write host, or the path of a directory that holds a root file system: "
		    "/srv/image, or ./image for one that is here");
	return -EINVAL;
}

static int check_label(const char *text, struct err *e)
{
	if (*text && *text != '=')
		return options_check_text(text, e);
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
		return options_check_text(text, e);
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
	{ OPTION_TEXT, 0,   "git-ref",       "REF",              AT(git.ref),       options_check_text,     "task.source.git.ref",
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
	{ OPTION_TEXT, 0,   "image",         "IMAGE",            AT(image),         check_image,            "task.image",
		"root file system: host (default) or a directory (./DIR)" },
	{ OPTION_TEXT, 0,   "network",       "NET",              AT(network),       options_check_text,     "task.network",
		"none (default) or host" },
	{ OPTION_TEXT, 0,   "user",          "USER",             AT(user),          options_check_text,     "task.user",
		"agent (default) or root: root of the jail only" },
	{ OPTION_TEXT, 0,   "profile",       "NAME",             AT(profile),       options_check_text,     "task.profile",
		"system calls that are allowed: dev (default) or strict" },
	{ OPTION_LIST, 'e', "env",           "NAME[=VALUE]",     AT(env),           check_env,              "task.env",
		"set a variable; without a value: pass on our own" },
	{ OPTION_TEXT, 'w', "workdir",       "DIR",              AT(workdir),       options_check_text,     "task.cwd",
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
	{ OPTION_LIST, 0,   "webhook",       "URL",              AT(webhooks),      options_check_text,     "task.webhooks",
		"tell this address of the task, signed; the daemon must allow it" },
	{ OPTION_TEXT, 0,   "webhook-on",    "EVENTS",           AT(webhook_on),    options_check_text,     NULL,
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
	{ OPTION_TEXT, 0,   "upload",        "TARGET[/PREFIX]",  AT(upload),        options_check_text,     "task.artifacts.upload",
		"have the daemon send them to a target of its configuration", .needs = "artifact" },
	{ OPTION_TEXT, 0,   "upload-url",    "URL",              AT(upload_url),    options_check_text,     "task.artifacts.upload.url",
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
	{ OPTION_LIST, 0,   "best-effort",   "LIMIT[,LIMIT]",    AT(best_effort),   options_check_text,     "task.best_effort",
		"run even if memory, cpus, pids, ... cannot be held here" },

	{ OPTION_HEADING, .help = "Other" },
	{ OPTION_TEXT, 0,   "name",          "NAME",             AT(name),          options_check_text,     "task.name",
		"a name to call the task by" },
	{ OPTION_LIST, 'l', "label",         "KEY[=VALUE]",      AT(labels),        check_label,            "task.labels",
		"a label to find the task by" },
	{ OPTION_TEXT, 0,   "priority",      "N",                AT(priority),      check_priority,         "task.priority",
		"-10 to 10 (default 0): before or after our other tasks" },
	{ OPTION_FLAG, 0,   "no-queue",      NULL,               AT(no_queue),      NULL,                   "task.queue",
		"fail if it cannot start at once" },
	{ OPTION_TEXT, 0,   "concurrency",   "KEY[:MODE]",       AT(concurrency),   check_concurrency,      "task.concurrency",
		"one task with KEY at a time: queue (default) or supersede" },
	{ OPTION_TEXT, 0,   "idempotency-key", "KEY",            AT(idempotency_key), options_check_text,   "task.idempotency_key",
		"asked for again with it, the same task answers" },
	{ OPTION_FLAG, 0,   "no-autostart",  NULL,               AT(no_autostart),  NULL,                   NULL,
		"fail if no daemon runs; do not start one" },
	OPTION_SOCKET(struct run_options),
};
/* clang-format on */

const struct command run_command = {
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

int run_options_check(const struct run_options *o)
{
	size_t n_stdin = 0;
	for (char **p = o->tars; p && *p; p++)
		n_stdin += input_tar_is_stdin(*p);
	const struct {
		bool is_so;
		const char *why, *fix;
	} clashes[] = {
		{ n_stdin + (o->interactive || o->tty) > 1,
			"--tar -: our stdin can be one tar, and then it is not the task's "
			"(--interactive, --tty)",
			"name a file in place of -" },
		{ o->git.where && o->workspace, "--git and --workspace: a task has one workspace",
			"leave one of them out; --mount shows it one more directory" },
		{ o->git.where && o->apply,
			"--git and --apply: there is no directory to write back to",
			"take the changes with --changes FILE" },
		{ o->git.agent && o->detach,
			"--git-agent and --detach: the agent is lent only as long as dayfly run is "
			"here",
			"give a key with --git-key" },
		{ o->detach && o->interactive,
			"--detach and --interactive: a task that is left alone has no stdin from "
			"here",
			"leave one of them out" },
		{ o->detach && o->result, "--detach and --result: there is no result yet",
			"dayfly wait --result FILE writes it when the task is done" },
		{ o->detach && o->json, "--detach and --json: there are no events to print",
			"dayfly logs --follow --json prints them" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(clashes); i++) {
		if (!clashes[i].is_so)
			continue;
		message_error("%s", clashes[i].why);
		message_detail("fix", clashes[i].fix);
		return -EINVAL;
	}
	struct err e;
	if (!o->git.where || git_arg_check_needs(&o->git, &run_command, &e) == 0)
		return 0;
	message_error("%s", e.msg);
	message_detail("fix", e.hint);
	return -EINVAL;
}
