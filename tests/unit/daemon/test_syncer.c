/* What is brought to the disk, in which order, and who waits for it; a disk that hangs or fails. */
#include "loop.h"

#include "daemon/syncer.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- a disk that does as it is told ---- */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool hangs;
	int file_errno, dir_errno;
	size_t n_files, n_dirs, n_whole;
	char order[64]; /* a letter for each sync */
	ino_t files[SYNCER_FILES_MAX];
} disk = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

int __wrap_fdatasync(int fd);
int __wrap_fsync(int fd);
int __wrap_syncfs(int fd);

static int sync_one(size_t *count, char letter, int errnum)
{
	pthread_mutex_lock(&disk.lock);
	while (disk.hangs)
		pthread_cond_wait(&disk.changed, &disk.lock);
	size_t n = strlen(disk.order);
	if (n < sizeof(disk.order) - 1)
		disk.order[n] = letter;
	++*count;
	pthread_mutex_unlock(&disk.lock);
	errno = errnum;
	return errnum ? -1 : 0;
}

int __wrap_fdatasync(int fd)
{
	struct stat st;
	assert_int_equal(fstat(fd, &st), 0);
	if (disk.n_files < SYNCER_FILES_MAX)
		disk.files[disk.n_files] = st.st_ino;
	return sync_one(&disk.n_files, 'f', disk.file_errno);
}

int __wrap_fsync(int fd)
{
	return sync_one(&disk.n_dirs, 'd', disk.dir_errno);
}

int __wrap_syncfs(int fd)
{
	return sync_one(&disk.n_whole, 'w', 0);
}

static void set_hangs(bool hangs)
{
	pthread_mutex_lock(&disk.lock);
	disk.hangs = hangs;
	pthread_cond_broadcast(&disk.changed);
	pthread_mutex_unlock(&disk.lock);
}

/* ---- a world ---- */

struct waiter {
	struct syncer_wait wait;
	int n_calls, errnum;
};

static uv_loop_t loop;
static struct syncer *syncer;
static char dir[32];
static int dir_fd;

static int setup(void **state)
{
	set_hangs(false);
	disk.file_errno = disk.dir_errno = 0;
	disk.n_files = disk.n_dirs = disk.n_whole = 0;
	memset(disk.order, 0, sizeof(disk.order));
	snprintf(dir, sizeof(dir), "/tmp/dayfly-syncer-XXXXXX");
	assert_non_null(mkdtemp(dir));
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uv_loop_init(&loop);
	assert_int_equal(syncer_create(&loop, &syncer), 0);
	return 0;
}

static int teardown(void **state)
{
	char command[64];
	set_hangs(false);
	syncer_destroy(&syncer);
	loop_assert_empty(&loop);
	close(dir_fd);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	FILE *f = popen(command, "r");
	return f && pclose(f) == 0 ? 0 : -1;
}

static int make(const char *name)
{
	int fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	return fd;
}

static ino_t add(const char *name)
{
	struct stat st;
	int fd = make(name);
	assert_int_equal(fstat(fd, &st), 0);
	close(fd);
	syncer_add(syncer, dir_fd, name);
	return st.st_ino;
}

static void on_synced(struct syncer_wait *w, int errnum)
{
	struct waiter *me = (struct waiter *)w;
	me->n_calls++;
	me->errnum = errnum;
}

static struct waiter waiting(void)
{
	return (struct waiter){ .wait.fn = on_synced };
}

TEST(a_file_is_synced_before_its_directory_and_that_before_who_waits)
{
	struct waiter w = waiting();
	assert_false(syncer_wait(syncer, &w.wait));
	ino_t ino = add("a");
	assert_true(syncer_wait(syncer, &w.wait));
	assert_int_equal(w.n_calls, 0);
	loop_run_until(&loop, w.n_calls);
	assert_int_equal(w.errnum, 0);
	assert_string_equal(disk.order, "fdd"); /* the directory that it is in may be new, too */
	assert_int_equal(disk.files[0], ino);
	assert_false(syncer_wait(syncer, &w.wait));
}

TEST(an_open_file_may_be_closed_meanwhile)
{
	struct waiter w = waiting();
	struct stat st;
	int fd = make("spool");
	assert_int_equal(fstat(fd, &st), 0);
	syncer_add_file(syncer, fd, dir_fd);
	close(fd);
	assert_true(syncer_wait(syncer, &w.wait));
	loop_run_until(&loop, w.n_calls);
	assert_string_equal(disk.order, "fdd");
	assert_int_equal(disk.files[0], st.st_ino);
}

