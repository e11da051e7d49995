/* Which directories have mounts below them, and that a change is seen. */
#include "harness.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "jail/host_mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

TEST(what_is_mounted_below_is_found)
{
	struct host_mounts m;
	for (int is_open = 0; is_open < 2; is_open++) {
		host_mounts_init(&m);
		if (is_open)
			assert_int_equal(host_mounts_open(&m), 0);
		for (int twice = 0; twice < 2; twice++) {
			assert_true(host_mounts_are_below(&m, "/"));
			assert_false(host_mounts_are_below(&m, "/proc/self"));
			assert_false(host_mounts_are_below(&m, "/no-such-directory"));
		}
		host_mounts_finish(&m);
	}
}

/* Root needs no user namespace. */
static bool enter_namespaces(void)
{
	char uid_map[64], gid_map[64];
	if (unshare(CLONE_NEWNS) == 0)
		return true;
	snprintf(uid_map, sizeof(uid_map), "0 %u 1", geteuid());
	snprintf(gid_map, sizeof(gid_map), "0 %u 1", getegid());
	return unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 &&
	       fd_write_file(AT_FDCWD, "/proc/self/setgroups", "deny") == 0 &&
	       fd_write_file(AT_FDCWD, "/proc/self/uid_map", uid_map) == 0 &&
	       fd_write_file(AT_FDCWD, "/proc/self/gid_map", gid_map) == 0;
}

/* In mount namespaces of its own. Returns 0, 77 where that cannot be had, or a line's number. */
static int try_changes(void)
{
	struct host_mounts m;
	char dir[] = "/tmp/dayfly-mounts-XXXXXX", sub[64], point[64];
	if (!enter_namespaces() || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		!mkdtemp(dir))
		return 77;
	snprintf(sub, sizeof(sub), "%s/a", dir);
	snprintf(point, sizeof(point), "%s/a/b", dir);
	host_mounts_init(&m);
	if (mount("none", dir, "tmpfs", 0, NULL) < 0)
		return rmdir(dir) < 0 ? __LINE__ : 77;
	if (mkdir(sub, 0700) < 0 || mkdir(point, 0700) < 0 || host_mounts_open(&m) < 0)
		return __LINE__;
	int bad = 0;
	for (int i = 0; !bad && i < 3; i++) {
		if (host_mounts_are_below(&m, sub) || host_mounts_are_below(&m, sub))
			bad = __LINE__;
		if (mount("none", point, "tmpfs", 0, NULL) < 0)
			bad = __LINE__;
		if (!host_mounts_are_below(&m, sub) || !host_mounts_are_below(&m, sub) ||
			host_mounts_are_below(&m, point))
			bad = __LINE__;
		if (umount(point) < 0)
			bad = __LINE__;
	}
	host_mounts_finish(&m);
	umount2(dir, MNT_DETACH);
	rmdir(dir);
	return bad;
}

TEST(a_mount_that_comes_or_goes_is_seen_at_once)
{
	int status = 0;
	pid_t pid = fork();
	if (pid == 0)
		_exit(try_changes());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_mounted_below_is_found),
		cmocka_unit_test(a_mount_that_comes_or_goes_is_seen_at_once),
	};
	return RUN_TESTS(tests);
}
