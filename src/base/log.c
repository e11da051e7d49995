/* The programs' own log: see log.h. */
#include "base/log.h"

#include "base/clock.h"
#include "base/str.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *log_program = "dayfly";
static enum log_level log_max = LOG_LEVEL_INFO;
static bool log_to_journal;
static log_sink_fn log_sink;

#define TEXT_SIZE 1024

static const char *const level_names[] = {
	[LOG_LEVEL_ERROR] = "error",
	[LOG_LEVEL_WARNING] = "warning",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_DEBUG] = "debug",
};

/* syslog(3) priorities. */
static const int level_priority[] = {
	[LOG_LEVEL_ERROR] = 3,
	[LOG_LEVEL_WARNING] = 4,
	[LOG_LEVEL_INFO] = 6,
	[LOG_LEVEL_DEBUG] = 7,
};

/* JOURNAL_STREAM is "DEVICE:INODE" of what journald gave the service; our stderr may be another
 * file by now. */
static bool is_journal_stream(void)
{
	const char *name = getenv("JOURNAL_STREAM");
	struct stat st;
	char own[64];
	if (!name || fstat(STDERR_FILENO, &st) < 0)
		return false;
	snprintf(own, sizeof(own), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	return !strcmp(name, own);
}

void log_init(const char *program, enum log_level max_level)
{
	log_program = program;
	log_max = max_level;
	log_to_journal = is_journal_stream();
}

void log_set_sink(log_sink_fn fn)
{
	log_sink = fn;
}

bool log_is_journal(void)
{
	return log_to_journal;
}

int log_level_parse(const char *name, enum log_level *ret)
{
	for (size_t i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++) {
		if (!strcmp(name, level_names[i])) {
			*ret = (enum log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

static void write_line(enum log_level level, const char *safe)
{
	char line[2304];
	int n;
	if (log_to_journal) {
		n = snprintf(line, sizeof(line), "<%d>%s\n", level_priority[level], safe);
	} else {
		char stamp[CLOCK_RFC3339_SIZE];
		clock_format_rfc3339(clock_real_ns(), stamp);
		n = snprintf(line, sizeof(line), "%s %s[%d] %s: %s\n", stamp, log_program,
			(int)getpid(), level_names[level], safe);
	}
	/* One write, so that lines of two processes do not mix. A log that cannot be written is no
	 * reason to stop. */
	if (n > 0 && write(STDERR_FILENO, line, (size_t)n) < 0)
		return;
}

/* What stands in text already, len bytes, comes first. */
__attribute__((format(printf, 6, 0))) static void emit(enum log_level level,
	const struct log_field *fields, size_t n_fields, char text[TEXT_SIZE], size_t len,
	const char *fmt, va_list ap)
{
	char safe[2 * TEXT_SIZE];
	if (len < TEXT_SIZE)
		vsnprintf(text + len, TEXT_SIZE - len, fmt, ap);
	str_escape(text, strlen(text), safe, sizeof(safe));
	const struct log_record record = {
		.program = log_program,
		.priority = level_priority[level],
		.text = safe,
		.fields = fields,
		.n_fields = n_fields,
	};
	if (!log_sink || log_sink(&record) < 0)
		write_line(level, safe);
}

void log_line(enum log_level level, const char *fmt, ...)
{
	char text[TEXT_SIZE];
	va_list ap;
	if (level > log_max)
		return;
	va_start(ap, fmt);
	emit(level, NULL, 0, text, 0, fmt, ap);
	va_end(ap);
}

__attribute__((format(printf, 5, 0))) static void emit_task(enum log_level level, const char *id,
	const struct log_field *more, size_t n_more, const char *fmt, va_list ap)
{
	struct log_field fields[LOG_FIELDS_MAX] = { { "DAYFLY_TASK", id } };
	char text[TEXT_SIZE];
	if (n_more > LOG_FIELDS_MAX - 1)
		n_more = LOG_FIELDS_MAX - 1;
	for (size_t i = 0; i < n_more; i++)
		fields[i + 1] = more[i];
	int len = snprintf(text, sizeof(text), "task %s: ", id);
	emit(level, fields, n_more + 1, text, len > 0 ? (size_t)len : 0, fmt, ap);
}

void log_task(enum log_level level, const char *id, const char *fmt, ...)
{
	va_list ap;
	if (level > log_max)
		return;
	va_start(ap, fmt);
	emit_task(level, id, NULL, 0, fmt, ap);
	va_end(ap);
}

void log_task_fields(enum log_level level, const char *id, const struct log_field *more,
	size_t n_more, const char *fmt, ...)
{
	va_list ap;
	if (level > log_max)
		return;
	va_start(ap, fmt);
	emit_task(level, id, more, n_more, fmt, ap);
	va_end(ap);
}
