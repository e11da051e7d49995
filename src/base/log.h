/*
 * The daemon's and the warden's own log: one line per event on stderr, with a "<N>" priority prefix
 * where journald reads it (JOURNAL_STREAM set) and a time stamp elsewhere. Text that came from
 * outside is escaped, so a line stays a line. base/, proto/, plan/ and jail/ steps do not log: they
 * return.
 */
#ifndef DAYFLY_BASE_LOG_H
#define DAYFLY_BASE_LOG_H

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

void log_init(const char *program, enum log_level max_level);
/* Returns 0 or -EINVAL. Names: error warning info debug. */
int log_level_parse(const char *name, enum log_level *ret);

void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)	 log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)	 log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)	 log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
