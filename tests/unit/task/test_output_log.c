/*
 * The output log. What the task "writes" to a stream is a pattern that says at which position each
 * byte belongs, so a reader checks every byte and every gap exactly, whatever was evicted or
 * dropped on the way.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "task/output_log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/uio.h>

#define KIB 1024u
#define MIB (1024u * 1024u)

/* ---- a file system that can be full, or slow to take everything ---- */

static int fail_errno;		     /* writes fail with it */
static size_t fail_after = SIZE_MAX; /* ... once so many more bytes were taken */
static size_t most_per_write = SIZE_MAX;

ssize_t __real_pwrite(int fd, const void *buf, size_t count, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *buf, size_t count, off_t offset);
ssize_t __wrap_pwritev(int fd, const struct iovec *iov, int n, off_t offset);

ssize_t __wrap_pwrite(int fd, const void *buf, size_t count, off_t offset)
{
	if (count > most_per_write)
		count = most_per_write;
	if (fail_errno && count > fail_after)
		count = fail_after;
	if (fail_errno && count == 0) {
		errno = fail_errno;
		return -1;
	}
	ssize_t n = __real_pwrite(fd, buf, count, offset);
	if (fail_errno && n > 0)
		fail_after -= (size_t)n;
	return n;
}

ssize_t __wrap_pwritev(int fd, const struct iovec *iov, int n, off_t offset)
{
	ssize_t total = 0;
	for (int i = 0; i < n; i++) {
		ssize_t done = __wrap_pwrite(fd, iov[i].iov_base, iov[i].iov_len, offset + total);
		if (done < 0)
			return total ? total : -1;
		total += done;
		if ((size_t)done < iov[i].iov_len)
			break;
	}
	return total;
}

static int reset_faults(void **state)
{
	(void)state;
	fail_errno = 0;
	fail_after = most_per_write = SIZE_MAX;
	return 0;
}

/* ---- a writer and readers that know the pattern ---- */

static uint64_t random_state = 88172645463325252u;

static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static unsigned char pattern(enum output_stream stream, uint64_t position)
{
	uint64_t x = (position + 1) * (stream ? 0x9e3779b97f4a7c15u : 0xc2b2ae3d27d4eb4fu);
	return (unsigned char)(x >> 56 ^ x >> 23);
}

struct writer {
	struct output_log *log;
	uint64_t pos[OUTPUT_STREAM_COUNT];
	struct output_record last;
};

static int write_some(struct writer *w, enum output_stream stream, size_t len)
{
	static char data[OUTPUT_RECORD_MAX];
	for (size_t i = 0; i < len; i++)
		data[i] = (char)pattern(stream, w->pos[stream] + i);
	w->pos[stream] += len;
	return output_log_append(w->log, stream, data, len, &w->last);
}

static void write_random(struct writer *w, uint64_t total, size_t most)
{
	for (uint64_t done = 0; done < total;) {
		size_t len = (size_t)(next_random() % most) + 1;
		assert_int_equal(write_some(w, next_random() % 3 == 0, len), OUTPUT_KEPT);
		done += len;
	}
}

struct follower {
	struct output_reader reader;
	uint64_t pos[OUTPUT_STREAM_COUNT]; /* read or missed */
	uint64_t missed[OUTPUT_STREAM_COUNT];
	uint64_t seq; /* of the last record */
	size_t records, gaps;
};

static void follower_init(struct follower *f, struct output_log *log)
{
	*f = (struct follower){ 0 };
	assert_int_equal(output_reader_init(&f->reader, log, 0), 0);
}

/* One step, checked. */
static int follow(struct follower *f)
{
	static char buf[OUTPUT_RECORD_MAX];
	struct output_chunk c;
	int r = output_reader_next(&f->reader, buf, &c);
	assert_true(r >= 0);
	if (r == OUTPUT_READ_GAP) {
		assert_true(c.dropped > 0);
		assert_true(c.seq > f->seq);
		f->pos[c.stream] += c.dropped;
		f->missed[c.stream] += c.dropped;
		f->gaps++;
	} else if (r == OUTPUT_READ_DATA) {
		assert_true(c.seq > f->seq);
		assert_true(c.len > 0 && c.len <= OUTPUT_RECORD_MAX);
		for (size_t i = 0; i < c.len; i++)
			if ((unsigned char)buf[i] != pattern(c.stream, f->pos[c.stream] + i))
				fail_msg("record %lu: byte %zu is wrong", (unsigned long)c.seq, i);
		f->pos[c.stream] += c.len;
		f->seq = c.seq;
		f->records++;
	}
	return r;
}

