/*
 * The kept output of one task: records of at most 64 KiB, each with a number (seq), in an unlinked
 * file that is used as a ring. The file dies with the process; nothing but a small index is in
 * memory. When the ring is full the oldest records make room, so an append never waits for a
 * reader. Any number of readers, each no more than a cursor.
 *
 * Every record knows how many bytes of each stream were seen before it. So a reader tells exactly
 * how much it missed, whatever the reason: evicted by newer output, over the task's output limit,
 * or no space left on the file system.
 *
 * Used by dayflyd's loop thread only. A log must outlive its readers. Writing past RLIMIT_FSIZE
 * raises SIGXFSZ: ignore that signal.
 */
#ifndef DAYFLY_TASK_OUTPUT_LOG_H
#define DAYFLY_TASK_OUTPUT_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum output_stream { OUTPUT_STDOUT, OUTPUT_STDERR, OUTPUT_STREAM_COUNT };
const char *output_stream_name(enum output_stream s); /* "stdout", "stderr" */

#define OUTPUT_RECORD_MAX (64u << 10)

struct output_log;

/*
 * An unlinked file for a log: in dir, or (NULL, or where that fails) a memfd. Making one on a disk
 * takes longer than all else that a log needs, so one may be made ahead. Returns it or -errno.
 */
int output_log_open_file(const char *dir);

/*
 * *spare_file: one that was made ahead, which is taken; -1, or NULL: none. cap_bytes: the size of
 * the ring, records' heads included; at least 512 KiB is taken. stream_limit_bytes: how much of
 * each stream is kept in all; 0 = no limit. Returns 0 or -errno.
 */
int output_log_create(const char *dir, int *spare_file, uint64_t cap_bytes,
	uint64_t stream_limit_bytes, struct output_log **ret);
/* One that is over: empty, without a file. */
int output_log_create_ended(struct output_log **ret);
void output_log_destroy(struct output_log *log);

/*
 * Before the first append: of each stream's limit, this much (at most OUTPUT_RECORD_MAX) is for its
 * last bytes instead of its first ones. They become one record at output_log_end(), behind the gap
 * of what was dropped between. Up to then they are in memory, and readers see nothing of them.
 */
void output_log_keep_tail(struct output_log *log, size_t bytes);

/* One record just appended. seq = 0: nothing of the data was kept. */
struct output_record {
	uint64_t seq;
	size_t len; /* how many of the bytes, from the first on, were kept */
};

enum output_append { OUTPUT_KEPT, OUTPUT_OVER_LIMIT };

/*
 * Appends 1 to OUTPUT_RECORD_MAX bytes as one record. What is over the stream's limit (and no tail
 * keeps), and what cannot be written, is counted as dropped. Returns OUTPUT_KEPT, or
 * OUTPUT_OVER_LIMIT the first time that a stream of this log goes over its limit (and never again),
 * or -EINVAL for a bad length or a log that has ended. A full file system is no error. ret may be
 * NULL.
 */
int output_log_append(struct output_log *log, enum output_stream stream, const void *data,
	size_t len, struct output_record *ret);

/* Nothing more will come: readers see OUTPUT_READ_END after the last record. May be repeated. */
void output_log_end(struct output_log *log);

/* seen = kept + evicted + dropped. */
struct output_counts {
	uint64_t seen;	  /* bytes that the task wrote to the stream */
	uint64_t kept;	  /* still in the log */
	uint64_t evicted; /* were in the log and made room for newer ones */
	uint64_t dropped; /* never in the log: over the limit, or no space */
};
struct output_counts output_log_counts(const struct output_log *log, enum output_stream stream);

/* Of the newest record; 0: none yet. */
uint64_t output_log_last_seq(const struct output_log *log);
/* Bytes of the file that are in use. */
uint64_t output_log_bytes(const struct output_log *log);
/* The error of the last append that could not be written (positive errno), 0: none. */
int output_log_write_errno(const struct output_log *log);

struct output_reader {
	struct output_log *log;
	uint64_t seq;			   /* of the record at the cursor */
	uint64_t offset;		   /* of the record at the cursor */
	uint64_t pos[OUTPUT_STREAM_COUNT]; /* bytes of each stream that were told of, or missed */
	bool is_bound;			   /* pos may be too low, up to the next record */
};

/* After the newest record: only what comes from now on. */
#define OUTPUT_AFTER_ALL UINT64_MAX

/*
 * Puts the cursor behind record after_seq (0: at the beginning). When record after_seq + 1 has been
 * evicted the reader begins with a gap. How long it is is known for 0 and for as many evicted
 * records as a quarter of the ring has places of 16 bytes for; for older ones it is a bound, and
 * says so. Returns 0 or -errno.
 */
int output_reader_init(struct output_reader *r, struct output_log *log, uint64_t after_seq);

enum output_read {
	OUTPUT_READ_DATA,  /* seq, stream, len, at_ns are set, buf is filled */
	OUTPUT_READ_GAP,   /* seq (of the record after the gap), stream, dropped are set */
	OUTPUT_READ_AGAIN, /* caught up; call again after the next append or the end */
	OUTPUT_READ_END,   /* nothing will ever come */
};

struct output_chunk {
	uint64_t seq;
	enum output_stream stream;
	size_t len;
	uint64_t at_ns;	  /* CLOCK_MONOTONIC at the append */
	uint64_t dropped; /* bytes of the stream that are missing here */
	bool is_bound;	  /* ... at most */
};

/* buf has room for OUTPUT_RECORD_MAX bytes. Returns an enum output_read or -errno. */
int output_reader_next(struct output_reader *r, char *buf, struct output_chunk *ret);

/*
 * The short way for a reader that has kept up: if the record just appended is the next one and
 * nothing is missing before it, moves the cursor over it and returns true; the caller then sends
 * the bytes that it still has in memory.
 */
bool output_reader_take_live(struct output_reader *r, const struct output_record *rec);

/* Bytes (heads included) from the cursor to the end, also those evicted. 0: caught up. */
uint64_t output_reader_lag(const struct output_reader *r);

#endif
