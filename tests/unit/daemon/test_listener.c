/* J5, K12: the directory and the socket of the daemon. */
#include "harness.h"

#include "base/fd.h"
#include "daemon/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* A fresh directory, a directory in it that is not there yet, and the socket's path. */
struct place {
	char base[64], dir[80], path[96];
};

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));
	snprintf(p->base, sizeof(p->base), "/tmp/dayfly-test-XXXXXX");
	assert_non_null(mkdtemp(p->base));
	snprintf(p->dir, sizeof(p->dir), "%s/run", p->base);
	snprintf(p->path, sizeof(p->path), "%s/s", p->dir);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;
	unlink(p->path);
	unlink(p->dir);
	rmdir(p->dir);
	int r = rmdir(p->base);
	free(p);
	return r;
}

static mode_t mode_of(const char *path)
{
	struct stat st;
	assert_int_equal(lstat(path, &st), 0);
	return st.st_mode & 07777;
}

static int connect_to(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	return connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ? -errno : 0;
}

static void a_private_socket_is_for_its_user_and_leaves_nothing(void **state)
{
	const struct place *p = *state;
	struct listener l;
	struct err e;
	assert_int_equal(listener_open(&l, p->path, false, &e), 0);
	assert_true(l.is_dir_made);
	assert_int_equal(mode_of(p->dir), 0700 | S_ISVTX);
	assert_int_equal(mode_of(p->path), 0600);
	assert_int_equal(connect_to(p->path), -ECONNREFUSED);
	assert_int_equal(listener_start(&l, &e), 0);
	assert_int_equal(connect_to(p->path), 0);
	assert_true(listener_is_reachable(&l));
	listener_close(&l);
	assert_int_equal(access(p->dir, F_OK), -1);
}

static void a_shared_socket_can_be_reached_whatever_the_umask(void **state)
{
	const struct place *p = *state;
	struct listener l;
	struct err e;
	mode_t old = umask(077);
	assert_int_equal(listener_open(&l, p->path, true, &e), 0);
	umask(old);
	assert_int_equal(mode_of(p->dir), 0755 | S_ISVTX);
	assert_int_equal(mode_of(p->path), 0666);
	listener_close(&l);
}

static void a_second_daemon_in_the_same_directory_is_refused(void **state)
{
	const struct place *p = *state;
	struct listener l, second;
	struct err e;
	char other[128];
	assert_int_equal(listener_open(&l, p->path, false, &e), 0);
	assert_int_equal(listener_open(&second, p->path, false, &e), -EBUSY);
	assert_non_null(strstr(e.hint, "another dayflyd"));
	listener_finish(&second);
	snprintf(other, sizeof(other), "%s/other", p->dir);
	assert_int_equal(listener_open(&second, other, false, &e), -EBUSY);
	listener_finish(&second);
	assert_true(listener_is_reachable(&l));
	listener_close(&l);
	assert_int_equal(listener_open(&l, p->path, false, &e), 0);
	listener_close(&l);
}

static void a_directory_that_was_there_is_not_removed(void **state)
{
	const struct place *p = *state;
	struct listener l;
	struct err e;
	assert_int_equal(mkdir(p->dir, 0700), 0);
	assert_int_equal(listener_open(&l, p->path, false, &e), 0);
	assert_false(l.is_dir_made);
	listener_close(&l);
	assert_int_equal(access(p->dir, F_OK), 0);
	assert_int_equal(access(p->path, F_OK), -1);
}

/* Of two that start at once, one makes the directory and the other may take the lock. */
static void whoever_has_the_lock_removes_what_another_daemon_made(void **state)
{
	const struct place *p = *state;
	struct listener l, second;
	struct err e;
	assert_int_equal(listener_open(&l, p->path, false, &e), 0);
	listener_stop(&l);
	fd_close(&l.dir_fd);
	assert_int_equal(listener_open(&second, p->path, false, &e), 0);
	assert_true(second.is_dir_made);
	listener_finish(&l);
	listener_close(&second);
	assert_int_equal(access(p->dir, F_OK), -1);
}

static void an_unsafe_directory_is_refused(void **state)
{
	const struct place *p = *state;
	struct listener l;
	struct err e;
	assert_int_equal(mkdir(p->dir, 0700), 0);
	const mode_t unsafe[] = { 0770, 0702, 01777 };
	for (size_t i = 0; i < ARRAY_SIZE(unsafe); i++) {
		assert_int_equal(chmod(p->dir, unsafe[i]), 0);
		assert_int_equal(listener_open(&l, p->path, false, &e), -EPERM);
		assert_int_equal(e.code, ERR_NOT_ALLOWED);
		listener_finish(&l);
	}
	assert_int_equal(chmod(p->dir, 0700), 0);
	if (geteuid() == 0) {
		assert_int_equal(chown(p->dir, 12345, 12345), 0);
		assert_int_equal(listener_open(&l, p->path, false, &e), -EPERM);
		listener_finish(&l);
	}
}

static void a_symlink_in_the_place_of_the_directory_is_refused(void **state)
{
	const struct place *p = *state;
	struct listener l;
	struct err e;
	assert_int_equal(symlink(p->base, p->dir), 0);
	assert_true(listener_open(&l, p->path, false, &e) < 0);
	listener_finish(&l);
}

static void a_socket_that_nobody_listens_on_is_replaced(void **state)
{
	const struct place *p = *state;
	struct listener l, dead;
	struct err e;
	assert_int_equal(listener_open(&dead, p->path, false, &e), 0);
	assert_int_equal(listener_start(&dead, &e), 0);
	listener_finish(&dead); /* as after a kill -9 */
	assert_int_equal(access(p->path, F_OK), 0);
	assert_int_equal(listener_open(&l, p->path, false, &e), 0);
	listener_close(&l);
}

