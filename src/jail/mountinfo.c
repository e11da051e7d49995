/* Lines of mountinfo: see mountinfo.h. */
#include "jail/mountinfo.h"

#include "base/cleanup.h"

#include <string.h>

const char *mountinfo_next(const char *line)
{
	line += strcspn(line, "\n");
	return *line ? line + 1 : line;
}

bool mountinfo_unescape(struct mount_field f, char *to, size_t size)
{
	size_t o = 0, i = 0;
	for (; i < f.len && o + 1 < size; i++) {
		const char *p = f.p + i;
		char c = *p;
		if (c == '\\' && i + 3 < f.len && strspn(p + 1, "01234567") >= 3) {
			c = (char)((p[1] - '0') << 6 | (p[2] - '0') << 3 | (p[3] - '0'));
			i += 3;
		}
		to[o++] = c;
	}
	to[o] = '\0';
	return i == f.len;
}

bool mount_field_is(struct mount_field f, const char *word)
{
	return f.len == strlen(word) && !strncmp(f.p, word, f.len);
}

bool mount_field_has(struct mount_field f, const char *word)
{
	size_t word_len = strlen(word);
	for (size_t i = 0; i < f.len;) {
		size_t len = 0;
		while (i + len < f.len && f.p[i + len] != ',')
			len++;
		if (len == word_len && !strncmp(f.p + i, word, len))
			return true;
		i += len + 1;
	}
	return false;
}

bool mountinfo_split(const char *line, struct mount_line *ret)
{
	/* id parent major:minor root point options [optional...] - type source super-options */
	struct mount_field *const slots[] = { NULL, NULL, NULL, &ret->root, &ret->point,
		&ret->options };
	struct mount_field *const tail[] = { &ret->type, NULL, &ret->super };
	size_t n = 0, n_tail = 0;
	bool after_dash = false;
	memset(ret, 0, sizeof(*ret));
	for (const char *p = line; *p && *p != '\n' && n_tail < ARRAY_SIZE(tail);) {
		struct mount_field f = { p, strcspn(p, " \n") };
		if (after_dash) {
			if (tail[n_tail])
				*tail[n_tail] = f;
			n_tail++;
		} else if (n < ARRAY_SIZE(slots)) {
			if (slots[n])
				*slots[n] = f;
			n++;
		} else {
			after_dash = mount_field_is(f, "-");
		}
		p += f.len;
		p += *p == ' ';
	}
	return ret->type.len > 0;
}
