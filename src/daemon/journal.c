/* The journal: see journal.h. */
#include "daemon/journal.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "daemon/jobs.h"
#include "daemon/journal_anew.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of the worker: what it reads is on the heap, and it calls nothing deep. */
#define WORKER_STACK_BYTES (256u << 10)

static void pump(struct journal *j);

/* ---- what goes wrong ---- */

static bool is_no_space(int errnum)
{
	return errnum == ENOSPC || errnum == EDQUOT;
}

/* Said once when it begins and once when it is over. */
static void note_fault(struct journal *j, int errnum)
{
	if (errnum == j->fault)
		return;
	if (errnum)
		log_error("the journal in %s cannot be written: %s", j->file.dir, strerror(errnum));
	else
		log_info("the journal in %s can be written again", j->file.dir);
	j->fault = errnum;
}

static int refuse(const struct journal *j, int errnum, struct err *e)
{
	err_set(e, is_no_space(errnum) ? ERR_NO_SPACE : ERR_INTERNAL, errnum,
		"write down the task in the state directory %s", j->file.dir);
	err_hint(e,
		is_no_space(errnum)
			? "make room there; the daemon takes tasks again as soon as there is"
			: "look at that directory's file system, or set journal = no in [daemon]");
	return -errnum;
}

/* ---- appending ---- */

/* For want of space there was no file when we began. */
static int open_late(struct journal *j)
{
	struct journal_image none;
	struct err e;
	journal_image_init(&none);
	int r = journal_file_load(&j->file, &none, &e);
	journal_image_finish(&none);
	return r;
}

static int write_head(struct journal *j)
{
	struct buf head;
	buf_init(&head, 0);
	int r = journal_put_head(&head);
	if (r == 0)
		r = journal_file_append(&j->file, buf_data(&head), buf_len(&head));
	buf_finish(&head);
	return r;
}

/* All or nothing of what is in the scratch buffer, after what had to wait. */
static int append(struct journal *j)
{
	int r = j->file.fd < 0 ? open_late(j) : 0;
	/* The worker is late with a shorter one. */
	if (r == 0 && j->file.end > JOURNAL_FILE_MAX - JOURNAL_BACKLOG_BYTES)
		r = -EFBIG;
	if (r == 0 && !j->file.end)
		r = write_head(j);
	if (r == 0 && buf_len(&j->backlog)) {
		r = journal_file_append(&j->file, buf_data(&j->backlog), buf_len(&j->backlog));
		if (r == 0)
			buf_finish(&j->backlog);
	}
	if (r == 0 && buf_len(&j->scratch))
		r = journal_file_append(&j->file, buf_data(&j->scratch), buf_len(&j->scratch));
	if (r == 0)
		j->n_appended++;
	if (!j->is_suspect || r < 0)
		note_fault(j, -r);
	return r;
}

int journal_accept(struct journal *j, const struct journal_task *t, struct err *e)
{
	if (!j->is_on)
		return 0;
	buf_clear(&j->scratch);
	int r = journal_put_accept(&j->scratch, t);
	if (r == 0)
		r = append(j);
	if (r < 0)
		return refuse(j, -r, e);
	pump(j);
	return 0;
}

/* About a task that is there: it cannot be refused any more. Returns 0 when the record is written
 * or kept, or -errno. */
static int append_or_keep(struct journal *j, int r)
{
	if (r == 0)
		r = append(j);
	if (r < 0 && buf_len(&j->scratch))
		r = buf_add(&j->backlog, buf_data(&j->scratch), buf_len(&j->scratch));
	pump(j);
	return r;
}

void journal_state(struct journal *j, const char *id, enum task_state state, uint64_t at_ns)
{
	if (!j->is_on)
		return;
	buf_clear(&j->scratch);
	/* How far a task had come is a detail. */
	if (append_or_keep(j, journal_put_state(&j->scratch, id, state, at_ns)) < 0)
		log_warning("the journal lacks that task %s was %s", id, task_state_name(state));
}

int journal_finish(struct journal *j, const char *id, uint64_t at_ns, const char *result)
{
	if (!j->is_on)
		return 0;
	buf_clear(&j->scratch);
	return append_or_keep(j, journal_put_finish(&j->scratch, id, at_ns, result));
}

/* ---- waiting ---- */