static void anything_else_with_that_name_is_left_alone(void **state)
{
	const struct place *p = *state;
	struct listener l;
	struct err e;
	assert_int_equal(mkdir(p->dir, 0700), 0);
	auto_close int fd = open(p->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(listener_open(&l, p->path, false, &e), -EEXIST);
	listener_finish(&l);
	assert_int_equal(access(p->path, F_OK), 0);
}

static void a_replaced_socket_is_noticed_and_not_unlinked(void **state)
{
	const struct place *p = *state;
	struct listener l;
	struct err e;
	assert_int_equal(listener_open(&l, p->path, false, &e), 0);
	assert_int_equal(unlink(p->path), 0);
	assert_false(listener_is_reachable(&l));
	auto_close int fd = open(p->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_false(listener_is_reachable(&l));
	listener_close(&l);
	assert_int_equal(access(p->path, F_OK), 0);
}

static void a_path_that_is_too_long_is_refused(void **state)
{
	struct listener l;
	struct err e;
	char path[256];
	memset(path, 'x', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(listener_open(&l, path, false, &e), -ENAMETOOLONG);
	listener_finish(&l);
}

/* What a service manager would do. */
static int bind_for(const struct place *p, const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	assert_true(mkdir(p->dir, 0700) == 0 || errno == EEXIST);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 5), 0);
	return fd;
}

static void a_passed_socket_is_served_at_its_path_and_stays(void **state)
{
	const struct place *p = *state;
	struct listener l, second;
	struct err e;
	auto_close int managers = bind_for(p, p->path);
	int passed = fcntl(managers, F_DUPFD_CLOEXEC, 3);
	assert_int_equal(listener_adopt(&l, passed, &e), 0);
	assert_string_equal(l.path, p->path);
	assert_true(l.is_passed);
	assert_false(l.is_dir_made);
	assert_true(listener_is_reachable(&l));
	assert_int_equal(listener_start(&l, &e), 0);
	assert_int_equal(listener_open(&second, p->path, false, &e), -EBUSY);
	listener_finish(&second);
	listener_stop(&l);
	/* Who comes now waits for whom the manager starts next. */
	assert_int_equal(connect_to(p->path), 0);
	listener_close(&l);
	assert_int_equal(connect_to(p->path), 0);
	assert_int_equal(access(p->path, F_OK), 0);
	assert_int_equal(fcntl(passed, F_GETFD), -1);
}

static void a_passed_socket_that_was_replaced_is_noticed(void **state)
{
	const struct place *p = *state;
	struct listener l;
	struct err e;
	auto_close int managers = bind_for(p, p->path);
	assert_int_equal(listener_adopt(&l, fcntl(managers, F_DUPFD_CLOEXEC, 3), &e), 0);
	assert_int_equal(unlink(p->path), 0);
	assert_false(listener_is_reachable(&l));
	auto_close int other = bind_for(p, p->path);
	assert_false(listener_is_reachable(&l));
	listener_close(&l);
	assert_int_equal(access(p->path, F_OK), 0);
	assert_int_equal(unlink(p->path), 0);
	assert_true(listener_adopt(&l, fcntl(other, F_DUPFD_CLOEXEC, 3), &e) < 0);
	assert_non_null(strstr(e.hint, "restart dayflyd.socket"));
	listener_finish(&l);
}

static void a_passed_socket_in_an_unsafe_directory_is_refused(void **state)
{
	const struct place *p = *state;
	struct listener l;
	struct err e;
	auto_close int managers = bind_for(p, p->path);
	assert_int_equal(chmod(p->dir, 0777), 0);
	assert_int_equal(listener_adopt(&l, fcntl(managers, F_DUPFD_CLOEXEC, 3), &e), -EPERM);
	listener_finish(&l);
}

TEST(a_passed_socket_without_a_path_is_refused)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct listener l;
	struct err e;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* An abstract name, which the kernel chooses. */
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr.sun_family)), 0);
	assert_int_equal(listen(fd, 5), 0);
	assert_int_equal(listener_adopt(&l, fd, &e), -EINVAL);
	assert_non_null(strstr(e.hint, "ListenStream="));
	listener_finish(&l);
}

#define IN_PLACE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_PLACE(a_private_socket_is_for_its_user_and_leaves_nothing),
		IN_PLACE(a_shared_socket_can_be_reached_whatever_the_umask),
		IN_PLACE(a_second_daemon_in_the_same_directory_is_refused),
		IN_PLACE(a_directory_that_was_there_is_not_removed),
		IN_PLACE(whoever_has_the_lock_removes_what_another_daemon_made),
		IN_PLACE(an_unsafe_directory_is_refused),
		IN_PLACE(a_symlink_in_the_place_of_the_directory_is_refused),
		IN_PLACE(a_socket_that_nobody_listens_on_is_replaced),
		IN_PLACE(anything_else_with_that_name_is_left_alone),
		IN_PLACE(a_replaced_socket_is_noticed_and_not_unlinked),
		IN_PLACE(a_passed_socket_is_served_at_its_path_and_stays),
		IN_PLACE(a_passed_socket_that_was_replaced_is_noticed),
		IN_PLACE(a_passed_socket_in_an_unsafe_directory_is_refused),
		cmocka_unit_test(a_passed_socket_without_a_path_is_refused),
		cmocka_unit_test(a_path_that_is_too_long_is_refused),
	};
	return RUN_TESTS(tests);
}