static int follow_all(struct follower *f)
{
	int r;
	do
		r = follow(f);
	while (r == OUTPUT_READ_DATA || r == OUTPUT_READ_GAP);
	return r;
}

static struct output_log *make_log(uint64_t cap, uint64_t limit)
{
	struct output_log *log = NULL;
	assert_int_equal(output_log_create("/tmp", NULL, cap, limit, &log), 0);
	return log;
}

static void assert_complete(const struct follower *f, const struct writer *w)
{
	for (int s = 0; s < OUTPUT_STREAM_COUNT; s++)
		assert_int_equal(f->pos[s], w->pos[s]);
}

/* ---- tests ---- */

static void records_come_back_with_number_stream_and_bytes(void **state)
{
	(void)state;
	struct output_log *log = make_log(MIB, 0);
	struct output_record rec;
	assert_int_equal(output_log_append(log, OUTPUT_STDOUT, "one", 3, &rec), OUTPUT_KEPT);
	assert_int_equal(rec.seq, 1);
	assert_int_equal(rec.len, 3);
	assert_int_equal(output_log_append(log, OUTPUT_STDERR, "\0\xff", 2, &rec), OUTPUT_KEPT);
	assert_int_equal(rec.seq, 2);
	assert_int_equal(output_log_last_seq(log), 2);

	char buf[OUTPUT_RECORD_MAX];
	struct output_reader r;
	struct output_chunk c, d;
	assert_int_equal(output_reader_init(&r, log, 0), 0);
	assert_int_equal(output_reader_next(&r, buf, &c), OUTPUT_READ_DATA);
	assert_int_equal(c.seq, 1);
	assert_int_equal(c.stream, OUTPUT_STDOUT);
	assert_int_equal(c.len, 3);
	assert_memory_equal(buf, "one", 3);
	assert_int_equal(output_reader_next(&r, buf, &d), OUTPUT_READ_DATA);
	assert_int_equal(d.seq, 2);
	assert_int_equal(d.stream, OUTPUT_STDERR);
	assert_memory_equal(buf, "\0\xff", 2);
	assert_true(c.at_ns > 0 && d.at_ns >= c.at_ns);
	assert_int_equal(output_reader_next(&r, buf, &c), OUTPUT_READ_AGAIN);
	output_log_end(log);
	output_log_end(log);
	assert_int_equal(output_reader_next(&r, buf, &c), OUTPUT_READ_END);
	assert_int_equal(output_reader_next(&r, buf, &c), OUTPUT_READ_END);
	output_log_destroy(log);
}

static void appends_of_a_bad_length_and_after_the_end_are_refused(void **state)
{
	(void)state;
	struct output_log *log = make_log(MIB, 0);
	static char data[OUTPUT_RECORD_MAX + 1];
	assert_int_equal(output_log_append(log, OUTPUT_STDOUT, data, 0, NULL), -EINVAL);
	assert_int_equal(output_log_append(log, OUTPUT_STDOUT, data, sizeof(data), NULL), -EINVAL);
	assert_int_equal(output_log_append(log, OUTPUT_STREAM_COUNT, data, 1, NULL), -EINVAL);
	assert_int_equal(
		output_log_append(log, OUTPUT_STDOUT, data, OUTPUT_RECORD_MAX, NULL), OUTPUT_KEPT);
	output_log_end(log);
	assert_int_equal(output_log_append(log, OUTPUT_STDOUT, data, 1, NULL), -EINVAL);
	assert_int_equal(output_log_counts(log, OUTPUT_STDOUT).seen, OUTPUT_RECORD_MAX);
	output_log_destroy(log);
}

