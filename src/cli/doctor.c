/* dayfly doctor: what the warden's probe found, as a table. The probe does each thing for real, in
 * throw-away children. */
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"
#include "cli/daemon.h"
#include "cli/message.h"
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
};

static const struct option_def options[] = {
	{ OPTION_FLAG, 0, "json", NULL, offsetof(struct doctor_options, json), NULL, NULL,
		"print the findings as lines of JSON" },
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

static int start_probe(pid_t *ret_pid, int *ret_fd)
{
	char program[PATH_MAX];
	int pipe_fds[2];
	if (program_find("dayfly-warden", "../libexec/dayfly", DAYFLY_LIBEXECDIR, program) < 0) {
		message_error(
			"there is no dayfly-warden beside dayfly, nor in %s", DAYFLY_LIBEXECDIR);
		message_detail("fix", "install dayfly again: make install");
		return -ENOENT;
	}
	int r = fd_pipe(pipe_fds);
	if (r < 0) {
		message_error("pipe: %s", strerror(-r));
		return r;
	}
	char probe[] = "--probe", *argv[] = { program, probe, NULL };
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
	r = -posix_spawn(ret_pid, program, &actions, &attributes, argv, environ);
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
static void print_cells(const char *name, const char *text)
{
	char safe_name[64], safe_text[1024];
	str_escape(name, strlen(name), safe_name, sizeof(safe_name));
	str_escape(text, strlen(text), safe_text, sizeof(safe_text));
	if (*text)
		printf("%-20s  %s\n", safe_name, safe_text);
	else
		printf("%s\n", safe_name);
}

static void print_detail(const char *word, const char *text)
{
	if (!*text)
		return;
	char safe[1024];
	str_escape(text, strlen(text), safe, sizeof(safe));
	printf("%10s%s: %s\n", "", word, safe);
}

/* The status first in its line, so that the column can be read at a glance; why and fix below what
 * is not ok. */
static void print_finding(const json_t *finding, bool has_colour)
{
	const char *status = text_of(finding, "status"), *colour = "";
	for (size_t i = 0; i < ARRAY_SIZE(statuses); i++)
		if (!strcmp(status, statuses[i].status))
			colour = statuses[i].colour;
	bool is_note = !strcmp(status, "ok") && *text_of(finding, "why");
	printf("%s%-8s%s  ", has_colour ? colour : "", status,
		has_colour && *colour ? "\033[0m" : "");
	print_cells(text_of(finding, "check"), is_note ? text_of(finding, "why") : "");
	if (!is_note)
		print_detail("why", text_of(finding, "why"));
	print_detail("fix", text_of(finding, "fix"));
}

/* Returns how many findings are "missing", or -EPROTO when a line is no finding. */
static int print_findings(const struct doctor_options *o, FILE *in)
{
	auto_free char *line = NULL;
	size_t cap = 0;
	int missing = 0, n = 0;
	bool has_colour = !o->json && message_wants_colour(stdout);
	while (getline(&line, &cap, in) > 0) {
		json_t *finding = json_loads(line, 0, NULL);
		if (!finding)
			return -EPROTO;
		missing += !strcmp(text_of(finding, "status"), "missing");
		n++;
		if (o->json)
			fputs(line, stdout);
		else
			print_finding(finding, has_colour);
		json_decref(finding);
	}
	return n ? missing : -EPROTO;
}

static int examine(const struct doctor_options *o)
{
	pid_t pid = -1;
	int fd = -1, status = 0;
	if (start_probe(&pid, &fd) < 0)
		return command.failure_status;
	FILE *in = fdopen(fd, "re");
	int missing = in ? print_findings(o, in) : -errno;
	if (in)
		fclose(in);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (missing < 0) {
		fflush(stdout);
		message_error("dayfly-warden --probe gave no findings (wait status %d)", status);
		return command.failure_status;
	}
	if (missing && !o->json)
		printf("\n%d of the things that a jail needs %s missing.\n", missing,
			missing == 1 ? "is" : "are");
	return fflush(stdout) == 0 && !missing ? 0 : command.failure_status;
}

int verb_doctor(int argc, char **argv)
{
	struct doctor_options o = { 0 };
	auto_free char **operands = NULL;
	int status = options_begin(&command, argc, argv, &o, &operands);
	return status >= 0 ? status : examine(&o);
}
