/* The table of dayfly top: see top_layout.h. */
#include "cli/top_layout.h"

#include "base/cleanup.h"
#include "base/str.h"
#include "base/units.h"
#include "cli/task_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define CELL_MAX 1024
#define GAP	 2
/* What the last column should have at least; its width where there is no end. */
#define LAST_MIN   16
#define LAST_PLAIN 64

/* ---- cells ---- */

static void cell_id(const struct top_row *row, char out[CELL_MAX])
{
	snprintf(out, CELL_MAX, "%.*s", TASK_TEXT_SHORT_ID, row->id);
}

static void cell_state(const struct top_row *row, char out[CELL_MAX])
{
	task_text_state(row->task, out, CELL_MAX);
}

static void cell_age(const struct top_row *row, char out[CELL_MAX])
{
	char text[UNITS_TEXT_SIZE];
	task_text_age(task_text_of(row->task, "created"), text);
	snprintf(out, CELL_MAX, "%s", text);
}

static void cell_cpu(const struct top_row *row, char out[CELL_MAX])
{
	if (row->cpu_percent >= 0)
		snprintf(out, CELL_MAX, "%.1f", row->cpu_percent);
}

static void cell_size(double bytes, char out[CELL_MAX])
{
	char text[UNITS_TEXT_SIZE];
	if (bytes < 0 || bytes > 1e18)
		return;
	units_format_size((uint64_t)bytes, text);
	snprintf(out, CELL_MAX, "%s", text);
}

static void cell_memory(const struct top_row *row, char out[CELL_MAX])
{
	cell_size((double)row->memory_bytes, out);
}

static void cell_output(const struct top_row *row, char out[CELL_MAX])
{
	cell_size(row->output_rate, out);
}

static void cell_count(int64_t n, char out[CELL_MAX])
{
	if (n >= 0)
		snprintf(out, CELL_MAX, "%" PRId64, n);
}

static void cell_pids(const struct top_row *row, char out[CELL_MAX])
{
	cell_count(row->pids, out);
}

static void cell_position(const struct top_row *row, char out[CELL_MAX])
{
	cell_count(row->position, out);
}

static void cell_command(const struct top_row *row, char out[CELL_MAX])
{
	const char *name = task_text_of(row->task, "name");
	int n = *name ? snprintf(out, CELL_MAX, "%s: ", name) : 0;
	if (n >= 0 && n < CELL_MAX)
		task_text_command(row->task, out + n, CELL_MAX - (size_t)n);
}

/* drop: the higher, the sooner it is left out; 0: never. The last column has what is left. */
static const struct column {
	const char *head;
	size_t width;
	bool is_right;
	int drop;
	void (*cell)(const struct top_row *row, char out[CELL_MAX]);
} columns[] = {
	{ "TASK", 14, false, 0, cell_id },
	{ "STATE", 13, false, 1, cell_state },
	{ "AGE", 9, true, 4, cell_age },
	{ "CPU%", 6, true, 2, cell_cpu },
	{ "MEMORY", 9, true, 3, cell_memory },
	{ "OUTPUT/S", 9, true, 5, cell_output },
	{ "PIDS", 5, true, 6, cell_pids },
	{ "POS", 4, true, 7, cell_position },
	{ "COMMAND", 0, false, 0, cell_command },
};
#define LAST (ARRAY_SIZE(columns) - 1)

/* Bits by place in `columns`. */
static unsigned choose(size_t cols, size_t *ret_last)
{
	unsigned chosen = (1u << ARRAY_SIZE(columns)) - 1;
	*ret_last = LAST_PLAIN;
	for (int drop = 8; cols && drop > 0; drop--) {
		size_t used = 0;
		for (size_t i = 0; i < LAST; i++) {
			if (columns[i].drop >= drop)
				chosen &= ~(1u << i);
			if (chosen & 1u << i)
				used += columns[i].width + GAP;
		}
		*ret_last = cols > used ? cols - used : 0;
		if (*ret_last >= LAST_MIN)
			break;
	}
	return chosen;
}

/* ---- lines ---- */

static bool is_character(char c)
{
	return ((unsigned char)c & 0xc0) != 0x80;
}

static size_t width_of(const char *text)
{
	size_t n = 0;
	for (; *text; text++)
		n += is_character(*text);
	return n;
}

static void cut(char *text, size_t width)
{
	size_t n = 0;
	for (char *p = text; *p; p++)
		if (is_character(*p) && n++ == width) {
			*p = '\0';
			return;
		}
}

/* A line under construction: so much of it fits. */
struct line {
	struct buf *out;
	size_t left; /* characters */
	int failure;
};

static void add(struct line *l, const char *text, size_t width, bool is_right, bool is_last)
{
	char safe[CELL_MAX];
	/* What is cut at the end of its room must not leave a piece of a character. */
	str_escape(text, strlen(text), safe, sizeof(safe));
	cut(safe, width < l->left ? width : l->left);
	size_t used = width_of(safe), pad = is_last ? 0 : width - used;
	if (pad > l->left - used)
		pad = l->left - used;
	if (l->failure == 0)
		l->failure = is_right ? buf_printf(l->out, "%*s%s", (int)pad, "", safe)
				      : buf_printf(l->out, "%s%*s", safe, (int)pad, "");
	l->left -= used + pad;
}

static int add_line(const struct top_screen *screen, unsigned chosen, size_t last,
	const struct top_row *row, struct buf *out)
{
	struct line l = { .out = out, .left = screen->cols ? screen->cols : SIZE_MAX };
	l.failure = buf_add_str(out, screen->line_end);
	for (size_t i = 0; i <= LAST; i++) {
		char text[CELL_MAX] = "";
		const struct column *c = &columns[i];
		if (!(chosen & 1u << i))
			continue;
		if (row)
			c->cell(row, text);
		else
			snprintf(text, sizeof(text), "%s", c->head);
		add(&l, text, i == LAST ? last : c->width, c->is_right, i == LAST);
		if (i < LAST)
			add(&l, "", GAP, false, false);
	}
	return l.failure;
}

static int add_plain(const struct top_screen *screen, const char *text, struct buf *out)
{
	struct line l = { .out = out, .left = screen->cols ? screen->cols : SIZE_MAX };
	add(&l, text, strlen(text), false, true);
	return l.failure;
}

static int add_summary(const struct top_model *m, const struct top_screen *screen, struct buf *out)
{
	char text[256], memory[UNITS_TEXT_SIZE];
	units_format_size((uint64_t)m->memory_bytes, memory);
	snprintf(text, sizeof(text), "%s  %zu running, %zu waiting; CPU %.1f%%, memory %s",
		screen->clock_text, m->n_running, m->n_waiting, m->cpu_percent, memory);
	return add_plain(screen, text, out);
}

int top_layout(const struct top_model *m, const struct top_screen *screen, struct buf *out)
{
	size_t last, room = SIZE_MAX, n = m->n_rows;
	unsigned chosen = choose(screen->cols, &last);
	if (screen->rows)
		room = screen->rows > 2 ? screen->rows - 2 : 0;
	/* The last line says how many are not shown. */
	if (n > room)
		n = room ? room - 1 : 0;
	int r = add_summary(m, screen, out);
	if (r == 0 && screen->rows != 1)
		r = add_line(screen, chosen, last, NULL, out);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = add_line(screen, chosen, last, &m->rows[i], out);
	if (r == 0 && n < m->n_rows && room) {
		char text[64];
		snprintf(text, sizeof(text), "%zu more", m->n_rows - n);
		r = buf_add_str(out, screen->line_end);
		if (r == 0)
			r = add_plain(screen, text, out);
	}
	return r;
}