static void ten_mebibytes_of_random_bytes_come_back_unchanged(void **state)
{
	(void)state;
	struct output_log *log = make_log(16 * MIB, 0);
	size_t total = 10 * MIB;
	auto_free char *in = malloc(total);
	auto_free char *out = malloc(total);
	assert_non_null(in);
	assert_non_null(out);
	for (size_t i = 0; i < total; i += sizeof(uint64_t)) {
		uint64_t x = next_random();
		memcpy(in + i, &x, sizeof(x));
	}
	for (size_t at = 0; at < total;) {
		size_t len = (size_t)(next_random() % OUTPUT_RECORD_MAX) + 1;
		if (len > total - at)
			len = total - at;
		assert_int_equal(
			output_log_append(log, OUTPUT_STDOUT, in + at, len, NULL), OUTPUT_KEPT);
		at += len;
	}
	output_log_end(log);
	struct output_reader r;
	struct output_chunk c;
	char buf[OUTPUT_RECORD_MAX];
	size_t at = 0;
	assert_int_equal(output_reader_init(&r, log, 0), 0);
	while (output_reader_next(&r, buf, &c) == OUTPUT_READ_DATA) {
		assert_true(at + c.len <= total);
		memcpy(out + at, buf, c.len);
		at += c.len;
	}
	assert_int_equal(at, total);
	assert_memory_equal(in, out, total);
	output_log_destroy(log);
}

/* G9, K6 */
static void a_reader_left_behind_is_told_exactly_how_many_bytes_it_missed(void **state)
{
	(void)state;
	struct writer w = { .log = make_log(512 * KIB, 0) };
	struct follower f;
	follower_init(&f, w.log);
	write_random(&w, 100 * KIB, 4 * KIB);
	for (int i = 0; i < 7; i++)
		assert_int_equal(follow(&f), OUTPUT_READ_DATA);
	write_random(&w, 6 * MIB, OUTPUT_RECORD_MAX);
	assert_int_equal(follow_all(&f), OUTPUT_READ_AGAIN);
	assert_complete(&f, &w);
	for (int s = 0; s < OUTPUT_STREAM_COUNT; s++) {
		struct output_counts c = output_log_counts(w.log, (enum output_stream)s);
		assert_int_equal(c.seen, w.pos[s]);
		assert_int_equal(c.kept + c.evicted, c.seen);
		assert_int_equal(c.dropped, 0);
		assert_true(f.missed[s] > 0 && f.missed[s] < c.evicted);
	}
	assert_true(output_log_bytes(w.log) <= 640 * KIB);
	assert_int_equal(f.gaps, 2);
	output_log_destroy(w.log);
}

/* The ring's edge falls everywhere in a record, also inside its head. */
static void records_survive_at_the_edge_of_the_ring(void **state)
{
	(void)state;
	for (uint64_t ring = 512 * KIB; ring < 512 * KIB + 400; ring += 13) {
		struct writer w = { .log = make_log(ring, 0) };
		struct follower f;
		follower_init(&f, w.log);
		for (int i = 0; i < 60; i++) {
			write_some(&w, OUTPUT_STDOUT, 60 * KIB + 7);
			write_some(&w, OUTPUT_STDERR, 33);
			assert_int_equal(follow_all(&f), OUTPUT_READ_AGAIN);
		}
		assert_complete(&f, &w);
		assert_int_equal(f.gaps, 0);
		output_log_destroy(w.log);
	}
}

/* G10 */
static void many_readers_at_their_own_pace_each_see_everything_or_a_gap(void **state)
{
	(void)state;
	struct writer w = { .log = make_log(MIB, 0) };
	struct follower readers[40];
	for (size_t i = 0; i < ARRAY_SIZE(readers); i++)
		follower_init(&readers[i], w.log);
	for (int round = 0; round < 1500; round++) {
		write_random(&w, 1, 8 * KIB);
		for (size_t i = 0; i < ARRAY_SIZE(readers); i++)
			for (size_t n = next_random() % (i + 2); n > 0; n--)
				if (i != 0)
					follow(&readers[i]);
	}
	output_log_end(w.log);
	for (size_t i = 0; i < ARRAY_SIZE(readers); i++) {
		assert_int_equal(follow_all(&readers[i]), OUTPUT_READ_END);
		assert_complete(&readers[i], &w);
	}
	/* The one that never read has missed what the log says was evicted; the quick ones nothing.
	 */
	for (int s = 0; s < OUTPUT_STREAM_COUNT; s++)
		assert_int_equal(readers[0].missed[s],
			output_log_counts(w.log, (enum output_stream)s).evicted);
	assert_int_equal(readers[ARRAY_SIZE(readers) - 1].gaps, 0);
	output_log_destroy(w.log);
}

