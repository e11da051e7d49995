/*
 * The ring file and its index: see output_log.h.
 *
 * Offsets are logical and only grow; byte o of the log lies at o % ring in the file. start and
 * every point to which it can advance is the offset of an index entry, so the oldest record is
 * always known without reading. Entries of what has been evicted stay, thinned out, so that a
 * reader who comes back late is told roughly how much it missed.
 */
#include "task/output_log.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/uio.h>

#define RECORD_MAGIC 0x6c6f6766u /* "logf" */
#define RING_MIN     (512u << 10)
#define STRIDE_MIN   (64u << 10)
/* With stride >= ring / 1024 what is kept has at most 1025 entries: as many again for the past. */
#define STRIDES_MAX 1024
#define INDEX_MAX   (2 * STRIDES_MAX + 2)
#define INDEX_FIRST 16

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
	uint64_t start, end; /* logical offsets; end - start <= ring */
	uint64_t next_seq;
	uint64_t seen[OUTPUT_STREAM_COUNT];
	uint64_t stored[OUTPUT_STREAM_COUNT];
	uint64_t evicted[OUTPUT_STREAM_COUNT];
	struct index_entry *index; /* from record 1 on; sorted */
	size_t n_index, cap_index;
	size_t first_kept; /* the entry at start; n_index when nothing is kept */
	/* The newest record, for live readers; behind[] is the position after it. */
	uint64_t last_offset;
	uint64_t last_seen[OUTPUT_STREAM_COUNT];
	uint64_t behind[OUTPUT_STREAM_COUNT];
	int write_errno;
	bool has_ended, is_over_limit;
};

static const char *const stream_names[OUTPUT_STREAM_COUNT] = {
	[OUTPUT_STDOUT] = "stdout",
	[OUTPUT_STDERR] = "stderr",
};

const char *output_stream_name(enum output_stream s)
{
	return (unsigned)s < OUTPUT_STREAM_COUNT ? stream_names[s] : "unknown";
}

