#include "harness.h"

#include "client/reader.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char stream[] = "{\"id\":\"1\",\"event\":\"accepted\",\"task\":\"t-1\"}\n"
			     "{\"id\":\"1\",\"event\":\"output\",\"task\":\"t-1\",\"seq\":1,"
			     "\"stream\":\"stdout\",\"bytes\":7}\n"
			     "ab\n{\0}\n"
			     "{\"id\":\"1\",\"event\":\"output\",\"task\":\"t-1\",\"seq\":2,"
			     "\"stream\":\"stderr\",\"bytes\":1}\n"
			     "x"
			     "{\"id\":\"1\",\"event\":\"output\",\"task\":\"t-1\",\"seq\":3,"
			     "\"stream\":\"stdout\",\"truncated\":99}\n"
			     "{\"id\":\"1\",\"event\":\"result\",\"task\":\"t-1\",\"result\":{}}\n";
#define STREAM_LEN (sizeof(stream) - 1)

/* Feeds len bytes through the places that the reader offers. */
static int feed(struct reader *r, const char *data, size_t len)
{
	while (len) {
		struct iovec iov[2];
		int n = reader_space(r, iov);
		if (n < 0)
			return n;
		size_t done = 0;
		for (int i = 0; i < n && len; i++) {
			size_t part = iov[i].iov_len < len ? iov[i].iov_len : len;
			memcpy(iov[i].iov_base, data, part);
			data += part;
			len -= part;
			done += part;
		}
		reader_commit(r, done);
	}
	return 0;
}

/* Takes all events that are complete, and checks that the i-th is what the stream says. */
static size_t take_events(struct reader *r, size_t i)
{
	static const enum dayfly_event_type types[] = { DAYFLY_EVENT_ACCEPTED, DAYFLY_EVENT_OUTPUT,
		DAYFLY_EVENT_OUTPUT, DAYFLY_EVENT_OUTPUT, DAYFLY_EVENT_RESULT };
	static const char *const data[] = { "", "ab\n{\0}\n", "x", "", "" };
	static const size_t lens[] = { 0, 7, 1, 0, 0 };
	struct dayfly_event *ev;
	struct dayfly_error e;
	int n;
	while ((n = reader_next(r, &ev, &e)) == 1) {
		size_t len;
		assert_true(i < ARRAY_SIZE(types));
		assert_int_equal(dayfly_event_type(ev), types[i]);
		const void *bytes = dayfly_event_data(ev, &len);
		assert_int_equal(len, lens[i]);
		assert_memory_equal(bytes, data[i], len);
		assert_int_equal(dayfly_event_request(ev), 1);
		assert_string_equal(dayfly_event_task(ev), "t-1");
		dayfly_event_free(ev);
		i++;
	}
	assert_int_equal(n, 0);
	return i;
}

TEST(a_stream_cut_at_any_byte_gives_the_same_events)
{
	for (size_t cut = 0; cut <= STREAM_LEN; cut++) {
		struct reader r;
		reader_init(&r);
		assert_int_equal(feed(&r, stream, cut), 0);
		size_t n = take_events(&r, 0);
		assert_int_equal(feed(&r, stream + cut, STREAM_LEN - cut), 0);
		assert_int_equal(take_events(&r, n), 5);
		reader_finish(&r);
	}
}

TEST(a_stream_byte_by_byte_gives_the_same_events)
{
	struct reader r;
	size_t n = 0;
	reader_init(&r);
	for (size_t i = 0; i < STREAM_LEN; i++) {
		assert_int_equal(feed(&r, stream + i, 1), 0);
		n = take_events(&r, n);
	}
	assert_int_equal(n, 5);
	reader_finish(&r);
}

TEST(output_over_many_buffers_is_put_together)
{
	enum { N = 300000 };
	char head[128];
	auto_free char *bytes = malloc(N);
	struct dayfly_event *ev;
	struct dayfly_error e;
	struct reader r;
	size_t len;
	for (size_t i = 0; i < N; i++)
		bytes[i] = (char)(i * 7);
	reader_init(&r);
	for (int round = 0; round < 3; round++) {
		snprintf(head, sizeof(head),
			"{\"event\":\"output\",\"stream\":\"stdout\",\"seq\":1,\"bytes\":%d}\n", N);
		assert_int_equal(feed(&r, head, strlen(head)), 0);
		assert_int_equal(reader_next(&r, &ev, &e), 0);
		assert_int_equal(feed(&r, bytes, N), 0);
		assert_int_equal(reader_next(&r, &ev, &e), 1);
		assert_memory_equal(dayfly_event_data(ev, &len), bytes, N);
		assert_int_equal(len, N);
		dayfly_event_free(ev);
	}
	reader_finish(&r);
}

TEST(what_is_no_event_is_refused)
{
	static const char *const bad[] = {
		"\n",
		"nonsense\n",
		"[1]\n",
		"{\"event\":\"output\"\n",
		"{\"event\":\"output\",\"stream\":\"stdout\",\"base64\":\"!!!!\"}\n",
		"{\"event\":\"output\",\"stream\":\"stdout\",\"bytes\":9999999999}\n",
		"{\"event\":\"\xff\"}\n",
	};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct reader r;
		struct dayfly_event *ev = NULL;
		struct dayfly_error e;
		reader_init(&r);
		assert_int_equal(feed(&r, bad[i], strlen(bad[i])), 0);
		assert_int_equal(reader_next(&r, &ev, &e), -EPROTO);
		assert_string_equal(e.code, "protocol_error");
		assert_null(ev);
		reader_finish(&r);
	}
}

TEST(a_line_without_end_is_given_up)
{
	static char block[65536];
	struct dayfly_event *ev;
	struct dayfly_error e;
	struct reader r;
	size_t total = 0;
	int n = 0;
	memset(block, 'x', sizeof(block));
	reader_init(&r);
	while (n == 0 && total < 2 * (size_t)READER_LINE_MAX) {
		n = feed(&r, block, sizeof(block));
		total += sizeof(block);
		assert_int_equal(reader_next(&r, &ev, &e), 0);
	}
	assert_int_equal(n, -EPROTO);
	assert_true(total <= READER_LINE_MAX + sizeof(block));
	reader_finish(&r);
}

TEST(deep_nesting_is_refused_without_harm)
{
	static char line[200000];
	struct dayfly_event *ev;
	struct dayfly_error e;
	struct reader r;
	memset(line, '[', sizeof(line) - 2);
	line[sizeof(line) - 2] = '\n';
	reader_init(&r);
	assert_int_equal(feed(&r, line, sizeof(line) - 1), 0);
	assert_int_equal(reader_next(&r, &ev, &e), -EPROTO);
	reader_finish(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stream_cut_at_any_byte_gives_the_same_events),
		cmocka_unit_test(a_stream_byte_by_byte_gives_the_same_events),
		cmocka_unit_test(output_over_many_buffers_is_put_together),
		cmocka_unit_test(what_is_no_event_is_refused),
		cmocka_unit_test(a_line_without_end_is_given_up),
		cmocka_unit_test(deep_nesting_is_refused_without_harm),
	};
	return RUN_TESTS(tests);
}
