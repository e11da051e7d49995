/*
 * The daemon's and the warden's own log: one line per event on stderr, with a "<N>" priority prefix
 * where journald reads it (it is what JOURNAL_STREAM names) and a time stamp elsewhere; or given to
 * a sink that keeps the fields apart. Text that came from outside is escaped, so a line stays a
 * line. base/, proto/, plan/ and jail/ steps do not log: they return.
 */
#ifndef DAYFLY_BASE_LOG_H
#define DAYFLY_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

void log_init(const char *program, enum log_level max_level);
/* Returns 0 or -EINVAL. Names: error warning info debug. */
int log_level_parse(const char *name, enum log_level *ret);

void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)	 log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)	 log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)	 log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* ---- fields (docs/operations.md) ---- */

#define LOG_FIELDS_MAX 8
/* What a task's first and last line are found by, whatever their words. */
#define LOG_MESSAGE_TASK_ACCEPTED "d8093309ba094203ba322d026d7beecb"
#define LOG_MESSAGE_TASK_DONE	  "3f7e2e84d1d749179ac1b2b271cbb7ba"

/* A name as the journal has it: letters A to Z, digits, underscores. The value has no line break.
 */
struct log_field {
	const char *name, *value;
};

/* "task ID: ..." with the field DAYFLY_TASK. */
void log_task(enum log_level level, const char *id, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The same with more fields, at most LOG_FIELDS_MAX - 1. */
void log_task_fields(enum log_level level, const char *id, const struct log_field *more,
	size_t n_more, const char *fmt, ...) __attribute__((format(printf, 5, 6)));

struct log_record {
	const char *program;
	int priority;	  /* of syslog(3) */
	const char *text; /* escaped */
	const struct log_field *fields;
	size_t n_fields; /* at most LOG_FIELDS_MAX */
};

/* Takes a line in the place of stderr. Returns 0, or -errno: then it goes to stderr after all. */
typedef int (*log_sink_fn)(const struct log_record *r);
void log_set_sink(log_sink_fn fn);

/* Whether stderr leads to journald; as log_init() found it. */
bool log_is_journal(void);

#endif
