/* Reads the lines of /proc/self/mountinfo. Pure; any text may come. */
#ifndef DAYFLY_JAIL_MOUNTINFO_H
#define DAYFLY_JAIL_MOUNTINFO_H

#include <stdbool.h>
#include <stddef.h>

/* A part of the text, escapes and all. */
struct mount_field {
	const char *p;
	size_t len;
};

struct mount_line {
	struct mount_field root, point, options, type, super;
};

/* Splits the line at the start of the text. Returns false for one that names no type. */
bool mountinfo_split(const char *line, struct mount_line *ret);

/* Copies a field, "\040" made a space and so on. Returns false when it does not fit: then what does
 * is there. size is not 0. */
bool mountinfo_unescape(struct mount_field f, char *to, size_t size);

bool mount_field_is(struct mount_field f, const char *word);

/* Whether a list with commas has this word. */
bool mount_field_has(struct mount_field f, const char *word);

/* The start of the next line; an empty text is the end. */
const char *mountinfo_next(const char *line);

#endif
