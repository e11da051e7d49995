/* The end of a task: see report.h. */
#include "cli/report.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/units.h"
#include "cli/message.h"
#include "proto/request.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* clang-format off */
static const struct {
	const char *cause;
	const char *brief; /* in the line at the end; NULL: by exit code or signal */
	const char *text;  /* NULL: nothing to explain */
} causes[] = {
	{ "exit",          NULL,                 NULL },
	{ "signal",        NULL,                 NULL },
	{ "oom",           "out of memory",      "the task ran out of memory" },
	{ "timeout_wall",  "timeout",            "the task was ended by its time limit" },
	{ "timeout_cpu",   "timeout (CPU)",      "the task was ended by its limit of CPU time" },
	{ "timeout_idle",  "timeout (idle)",     "the task was ended because it wrote nothing for too long" },
	{ "timeout_queue", "timeout (queue)",    "the task was not started: no place became free in time" },
	{ "output_limit",  "too much output",    "the task was ended by its limit of output" },
	{ "disk_limit",    "disk full",          "the task failed with its disk space used up (--disk, --inodes)" },
	{ "artifacts",     "artifact missing",   "the task succeeded, but an artifact that is required could not be taken" },
	{ "seccomp",       "forbidden call",     "the task was ended by a system call of a foreign architecture" },
	{ "cancel",        "cancelled",          "the task was cancelled" },
	{ "client_gone",   "cancelled",          "the task was ended because its client had gone" },
	{ "shutdown",      "daemon stopped",     "the task was ended because the daemon was stopped" },
	{ "exec",          "not executed",       "the command could not be executed" },
	{ "setup",         "not started",        "the jail could not be made" },
	{ "internal",      "internal error",     "dayfly failed" },
	{ "daemon_crash",  "lost",               "the daemon crashed while the task ran" },
	{ "warden_lost",   "lost",               "the program that makes jails went away while the task ran" },
};
/* clang-format on */

static const char *cause_brief(const char *cause)
{
	for (size_t i = 0; i < ARRAY_SIZE(causes); i++)
		if (!strcmp(cause, causes[i].cause))
			return causes[i].brief;
	return cause;
}

static const char *cause_text(const char *cause)
{
	for (size_t i = 0; i < ARRAY_SIZE(causes); i++)
		if (!strcmp(cause, causes[i].cause))
			return causes[i].text;
	return cause;
}

struct line {
	char *out;
	size_t size, len;
	const char *separator;
};

static void add_part(struct line *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void add_part(struct line *l, const char *fmt, ...)
{
	int n = l->len ? snprintf(l->out + l->len, l->size - l->len, "%s", l->separator) : 0;
	if (n < 0 || (size_t)n >= l->size - l->len)
		return;
	l->len += (size_t)n;
	va_list ap;
	va_start(ap, fmt);
	n = vsnprintf(l->out + l->len, l->size - l->len, fmt, ap);
	va_end(ap);
	l->len += n > 0 && (size_t)n < l->size - l->len ? (size_t)n : 0;
}

static void add_end(struct line *l, const struct dayfly_event *ev)
{
	int64_t number;
	const char *name = dayfly_event_result_text(ev, "exit.signal");
	const char *brief = cause_brief(dayfly_event_cause(ev));
	if (brief)
		add_part(l, "%s", brief);
	else if (dayfly_event_result_number(ev, "exit.code", &number) == 0)
		add_part(l, "exit %" PRId64, number);
	else if (!name && dayfly_event_result_number(ev, "exit.signal", &number) == 0)
		name = signal_name((int)number);
	if (!brief && name)
		add_part(l, "%s", name);
}

void report_line(const struct dayfly_event *result, bool is_utf8, char *out, size_t size)
{
	struct line l = { .out = out, .size = size, .separator = is_utf8 ? " \302\267 " : ", " };
	static const char *const changes[] = { "changes.added", "changes.modified",
		"changes.deleted" };
	char text[UNITS_TEXT_SIZE];
	int64_t n, changed = 0;
	bool knows_changes = false;
	out[0] = '\0';
	add_end(&l, result);
	if (dayfly_event_result_number(result, "time.run", &n) == 0 && n >= 0) {
		units_format_duration((uint64_t)n * NS_PER_US, text);
		add_part(&l, "%s", text);
	}
	if (dayfly_event_result_number(result, "memory.peak", &n) == 0 && n >= 0) {
		units_format_size((uint64_t)n, text);
		add_part(&l, "peak %s", text);
	}
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		if (dayfly_event_result_number(result, changes[i], &n) == 0) {
			changed += n;
			knows_changes = true;
		}
	}
	if (knows_changes)
		add_part(&l, "%" PRId64 " file%s changed", changed, changed == 1 ? "" : "s");
}

int report_end(const struct command *cmd, const struct dayfly_event *last, bool is_quiet)
{
	struct dayfly_error e;
	char line[REPORT_LINE_SIZE];
	bool has_error = dayfly_event_error(last, &e);
	const char *text = cause_text(dayfly_event_cause(last));
	if (has_error)
		message_report(cmd, &e);
	if (dayfly_event_type(last) == DAYFLY_EVENT_ERROR)
		return cmd->failure_status;
	if (!has_error && text)
		message_error("%s", text);
	if (!is_quiet && isatty(STDERR_FILENO)) {
		report_line(last, message_is_utf8(), line, sizeof(line));
		message_plain(line);
	}
	return dayfly_event_exit_status(last);
}

static int write_and_close(int take_fd, const char *json)
{
	auto_close int fd = take_fd;
	int r = fd_write_all(fd, json, strlen(json));
	return r < 0 ? r : fd_write_all(fd, "\n", 1);
}

int report_check_file(const char *text, struct err *e)
{
	if (strcmp(text, "-") != 0)
		return *text ? 0 : err_set(e, ERR_BAD_VALUE, 0, "the name of the file is empty");
	err_set(e, ERR_BAD_VALUE, 0,
		"the record goes to a file: on stdout it would mix with the task's output");
	err_hint(e, "give a file (./- is one), or use dayfly wait --json");
	return -EINVAL;
}

int report_write(const char *path, const char *json)
{
	struct stat st;
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
		int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
		return fd < 0 ? -errno : write_and_close(fd, json);
	}
	/* A link is followed to what it names: rename would replace the link itself. */
	auto_free char *real = realpath(path, NULL);
	auto_free char *temporary = NULL;
	if (asprintf(&temporary, "%s.XXXXXX", real ? real : path) < 0) {
		temporary = NULL;
		return -ENOMEM;
	}
	int fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	mode_t mask = umask(0);
	umask(mask);
	int r = fchmod(fd, 0666 & ~mask) < 0 ? -errno : 0;
	int w = write_and_close(fd, json);
	r = r < 0 ? r : w;
	if (r == 0 && rename(temporary, real ? real : path) < 0)
		r = -errno;
	if (r < 0)
		unlink(temporary);
	return r;
}