static void a_reader_can_begin_after_any_record_that_is_kept(void **state)
{
	(void)state;
	struct writer w = { .log = make_log(4 * MIB, 0) };
	write_random(&w, 2 * MIB, 8 * KIB);
	uint64_t last = output_log_last_seq(w.log);
	char buf[OUTPUT_RECORD_MAX];
	for (uint64_t after = 0; after <= last; after++) {
		struct output_reader r;
		struct output_chunk c;
		assert_int_equal(output_reader_init(&r, w.log, after), 0);
		int got = output_reader_next(&r, buf, &c);
		if (after == last) {
			assert_int_equal(got, OUTPUT_READ_AGAIN);
		} else {
			assert_int_equal(got, OUTPUT_READ_DATA);
			assert_int_equal(c.seq, after + 1);
		}
	}
	output_log_destroy(w.log);
}

static void a_reader_from_now_on_sees_only_what_comes(void **state)
{
	(void)state;
	struct writer w = { .log = make_log(MIB, 10) };
	write_some(&w, OUTPUT_STDOUT, 30);
	struct output_reader now, future;
	struct output_chunk c;
	char buf[OUTPUT_RECORD_MAX];
	assert_int_equal(output_reader_init(&now, w.log, OUTPUT_AFTER_ALL), 0);
	assert_int_equal(output_reader_init(&future, w.log, 1000), 0);
	assert_int_equal(output_reader_next(&now, buf, &c), OUTPUT_READ_AGAIN);
	assert_int_equal(output_reader_lag(&now), 0);
	write_some(&w, OUTPUT_STDERR, 3);
	assert_int_equal(output_reader_next(&now, buf, &c), OUTPUT_READ_DATA);
	assert_int_equal(c.seq, 2);
	/* A number that does not exist yet means: after the last one. What was dropped behind that
	 * is told. */
	assert_int_equal(output_reader_next(&future, buf, &c), OUTPUT_READ_GAP);
	assert_int_equal(c.dropped, 20);
	assert_int_equal(output_reader_next(&future, buf, &c), OUTPUT_READ_DATA);
	assert_int_equal(c.seq, 2);
	output_log_destroy(w.log);
}

static void output_over_the_limit_is_dropped_counted_and_signalled_once(void **state)
{
	(void)state;
	struct writer w = { .log = make_log(MIB, 100) };
	assert_int_equal(write_some(&w, OUTPUT_STDOUT, 60), OUTPUT_KEPT);
	assert_int_equal(write_some(&w, OUTPUT_STDOUT, 40), OUTPUT_KEPT);
	assert_int_equal(write_some(&w, OUTPUT_STDERR, 90), OUTPUT_KEPT);
	assert_int_equal(write_some(&w, OUTPUT_STDERR, 15), OUTPUT_OVER_LIMIT);
	assert_int_equal(w.last.seq, 4);
	assert_int_equal(w.last.len, 10);
	assert_int_equal(write_some(&w, OUTPUT_STDERR, 7), OUTPUT_KEPT);
	assert_int_equal(w.last.seq, 0);
	assert_int_equal(write_some(&w, OUTPUT_STDOUT, 1), OUTPUT_KEPT);
	struct output_counts out = output_log_counts(w.log, OUTPUT_STDOUT);
	struct output_counts err = output_log_counts(w.log, OUTPUT_STDERR);
	assert_int_equal(out.seen, 101);
	assert_int_equal(out.dropped, 1);
	assert_int_equal(err.seen, 112);
	assert_int_equal(err.kept, 100);
	assert_int_equal(err.dropped, 12);
	assert_int_equal(output_log_write_errno(w.log), 0);

	struct follower f;
	follower_init(&f, w.log);
	assert_int_equal(follow_all(&f), OUTPUT_READ_AGAIN);
	assert_int_equal(f.gaps, 0);
	output_log_end(w.log);
	assert_int_equal(follow_all(&f), OUTPUT_READ_END);
	assert_complete(&f, &w);
	assert_int_equal(f.missed[OUTPUT_STDOUT], 1);
	assert_int_equal(f.missed[OUTPUT_STDERR], 12);
	output_log_destroy(w.log);
}

