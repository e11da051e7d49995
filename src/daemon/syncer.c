/* What is to survive the machine's death: see syncer.h. */
#include "daemon/syncer.h"

#include "base/fd.h"
#include "task/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Of the worker: it calls nothing deep, and asks for no memory. */
#define WORKER_STACK_BYTES (128u << 10)
/* So many are open at a time. */
#define CHUNK 32

struct file {
	int fd, dir_fd; /* our own; or fd -1: a name in a directory of somebody's */
	char name[SYNCER_NAME_MAX];
};

struct batch {
	struct file *files;
	size_t n;
	int dirs[SYNCER_DIRS_MAX]; /* of those with names */
	size_t n_dirs;
	bool is_whole; /* all of the file systems that the directories are on */
};

struct syncer {
	uv_loop_t *loop;
	struct alarm *alarm;
	bool is_due;	   /* the alarm is set */
	struct list waits; /* syncer_wait.link, oldest first */
	struct batch next;
	uint64_t n_added, n_done;

	bool has_thread, is_working;
	uv_thread_t thread;
	uv_sem_t work, finished;
	uv_async_t done;
	/* For the worker, and what it hands back. */
	bool is_over;
	struct batch doing;
	uint64_t doing_upto;
	int errnum;
};

static void pump(struct syncer *s);

/* ---- the worker ---- */

static void note(struct syncer *s, int r)
{
	if (r < 0 && !s->errnum)
		s->errnum = -r;
}

static int sync_dir(int fd)
{
	/* Some file systems have nothing to do there, and say so. */
	return fsync(fd) < 0 && errno != EINVAL && errno != EROFS ? -errno : 0;
}

/* A directory may be new itself. One above it that we may not read is not of our making. */
static int sync_dir_and_parent(int fd)
{
	int r = sync_dir(fd);
	auto_close int parent = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return r < 0 || parent < 0 ? r : sync_dir(parent);
}

/* Where it cannot be opened, too many being open perhaps, there is its file system. */
static int sync_dir_of(const struct file *f)
{
	if (f->dir_fd >= 0)
		return sync_dir_and_parent(f->dir_fd);
	return syncfs(f->fd) < 0 ? -errno : 0;
}