static int open_unlinked(const char *dir)
{
	int fd = dir ? open(dir, O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600) : -1;
	if (fd < 0)
		fd = memfd_create("output", MFD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int output_log_create(
	const char *dir, uint64_t cap_bytes, uint64_t stream_limit_bytes, struct output_log **ret)
{
	auto_close int fd = open_unlinked(dir);
	if (fd < 0)
		return fd;
	struct output_log *log = calloc(1, sizeof(*log));
	if (!log)
		return -ENOMEM;
	log->ring = cap_bytes < RING_MIN ? RING_MIN : cap_bytes;
	log->stride = log->ring / STRIDES_MAX;
	if (log->stride < STRIDE_MIN)
		log->stride = STRIDE_MIN;
	log->limit = stream_limit_bytes ? stream_limit_bytes : UINT64_MAX;
	log->next_seq = 1;
	log->fd = fd_take(&fd);
	*ret = log;
	return 0;
}

void output_log_destroy(struct output_log *log)
{
	if (!log)
		return;
	fd_close(&log->fd);
	free(log->index);
	free(log);
}

/* ---- the file ---- */

static int write_at(int fd, const char *data, size_t len, uint64_t at)
{
	while (len) {
		ssize_t n = pwrite(fd, data, len, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENOSPC;
		data += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

static int ring_write(const struct output_log *log, const void *data, size_t len, uint64_t offset)
{
	uint64_t at = offset % log->ring;
	size_t first = len > log->ring - at ? (size_t)(log->ring - at) : len;
	int r = write_at(log->fd, data, first, at);
	if (r == 0 && first < len)
		r = write_at(log->fd, (const char *)data + first, len - first, 0);
	return r;
}

static int ring_write_record(
	const struct output_log *log, const struct record_head *head, const void *data)
{
	uint64_t at = log->end % log->ring;
	struct iovec parts[2] = {
		{ (void *)head, sizeof(*head) },
		{ (void *)data, head->len },
	};
	size_t total = sizeof(*head) + head->len;
	if (total <= log->ring - at && pwritev(log->fd, parts, 2, (off_t)at) == (ssize_t)total)
		return 0;
	/* Over the edge, or cut short: piece by piece, which also tells the errno. */
	int r = ring_write(log, head, sizeof(*head), log->end);
	return r < 0 ? r : ring_write(log, data, head->len, log->end + sizeof(*head));
}

static int read_at(int fd, char *data, size_t len, uint64_t at)
{
	while (len) {
		ssize_t n = pread(fd, data, len, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		data += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

static int ring_read(const struct output_log *log, void *data, size_t len, uint64_t offset)
{
	uint64_t at = offset % log->ring;
	size_t first = len > log->ring - at ? (size_t)(log->ring - at) : len;
	int r = read_at(log->fd, data, first, at);
	if (r == 0 && first < len)
		r = read_at(log->fd, (char *)data + first, len - first, 0);
	return r;
}

static int read_head(
	const struct output_log *log, uint64_t offset, uint64_t seq, struct record_head *ret)
{
	int r = ring_read(log, ret, sizeof(*ret), offset);
	if (r < 0)
		return r;
	if (ret->magic != RECORD_MAGIC || ret->seq != seq || ret->len > OUTPUT_RECORD_MAX ||
		ret->stream >= OUTPUT_STREAM_COUNT)
		return -EBADMSG;
	return 0;
}

/* ---- the index ---- */

/* Drops every second entry of the evicted past, but never the first. */
static void index_thin(struct output_log *log)
{
	size_t to = 0;
	for (size_t from = 0; from < log->n_index; from++) {
		if (from == log->first_kept)
			log->first_kept = to;
		else if (from < log->first_kept && from % 2)
			continue;
		log->index[to++] = log->index[from];
	}
	log->n_index = to;
}

/* Makes room for one more entry. Returns 0 or -ENOMEM. */
static int index_reserve(struct output_log *log)
{
	if (log->n_index < log->cap_index)
		return 0;
	if (log->cap_index == INDEX_MAX) {
		index_thin(log);
		return log->n_index < log->cap_index ? 0 : -ENOMEM;
	}
	size_t cap = log->cap_index ? log->cap_index * 2 : INDEX_FIRST;
	if (cap > INDEX_MAX)
		cap = INDEX_MAX;
	struct index_entry *grown = reallocarray(log->index, cap, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	log->index = grown;
	log->cap_index = cap;
	return 0;
}

static void index_add(struct output_log *log)
{
	struct index_entry *e = &log->index[log->n_index++];
	e->seq = log->next_seq;
	e->offset = log->end;
	memcpy(e->seen, log->seen, sizeof(e->seen));
	memcpy(e->stored, log->stored, sizeof(e->stored));
}

static bool index_is_wanted(const struct output_log *log)
{
	return log->first_kept == log->n_index ||
	       log->end - log->index[log->n_index - 1].offset >= log->stride;
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

/* ---- appending ---- */

static void evict_for(struct output_log *log, size_t need)
{
	while (log->end + need - log->start > log->ring) {
		/* The ring is eight strides wide or more: the newest entry is never reached. */
		assert(log->first_kept + 1 < log->n_index);
		const struct index_entry *e = &log->index[++log->first_kept];
		log->start = e->offset;
		memcpy(log->evicted, e->stored, sizeof(log->evicted));
	}
}

static int append_record(
	struct output_log *log, enum output_stream stream, const void *data, size_t len)
{
	struct record_head head = {
		.magic = RECORD_MAGIC,
		.len = (uint32_t)len,
		.seq = log->next_seq,
		.at_ns = clock_mono_ns(),
		.stream = stream,
	};
	memcpy(head.seen, log->seen, sizeof(head.seen));
	bool wants_entry = index_is_wanted(log);
	int r = wants_entry ? index_reserve(log) : 0;
	if (r < 0)
		return r;
	evict_for(log, sizeof(head) + len);
	r = ring_write_record(log, &head, data);
	if (r < 0)
		return r;
	if (wants_entry)
		index_add(log);
	log->last_offset = log->end;
	memcpy(log->last_seen, head.seen, sizeof(log->last_seen));
	memcpy(log->behind, head.seen, sizeof(log->behind));
	log->behind[stream] += len;
	log->end += sizeof(head) + len;
	log->next_seq++;
	return 0;
}

int output_log_append(struct output_log *log, enum output_stream stream, const void *data,
	size_t len, struct output_record *ret)
{
	if (len == 0 || len > OUTPUT_RECORD_MAX || (unsigned)stream >= OUTPUT_STREAM_COUNT ||
		log->has_ended)
		return -EINVAL;
	uint64_t room = log->limit - log->stored[stream];
	size_t keep = len > room ? (size_t)room : len;
	bool is_over = keep < len;
	struct output_record rec = { 0 };
	if (keep) {
		uint64_t seq = log->next_seq;
		int r = append_record(log, stream, data, keep);
		if (r == 0)
			rec = (struct output_record){ .seq = seq, .len = keep };
		log->write_errno = -r;
	}
	log->seen[stream] += len;
	log->stored[stream] += rec.len;
	if (ret)
		*ret = rec;
	if (!is_over || log->is_over_limit)
		return OUTPUT_KEPT;
	log->is_over_limit = true;
	return OUTPUT_OVER_LIMIT;
}

void output_log_end(struct output_log *log)
{
	log->has_ended = true;
	/* Nothing will ever be read from it: one descriptor less for each finished task that said
	 * nothing. */
	if (log->end == 0)
		fd_close(&log->fd);
}

struct output_counts output_log_counts(const struct output_log *log, enum output_stream stream)
{
	return (struct output_counts){
		.seen = log->seen[stream],
		.kept = log->stored[stream] - log->evicted[stream],
		.evicted = log->evicted[stream],
		.dropped = log->seen[stream] - log->stored[stream],
	};
}

uint64_t output_log_last_seq(const struct output_log *log)
{
	return log->next_seq - 1;
}

uint64_t output_log_bytes(const struct output_log *log)
{
	return log->end - log->start;
}

bool output_log_has_ended(const struct output_log *log)
{
	return log->has_ended;
}

int output_log_write_errno(const struct output_log *log)
{
	return log->write_errno;
}

/* ---- reading ---- */

static void reader_skip(struct output_reader *r, const struct record_head *head)
{
	memcpy(r->pos, head->seen, sizeof(r->pos));
	r->pos[head->stream] += head->len;
	r->offset += sizeof(*head) + head->len;
	r->seq++;
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
	if (after_seq >= log->next_seq - 1 && after_seq > 0) {
		reader_set(&r, log->next_seq, log->end,
			after_seq == OUTPUT_AFTER_ALL ? log->seen : log->behind);
	} else if (after_seq == 0 || log->index[log->first_kept].seq > after_seq + 1) {
		/* At the oldest record that is left; how much is missing before it shows in pos. */
		const uint64_t *pos = zero;
		uint64_t seq = 1;
		if (log->first_kept < log->n_index)
			seq = log->index[log->first_kept].seq;
		if (after_seq)
			pos = index_find(log, 0, after_seq + 1)->seen;
		reader_set(&r, seq, log->start, pos);
	} else {
		/* From the entry before it, to learn what was dropped in between. */
		const struct index_entry *e = index_find(log, log->first_kept, after_seq);
		reader_set(&r, e->seq, e->offset, e->seen);
		while (r.seq <= after_seq) {
			struct record_head head;
			int err = read_head(log, r.offset, r.seq, &head);
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
		return reader_find_gap(r, log->seen, ret) ? OUTPUT_READ_GAP : OUTPUT_READ_END;
	}
	struct record_head head;
	int err = read_head(log, r->offset, r->seq, &head);
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