bool journal_wait(struct journal *j, struct journal_wait *w)
{
	if (!j->is_on || j->n_synced >= j->n_appended)
		return false;
	w->upto = j->n_appended;
	list_append(&j->waits, &w->link);
	pump(j);
	return true;
}

void journal_forget(struct journal_wait *w)
{
	if (w->link.next)
		list_remove(&w->link);
}

/* Those who wait for records that are synced; with an error, all. */
static void wake(struct journal *j, int errnum)
{
	struct list woken;
	list_init(&woken);
	list_for_each_safe (pos, &j->waits) {
		if (!errnum && list_entry(pos, struct journal_wait, link)->upto > j->n_synced)
			break;
		list_remove(pos);
		list_append(&woken, pos);
	}
	while (!list_empty(&woken)) {
		struct journal_wait *w = list_entry(woken.next, struct journal_wait, link);
		list_remove(&w->link);
		w->fn(w, errnum);
	}
}

/* ---- the worker ---- */

static void work_sync(struct journal *j)
{
	bool is_good =
		fdatasync(j->work_fd) == 0 && (!j->work_with_dir || fsync(j->file.dir_fd) == 0);
	j->work_errno = is_good ? 0 : errno;
}

static void prune(struct journal_image *m)
{
	journal_image_prune(m, clock_real_ns(), JOBS_KEEP_NS, JOURNAL_KEEP_COUNT);
}

static void work_compact(struct journal *j)
{
	struct journal_image index;
	uint64_t good;
	uint32_t version;
	journal_image_init(&index);
	index.is_index = true;
	int r = journal_read(j->work_fd, j->work_end, &index, &good, &version);
	if (r == JOURNAL_WHOLE) {
		prune(&index);
		r = journal_anew_copy(&j->file, j->work_fd, j->work_end, &index);
	} else if (r > 0) {
		r = -EIO;
	}
	j->work_new_fd = r < 0 ? -1 : r;
	j->work_errno = r < 0 ? -r : 0;
	journal_image_finish(&index);
	/* The next time is far: back to the system with it. */
	malloc_trim(0);
}

static void worker_main(void *arg)
{
	struct journal *j = arg;
	for (;;) {
		uv_sem_wait(&j->work);
		if (j->doing == JOURNAL_IDLE)
			return;
		if (j->doing == JOURNAL_COMPACT)
			work_compact(j);
		else
			work_sync(j);
		uv_async_send(&j->done);
	}
}

static uint64_t next_size(const struct journal *j)
{
	return 2 * j->file.end > JOURNAL_COMPACT_BYTES ? 2 * j->file.end : JOURNAL_COMPACT_BYTES;
}

static void end_compact(struct journal *j)
{
	int errnum = j->work_errno;
	if (!errnum)
		errnum = -journal_file_adopt(&j->file, j->work_new_fd, j->work_end);
	j->compact_at = next_size(j);
	if (errnum) {
		log_warning(
			"the journal in %s cannot be made anew: %s", j->file.dir, strerror(errnum));
		if (j->is_suspect)
			wake(j, errnum);
		return;
	}
	j->is_name_new = true;
	j->is_suspect = false;
	note_fault(j, 0);
}

static void end_sync(struct journal *j)
{
	/* Pages that could not be written count as clean afterwards: only a new file is sure. */
	j->is_suspect = j->work_errno != 0;
	if (j->is_suspect)
		note_fault(j, j->work_errno);
	else
		j->n_synced = j->work_upto;
	wake(j, j->work_errno);
}

static void on_work_done(uv_async_t *handle)
{
	struct journal *j = handle->data;
	enum journal_work done = j->doing;
	if (done == JOURNAL_IDLE)
		return;
	j->doing = JOURNAL_IDLE;
	if (done == JOURNAL_COMPACT)
		end_compact(j);
	else
		end_sync(j);
	/* A new file that could not be made is tried again with the next record. */
	if (done == JOURNAL_SYNC || !j->is_suspect)
		pump(j);
}

static void start_work(struct journal *j, enum journal_work what)
{
	j->doing = what;
	j->work_fd = j->file.fd;
	j->work_end = j->file.end;
	j->work_upto = j->n_appended;
	j->work_with_dir = j->is_name_new;
	if (what == JOURNAL_SYNC)
		j->is_name_new = false;
	uv_sem_post(&j->work);
}

static void on_sync_time(void *owner)
{
	struct journal *j = owner;
	j->is_sync_due = false;
	if (j->doing == JOURNAL_IDLE && j->file.fd >= 0 && j->n_synced < j->n_appended)
		start_work(j, JOURNAL_SYNC);
}

