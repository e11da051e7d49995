/* Which descriptors the warden may have. */
#include "harness.h"

#include "task/foreign.h"

#include "base/fd.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int check_at(int fd, const char *field)
{
	struct err e = { 0 };
	struct spec_tar tar = { .fd = 1 };
	const struct task_spec spec = { .tars = &tar, .n_tars = 1 };
	const int fds[] = { fd, fd };
	bool is_tar = strcmp(field, "task.tars[0].fd") == 0;
	int good = open("/", O_PATH | O_CLOEXEC);
	const int second[] = { good, fd };
	int r = foreign_check(&spec, is_tar ? second : fds, 2, &e);
	close(good);
	if (r < 0)
		assert_string_equal(e.field, field);
	return r;
}

/* As a tar, and as one that no field names. Closes it. */
static int check(int fd)
{
	int r = check_at(fd, "task.tars[0].fd");
	assert_int_equal(check_at(fd, "task"), r);
	close(fd);
	return r;
}

TEST(files_in_sight_memory_pipes_and_unix_streams_are_good)
{
	int p[2], s[2];
	assert_int_equal(fd_pipe(p), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s), 0);
	assert_int_equal(check(p[0]), 0);
	assert_int_equal(check(p[1]), 0);
	assert_int_equal(check(s[0]), 0);
	assert_int_equal(check(s[1]), 0);
	assert_int_equal(check(fd_sealed_memfd("x", "x", 1)), 0);
	assert_int_equal(check(open("/proc/self/exe", O_RDONLY | O_CLOEXEC)), 0);
	assert_int_equal(check(open("/", O_RDONLY | O_CLOEXEC)), 0);
	assert_int_equal(check(open("/", O_PATH | O_CLOEXEC)), 0);
}

TEST(sockets_of_other_kinds_are_not)
{
	int inet = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(check(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) < 0);
	assert_true(check(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)) < 0);
	if (inet >= 0)
		assert_true(check(inet) < 0);
	assert_true(check(-1) < 0);
}

TEST(pipes_and_streams_are_told_apart)
{
	int p[2], s[2];
	assert_int_equal(fd_pipe(p), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s), 0);
	assert_true(foreign_is_pipe(p[0]) && !foreign_is_stream(p[0]));
	assert_true(foreign_is_stream(s[0]) && !foreign_is_pipe(s[0]));
	fd_close_many(p, 2);
	fd_close_many(s, 2);
}

TEST(a_mount_must_be_in_sight_and_not_of_fuse)
{
	const char *text = "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
			   "22 21 0:40 / /a\\040b rw shared:1 master:2 - fuse.sshfs host: rw\n"
			   "23 21 0:41 / /c rw - fuse none rw\n"
			   "24 21 8:2 / /d rw - fuseblk /dev/sda2 rw\n"
			   "25 21 8:3 / /e rw\n"
			   "26 21 0:42 / /f rw shared:3 - tmpfs fuse rw";
	assert_true(foreign_mount_is_good(text, 21));
	assert_false(foreign_mount_is_good(text, 22));
	assert_false(foreign_mount_is_good(text, 23));
	assert_false(foreign_mount_is_good(text, 24));
	assert_false(foreign_mount_is_good(text, 25)); /* not as the kernel writes it */
	assert_true(foreign_mount_is_good(text, 26));
	assert_false(foreign_mount_is_good(text, 2));
	assert_false(foreign_mount_is_good("", 21));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_in_sight_memory_pipes_and_unix_streams_are_good),
		cmocka_unit_test(sockets_of_other_kinds_are_not),
		cmocka_unit_test(pipes_and_streams_are_told_apart),
		cmocka_unit_test(a_mount_must_be_in_sight_and_not_of_fuse),
	};
	return RUN_TESTS(tests);
}