static int open_file(const struct file *f)
{
	if (f->fd >= 0)
		return fcntl(f->fd, F_DUPFD_CLOEXEC, 3);
	return openat(f->dir_fd, f->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
}

/* Begun all together, they are waited for one by one. */
static void sync_chunk(struct syncer *s, const struct file *files, size_t n)
{
	int fds[CHUNK];
	for (size_t i = 0; i < n; i++) {
		fds[i] = open_file(&files[i]);
		if (fds[i] >= 0)
			sync_file_range(fds[i], 0, 0, SYNC_FILE_RANGE_WRITE);
		else if (errno != ENOENT)
			s->doing.is_whole = true; /* too many are open, perhaps */
	}
	for (size_t i = 0; i < n; i++) {
		if (fds[i] >= 0 && fdatasync(fds[i]) < 0)
			note(s, -errno);
		fd_close(&fds[i]);
	}
}

static void sync_batch(struct syncer *s)
{
	const struct batch *b = &s->doing;
	s->errnum = 0;
	for (size_t at = 0; at < b->n; at += CHUNK)
		sync_chunk(s, b->files + at, b->n - at < CHUNK ? b->n - at : CHUNK);
	for (size_t i = 0; i < b->n; i++)
		if (b->files[i].fd >= 0)
			note(s, sync_dir_of(&b->files[i]));
	if (b->is_whole && !b->n_dirs)
		note(s, -EMFILE);
	for (size_t i = 0; i < b->n_dirs; i++) {
		if (b->is_whole && syncfs(b->dirs[i]) < 0)
			note(s, -errno);
		note(s, sync_dir_and_parent(b->dirs[i]));
	}
}

static void worker_main(void *arg)
{
	struct syncer *s = arg;
	for (;;) {
		uv_sem_wait(&s->work);
		if (s->is_over)
			return;
		sync_batch(s);
		uv_sem_post(&s->finished);
		uv_async_send(&s->done);
	}
}

static int start_thread(struct syncer *s)
{
	const uv_thread_options_t options = { .flags = UV_THREAD_HAS_STACK_SIZE,
		.stack_size = WORKER_STACK_BYTES };
	if (s->has_thread)
		return 0;
	int r = uv_thread_create_ex(&s->thread, &options, worker_main, s);
	s->has_thread = r == 0;
	return r;
}

/* ---- batches ---- */

static void free_batch(struct batch *b)
{
	for (size_t i = 0; i < b->n; i++) {
		if (b->files[i].fd >= 0)
			fd_close(&b->files[i].dir_fd);
		fd_close(&b->files[i].fd);
	}
	free(b->files);
	*b = (struct batch){ 0 };
}

static void start(struct syncer *s)
{
	s->doing = s->next;
	s->doing_upto = s->n_added;
	s->next = (struct batch){ 0 };
	s->is_working = true;
	int r = start_thread(s);
	if (r == 0) {
		uv_sem_post(&s->work);
		return;
	}
	s->errnum = -r;
	uv_sem_post(&s->finished);
	uv_async_send(&s->done);
}

static void wake(struct syncer *s, int errnum)
{
	struct list woken;
	list_init(&woken);
	list_for_each_safe (pos, &s->waits) {
		if (list_entry(pos, struct syncer_wait, link)->upto > s->n_done)
			break;
		list_remove(pos);
		list_append(&woken, pos);
	}
	while (!list_empty(&woken)) {
		struct syncer_wait *w = list_entry(woken.next, struct syncer_wait, link);
		list_remove(&w->link);
		w->fn(w, errnum);
	}
}

static void finish_batch(struct syncer *s)
{
	free_batch(&s->doing);
	s->is_working = false;
	s->n_done = s->doing_upto;
	wake(s, s->errnum);
}

static void on_done(uv_async_t *handle)
{
	struct syncer *s = handle->data;
	/* It may have been waited for meanwhile. */
	if (uv_sem_trywait(&s->finished) < 0)
		return;
	finish_batch(s);
	pump(s);
}

static void on_alarm(void *owner)
{
	struct syncer *s = owner;
	s->is_due = false;
	if (!s->is_working && s->n_done < s->n_added)
		start(s);
}

static void pump(struct syncer *s)
{
	if (s->is_working || s->n_done >= s->n_added)
		return;
	if (!list_empty(&s->waits)) {
		start(s);
		return;
	}
	if (!s->is_due)
		alarm_set(s->alarm, SYNCER_LATER_MS);
	s->is_due = true;
}

/* ---- adding ---- */

static void add_dir(struct batch *b, int dir_fd)
{
	for (size_t i = 0; i < b->n_dirs; i++)
		if (b->dirs[i] == dir_fd)
			return;
	if (b->n_dirs < SYNCER_DIRS_MAX)
		b->dirs[b->n_dirs++] = dir_fd;
}

/* NULL: there are too many, or there is no memory. */
static struct file *new_file(struct batch *b)
{
	struct file *more =
		b->n < SYNCER_FILES_MAX ? reallocarray(b->files, b->n + 1, sizeof(*more)) : NULL;
	if (!more) {
		b->is_whole = true;
		return NULL;
	}
	b->files = more;
	b->files[b->n] = (struct file){ .fd = -1, .dir_fd = -1 };
	return &b->files[b->n++];
}

void syncer_add(struct syncer *s, int dir_fd, const char *name)
{
	if (!s)
		return;
	s->n_added++;
	add_dir(&s->next, dir_fd);
	struct file *f = new_file(&s->next);
	if (f) {
		f->dir_fd = dir_fd;
		snprintf(f->name, sizeof(f->name), "%s", name);
	}
	pump(s);
}

void syncer_add_file(struct syncer *s, int fd, int dir_fd)
{
	if (!s)
		return;
	s->n_added++;
	struct file *f = new_file(&s->next);
	if (f) {
		f->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		f->dir_fd = f->fd < 0 || dir_fd < 0 ? -1 : fcntl(dir_fd, F_DUPFD_CLOEXEC, 3);
		if (f->fd < 0) {
			s->next.n--;
			s->next.is_whole = true;
		}
	}
	pump(s);
}

bool syncer_wait(struct syncer *s, struct syncer_wait *w)
{
	if (!s || s->n_done >= s->n_added)
		return false;
	w->upto = s->n_added;
	list_append(&s->waits, &w->link);
	pump(s);
	return true;
}

void syncer_forget(struct syncer_wait *w)
{
	if (w->link.next)
		list_remove(&w->link);
}

/* ---- life ---- */

void syncer_drain(struct syncer *s)
{
	while (s && (s->is_working || s->n_done < s->n_added)) {
		if (!s->is_working)
			start(s);
		uv_sem_wait(&s->finished);
		finish_batch(s);
	}
}

int syncer_create(uv_loop_t *loop, struct syncer **ret)
{
	struct syncer *s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->loop = loop;
	list_init(&s->waits);
	int r = uv_sem_init(&s->work, 0);
	if (r < 0) {
		free(s);
		return r;
	}
	r = uv_sem_init(&s->finished, 0);
	if (r == 0) {
		r = uv_async_init(loop, &s->done, on_done);
		if (r < 0)
			uv_sem_destroy(&s->finished);
	}
	if (r < 0) {
		uv_sem_destroy(&s->work);
		free(s);
		return r;
	}
	s->done.data = s;
	*ret = s;
	return alarm_create(loop, on_alarm, s, &s->alarm);
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void syncer_destroy(struct syncer **ps)
{
	struct syncer *s = *ps;
	if (!s)
		return;
	*ps = NULL;
	while (!list_empty(&s->waits))
		list_remove(s->waits.next);
	syncer_drain(s);
	s->is_over = true;
	if (s->has_thread) {
		uv_sem_post(&s->work);
		uv_thread_join(&s->thread);
	}
	uv_sem_destroy(&s->work);
	uv_sem_destroy(&s->finished);
	alarm_destroy(&s->alarm);
	uv_close((uv_handle_t *)&s->done, on_closed);
}
