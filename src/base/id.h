/* Random identifiers. */
#ifndef DAYFLY_BASE_ID_H
#define DAYFLY_BASE_ID_H

#include <stdbool.h>

/* "t-" and 32 hexadecimal digits (128 random bits) and the NUL. */
#define ID_TASK_SIZE 35

/* Returns 0 or -errno. */
int id_make_task(char out[ID_TASK_SIZE]);

/* Whether text has the form of a task id, or of the beginning of one. */
bool id_is_task(const char *text);
bool id_is_task_prefix(const char *text);

#endif
