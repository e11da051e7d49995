/*
 * Where the streams stood behind each record that has made room: in the log's file, behind the
 * ring, as a ring of its own. So a reader that comes back for what is gone is told exactly how much
 * it missed, and nothing of it is in memory.
 */
#include "task/output_log_priv.h"

#include "base/fd.h"

/* Of the ring's size. A record takes more room in the ring than its place here does: as many
 * records as fit into the ring if each has a few bytes. */
#define PAST_SHARE 4
#define BATCH	   64

struct position {
	uint64_t seen[OUTPUT_STREAM_COUNT];
};

void output_past_init(struct output_log *log)
{
	log->past_slots = log->ring / PAST_SHARE / sizeof(struct position);
	log->past_from = 1;
}

static uint64_t place(const struct output_log *log, uint64_t slot)
{
	return log->ring + slot * sizeof(struct position);
}

static int put(const struct output_log *log, uint64_t seq, const struct position *list, size_t n)
{
	uint64_t slot = seq % log->past_slots, room = log->past_slots - slot;
	size_t first = n > room ? (size_t)room : n;
	int r = fd_write_at(log->fd, list, first * sizeof(*list), place(log, slot));
	if (r == 0 && first < n)
		r = fd_write_at(log->fd, list + first, (n - first) * sizeof(*list), place(log, 0));
	return r;
}

static int note_all(const struct output_log *log, uint64_t seq, uint64_t from, uint64_t to)
{
	struct position list[BATCH];
	size_t n = 0;
	int r = 0;
	while (r == 0 && from < to) {
		struct record_head head;
		r = output_log_read_head(log, from, seq, &head);
		if (r < 0)
			break;
		memcpy(list[n].seen, head.seen, sizeof(list[n].seen));
		list[n++].seen[head.stream] += head.len;
		from += sizeof(head) + head.len;
		seq++;
		if (n < BATCH && from < to)
			continue;
		r = put(log, seq - n, list, n);
		n = 0;
	}
	return r;
}

void output_past_note(struct output_log *log, const struct index_entry *gone)
{
	/* What cannot be noted is not known, and of older ones nothing is said either. */
	if (note_all(log, gone[0].seq, gone[0].offset, gone[1].offset) < 0)
		log->past_from = gone[1].seq;
}

bool output_past_find(const struct output_log *log, uint64_t seq, uint64_t *ret_seen)
{
	uint64_t kept = log->index[log->first_kept].seq;
	struct position p;
	if (seq < log->past_from || seq >= kept || kept - seq > log->past_slots ||
		output_log_read_at(log->fd, &p, sizeof(p), place(log, seq % log->past_slots)) < 0)
		return false;
	memcpy(ret_seen, p.seen, sizeof(p.seen));
	return true;
}

uint64_t output_past_bytes(const struct output_log *log)
{
	uint64_t n = log->first_kept < log->n_index ? log->index[log->first_kept].seq - 1 : 0;
	return (n < log->past_slots ? n : log->past_slots) * sizeof(struct position);
}
