/* Reading a log: see output_log.h. */
#include "task/output_log_priv.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

int output_log_read_at(int fd, void *data, size_t len, uint64_t at)
{
	char *to = data;
	while (len) {
		ssize_t n = pread(fd, to, len, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		to += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

static int ring_read(const struct output_log *log, void *data, size_t len, uint64_t offset)
{
	uint64_t at = offset % log->ring;
	size_t first = len > log->ring - at ? (size_t)(log->ring - at) : len;
	int r = output_log_read_at(log->fd, data, first, at);
	if (r == 0 && first < len)
		r = output_log_read_at(log->fd, (char *)data + first, len - first, 0);
	return r;
}

int output_log_read_head(
	const struct output_log *log, uint64_t offset, uint64_t seq, struct record_head *ret)
{
	int r = ring_read(log, ret, sizeof(*ret), offset);
	if (r < 0)
		return r;
	if (ret->magic != OUTPUT_RECORD_MAGIC || ret->seq != seq || ret->len > OUTPUT_RECORD_MAX ||
		ret->stream >= OUTPUT_STREAM_COUNT)
		return -EBADMSG;
	return 0;
}

/* The last entry among from..n_index-1 with this seq or a lower one; from when there is none. */
static const struct index_entry *index_find(const struct output_log *log, size_t from, uint64_t seq)
{
	size_t low = from, high = log->n_index;
	while (high - low > 1) {
		size_t mid = low + (high - low) / 2;
		if (log->index[mid].seq <= seq)
			low = mid;
		else
			high = mid;
	}
	return &log->index[low];
}

static void reader_skip(struct output_reader *r, const struct record_head *head)
{
	memcpy(r->pos, head->seen, sizeof(r->pos));
	r->pos[head->stream] += head->len;
	r->offset += sizeof(*head) + head->len;
	r->seq++;
	r->is_bound = false;
}

static void reader_set(struct output_reader *r, uint64_t seq, uint64_t offset, const uint64_t *pos)
{
	r->seq = seq;
	r->offset = offset;
	memcpy(r->pos, pos, sizeof(r->pos));
}

int output_reader_init(struct output_reader *ret, struct output_log *log, uint64_t after_seq)
{
	static const uint64_t zero[OUTPUT_STREAM_COUNT];
	struct output_reader r = { .log = log };
	uint64_t first_seq = log->first_kept < log->n_index ? log->index[log->first_kept].seq : 1;
	if (after_seq >= log->next_seq - 1 && after_seq > 0) {
		reader_set(&r, log->next_seq, log->end,
			after_seq == OUTPUT_AFTER_ALL ? log->shown : log->behind);
	} else if (after_seq < first_seq) {
		/* At the oldest record that is left; how much is missing before it shows in pos. */
		reader_set(&r, first_seq, log->start, zero);
		if (after_seq && !output_past_find(log, after_seq, r.pos)) {
			memcpy(r.pos, index_find(log, 0, after_seq)->seen, sizeof(r.pos));
			r.is_bound = true;
		}
	} else {
		/* From the entry before it, to learn what was dropped in between. */
		const struct index_entry *e = index_find(log, log->first_kept, after_seq);
		reader_set(&r, e->seq, e->offset, e->seen);
		while (r.seq <= after_seq) {
			struct record_head head;
			int err = output_log_read_head(log, r.offset, r.seq, &head);
			if (err < 0)
				return err;
			reader_skip(&r, &head);
		}
	}
	*ret = r;
	return 0;
}

/* Reports the bytes of one stream that are missing before `seen`, if any are. */
static bool reader_find_gap(struct output_reader *r, const uint64_t *seen, struct output_chunk *ret)
{
	for (unsigned s = 0; s < OUTPUT_STREAM_COUNT; s++) {
		if (r->pos[s] >= seen[s])
			continue;
		*ret = (struct output_chunk){
			.seq = r->seq,
			.stream = (enum output_stream)s,
			.dropped = seen[s] - r->pos[s],
			.is_bound = r->is_bound,
		};
		r->pos[s] = seen[s];
		return true;
	}
	return false;
}

int output_reader_next(struct output_reader *r, char *buf, struct output_chunk *ret)
{
	const struct output_log *log = r->log;
	if (r->offset < log->start) {
		r->offset = log->start;
		r->seq = log->index[log->first_kept].seq;
	}
	if (r->offset == log->end) {
		if (!log->has_ended)
			return OUTPUT_READ_AGAIN;
		return reader_find_gap(r, log->shown, ret) ? OUTPUT_READ_GAP : OUTPUT_READ_END;
	}
	struct record_head head;
	int err = output_log_read_head(log, r->offset, r->seq, &head);
	if (err < 0)
		return err;
	if (reader_find_gap(r, head.seen, ret))
		return OUTPUT_READ_GAP;
	err = ring_read(log, buf, head.len, r->offset + sizeof(head));
	if (err < 0)
		return err;
	*ret = (struct output_chunk){
		.seq = head.seq,
		.stream = (enum output_stream)head.stream,
		.len = head.len,
		.at_ns = head.at_ns,
	};
	reader_skip(r, &head);
	return OUTPUT_READ_DATA;
}

bool output_reader_take_live(struct output_reader *r, const struct output_record *rec)
{
	const struct output_log *log = r->log;
	if (rec->seq == 0 || rec->seq != log->next_seq - 1 || r->offset != log->last_offset ||
		r->seq != rec->seq || memcmp(r->pos, log->last_seen, sizeof(r->pos)) != 0)
		return false;
	reader_set(r, log->next_seq, log->end, log->behind);
	return true;
}

uint64_t output_reader_lag(const struct output_reader *r)
{
	return r->log->end - r->offset;
}