/* A sync slows down the tasks that start beside it: where nobody waits it is put off, so that one
 * does for many records. */
static void sync_soon(struct journal *j)
{
	if (!list_empty(&j->waits))
		return start_work(j, JOURNAL_SYNC);
	if (!j->is_sync_due)
		alarm_set(j->sync_alarm, JOURNAL_SYNC_MS);
	j->is_sync_due = true;
}

static void pump(struct journal *j)
{
	if (!j->file.needs_sync && !j->is_suspect)
		j->n_synced = j->n_appended;
	if (!j->loop || j->doing != JOURNAL_IDLE || j->file.fd < 0)
		return;
	if (j->is_suspect || j->file.end > j->compact_at)
		start_work(j, JOURNAL_COMPACT);
	else if (j->n_synced < j->n_appended)
		sync_soon(j);
}

void journal_tick(struct journal *j)
{
	if (!j->is_on)
		return;
	buf_clear(&j->scratch);
	if (buf_len(&j->backlog))
		append(j);
	pump(j);
}

/* ---- life ---- */

void journal_init(struct journal *j)
{
	memset(j, 0, sizeof(*j));
	j->file.fd = j->file.dir_fd = -1;
	list_init(&j->waits);
	buf_init(&j->backlog, JOURNAL_BACKLOG_BYTES);
}

int journal_open(struct journal *j, const char *dir, struct journal_image *m, struct err *e)
{
	int r = journal_file_init(&j->file, dir, e);
	if (r == 0)
		r = journal_file_load(&j->file, m, e);
	if (r < 0 && j->file.dir_fd >= 0 && is_no_space(-r)) {
		note_fault(j, -r);
		r = 0;
	}
	j->is_on = r == 0;
	return r;
}

static void begin_file(struct journal *j, const struct journal_image *m)
{
	int r = journal_anew_write(&j->file, m);
	if (r >= 0)
		r = journal_file_adopt(&j->file, r, j->file.end);
	if (r < 0)
		note_fault(j, -r); /* the old one goes on */
	j->is_name_new = true;
}

static int start_worker(struct journal *j, uv_loop_t *loop)
{
	const uv_thread_options_t options = { .flags = UV_THREAD_HAS_STACK_SIZE,
		.stack_size = WORKER_STACK_BYTES };
	int r = alarm_create(loop, on_sync_time, j, &j->sync_alarm);
	if (r == 0)
		r = uv_sem_init(&j->work, 0);
	if (r < 0)
		return r;
	r = uv_async_init(loop, &j->done, on_work_done);
	if (r == 0) {
		j->done.data = j;
		r = uv_thread_create_ex(&j->worker, &options, worker_main, j);
		if (r < 0)
			uv_close((uv_handle_t *)&j->done, NULL);
	}
	if (r < 0)
		uv_sem_destroy(&j->work);
	else
		j->loop = loop;
	return r;
}

int journal_start(struct journal *j, uv_loop_t *loop, const struct journal_image *m)
{
	if (!j->is_on)
		return 0;
	if (j->file.fd >= 0)
		begin_file(j, m);
	j->compact_at = next_size(j);
	return start_worker(j, loop);
}

static void stop_worker(struct journal *j)
{
	while (j->doing != JOURNAL_IDLE)
		uv_run(j->loop, UV_RUN_ONCE);
	uv_sem_post(&j->work);
	uv_thread_join(&j->worker);
	uv_sem_destroy(&j->work);
	uv_close((uv_handle_t *)&j->done, NULL);
	j->loop = NULL;
}

void journal_close(struct journal *j)
{
	if (j->loop)
		stop_worker(j);
	alarm_destroy(&j->sync_alarm);
	if (j->is_on && j->file.fd >= 0) {
		journal_tick(j);
		if (j->is_private)
			journal_file_remove(&j->file);
		else if (j->file.needs_sync && fdatasync(j->file.fd) < 0)
			note_fault(j, errno);
	}
	j->is_on = false;
	buf_finish(&j->scratch);
	buf_finish(&j->backlog);
	journal_file_close(&j->file);
}

char *journal_path(const struct journal *j)
{
	char *path = NULL;
	if (!j->is_on || asprintf(&path, "%s/%s", j->file.dir, j->file.name) < 0)
		return NULL;
	return path;
}
