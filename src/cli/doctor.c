/* dayfly doctor: what the warden's probe found, as a table. The probe does each thing for real, in
 * throw-away children. */
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"
#include "cli/daemon.h"
#include "cli/message.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "client/programs.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

struct doctor_options {
	bool json;
	const char *state_dir;
};

/* Of what was printed. */
struct tally {
	char group[32]; /* of the last finding */
	int n, degraded, missing;
};

static const struct option_def options[] = {
	{ OPTION_FLAG, 0, "json", NULL, offsetof(struct doctor_options, json), NULL, NULL,
		"print the findings as lines of JSON" },
	{ OPTION_TEXT, 0, "state-dir", "DIR", offsetof(struct doctor_options, state_dir), NULL,
		NULL, "the daemon's state directory, if it is not /var/tmp" },
};

static const struct command command = {
	.name = "doctor",
	.operands = "",
	.summary = "Tries everything that a jail needs of this machine, and says what is missing "
		   "and how to mend it.",
	.more = "Exit status: 0 all that is needed is there; 1 something is missing.\n",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.usage_status = 2,
	.failure_status = 1,
};

static const struct {
	const char *status;
	const char *colour;
} statuses[] = {
	{ "ok", "\033[32m" },
	{ "degraded", "\033[33m" },
	{ "missing", "\033[31m" },
};

static int start_probe(const struct doctor_options *o, pid_t *ret_pid, int *ret_fd)
{
	char program[PATH_MAX];
	int pipe_fds[2];
	if (program_find("dayfly-warden", "../libexec/dayfly", DAYFLY_LIBEXECDIR, program) < 0) {
		message_error(
			"there is no dayfly-warden beside dayfly, nor in %s", DAYFLY_LIBEXECDIR);
		message_detail(
			"fix", access("/proc/self", F_OK) == 0
				       ? "install dayfly again: make install"
				       : "mount /proc: dayfly cannot see where it lies itself");
		return -ENOENT;
	}
	int r = fd_pipe(pipe_fds);
	if (r < 0) {
		message_error("pipe: %s", strerror(-r));
		return r;
	}
	const char *const argv[] = { program, "--probe", o->state_dir ? "--state-dir" : NULL,
		o->state_dir, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t defaults;
	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigdefault(&attributes, &defaults);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, pipe_fds[1], STDOUT_FILENO);
	r = -posix_spawn(ret_pid, program, &actions, &attributes, (char **)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	fd_close(&pipe_fds[1]);
	if (r < 0) {
		message_error("execute %s: %s", program, strerror(-r));
		fd_close(&pipe_fds[0]);
		return r;
	}
	*ret_fd = pipe_fds[0];
	return 0;
}

static const char *text_of(const json_t *finding, const char *key)
{
	const char *text = json_string_value(json_object_get(finding, key));
	return text ? text : "";
}

/* What the probe says may come from files of the machine: escaped. */
static void print_escaped(const char *before, const char *text)
{
	char safe[2048];
	if (!*text)
		return;
	str_escape(text, strlen(text), safe, sizeof(safe));
	printf("%s%s", before, safe);
}

static void print_status(const char *status, bool has_colour)
{
	const char *colour = "";
	for (size_t i = 0; i < ARRAY_SIZE(statuses); i++)
		if (has_colour && !strcmp(status, statuses[i].status))
			colour = statuses[i].colour;
	printf("  %s%-8s%s", colour, status, *colour ? "\033[0m" : "");
}

static void print_group(const char *group, struct tally *t)
{
	if (!strcmp(group, t->group))
		return;
	print_escaped(t->n ? "\n" : "", group);
	putchar('\n');
	snprintf(t->group, sizeof(t->group), "%s", group);
}

/* The status first in its line, so that the column can be read at a glance; why, what for and fix
 * below what is not ok. */
static void print_finding(const json_t *finding, bool has_colour)
{
	char name[40];
	const char *status = text_of(finding, "status");
	bool is_ok = !strcmp(status, "ok");
	print_status(status, has_colour);
	snprintf(name, sizeof(name), is_ok && *text_of(finding, "why") ? "%-20s" : "%s",
		text_of(finding, "check"));
	print_escaped("  ", name);
	print_escaped(is_ok ? "  " : "\n            why: ", text_of(finding, "why"));
	print_escaped("\n            fix: ", text_of(finding, "fix"));
	if (!is_ok)
		print_escaped("\n            for: ", text_of(finding, "for"));
	putchar('\n');
}

static void count(const json_t *finding, struct tally *t)
{
	const char *status = text_of(finding, "status");
	bool is_needed = json_is_true(json_object_get(finding, "needed"));
	t->n++;
	if (!strcmp(status, "missing") && is_needed)
		t->missing++;
	else if (strcmp(status, "ok") != 0)
		t->degraded++;
}

static int print_findings(const struct doctor_options *o, FILE *in, struct tally *t)
{
	auto_free char *line = NULL;
	size_t cap = 0;
	bool has_colour = !o->json && message_wants_colour(stdout);
	while (getline(&line, &cap, in) > 0) {
		json_t *finding = json_loads(line, 0, NULL);
		if (!json_is_object(finding)) {
			json_decref(finding);
			return -EPROTO;
		}
		if (o->json) {
			fputs(line, stdout);
		} else {
			print_group(text_of(finding, "group"), t);
			print_finding(finding, has_colour);
		}
		count(finding, t);
		json_decref(finding);
	}
	return t->n ? 0 : -EPROTO;
}

static void print_sum(const struct tally *t)
{
	if (t->missing)
		printf("\n%d of the things that a jail needs %s missing.\n", t->missing,
			t->missing == 1 ? "is" : "are");
	else if (t->degraded)
		printf("\nTasks can run; %d %s.\n", t->degraded,
			t->degraded == 1 ? "thing is weaker than it could be"
					 : "things are weaker than they could be");
	else
		puts("\nTasks can run.");
}

static int examine(const struct doctor_options *o)
{
	pid_t pid = -1;
	int fd = -1, status = 0;
	struct tally t = { 0 };
	if (start_probe(o, &pid, &fd) < 0)
		return command.failure_status;
	FILE *in = fdopen(fd, "re");
	int r = in ? print_findings(o, in, &t) : -errno;
	if (in)
		fclose(in);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	/* One that was killed has not tried everything. */
	if (r < 0 || !WIFEXITED(status) || WEXITSTATUS(status) > 1) {
		fflush(stdout);
		message_error("dayfly-warden --probe gave no findings (wait status %d)", status);
		return command.failure_status;
	}
	if (!o->json)
		print_sum(&t);
	status = output_end(command.failure_status);
	return status || !t.missing ? status : command.failure_status;
}

int verb_doctor(int argc, char **argv)
{
	struct doctor_options o = { 0 };
	auto_free char **operands = NULL;
	int status = options_begin(&command, argc, argv, &o, &operands);
	return status >= 0 ? status : examine(&o);
}
