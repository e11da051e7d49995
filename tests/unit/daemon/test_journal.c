/* The journal on its loop: who waits for what, a full file system, a sync that fails, a file that
 * grows. */
#include "loop.h"

#include "base/fd.h"
#include "base/log.h"
#include "daemon/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- a file system with faults ---- */

static int write_errno, sync_errno, make_errno;
static size_t n_syncs;
/* The worker's new file, which is any but this one, has room for so many bytes. */
static int old_fd = -1;
static off_t new_room;
static size_t n_refused;

ssize_t __real_pwrite(int fd, const void *buf, size_t count, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *buf, size_t count, off_t offset);
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __real_openat(int dirfd, const char *path, int flags, ...);
int __wrap_openat(int dirfd, const char *path, int flags, ...);

/* The first half of a record fits. */
ssize_t __wrap_pwrite(int fd, const void *buf, size_t count, off_t offset)
{
	if (old_fd >= 0 && fd != old_fd && offset + (off_t)count > new_room) {
		n_refused++;
		errno = ENOSPC;
		return -1;
	}
	if (!write_errno)
		return __real_pwrite(fd, buf, count, offset);
	if (count > 1)
		return __real_pwrite(fd, buf, count / 2, offset);
	errno = write_errno;
	return -1;
}

int __wrap_fdatasync(int fd)
{
	n_syncs++;
	errno = sync_errno;
	return sync_errno ? -1 : __real_fdatasync(fd);
}

int __wrap_openat(int dirfd, const char *path, int flags, ...)
{
	if (make_errno && flags & O_CREAT) {
		errno = make_errno;
		return -1;
	}
	return __real_openat(dirfd, path, flags, 0600);
}

/* ---- a world ---- */

struct waiter {
	struct journal_wait wait;
	int n_calls, errnum;
};

struct world {
	char dir[32];
	uv_loop_t loop;
	struct journal journal;
	struct journal_image image;
};

static void on_waited(struct journal_wait *w, int errnum)
{
	struct waiter *me = (struct waiter *)w;
	me->n_calls++;
	me->errnum = errnum;
}

static void start(struct world *w)
{
	struct err e;
	journal_init(&w->journal);
	journal_image_init(&w->image);
	assert_int_equal(journal_open(&w->journal, w->dir, &w->image, &e), 0);
	w->journal.file.needs_sync = true; /* also on a tmpfs */
	assert_int_equal(journal_start(&w->journal, &w->loop, &w->image), 0);
}

static void stop(struct world *w)
{
	journal_close(&w->journal);
	journal_image_finish(&w->image);
	uv_run(&w->loop, UV_RUN_DEFAULT);
}

