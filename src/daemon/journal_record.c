/* Bytes of the journal: see journal_record.h. */
#include "daemon/journal_record.h"

#include "base/cleanup.h"
#include "base/crc32.h"
#include "base/limits.h"
#include "base/str.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- the image ---- */

void journal_image_init(struct journal_image *m)
{
	list_init(&m->tasks);
	for (size_t i = 0; i < JOURNAL_BUCKETS; i++)
		list_init(&m->buckets[i]);
	m->n_tasks = 0;
	m->is_index = false;
}

static void free_texts(struct journal_task *t)
{
	free(t->name);
	strv_free(t->labels);
	strv_free(t->argv);
	free(t->idempotency_key);
	free(t->result);
	t->name = t->idempotency_key = t->result = NULL;
	t->labels = t->argv = NULL;
}

static void destroy_task(struct journal_task *t)
{
	free_texts(t);
	free(t);
}

void journal_image_drop(struct journal_image *m, struct journal_task *t)
{
	list_remove(&t->link);
	list_remove(&t->bucket);
	m->n_tasks--;
	destroy_task(t);
}

void journal_image_finish(struct journal_image *m)
{
	list_for_each_safe (pos, &m->tasks)
		journal_image_drop(m, list_entry(pos, struct journal_task, link));
}

static struct list *bucket_of(const struct journal_image *m, const char *id)
{
	uint32_t sum = crc32_add(0, id, strlen(id));
	return (struct list *)&m->buckets[sum % JOURNAL_BUCKETS];
}

struct journal_task *journal_image_find(const struct journal_image *m, const char *id)
{
	struct list *bucket = bucket_of(m, id);
	list_for_each (pos, bucket) {
		struct journal_task *t = list_entry(pos, struct journal_task, bucket);
		if (!strcmp(t->id, id))
			return t;
	}
	return NULL;
}

/* ---- what is too much ---- */

/* The finished tasks of one uid. */
struct owner {
	struct list link;
	uid_t uid;
	size_t n_done;
};

static struct owner *get_owner(struct list *owners, uid_t uid)
{
	list_for_each (pos, owners) {
		struct owner *o = list_entry(pos, struct owner, link);
		if (o->uid == uid)
			return o;
	}
	struct owner *o = calloc(1, sizeof(*o));
	if (!o)
		return NULL;
	o->uid = uid;
	list_append(owners, &o->link);
	return o;
}

static size_t sum_up_to(const struct list *owners, size_t most)
{
	size_t sum = 0;
	list_for_each (pos, owners) {
		const struct owner *o = list_entry(pos, struct owner, link);
		sum += o->n_done < most ? o->n_done : most;
	}
	return sum;
}

/* How many each may have at most, so that all together have no more than that. */
static size_t fair_part(const struct list *owners, size_t keep_count)
{
	size_t low = 0, high = keep_count;
	while (low < high) {
		size_t most = high - (high - low) / 2;
		if (sum_up_to(owners, most) <= keep_count)
			low = most;
		else
			high = most - 1;
	}
	return low;
}

static bool is_done(const struct journal_task *t)
{
	return t->state == TASK_STATE_DONE;
}

static void drop_old(struct journal_image *m, uint64_t now_real_ns, uint64_t keep_ns)
{
	list_for_each_safe (pos, &m->tasks) {
		struct journal_task *t = list_entry(pos, struct journal_task, link);
		if (is_done(t) && t->finished_ns < now_real_ns &&
			now_real_ns - t->finished_ns > keep_ns)
			journal_image_drop(m, t);
	}
}

static int count_owners(const struct journal_image *m, struct list *owners)
{
	list_for_each (pos, &m->tasks) {
		const struct journal_task *t = list_entry(pos, struct journal_task, link);
		struct owner *o = is_done(t) ? get_owner(owners, t->uid) : NULL;
		if (is_done(t) && !o)
			return -ENOMEM;
		if (o)
			o->n_done++;
	}
	return 0;
}

static void drop_too_many(struct journal_image *m, struct list *owners, size_t keep_count)
{
	size_t most = fair_part(owners, keep_count);
	list_for_each_safe (pos, &m->tasks) {
		struct journal_task *t = list_entry(pos, struct journal_task, link);
		struct owner *o = is_done(t) ? get_owner(owners, t->uid) : NULL;
		if (o && o->n_done > most) {
			o->n_done--;
			journal_image_drop(m, t);
		}
	}
}

