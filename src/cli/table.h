/* A table of text for people: columns as wide as their longest cell. Cells are escaped and, unless
 * told otherwise, cut. */
#ifndef DAYFLY_CLI_TABLE_H
#define DAYFLY_CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define TABLE_COLUMNS_MAX 8

struct table {
	char **cells; /* row by row */
	size_t n_cells, cap;
	size_t n_columns;
	bool failed; /* memory ran out: printing will say so */
};

void table_init(struct table *t, size_t n_columns);
/* The same, with a first row. */
void table_begin(struct table *t, const char *const *heads, size_t n_columns);
void table_finish(struct table *t);

/* One cell after the other, row by row; max_width 0: any width. */
void table_add(struct table *t, const char *text, size_t max_width);

/* Returns 0 or -ENOMEM. */
int table_print(const struct table *t, FILE *out);
/* Prints it on stdout and frees it. Returns the exit status of a verb: 0, or that of
 * output_failed(). */
int table_show(struct table *t, int failure_status);

#endif
