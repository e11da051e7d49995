/* The programs' own log: see log.h. */
#include "base/log.h"

#include "base/clock.h"
#include "base/str.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *log_program = "dayfly";
static enum log_level log_max = LOG_LEVEL_INFO;
static bool log_to_journal;

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

void log_init(const char *program, enum log_level max_level)
{
	log_program = program;
	log_max = max_level;
	log_to_journal = getenv("JOURNAL_STREAM") != NULL;
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

void log_line(enum log_level level, const char *fmt, ...)
{
	if (level > log_max)
		return;
	char text[1024], safe[2048], line[2304];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	str_escape(text, strlen(text), safe, sizeof(safe));

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
