/* The last bytes of a stream: see output_tail.h. */
#include "task/output_tail.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void output_tail_init(struct output_tail *t, size_t size)
{
	*t = (struct output_tail){ .size = size };
}

void output_tail_finish(struct output_tail *t)
{
	free(t->data);
	t->data = NULL;
	t->len = 0;
}

int output_tail_put(struct output_tail *t, const char *data, size_t len)
{
	if (!t->data && !(t->data = malloc(t->size)))
		return -ENOMEM;
	if (t->len + len > t->size)
		t->has_lost = true;
	if (len > t->size) {
		data += len - t->size;
		len = t->size;
	}
	size_t first = len < t->size - t->next ? len : t->size - t->next;
	memcpy(t->data + t->next, data, first);
	memcpy(t->data, data + first, len - first);
	t->next = (t->next + len) % t->size;
	t->len = t->len + len < t->size ? t->len + len : t->size;
	return 0;
}

static void reverse(char *data, size_t from, size_t to)
{
	while (from + 1 < to) {
		char c = data[from];
		data[from++] = data[--to];
		data[to] = c;
	}
}

/* How many bytes at the start are the end of a character that began before. */
static size_t cut_character(const char *data, size_t len)
{
	size_t n = 0;
	while (n < 3 && n < len && ((unsigned char)data[n] & 0xc0) == 0x80)
		n++;
	/* Four of them in a row are no text. */
	return n < len && ((unsigned char)data[n] & 0xc0) == 0x80 ? 0 : n;
}

const char *output_tail_text(struct output_tail *t, size_t *ret_len)
{
	if (t->len == t->size && t->next) {
		/* Turns the ring so that the oldest byte comes first. */
		reverse(t->data, 0, t->next);
		reverse(t->data, t->next, t->size);
		reverse(t->data, 0, t->size);
		t->next = 0;
	}
	size_t skip = t->has_lost ? cut_character(t->data, t->len) : 0;
	*ret_len = t->len - skip;
	return t->data + skip;
}
