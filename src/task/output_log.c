/*
 * The ring file and its index: see output_log.h.
 *
 * Offsets are logical and only grow; byte o of the log lies at o % ring in the file. start and
 * every point to which it can advance is the offset of an index entry, so the oldest record is
 * always known without reading. Of what has been evicted output_log_past.c notes where each record
 * ended, as far back as its room goes. For what is older still, entries stay, thinned out: a reader
 * who comes back that late is told how much it missed at most.
 */
#include "task/output_log_priv.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/uio.h>

#define RING_MIN   (512u << 10)
#define STRIDE_MIN (64u << 10)
/* With stride >= ring / 1024 what is kept has at most 1025 entries: as many again for the past. */
#define STRIDES_MAX 1024
#define INDEX_MAX   (2 * STRIDES_MAX + 2)
#define INDEX_FIRST 16

static const char *const stream_names[OUTPUT_STREAM_COUNT] = {
	[OUTPUT_STDOUT] = "stdout",
	[OUTPUT_STDERR] = "stderr",
};

const char *output_stream_name(enum output_stream s)
{
	return (unsigned)s < OUTPUT_STREAM_COUNT ? stream_names[s] : "unknown";
}

int output_log_open_file(const char *dir)
{
	int fd = dir ? open(dir, O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600) : -1;
	if (fd < 0)
		fd = memfd_create("output", MFD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int output_log_create(const char *dir, int *spare_file, uint64_t cap_bytes,
	uint64_t stream_limit_bytes, struct output_log **ret)
{
	auto_close int fd = spare_file ? fd_take(spare_file) : -1;
	if (fd < 0)
		fd = output_log_open_file(dir);
	if (fd < 0)
		return fd;
	struct output_log *log = calloc(1, sizeof(*log));
	if (!log)
		return -ENOMEM;
	log->ring = cap_bytes < RING_MIN ? RING_MIN : cap_bytes;
	log->stride = log->ring / STRIDES_MAX;
	if (log->stride < STRIDE_MIN)
		log->stride = STRIDE_MIN;
	output_past_init(log);
	log->limit = stream_limit_bytes ? stream_limit_bytes : UINT64_MAX;
	log->head_limit = log->limit;
	log->next_seq = 1;
	log->fd = fd_take(&fd);
	*ret = log;
	return 0;
}

int output_log_create_ended(struct output_log **ret)
{
	struct output_log *log = calloc(1, sizeof(*log));
	if (!log)
		return -ENOMEM;
	log->fd = -1;
	log->ring = RING_MIN;
	output_past_init(log);
	log->next_seq = 1;
	log->has_ended = true;
	*ret = log;
	return 0;
}

void output_log_keep_tail(struct output_log *log, size_t bytes)
{
	assert(bytes <= OUTPUT_RECORD_MAX && bytes <= log->limit && !log->end);
	if (log->limit == UINT64_MAX)
		return;
	log->head_limit = log->limit - bytes;
	for (unsigned s = 0; s < OUTPUT_STREAM_COUNT; s++)
		output_tail_init(&log->tails[s], bytes);
}

void output_log_destroy(struct output_log *log)
{
	if (!log)
		return;
	for (unsigned s = 0; s < OUTPUT_STREAM_COUNT; s++)
		output_tail_finish(&log->tails[s]);
	fd_close(&log->fd);
	free(log->index);
	free(log);
}

/* ---- the file ---- */

static int ring_write(const struct output_log *log, const void *data, size_t len, uint64_t offset)
{
	uint64_t at = offset % log->ring;
	size_t first = len > log->ring - at ? (size_t)(log->ring - at) : len;
	int r = fd_write_at(log->fd, data, first, at);
	if (r == 0 && first < len)
		r = fd_write_at(log->fd, (const char *)data + first, len - first, 0);
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
	memcpy(e->seen, log->shown, sizeof(e->seen));
	memcpy(e->stored, log->stored, sizeof(e->stored));
}

static bool index_is_wanted(const struct output_log *log)
{
	return log->first_kept == log->n_index ||
	       log->end - log->index[log->n_index - 1].offset >= log->stride;
}

/* ---- appending ---- */

static void evict_for(struct output_log *log, size_t need)
{
	while (log->end + need - log->start > log->ring) {
		/* The ring is eight strides wide or more: the newest entry is never reached. */
		assert(log->first_kept + 1 < log->n_index);
		output_past_note(log, &log->index[log->first_kept]);
		const struct index_entry *e = &log->index[++log->first_kept];
		log->start = e->offset;
		memcpy(log->evicted, e->stored, sizeof(log->evicted));
	}
}

static int append_record(
	struct output_log *log, enum output_stream stream, const void *data, size_t len)
{
	struct record_head head = {
		.magic = OUTPUT_RECORD_MAGIC,
		.len = (uint32_t)len,
		.seq = log->next_seq,
		.at_ns = clock_mono_ns(),
		.stream = stream,
	};
	memcpy(head.seen, log->shown, sizeof(head.seen));
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
	struct output_tail *tail = &log->tails[stream];
	uint64_t room = tail->len ? 0 : log->head_limit - log->stored[stream];
	size_t keep = len > room ? (size_t)room : len;
	struct output_record rec = { 0 };
	if (keep) {
		uint64_t seq = log->next_seq;
		int r = append_record(log, stream, data, keep);
		if (r == 0)
			rec = (struct output_record){ .seq = seq, .len = keep };
		log->write_errno = -r;
	}
	log->stored[stream] += rec.len;
	log->seen[stream] += len;
	/* What the tail takes is shown at the end. */
	if (!tail->len)
		log->shown[stream] += keep;
	if (keep < len &&
		(!tail->size || output_tail_put(tail, (const char *)data + keep, len - keep) < 0))
		log->shown[stream] = log->seen[stream];
	if (ret)
		*ret = rec;
	if (log->seen[stream] <= log->limit || log->is_over_limit)
		return OUTPUT_KEPT;
	log->is_over_limit = true;
	return OUTPUT_OVER_LIMIT;
}

static void flush_tail(struct output_log *log, enum output_stream stream)
{
	struct output_tail *tail = &log->tails[stream];
	size_t len;
	if (tail->len) {
		const char *text = output_tail_text(tail, &len);
		log->shown[stream] = log->seen[stream] - len;
		int r = append_record(log, stream, text, len);
		log->write_errno = -r;
		if (r == 0)
			log->stored[stream] += len;
	}
	log->shown[stream] = log->seen[stream];
	output_tail_finish(tail);
}

void output_log_end(struct output_log *log)
{
	for (unsigned s = 0; s < OUTPUT_STREAM_COUNT; s++)
		flush_tail(log, (enum output_stream)s);
	log->has_ended = true;
	/* Nothing will ever be read from it: one descriptor less for each finished task that said
	 * nothing. */
	if (log->end == 0)
		fd_close(&log->fd);
}

struct output_counts output_log_counts(const struct output_log *log, enum output_stream stream)
{
	uint64_t tail = log->tails[stream].len;
	return (struct output_counts){
		.seen = log->seen[stream],
		.kept = log->stored[stream] - log->evicted[stream] + tail,
		.evicted = log->evicted[stream],
		.dropped = log->seen[stream] - log->stored[stream] - tail,
	};
}

uint64_t output_log_last_seq(const struct output_log *log)
{
	return log->next_seq - 1;
}

uint64_t output_log_bytes(const struct output_log *log)
{
	return log->end - log->start + output_past_bytes(log);
}

int output_log_write_errno(const struct output_log *log)
{
	return log->write_errno;
}