static void a_full_file_system_drops_records_and_the_log_goes_on(void **state)
{
	(void)state;
	struct writer w = { .log = make_log(MIB, 0) };
	struct follower f;
	follower_init(&f, w.log);
	write_random(&w, 50 * KIB, 4 * KIB);
	fail_errno = ENOSPC;
	fail_after = 10 * KIB;
	write_random(&w, 80 * KIB, 4 * KIB);
	assert_int_equal(output_log_write_errno(w.log), ENOSPC);
	assert_int_equal(w.last.seq, 0);
	uint64_t stuck_at = output_log_last_seq(w.log);
	reset_faults(NULL);
	write_random(&w, 50 * KIB, 4 * KIB);
	assert_int_equal(output_log_write_errno(w.log), 0);
	assert_true(output_log_last_seq(w.log) > stuck_at);

	assert_int_equal(follow_all(&f), OUTPUT_READ_AGAIN);
	assert_complete(&f, &w);
	uint64_t dropped = 0;
	for (int s = 0; s < OUTPUT_STREAM_COUNT; s++) {
		struct output_counts c = output_log_counts(w.log, (enum output_stream)s);
		assert_int_equal(f.missed[s], c.dropped);
		dropped += c.dropped;
	}
	assert_true(dropped >= 60 * KIB);
	assert_int_equal(f.seq, output_log_last_seq(w.log));
	output_log_destroy(w.log);
}

static void a_file_system_that_is_full_from_the_start_is_no_error(void **state)
{
	(void)state;
	struct writer w = { .log = make_log(MIB, 0) };
	struct follower f;
	fail_errno = EDQUOT;
	fail_after = 0;
	for (int i = 0; i < 10; i++)
		assert_int_equal(write_some(&w, OUTPUT_STDOUT, 1000), OUTPUT_KEPT);
	follower_init(&f, w.log);
	assert_int_equal(follow_all(&f), OUTPUT_READ_AGAIN);
	output_log_end(w.log);
	assert_int_equal(follow_all(&f), OUTPUT_READ_END);
	assert_int_equal(f.missed[OUTPUT_STDOUT], 10000);
	assert_int_equal(f.records, 0);
	output_log_destroy(w.log);
}

/* The same on the real kernel, with whatever is left of a record that did not fit. */
static void a_file_size_limit_of_the_process_is_met_and_left_again(void **state)
{
	(void)state;
	struct rlimit before, low;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	low = before;
	low.rlim_cur = 200 * KIB + 11;
	struct writer w = { .log = make_log(512 * KIB, 0) };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
	write_random(&w, 400 * KIB, 10 * KIB);
	int seen = output_log_write_errno(w.log);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(seen, EFBIG);
	write_random(&w, 100 * KIB, 10 * KIB);
	struct follower f;
	follower_init(&f, w.log);
	assert_int_equal(follow_all(&f), OUTPUT_READ_AGAIN);
	assert_complete(&f, &w);
	assert_true(f.missed[OUTPUT_STDOUT] > 0);
	output_log_destroy(w.log);
}

static void writes_that_are_cut_short_are_completed(void **state)
{
	(void)state;
	struct writer w = { .log = make_log(512 * KIB, 0) };
	struct follower f;
	follower_init(&f, w.log);
	most_per_write = 1000;
	for (int i = 0; i < 30; i++) {
		write_random(&w, 20 * KIB, 20 * KIB);
		assert_int_equal(follow_all(&f), OUTPUT_READ_AGAIN);
	}
	assert_complete(&f, &w);
	assert_int_equal(f.gaps, 0);
	output_log_destroy(w.log);
}

