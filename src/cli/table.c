/* A table of text: see table.h. */
#include "cli/table.h"

#include "base/str.h"
#include "cli/output.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CELL_MAX 1024

void table_init(struct table *t, size_t n_columns)
{
	*t = (struct table){ .n_columns = n_columns };
}

void table_begin(struct table *t, const char *const *heads, size_t n_columns)
{
	table_init(t, n_columns);
	for (size_t i = 0; i < n_columns; i++)
		table_add(t, heads[i], 0);
}

void table_finish(struct table *t)
{
	for (size_t i = 0; i < t->n_cells; i++)
		free(t->cells[i]);
	free(t->cells);
	*t = (struct table){ 0 };
}

/* Characters, not bytes: continuation bytes of UTF-8 take no place. */
static size_t width_of(const char *text)
{
	size_t n = 0;
	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static void cut(char *text, size_t max_width)
{
	size_t n = 0;
	for (char *p = text; *p; p++) {
		if (((unsigned char)*p & 0xc0) != 0x80 && n++ == max_width - 3) {
			memcpy(p, "...", 4);
			return;
		}
	}
}

static char *cell_of(const char *text, size_t max_width)
{
	char *cell = malloc(CELL_MAX);
	if (!cell)
		return NULL;
	str_escape(text, strlen(text), cell, CELL_MAX - 4);
	if (max_width > 3 && width_of(cell) > max_width)
		cut(cell, max_width);
	return cell;
}

void table_add(struct table *t, const char *text, size_t max_width)
{
	if (t->n_cells == t->cap) {
		size_t cap = t->cap ? t->cap * 2 : 64;
		char **grown = realloc(t->cells, cap * sizeof(*grown));
		if (!grown) {
			t->failed = true;
			return;
		}
		t->cells = grown;
		t->cap = cap;
	}
	char *cell = cell_of(text, max_width);
	if (cell)
		t->cells[t->n_cells++] = cell;
	else
		t->failed = true;
}

int table_print(const struct table *t, FILE *out)
{
	size_t widths[TABLE_COLUMNS_MAX] = { 0 };
	if (t->failed)
		return -ENOMEM;
	for (size_t i = 0; i < t->n_cells; i++) {
		size_t w = width_of(t->cells[i]), *max = &widths[i % t->n_columns];
		*max = w > *max ? w : *max;
	}
	for (size_t i = 0; i < t->n_cells; i++) {
		size_t column = i % t->n_columns;
		bool is_last = column + 1 == t->n_columns;
		fputs(t->cells[i], out);
		size_t pad = widths[column] + 2 - width_of(t->cells[i]);
		if (is_last)
			fputc('\n', out);
		else
			fprintf(out, "%*s", (int)pad, "");
	}
	return 0;
}

int table_show(struct table *t, int failure_status)
{
	int r = table_print(t, stdout);
	table_finish(t);
	return r < 0 ? output_failed(r, failure_status) : output_end(failure_status);
}