void journal_image_prune(
	struct journal_image *m, uint64_t now_real_ns, uint64_t keep_ns, size_t keep_count)
{
	struct list owners;
	list_init(&owners);
	drop_old(m, now_real_ns, keep_ns);
	if (count_owners(m, &owners) == 0)
		drop_too_many(m, &owners, keep_count);
	list_for_each_safe (pos, &owners)
		free(list_entry(pos, struct owner, link));
}

/* ---- the command ---- */

int journal_cut_argv(struct journal_task *t, char *const *argv)
{
	size_t left = JOURNAL_ARGV_BYTES, n = 0;
	for (; argv[n] && n < JOURNAL_ARGV_COUNT && strlen(argv[n]) <= left; n++) {
		left -= strlen(argv[n]);
		if (strv_add(&t->argv, argv[n]) < 0)
			return -ENOMEM;
	}
	t->argv_is_cut = argv[n] != NULL;
	return 0;
}

/* ---- writing ---- */

int journal_put_head(struct buf *b)
{
	int r = buf_add(b, JOURNAL_MAGIC, strlen(JOURNAL_MAGIC));
	if (r == 0)
		r = buf_put_u32(b, JOURNAL_VERSION);
	return r < 0 ? r : buf_put_u32(b, 0);
}

/* Puts the bytes of a record behind their frame. */
static int put_record(struct buf *b, struct buf *record, int r)
{
	size_t len = buf_len(record), before = b->end;
	if (r == 0 && len > JOURNAL_RECORD_BYTES)
		r = -ENOBUFS;
	if (r == 0)
		r = buf_put_u32(b, (uint32_t)len);
	if (r == 0)
		r = buf_put_u32(b, crc32_add(0, buf_data(record), len));
	if (r == 0)
		r = buf_add(b, buf_data(record), len);
	if (r < 0)
		b->end = before;
	buf_finish(record);
	return r;
}

static int put_strv(struct buf *b, char *const *v)
{
	int r = buf_put_u32(b, (uint32_t)strv_len(v));
	for (; r == 0 && v && *v; v++)
		r = buf_put_str(b, *v);
	return r;
}

static int begin(struct buf *record, enum journal_type type, const char *id)
{
	buf_init(record, 0);
	int r = buf_put_u8(record, (uint8_t)type);
	return r < 0 ? r : buf_put_str(record, id);
}

int journal_put_accept(struct buf *b, const struct journal_task *t)
{
	struct buf record;
	int r = begin(&record, JOURNAL_ACCEPT, t->id);
	if (r == 0)
		r = buf_put_u32(&record, t->uid);
	if (r == 0)
		r = buf_put_u64(&record, t->created_ns);
	if (r == 0)
		r = buf_put_str(&record, t->name);
	if (r == 0)
		r = put_strv(&record, t->labels);
	if (r == 0)
		r = put_strv(&record, t->argv);
	if (r == 0)
		r = buf_put_u8(&record, t->argv_is_cut);
	if (r == 0)
		r = buf_put_str(&record, t->idempotency_key);
	if (r == 0)
		r = buf_put_u64(&record, t->digest);
	return put_record(b, &record, r);
}

int journal_put_state(struct buf *b, const char *id, enum task_state state, uint64_t at_ns)
{
	struct buf record;
	int r = begin(&record, JOURNAL_STATE, id);
	if (r == 0)
		r = buf_put_u8(&record, (uint8_t)state);
	if (r == 0)
		r = buf_put_u64(&record, at_ns);
	return put_record(b, &record, r);
}

int journal_put_finish(struct buf *b, const char *id, uint64_t at_ns, const char *result)
{
	struct buf record;
	int r = begin(&record, JOURNAL_FINISH, id);
	if (r == 0)
		r = buf_put_u64(&record, at_ns);
	if (r == 0)
		r = buf_put_str(&record, result);
	return put_record(b, &record, r);
}

int journal_put_progress(struct buf *b, const struct journal_task *t)
{
	if (t->state == TASK_STATE_QUEUED || t->state == TASK_STATE_DONE)
		return 0;
	return journal_put_state(b, t->id, t->state, t->started_ns);
}