static void only_a_reader_that_kept_up_may_take_a_record_live(void **state)
{
	(void)state;
	struct writer w = { .log = make_log(MIB, 50) };
	struct output_reader quick, slow;
	struct output_record old;
	assert_int_equal(output_reader_init(&quick, w.log, 0), 0);
	assert_int_equal(output_reader_init(&slow, w.log, 0), 0);
	write_some(&w, OUTPUT_STDOUT, 10);
	old = w.last;
	assert_true(output_reader_take_live(&quick, &w.last));
	assert_false(output_reader_take_live(&quick, &w.last));
	assert_int_equal(output_reader_lag(&quick), 0);
	write_some(&w, OUTPUT_STDERR, 10);
	assert_false(output_reader_take_live(&slow, &old));
	assert_false(output_reader_take_live(&slow, &w.last));
	assert_true(output_reader_take_live(&quick, &w.last));
	assert_true(output_reader_lag(&slow) > 20);
	/* 45 of these bytes are over the limit, so there is a gap before the next record. */
	write_some(&w, OUTPUT_STDOUT, 85);
	assert_true(output_reader_take_live(&quick, &w.last));
	write_some(&w, OUTPUT_STDOUT, 1);
	assert_false(output_reader_take_live(&quick, &w.last));
	write_some(&w, OUTPUT_STDERR, 1);
	assert_false(output_reader_take_live(&quick, &w.last));
	struct output_chunk c;
	char buf[OUTPUT_RECORD_MAX];
	assert_int_equal(output_reader_next(&quick, buf, &c), OUTPUT_READ_GAP);
	assert_int_equal(c.dropped, 46);
	assert_true(output_reader_take_live(&quick, &w.last));
	assert_int_equal(output_reader_next(&quick, buf, &c), OUTPUT_READ_AGAIN);
	output_log_destroy(w.log);
}

/* The oldest record that is left must never have been overwritten, whenever one looks. */
static void everything_that_is_kept_can_be_read_after_every_append(void **state)
{
	(void)state;
	struct writer w = { .log = make_log(512 * KIB, 0) };
	for (int i = 0; i < 400; i++) {
		write_random(&w, 1, i % 2 ? 40 * KIB : 300);
		struct follower f;
		follower_init(&f, w.log);
		assert_int_equal(follow_all(&f), OUTPUT_READ_AGAIN);
		assert_complete(&f, &w);
		for (int s = 0; s < OUTPUT_STREAM_COUNT; s++)
			assert_int_equal(f.missed[s],
				output_log_counts(w.log, (enum output_stream)s).evicted);
	}
	output_log_destroy(w.log);
}

static void a_record_that_misses_its_place_by_a_few_bytes_makes_room(void **state)
{
	(void)state;
	for (int missing = -64; missing <= 64; missing += 8) {
		/* Eight records with their heads of 48 bytes. */
		uint64_t ring = (uint64_t)(8 * (OUTPUT_RECORD_MAX + 48) - missing);
		struct writer w = { .log = make_log(ring, 0) };
		struct follower f;
		for (int i = 0; i < 24; i++)
			write_some(&w, OUTPUT_STDOUT, OUTPUT_RECORD_MAX);
		follower_init(&f, w.log);
		assert_int_equal(follow_all(&f), OUTPUT_READ_AGAIN);
		assert_complete(&f, &w);
		assert_int_equal(f.records, missing > 0 ? 7 : 8);
		output_log_destroy(w.log);
	}
}

/* Long enough for the index to be thinned. */
static void the_oldest_record_stays_readable_for_ever(void **state)
{
	(void)state;
	struct writer w = { .log = make_log(512 * KIB, 0) };
	for (int i = 0; i < 5000; i++) {
		write_some(&w, OUTPUT_STDERR, 60 * KIB);
		struct follower f;
		follower_init(&f, w.log);
		if (follow(&f) == OUTPUT_READ_GAP)
			assert_int_equal(follow(&f), OUTPUT_READ_DATA);
		/* Eight records fit, and two leave at a time. */
		uint64_t kept = output_log_last_seq(w.log) - f.seq + 1;
		assert_true(kept == 7 || kept == 8 || i < 7);
	}
	output_log_destroy(w.log);
}

static void a_reader_that_begins_behind_a_drop_is_not_told_of_it(void **state)
{
	(void)state;
	struct writer w = { .log = make_log(MIB, 0) };
	char buf[OUTPUT_RECORD_MAX];
	struct output_reader r;
	struct output_chunk c;
	write_some(&w, OUTPUT_STDOUT, 10);
	fail_errno = ENOSPC;
	fail_after = 0;
	write_some(&w, OUTPUT_STDOUT, 5);
	reset_faults(NULL);
	for (int i = 0; i < 3; i++)
		write_some(&w, OUTPUT_STDOUT, 10);
	/* Records 1, a drop, 2, 3, 4. */
	assert_int_equal(output_reader_init(&r, w.log, 1), 0);
	assert_int_equal(output_reader_next(&r, buf, &c), OUTPUT_READ_GAP);
	assert_int_equal(c.seq, 2);
	assert_int_equal(c.dropped, 5);
	for (uint64_t after = 2; after <= 3; after++) {
		assert_int_equal(output_reader_init(&r, w.log, after), 0);
		assert_int_equal(output_reader_next(&r, buf, &c), OUTPUT_READ_DATA);
		assert_int_equal(c.seq, after + 1);
	}
	output_log_destroy(w.log);
}

