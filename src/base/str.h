/* Small helpers on strings. */
#ifndef DAYFLY_BASE_STR_H
#define DAYFLY_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>

/* Edit distance (insert, delete, replace, swap neighbours) of two short strings; SIZE_MAX when one
 * is over 64 bytes. */
size_t str_distance(const char *a, const char *b);

/* The nearest of n names if it is near enough to be a likely typing error, else NULL. */
const char *str_nearest(const char *word, const char *const *names, size_t n);

bool str_is_utf8(const char *data, size_t len);

/* How many leading bytes of data are whole UTF-8 characters (a character cut at the end is left
 * out). SIZE_MAX if not UTF-8. */
size_t str_utf8_prefix(const char *data, size_t len);

bool str_starts(const char *s, const char *prefix);

/* [a-zA-Z0-9][a-zA-Z0-9_.-]*, 1 to max bytes: task names, labels, hostnames. */
bool str_is_name(const char *s, size_t max);

/* The next line of *len bytes at *text, which become what is left, without blanks and the '\r' at
 * either end: *ret_len bytes. NULL where nothing is left. Nothing is copied. */
const char *str_next_line(const char **text, size_t *len, size_t *ret_len);

/*
 * Copies text for one log line or a terminal: control characters, those that turn the direction of
 * writing and bytes that are no UTF-8 become \xNN; long text ends in "...", never inside a
 * character.
 */
void str_escape(const char *s, size_t len, char *out, size_t out_size);

/* The same JSON, with such characters written as \uNNNN. On the heap, or NULL. */
char *str_escape_json(const char *json);

/* A NULL-terminated array of strings. */
void strv_free(char **v);
size_t strv_len(char *const *v);
/* Appends a copy of s. Returns 0 or -ENOMEM. *v may be NULL. */
int strv_add(char ***v, const char *s);
/* A deep copy, or NULL. */
char **strv_copy(char *const *v);

#endif
