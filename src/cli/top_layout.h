/*
 * The table of dayfly top as lines of text that fit a screen: columns are left out where it is
 * narrow, tasks where it is low. Everything in it is escaped. Pure.
 */
#ifndef DAYFLY_CLI_TOP_LAYOUT_H
#define DAYFLY_CLI_TOP_LAYOUT_H

#include "base/buf.h"
#include "cli/top_model.h"

#include <stddef.h>

struct top_screen {
	size_t cols, rows;	/* 0: without end */
	const char *line_end;	/* after each line but the last */
	const char *clock_text; /* for the first line */
};

/* Adds the table to *out, without a line end after the last line. Returns 0 or -errno. */
int top_layout(const struct top_model *m, const struct top_screen *screen, struct buf *out);

#endif