static void what_was_dropped_is_not_counted_as_evicted(void **state)
{
	(void)state;
	struct writer w = { .log = make_log(512 * KIB, 0) };
	struct follower f;
	follower_init(&f, w.log);
	for (int i = 0; i < 500; i++) {
		fail_errno = i % 3 ? 0 : ENOSPC;
		fail_after = 0;
		write_some(&w, i % 2, 10 * KIB);
	}
	reset_faults(NULL);
	uint64_t dropped = 0;
	for (int s = 0; s < OUTPUT_STREAM_COUNT; s++) {
		struct output_counts c = output_log_counts(w.log, (enum output_stream)s);
		assert_int_equal(c.kept + c.evicted + c.dropped, c.seen);
		assert_true(c.evicted > 0);
		assert_true(c.kept % (10 * KIB) == 0 && c.kept <= 512 * KIB);
		dropped += c.dropped;
	}
	assert_int_equal(dropped, 167 * 10 * KIB);
	output_log_end(w.log);
	assert_int_equal(follow_all(&f), OUTPUT_READ_END);
	assert_complete(&f, &w);
	uint64_t read = f.records * 10 * KIB;
	assert_int_equal(read, output_log_counts(w.log, OUTPUT_STDOUT).kept +
				       output_log_counts(w.log, OUTPUT_STDERR).kept);
	output_log_destroy(w.log);
}

static void a_log_needs_no_directory(void **state)
{
	(void)state;
	const char *dirs[] = { NULL, "/nonexistent", "/proc" };
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		struct writer w = { 0 };
		struct follower f;
		assert_int_equal(output_log_create(dirs[i], NULL, 0, 0, &w.log), 0);
		write_random(&w, MIB, OUTPUT_RECORD_MAX);
		follower_init(&f, w.log);
		assert_int_equal(follow_all(&f), OUTPUT_READ_AGAIN);
		assert_complete(&f, &w);
		output_log_destroy(w.log);
	}
	output_log_destroy(NULL);
}

static const char *next_text(struct output_reader *r, struct output_chunk *c, char *buf)
{
	int got = output_reader_next(r, buf, c);
	if (got != OUTPUT_READ_DATA)
		return got == OUTPUT_READ_GAP ? "gap" : got == OUTPUT_READ_END ? "end" : "again";
	buf[c->len] = '\0';
	return buf;
}

static void with_a_tail_the_beginning_and_the_end_are_kept(void **state)
{
	(void)state;
	struct output_log *log = make_log(MIB, 10);
	struct output_chunk c;
	struct output_reader r;
	char buf[OUTPUT_RECORD_MAX + 1];
	output_log_keep_tail(log, 4);
	assert_int_equal(output_reader_init(&r, log, 0), 0);
	assert_int_equal(output_log_append(log, OUTPUT_STDOUT, "abcdefgh", 8, NULL), OUTPUT_KEPT);
	assert_string_equal(next_text(&r, &c, buf), "abcdef");
	/* Another stream's records do not tell of a gap that may never be. */
	assert_int_equal(output_log_append(log, OUTPUT_STDERR, "x", 1, NULL), OUTPUT_KEPT);
	assert_string_equal(next_text(&r, &c, buf), "x");
	assert_string_equal(next_text(&r, &c, buf), "again");
	assert_int_equal(output_log_counts(log, OUTPUT_STDOUT).dropped, 0);
	assert_int_equal(
		output_log_append(log, OUTPUT_STDOUT, "ijklm", 5, NULL), OUTPUT_OVER_LIMIT);
	assert_int_equal(output_log_counts(log, OUTPUT_STDOUT).dropped, 3);
	output_log_end(log);
	assert_string_equal(next_text(&r, &c, buf), "gap");
	assert_int_equal(c.stream, OUTPUT_STDOUT);
	assert_int_equal(c.dropped, 3);
	assert_string_equal(next_text(&r, &c, buf), "jklm");
	assert_string_equal(next_text(&r, &c, buf), "end");
	struct output_counts n = output_log_counts(log, OUTPUT_STDOUT);
	assert_int_equal(n.seen, 13);
	assert_int_equal(n.kept, 10);
	assert_int_equal(n.dropped, 3);
	/* Who comes later sees the same. */
	assert_int_equal(output_reader_init(&r, log, 0), 0);
	assert_string_equal(next_text(&r, &c, buf), "abcdef");
	assert_string_equal(next_text(&r, &c, buf), "x");
	assert_string_equal(next_text(&r, &c, buf), "gap");
	output_log_destroy(log);
}

