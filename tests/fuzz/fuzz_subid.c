/* The text of /etc/subuid after a line with a login name: a range that is found stands in the text
 * under just that name or number, leaves out root and "no id", and does not wrap around. */
#include "base/str.h"
#include "fuzz/text.h"
#include "jail/subid.h"

#include <stdbool.h>
#include <stdio.h>

#define UID 1000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whether a line starts with this whole first field. */
static bool has_line_of(const char *text, const char *who)
{
	size_t len = strlen(who);
	for (const char *line = text; *line; line += *line == '\n') {
		if (!strncmp(line, who, len) && line[len] == ':')
			return true;
		line += strcspn(line, "\n");
	}
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *name = text_of(data, size), number[16];
	const char *text = cut_line(name);
	struct subid_range range;
	snprintf(number, sizeof(number), "%d", UID);
	uint32_t next = subid_next_free(text);
	if (next < 100000)
		abort();
	if (subid_parse(text, name, UID, &range) == 0) {
		if (!range.first || !range.count || range.count > UINT32_MAX - range.first)
			abort();
		if (range.first + range.count > next)
			abort();
		if (!has_line_of(text, number) && (!name[0] || !has_line_of(text, name)))
			abort();
	}
	free(name);
	return 0;
}
