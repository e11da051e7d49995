/* Output of a task, which may be any bytes: sent in pieces it comes back the same. The first byte
 * is the size of a piece. */
#include "base/base64.h"
#include "proto/answer.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Sends a piece; aborts unless the event holds exactly its first bytes. Returns how many. */
static size_t send_piece(struct buf *b, const char *data, size_t len, bool is_final)
{
	const struct answer_chunk chunk = {
		.id = "1", .task = "t-0", .seq = 1, .stream = "stdout"
	};
	size_t used = 0;
	if (answer_output(b, &chunk, data, len, is_final, &used) < 0)
		abort();
	if (!used)
		return 0;
	json_t *event = json_loadb(buf_data(b), buf_len(b), JSON_ALLOW_NUL, NULL);
	json_t *text = json_object_get(event, "text"), *base64 = json_object_get(event, "base64");
	size_t n = base64 ? json_string_length(base64) : json_string_length(text);
	char *got = malloc(n + 1);
	if (!got || (!text && !base64))
		abort();
	if (!base64)
		memcpy(got, json_string_value(text), n);
	else if (base64_decode(json_string_value(base64), n, got, &n) < 0)
		abort();
	if (n != used || memcmp(got, data, n) || memchr(buf_data(b), '\n', buf_len(b) - 1))
		abort();
	free(got);
	json_decref(event);
	buf_clear(b);
	return used;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf b;
	if (size < 2)
		return 0;
	size_t step = data[0] ? data[0] : 256;
	const char *p = (const char *)data + 1;
	buf_init(&b, 0);
	for (size_t left = size - 1, want = step; left;) {
		size_t len = want < left ? want : left;
		if (answer_whole_chars(p, len) + 3 < len)
			abort();
		size_t used = send_piece(&b, p, len, len == left);
		if (!used && len == left)
			abort();
		/* Nothing used: more is needed to complete a character. */
		want = used ? step : len + 1;
		p += used;
		left -= used;
	}
	buf_finish(&b);
	return 0;
}