/* As after a kill: nothing is finished, the file stays as it is. */
static void restart(struct world *w)
{
	w->journal.is_private = false;
	stop(w);
	start(w);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	log_init("test", LOG_LEVEL_ERROR);
	write_errno = sync_errno = make_errno = 0;
	old_fd = -1;
	n_refused = 0;
	snprintf(w->dir, sizeof(w->dir), "/tmp/dayfly-unit-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	uv_loop_init(&w->loop);
	start(w);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	write_errno = sync_errno = make_errno = 0;
	w->journal.is_private = true;
	stop(w);
	loop_assert_empty(&w->loop);
	assert_int_equal(rmdir(w->dir), 0); /* nothing is left, no file made halfway either */
	free(w);
	return 0;
}

static void name_task(char id[ID_TASK_SIZE], unsigned n)
{
	snprintf(id, ID_TASK_SIZE, "t-%032x", n);
}

static int accept_task(struct world *w, unsigned n, struct err *e)
{
	char *argv[] = { "sleep", "1", NULL };
	struct journal_task t = { .uid = 1, .created_ns = n, .argv = argv };
	name_task(t.id, n);
	return journal_accept(&w->journal, &t, e);
}

static void accept_good(struct world *w, unsigned n)
{
	struct err e = { 0 };
	assert_int_equal(accept_task(w, n, &e), 0);
}

static void finish(struct world *w, unsigned n)
{
	char id[ID_TASK_SIZE];
	name_task(id, n);
	journal_finish(&w->journal, id, clock_real_ns(), "{}");
}

static const struct journal_task *find(struct world *w, unsigned n)
{
	char id[ID_TASK_SIZE];
	name_task(id, n);
	return journal_image_find(&w->image, id);
}

/* ---- tests ---- */

TEST(what_was_accepted_and_not_finished_is_found_by_the_next)
{
	struct world *w = *state;
	accept_good(w, 1);
	accept_good(w, 2);
	finish(w, 2);
	restart(w);
	assert_int_equal(w->image.n_tasks, 2);
	assert_null(find(w, 1)->result);
	assert_non_null(find(w, 2)->result);
}

TEST(many_waiters_share_one_sync)
{
	struct world *w = *state;
	struct waiter waiters[50] = { 0 };
	n_syncs = 0;
	for (unsigned i = 0; i < 50; i++) {
		accept_good(w, i);
		waiters[i].wait.fn = on_waited;
		assert_true(journal_wait(&w->journal, &waiters[i].wait));
		assert_int_equal(waiters[i].n_calls, 0);
	}
	loop_run_until(&w->loop, waiters[49].n_calls);
	for (unsigned i = 0; i < 50; i++) {
		assert_int_equal(waiters[i].n_calls, 1);
		assert_int_equal(waiters[i].errnum, 0);
	}
	assert_true(n_syncs <= 2);
	/* Everything is on the disk: nothing to wait for. */
	assert_false(journal_wait(&w->journal, &waiters[0].wait));
}

TEST(who_is_forgotten_is_not_called)
{
	struct world *w = *state;
	struct waiter a = { .wait.fn = on_waited }, b = { .wait.fn = on_waited };
	struct journal_wait unused = { 0 };
	journal_forget(&unused);
	accept_good(w, 1);
	assert_true(journal_wait(&w->journal, &a.wait));
	assert_true(journal_wait(&w->journal, &b.wait));
	journal_forget(&a.wait);
	loop_run_until(&w->loop, b.n_calls);
	assert_int_equal(a.n_calls, 0);
}

TEST(what_nobody_waits_for_is_synced_a_little_later)
{
	struct world *w = *state;
	n_syncs = 0;
	accept_good(w, 1);
	accept_good(w, 2);
	assert_int_equal(n_syncs, 0);
	loop_run_until(&w->loop, w->journal.n_synced == w->journal.n_appended);
	assert_int_equal(n_syncs, 1);
}

TEST(J6_without_space_a_task_is_refused_and_taken_when_there_is_space)
{
	struct world *w = *state;
	struct err e = { 0 };
	accept_good(w, 1);
	write_errno = ENOSPC;
	assert_int_equal(accept_task(w, 2, &e), -ENOSPC);
	assert_int_equal(e.code, ERR_NO_SPACE);
	assert_non_null(strstr(e.msg, w->dir));
	assert_true(e.hint[0]);
	write_errno = 0;
	accept_good(w, 3);
	restart(w);
	assert_int_equal(w->image.n_tasks, 2);
	assert_null(find(w, 2));
}

TEST(J6_the_end_of_a_task_is_written_when_there_is_space)
{
	struct world *w = *state;
	accept_good(w, 1);
	write_errno = ENOSPC;
	finish(w, 1);
	write_errno = 0;
	journal_tick(&w->journal);
	restart(w);
	assert_non_null(find(w, 1)->result);
}

TEST(J6_the_end_of_a_task_comes_before_the_next_task)
{
	struct world *w = *state;
	accept_good(w, 1);
	write_errno = EDQUOT;
	finish(w, 1);
	write_errno = 0;
	accept_good(w, 2);
	restart(w);
	assert_non_null(find(w, 1)->result);
	assert_non_null(find(w, 2));
}

TEST(J6_without_space_at_the_start_the_file_comes_later)
{
	struct world *w = *state;
	struct err e = { 0 };
	w->journal.is_private = true;
	stop(w);
	make_errno = ENOSPC;
	start(w);
	assert_int_equal(accept_task(w, 1, &e), -ENOSPC);
	assert_int_equal(e.code, ERR_NO_SPACE);
	make_errno = 0;
	accept_good(w, 1);
	restart(w);
	assert_int_equal(w->image.n_tasks, 1);
}

TEST(a_sync_that_fails_is_told_and_a_new_file_is_made)
{
	struct world *w = *state;
	struct waiter a = { .wait.fn = on_waited }, b = { .wait.fn = on_waited };
	sync_errno = EIO;
	accept_good(w, 1);
	assert_true(journal_wait(&w->journal, &a.wait));
	loop_run_until(&w->loop, a.n_calls);
	assert_int_equal(a.errnum, EIO);
	/* Nor is there a new file while that fails too: nobody waits for ever. */
	accept_good(w, 2);
	assert_true(journal_wait(&w->journal, &b.wait));
	loop_run_until(&w->loop, b.n_calls);
	assert_int_equal(b.errnum, EIO);
	sync_errno = 0;
	accept_good(w, 3);
	loop_run_until(&w->loop, !w->journal.is_suspect);
	b.n_calls = 0;
	accept_good(w, 4);
	assert_true(journal_wait(&w->journal, &b.wait));
	loop_run_until(&w->loop, b.n_calls);
	assert_int_equal(b.errnum, 0);
	restart(w);
	assert_int_equal(w->image.n_tasks, 4);
}

/* A long one. */
static void run_task(struct world *w, unsigned n)
{
	char id[ID_TASK_SIZE], result[8001] = "";
	memset(result, ' ', sizeof(result) - 1);
	accept_good(w, n);
	name_task(id, n);
	journal_finish(&w->journal, id, clock_real_ns(), result);
}

TEST(a_file_that_has_grown_is_made_anew_and_loses_nothing)
{
	struct world *w = *state;
	accept_good(w, 0); /* is never done */
	for (unsigned i = 1; i <= 3000; i++) {
		run_task(w, i);
		if (i % 500 == 0)
			loop_run_until(&w->loop, w->journal.doing == JOURNAL_IDLE);
	}
	loop_run_until(&w->loop, w->journal.doing == JOURNAL_IDLE);
	assert_true(w->journal.file.end < 3000 * 8000);
	restart(w);
	assert_null(find(w, 0)->result);
	assert_non_null(find(w, 3000)->result);
	assert_non_null(find(w, 3000 - JOURNAL_KEEP_COUNT + 1));
	size_t n_done = 0;
	list_for_each (pos, &w->image.tasks)
		n_done += list_entry(pos, struct journal_task, link)->result != NULL;
	assert_true(n_done >= JOURNAL_KEEP_COUNT);
}

static ino_t inode_of(const struct world *w)
{
	struct stat st;
	assert_int_equal(fstatat(w->journal.file.dir_fd, w->journal.file.name, &st, 0), 0);
	return st.st_ino;
}

/* Until the worker makes it anew. Returns the last task. */
static unsigned grow(struct world *w)
{
	for (unsigned n = 1;; n++) {
		run_task(w, n);
		/* What it has done is heard of in the loop only. */
		if (w->journal.doing != JOURNAL_COMPACT)
			uv_run(&w->loop, UV_RUN_NOWAIT);
		if (w->journal.doing == JOURNAL_COMPACT)
			return n;
	}
}

TEST(J6_without_space_for_a_new_file_the_old_one_goes_on)
{
	struct world *w = *state;
	ino_t inode = inode_of(w);
	/* Some blocks of it come to the disk. */
	new_room = 4 * JOURNAL_BLOCK_BYTES;
	old_fd = w->journal.file.fd;
	unsigned n = grow(w);
	run_task(w, ++n); /* beside the worker */
	loop_run_until(&w->loop, w->journal.doing != JOURNAL_COMPACT);
	assert_int_equal(n_refused, 1);
	assert_int_equal(inode_of(w), inode);
	assert_int_equal(w->journal.file.fd, old_fd);
	assert_true(w->journal.compact_at > w->journal.file.end);
	run_task(w, ++n);
	old_fd = -1;
	restart(w);
	assert_int_equal(w->image.n_tasks, n);
	for (unsigned i = 1; i <= n; i++)
		assert_non_null(find(w, i)->result);
}

TEST(what_comes_beside_the_worker_is_in_the_new_file)
{
	struct world *w = *state;
	ino_t inode = inode_of(w);
	unsigned n = grow(w);
	accept_good(w, n + 1);
	finish(w, n + 1);
	accept_good(w, n + 2);
	loop_run_until(&w->loop, w->journal.doing != JOURNAL_COMPACT);
	assert_int_not_equal(inode_of(w), inode);
	restart(w);
	assert_int_equal(w->image.n_tasks, n + 2);
	assert_non_null(find(w, n + 1)->result);
	assert_null(find(w, n + 2)->result);
}

TEST(J3_a_new_file_that_was_made_halfway_is_no_part_of_the_journal)
{
	struct world *w = *state;
	char name[64];
	accept_good(w, 1);
	snprintf(name, sizeof(name), "%s.new", w->journal.file.name);
	auto_close int fd =
		__real_openat(w->journal.file.dir_fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(fd_write_all(fd, "half of a record", 16), 0);
	restart(w);
	assert_int_equal(w->image.n_tasks, 1);
	assert_int_equal(faccessat(w->journal.file.dir_fd, name, F_OK, 0), -1);
}

TEST(a_file_at_its_bound_takes_no_task_until_it_is_made_anew)
{
	struct world *w = *state;
	struct err e = { 0 };
	uint64_t end = w->journal.file.end;
	accept_good(w, 1);
	w->journal.file.end = JOURNAL_FILE_MAX;
	assert_int_equal(accept_task(w, 2, &e), -EFBIG);
	w->journal.file.end = end;
	accept_good(w, 3);
}

TEST(a_private_file_goes_when_all_is_well)
{
	struct world *w = *state;
	struct stat st;
	char *path = journal_path(&w->journal);
	assert_int_equal(stat(path, &st), 0);
	w->journal.is_private = true;
	stop(w);
	assert_int_equal(stat(path, &st), -1);
	free(path);
	start(w);
}

TEST(without_a_journal_everything_is_accepted)
{
	struct world *w = *state;
	struct journal none;
	struct waiter a = { .wait.fn = on_waited };
	struct err e;
	char *argv[] = { "true", NULL };
	struct journal_task t = { .argv = argv };
	journal_init(&none);
	assert_int_equal(journal_start(&none, &w->loop, &w->image), 0);
	assert_int_equal(journal_accept(&none, &t, &e), 0);
	assert_false(journal_wait(&none, &a.wait));
	journal_state(&none, t.id, TASK_STATE_RUNNING, 1);
	journal_finish(&none, t.id, 1, "{}");
	journal_tick(&none);
	assert_null(journal_path(&none));
	journal_close(&none);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(what_was_accepted_and_not_finished_is_found_by_the_next),
		T(many_waiters_share_one_sync),
		T(who_is_forgotten_is_not_called),
		T(what_nobody_waits_for_is_synced_a_little_later),
		T(J6_without_space_a_task_is_refused_and_taken_when_there_is_space),
		T(J6_the_end_of_a_task_is_written_when_there_is_space),
		T(J6_the_end_of_a_task_comes_before_the_next_task),
		T(J6_without_space_at_the_start_the_file_comes_later),
		T(a_sync_that_fails_is_told_and_a_new_file_is_made),
		T(a_file_that_has_grown_is_made_anew_and_loses_nothing),
		T(J6_without_space_for_a_new_file_the_old_one_goes_on),
		T(what_comes_beside_the_worker_is_in_the_new_file),
		T(J3_a_new_file_that_was_made_halfway_is_no_part_of_the_journal),
		T(a_file_at_its_bound_takes_no_task_until_it_is_made_anew),
		T(a_private_file_goes_when_all_is_well),
		T(without_a_journal_everything_is_accepted),
	};
	return RUN_TESTS(tests);
}
