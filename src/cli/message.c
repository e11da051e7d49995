/* What dayfly itself has to say: see message.h. */
#include "cli/message.h"

#include "base/fd.h"
#include "base/str.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define LINE_SIZE 2048

static const char *line_end = "\n";

void message_set_raw(bool is_raw)
{
	line_end = is_raw ? "\r\n" : "\n";
}

bool message_wants_colour(FILE *out)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
	return !(no_color && *no_color) && term && strcmp(term, "dumb") != 0 && isatty(fileno(out));
}

bool message_is_utf8(void)
{
	static const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };
	for (size_t i = 0; i < 3; i++) {
		const char *value = getenv(names[i]);
		if (value && *value)
			return strcasestr(value, "utf-8") || strcasestr(value, "utf8");
	}
	return false;
}

/* One write for a line: lines of several programs on one terminal do not mix. Nothing can be done
 * about a failure. */
static void print_line(const char *head, const char *text, size_t len)
{
	char line[LINE_SIZE], escaped[LINE_SIZE - 128];
	str_escape(text, len, escaped, sizeof(escaped));
	int n = snprintf(line, sizeof(line), "%s%s%s", head, escaped, line_end);
	if (n > 0)
		fd_write_all(STDERR_FILENO, line,
			(size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
}

void message_error(const char *fmt, ...)
{
	char text[LINE_SIZE];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	print_line(message_wants_colour(stderr) ? "\033[1mdayfly:\033[0m " : "dayfly: ", text,
		strlen(text));
}

void message_plain(const char *text)
{
	print_line("", text, strlen(text));
}

void message_detail(const char *word, const char *text)
{
	bool has_colour = *text && message_wants_colour(stderr);
	for (const char *p = text; *p;) {
		char head[32];
		size_t len = strcspn(p, "\n");
		if (str_starts(p, "why: ") || str_starts(p, "fix: ")) {
			word = p[0] == 'w' ? "why" : "fix";
			p += 5;
			len -= 5;
		}
		snprintf(head, sizeof(head), has_colour ? "  \033[1m%s:\033[0m " : "  %s: ", word);
		if (len)
			print_line(head, p, len);
		p += len + (p[len] == '\n');
	}
}

void message_report(const struct command *cmd, const struct dayfly_error *e)
{
	const struct option_def *o = cmd && e->field[0] ? options_find_field(cmd, e->field) : NULL;
	const char *text = e->message[0] ? e->message : e->code;
	/* "task" alone is the operand, which the message names. */
	if (o && o->name)
		message_error("--%s: %s", o->name, text);
	else if (e->field[0] && strcmp(e->field, "task") != 0)
		message_error("%s: %s", e->field, text);
	else
		message_error("%s", text);
	if (e->step[0]) {
		char why[96];
		snprintf(why, sizeof(why), "the step %s of making the jail failed", e->step);
		message_detail("why", why);
	}
	message_detail("fix", e->hint);
}