TEST(where_its_directory_cannot_be_opened_all_of_its_file_system_is_synced)
{
	struct waiter w = waiting();
	int fd = make("spool");
	syncer_add_file(syncer, fd, -1);
	close(fd);
	assert_true(syncer_wait(syncer, &w.wait));
	loop_run_until(&loop, w.n_calls);
	assert_int_equal(w.errnum, 0);
	assert_string_equal(disk.order, "fw");
}

TEST(where_nobody_waits_it_is_put_off_and_what_is_gone_by_then_is_no_failure)
{
	struct waiter w = waiting();
	add("a");
	assert_int_equal(disk.n_files, 0);
	assert_int_equal(unlinkat(dir_fd, "a", 0), 0);
	loop_run_until(&loop, disk.n_dirs == 2);
	assert_int_equal(disk.n_files, 0);
	if (syncer_wait(syncer, &w.wait))
		loop_run_until(&loop, w.n_calls);
	assert_int_equal(w.errnum, 0);
}

TEST(J16_a_disk_that_hangs_does_not_hold_up_the_loop)
{
	struct waiter first = waiting(), second = waiting(), gone = waiting();
	set_hangs(true);
	add("a");
	assert_true(syncer_wait(syncer, &first.wait));
	loop_run_ms(&loop, 20);
	add("b");
	add("c");
	assert_true(syncer_wait(syncer, &second.wait));
	assert_true(syncer_wait(syncer, &gone.wait));
	loop_run_ms(&loop, 20);
	assert_int_equal(first.n_calls + second.n_calls, 0);
	syncer_forget(&gone.wait);
	set_hangs(false);
	loop_run_until(&loop, second.n_calls);
	assert_int_equal(first.n_calls, 1);
	assert_int_equal(gone.n_calls, 0);
	/* What came while it hung went together. */
	assert_string_equal(disk.order, "fddffdd");
}

TEST(J12_a_disk_that_fails_is_told_to_who_waits_and_only_to_them)
{
	struct waiter w = waiting();
	disk.file_errno = EIO;
	add("a");
	assert_true(syncer_wait(syncer, &w.wait));
	loop_run_until(&loop, w.n_calls);
	assert_int_equal(w.errnum, EIO);
	disk.file_errno = 0;
	disk.dir_errno = ENOSPC;
	add("b");
	assert_true(syncer_wait(syncer, &w.wait));
	loop_run_until(&loop, w.n_calls == 2);
	assert_int_equal(w.errnum, ENOSPC);
	disk.dir_errno = 0;
	add("c");
	assert_true(syncer_wait(syncer, &w.wait));
	loop_run_until(&loop, w.n_calls == 3);
	assert_int_equal(w.errnum, 0);
}

TEST(too_many_at_once_are_synced_with_their_file_system)
{
	struct waiter w = waiting();
	char name[16];
	set_hangs(true);
	add("first");
	assert_true(syncer_wait(syncer, &w.wait));
	for (unsigned i = 0; i < SYNCER_FILES_MAX + 1; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		add(name);
	}
	struct waiter all = waiting();
	assert_true(syncer_wait(syncer, &all.wait));
	set_hangs(false);
	loop_run_until(&loop, all.n_calls);
	assert_int_equal(all.errnum, 0);
	assert_int_equal(disk.n_files, SYNCER_FILES_MAX + 1);
	assert_int_equal(disk.n_whole, 1);
}

TEST(at_the_end_all_is_waited_for_without_the_loop)
{
	struct waiter w = waiting();
	add("a");
	assert_true(syncer_wait(syncer, &w.wait));
	add("b");
	syncer_drain(syncer);
	assert_int_equal(w.n_calls, 1);
	assert_int_equal(disk.n_files, 2);
	add("c");
	syncer_destroy(&syncer);
	assert_int_equal(disk.n_files, 3);
}

TEST(without_a_syncer_nothing_is_waited_for)
{
	struct waiter w = waiting();
	syncer_add(NULL, dir_fd, "a");
	assert_false(syncer_wait(NULL, &w.wait));
	syncer_drain(NULL);
}

#define ONE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ONE(a_file_is_synced_before_its_directory_and_that_before_who_waits),
		ONE(an_open_file_may_be_closed_meanwhile),
		ONE(where_its_directory_cannot_be_opened_all_of_its_file_system_is_synced),
		ONE(where_nobody_waits_it_is_put_off_and_what_is_gone_by_then_is_no_failure),
		ONE(J16_a_disk_that_hangs_does_not_hold_up_the_loop),
		ONE(J12_a_disk_that_fails_is_told_to_who_waits_and_only_to_them),
		ONE(too_many_at_once_are_synced_with_their_file_system),
		ONE(at_the_end_all_is_waited_for_without_the_loop),
		ONE(without_a_syncer_nothing_is_waited_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