static void up_to_the_limit_nothing_is_missing_with_a_tail_either(void **state)
{
	(void)state;
	struct output_log *log = make_log(MIB, 10);
	struct output_chunk c;
	struct output_reader r;
	char buf[OUTPUT_RECORD_MAX + 1];
	output_log_keep_tail(log, 4);
	for (const char *p = "0123456789"; *p; p++)
		assert_int_equal(output_log_append(log, OUTPUT_STDERR, p, 1, NULL), OUTPUT_KEPT);
	output_log_end(log);
	assert_int_equal(output_reader_init(&r, log, 0), 0);
	for (int i = 0; i < 6; i++)
		assert_int_equal(output_reader_next(&r, buf, &c), OUTPUT_READ_DATA);
	assert_string_equal(next_text(&r, &c, buf), "6789");
	assert_string_equal(next_text(&r, &c, buf), "end");
	assert_int_equal(output_log_counts(log, OUTPUT_STDERR).dropped, 0);
	output_log_destroy(log);
}

static void streams_have_names(void **state)
{
	(void)state;
	assert_string_equal(output_stream_name(OUTPUT_STDOUT), "stdout");
	assert_string_equal(output_stream_name(OUTPUT_STDERR), "stderr");
	assert_string_equal(output_stream_name(OUTPUT_STREAM_COUNT), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_come_back_with_number_stream_and_bytes),
		cmocka_unit_test(appends_of_a_bad_length_and_after_the_end_are_refused),
		cmocka_unit_test(ten_mebibytes_of_random_bytes_come_back_unchanged),
		cmocka_unit_test(a_reader_left_behind_is_told_exactly_how_many_bytes_it_missed),
		cmocka_unit_test(records_survive_at_the_edge_of_the_ring),
		cmocka_unit_test(many_readers_at_their_own_pace_each_see_everything_or_a_gap),
		cmocka_unit_test(a_reader_can_begin_after_any_record_that_is_kept),
		cmocka_unit_test(a_reader_from_now_on_sees_only_what_comes),
		cmocka_unit_test(output_over_the_limit_is_dropped_counted_and_signalled_once),
		cmocka_unit_test_teardown(
			a_full_file_system_drops_records_and_the_log_goes_on, reset_faults),
		cmocka_unit_test_teardown(
			a_file_system_that_is_full_from_the_start_is_no_error, reset_faults),
		cmocka_unit_test(a_file_size_limit_of_the_process_is_met_and_left_again),
		cmocka_unit_test_teardown(writes_that_are_cut_short_are_completed, reset_faults),
		cmocka_unit_test(only_a_reader_that_kept_up_may_take_a_record_live),
		cmocka_unit_test(everything_that_is_kept_can_be_read_after_every_append),
		cmocka_unit_test(a_record_that_misses_its_place_by_a_few_bytes_makes_room),
		cmocka_unit_test(the_oldest_record_stays_readable_for_ever),
		cmocka_unit_test_teardown(
			a_reader_that_begins_behind_a_drop_is_not_told_of_it, reset_faults),
		cmocka_unit_test_teardown(what_was_dropped_is_not_counted_as_evicted, reset_faults),
		cmocka_unit_test(a_log_needs_no_directory),
		cmocka_unit_test(with_a_tail_the_beginning_and_the_end_are_kept),
		cmocka_unit_test(up_to_the_limit_nothing_is_missing_with_a_tail_either),
		cmocka_unit_test(streams_have_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