int journal_put_task(struct buf *b, const struct journal_task *t)
{
	int r = journal_put_accept(b, t);
	if (r == 0)
		r = journal_put_progress(b, t);
	if (r == 0 && t->result)
		r = journal_put_finish(b, t->id, t->finished_ns, t->result);
	return r;
}

/* ---- reading ---- */

static char **get_strv(struct buf_reader *r, size_t max_count, size_t max_bytes)
{
	uint32_t n = buf_get_u32(r);
	char **v = NULL;
	if (n > max_count)
		r->failed = true;
	for (uint32_t i = 0; !r->failed && i < n; i++) {
		auto_free char *s = buf_get_str(r, max_bytes);
		if (!s || strv_add(&v, s) < 0)
			r->failed = true;
	}
	return v;
}

static void read_accept(struct journal_image *m, struct buf_reader *r, const char *id)
{
	struct journal_task *t = calloc(1, sizeof(*t));
	if (!t) {
		r->failed = true;
		return;
	}
	snprintf(t->id, sizeof(t->id), "%s", id);
	t->uid = buf_get_u32(r);
	t->created_ns = buf_get_u64(r);
	t->name = buf_get_str(r, LIMIT_NAME_BYTES);
	t->labels = get_strv(r, LIMIT_LABELS, 2 * LIMIT_LABEL_BYTES);
	t->argv = get_strv(r, JOURNAL_ARGV_COUNT, JOURNAL_ARGV_BYTES);
	t->argv_is_cut = buf_get_u8(r);
	t->idempotency_key = buf_get_str(r, LIMIT_NAME_BYTES);
	t->digest = buf_get_u64(r);
	if (r->failed || r->left || journal_image_find(m, id)) {
		r->failed = true;
		destroy_task(t);
		return;
	}
	if (m->is_index)
		free_texts(t);
	list_append(&m->tasks, &t->link);
	list_append(bucket_of(m, id), &t->bucket);
	m->n_tasks++;
}

static void read_state(struct journal_task *t, struct buf_reader *r)
{
	uint8_t state = buf_get_u8(r);
	uint64_t at_ns = buf_get_u64(r);
	if (r->left || state >= TASK_STATE_DONE)
		r->failed = true;
	if (r->failed || !t || t->state == TASK_STATE_DONE)
		return;
	t->state = (enum task_state)state;
	if (state == TASK_STATE_RUNNING)
		t->started_ns = at_ns;
}

static void read_finish(const struct journal_image *m, struct journal_task *t, struct buf_reader *r)
{
	uint64_t at_ns = buf_get_u64(r);
	auto_free char *result = buf_get_str(r, JOURNAL_RESULT_BYTES);
	if (!result || r->left)
		r->failed = true;
	if (r->failed || !t || t->state == TASK_STATE_DONE)
		return;
	t->finished_ns = at_ns;
	t->state = TASK_STATE_DONE;
	if (!m->is_index)
		t->result = take_ptr(result);
}

/* The beginning that all records have. */
static bool read_begin(struct buf_reader *r, uint8_t *ret_type, char ret_id[ID_TASK_SIZE])
{
	*ret_type = buf_get_u8(r);
	auto_free char *id = buf_get_str(r, ID_TASK_SIZE - 1);
	if (!id || !id_is_task(id))
		return false;
	snprintf(ret_id, ID_TASK_SIZE, "%s", id);
	return true;
}

bool journal_image_add(struct journal_image *m, struct buf_reader record)
{
	uint8_t type;
	char id[ID_TASK_SIZE];
	if (!read_begin(&record, &type, id))
		return false;
	struct journal_task *t = journal_image_find(m, id);
	if (type == JOURNAL_ACCEPT)
		read_accept(m, &record, id);
	else if (type == JOURNAL_STATE)
		read_state(t, &record);
	else if (type == JOURNAL_FINISH)
		read_finish(m, t, &record);
	else
		return false;
	return !record.failed;
}

const struct journal_task *journal_image_task_of(
	const struct journal_image *m, struct buf_reader record, enum journal_type *ret_type)
{
	uint8_t type;
	char id[ID_TASK_SIZE];
	if (!read_begin(&record, &type, id))
		return NULL;
	*ret_type = (enum journal_type)type;
	return journal_image_find(m, id);
}
