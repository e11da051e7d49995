/*
 * What a reader is told that comes back for records that have made room: how many bytes of each
 * stream it missed, exactly, or a bound that says so.
 */
#include "harness.h"

#include "task/output_log.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#define KIB 1024u

static bool is_full; /* the file system */

ssize_t __real_pwrite(int fd, const void *buf, size_t count, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *buf, size_t count, off_t offset);
ssize_t __real_pwritev(int fd, const struct iovec *iov, int n, off_t offset);
ssize_t __wrap_pwritev(int fd, const struct iovec *iov, int n, off_t offset);

ssize_t __wrap_pwrite(int fd, const void *buf, size_t count, off_t offset)
{
	errno = ENOSPC;
	return is_full ? -1 : __real_pwrite(fd, buf, count, offset);
}

ssize_t __wrap_pwritev(int fd, const struct iovec *iov, int n, off_t offset)
{
	errno = ENOSPC;
	return is_full ? -1 : __real_pwritev(fd, iov, n, offset);
}

static int set_not_full(void **state)
{
	is_full = false;
	return 0;
}

struct writer {
	struct output_log *log;
	uint64_t pos[OUTPUT_STREAM_COUNT];
};

static void write_some(struct writer *w, enum output_stream stream, size_t len)
{
	static const char data[OUTPUT_RECORD_MAX];
	w->pos[stream] += len;
	assert_int_equal(output_log_append(w->log, stream, data, len, NULL), OUTPUT_KEPT);
}

static struct output_log *make_log(uint64_t cap)
{
	struct output_log *log = NULL;
	assert_int_equal(output_log_create("/tmp", NULL, cap, 0, &log), 0);
	return log;
}

/* Reads the gap with which a reader behind this record begins, and the record behind it. */
static void read_gap(struct output_log *log, uint64_t after, uint64_t *ret_dropped,
	bool *ret_is_bound, struct output_chunk *ret_first)
{
	static char buf[OUTPUT_RECORD_MAX];
	struct output_reader r;
	int got;
	*ret_is_bound = false;
	memset(ret_dropped, 0, OUTPUT_STREAM_COUNT * sizeof(*ret_dropped));
	assert_int_equal(output_reader_init(&r, log, after), 0);
	while ((got = output_reader_next(&r, buf, ret_first)) == OUTPUT_READ_GAP) {
		ret_dropped[ret_first->stream] += ret_first->dropped;
		*ret_is_bound |= ret_first->is_bound;
	}
	assert_int_equal(got, OUTPUT_READ_DATA);
	/* What comes from there on is known. */
	assert_false(r.is_bound);
}

/* I11: a client that comes back late. More strides than the index has entries, so what the index
 * says of the past is thinned out. */
TEST(a_reader_that_returns_for_evicted_records_is_told_exactly_what_it_missed)
{
	struct writer w = { .log = make_log(512 * KIB) };
	size_t n = 5000;
	auto_free uint64_t(*behind)[OUTPUT_STREAM_COUNT] = calloc(n + 1, sizeof(*behind));
	assert_non_null(behind);
	for (size_t i = 1; i <= n; i++) {
		size_t len = i % 7 ? 60 * KIB - i % 100 : 100 + i % 50;
		write_some(&w, i % 5 == 0, len);
		memcpy(behind[i], w.pos, sizeof(behind[i]));
	}
	for (uint64_t after = 0; after < n - 20; after++) {
		uint64_t dropped[OUTPUT_STREAM_COUNT];
		struct output_chunk first;
		bool is_bound;
		read_gap(w.log, after, dropped, &is_bound, &first);
		assert_false(is_bound);
		assert_true(first.seq > after + 1);
		for (int s = 0; s < OUTPUT_STREAM_COUNT; s++)
			assert_int_equal(dropped[s], behind[first.seq - 1][s] - behind[after][s]);
	}
	output_log_destroy(w.log);
}

