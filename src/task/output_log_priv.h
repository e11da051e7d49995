/* The insides of a log, for output_log.c, which writes it, and output_log_read.c. */
#ifndef DAYFLY_TASK_OUTPUT_LOG_PRIV_H
#define DAYFLY_TASK_OUTPUT_LOG_PRIV_H

#include "task/output_log.h"
#include "task/output_tail.h"

#define OUTPUT_RECORD_MAGIC 0x6c6f6766u /* "logf" */

struct record_head {
	uint32_t magic;
	uint32_t len;
	uint64_t seq;
	uint64_t at_ns;
	uint64_t seen[OUTPUT_STREAM_COUNT]; /* bytes of each stream before this record, kept or not
					     */
	uint32_t stream;
	uint32_t reserved;
};

struct index_entry {
	uint64_t seq;
	uint64_t offset;
	uint64_t seen[OUTPUT_STREAM_COUNT];
	uint64_t stored[OUTPUT_STREAM_COUNT]; /* of seen: bytes that are or were in the log */
};

struct output_log {
	int fd;
	uint64_t ring, stride, limit;
	uint64_t head_limit; /* of `limit`: what is kept of a stream's beginning */
	uint64_t start, end; /* logical offsets; end - start <= ring */
	uint64_t next_seq;
	uint64_t seen[OUTPUT_STREAM_COUNT];
	/* How far readers are told of. Behind `seen` while the tail takes what comes: what becomes
	 * of those bytes is only known at the end. */
	uint64_t shown[OUTPUT_STREAM_COUNT];
	struct output_tail tails[OUTPUT_STREAM_COUNT];
	uint64_t stored[OUTPUT_STREAM_COUNT];
	uint64_t evicted[OUTPUT_STREAM_COUNT];
	struct index_entry *index; /* from record 1 on; sorted */
	size_t n_index, cap_index;
	size_t first_kept; /* the entry at start; n_index when nothing is kept */
	uint64_t past_slots;
	uint64_t past_from; /* of what is evicted: from this record on the past is noted */
	/* The newest record, for live readers; behind[] is the position after it. */
	uint64_t last_offset;
	uint64_t last_seen[OUTPUT_STREAM_COUNT];
	uint64_t behind[OUTPUT_STREAM_COUNT];
	int write_errno;
	bool has_ended, is_over_limit;
};

/* output_log_read.c. Both return 0 or -errno. */
int output_log_read_at(int fd, void *data, size_t len, uint64_t at);
int output_log_read_head(
	const struct output_log *log, uint64_t offset, uint64_t seq, struct record_head *ret);

/* output_log_past.c */
void output_past_init(struct output_log *log);
/* The records from this entry to the one behind it are about to be evicted. */
void output_past_note(struct output_log *log, const struct index_entry *gone);
/* How far the streams were behind this record, which is evicted. Returns whether it is known. */
bool output_past_find(const struct output_log *log, uint64_t seq, uint64_t *ret_seen);
uint64_t output_past_bytes(const struct output_log *log);

#endif