/* The oldest record that is left, and what was dropped just before it. */
TEST(a_drop_before_the_oldest_record_is_told_to_who_was_before_it)
{
	struct writer w = { .log = make_log(512 * KIB) };
	for (int i = 0; i < 9; i++) {
		write_some(&w, OUTPUT_STDOUT, 60 * KIB);
		write_some(&w, OUTPUT_STDOUT, 4 * KIB);
		is_full = true;
		write_some(&w, OUTPUT_STDERR, 5);
		is_full = false;
	}
	uint64_t dropped[OUTPUT_STREAM_COUNT];
	struct output_chunk first;
	bool is_bound;
	read_gap(w.log, 0, dropped, &is_bound, &first);
	assert_true(first.seq > 1 && first.seq % 2 == 1);
	read_gap(w.log, first.seq - 1, dropped, &is_bound, &first);
	assert_int_equal(dropped[OUTPUT_STDOUT], 0);
	assert_int_equal(dropped[OUTPUT_STDERR], 5);
	assert_false(is_bound);
	output_log_destroy(w.log);
}

/* Tiny records, more than there is room to note: those of long ago get a bound that says so. */
TEST(beyond_what_is_noted_of_the_past_a_gap_is_a_bound_and_says_so)
{
	struct writer w = { .log = make_log(512 * KIB) };
	size_t n = 60000, len = 16, places = 512 * KIB / 4 / 16;
	for (size_t i = 0; i < n; i++)
		write_some(&w, OUTPUT_STDOUT, len);
	struct output_chunk first;
	uint64_t dropped[OUTPUT_STREAM_COUNT];
	bool is_bound;
	read_gap(w.log, 0, dropped, &is_bound, &first);
	assert_false(is_bound);
	assert_int_equal(dropped[OUTPUT_STDOUT], (first.seq - 1) * len);
	uint64_t oldest = first.seq, n_bounds = 0;
	for (uint64_t after = 1; after < oldest - 1; after += 13) {
		read_gap(w.log, after, dropped, &is_bound, &first);
		uint64_t exact = (first.seq - 1 - after) * len;
		assert_int_equal(is_bound, oldest - after > places);
		assert_true(is_bound ? dropped[0] >= exact : dropped[0] == exact);
		/* By no more than what lies between two entries of the index. */
		assert_true(dropped[0] - exact <= 8 * 64 * KIB);
		n_bounds += is_bound;
	}
	assert_true(n_bounds > 0);
	output_log_destroy(w.log);
}

/* No space to note it: what is not known is not made up. */
TEST(a_past_that_could_not_be_noted_is_a_bound_up_to_there)
{
	struct writer w = { .log = make_log(512 * KIB) };
	struct output_chunk first;
	uint64_t dropped[OUTPUT_STREAM_COUNT];
	bool is_bound;
	for (int i = 0; i < 12; i++)
		write_some(&w, OUTPUT_STDOUT, 60 * KIB);
	read_gap(w.log, 0, dropped, &is_bound, &first);
	uint64_t oldest = first.seq;
	is_full = true;
	write_some(&w, OUTPUT_STDOUT, 60 * KIB);
	is_full = false;
	read_gap(w.log, 1, dropped, &is_bound, &first);
	assert_true(first.seq > oldest);
	assert_true(is_bound);
	assert_true(dropped[OUTPUT_STDOUT] >= (first.seq - 2) * 60 * KIB);
	for (int i = 0; i < 6; i++)
		write_some(&w, OUTPUT_STDOUT, 60 * KIB);
	uint64_t after = first.seq;
	read_gap(w.log, after, dropped, &is_bound, &first);
	assert_true(first.seq > after + 1);
	assert_false(is_bound);
	output_log_destroy(w.log);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_reader_that_returns_for_evicted_records_is_told_exactly_what_it_missed),
		cmocka_unit_test_teardown(
			a_drop_before_the_oldest_record_is_told_to_who_was_before_it, set_not_full),
		cmocka_unit_test(beyond_what_is_noted_of_the_past_a_gap_is_a_bound_and_says_so),
		cmocka_unit_test_teardown(
			a_past_that_could_not_be_noted_is_a_bound_up_to_there, set_not_full),
	};
	return RUN_TESTS(tests);
}
