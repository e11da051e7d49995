#include "harness.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

static size_t count_fds(void)
{
	size_t n = 0;
	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static bool is_cloexec(int fd)
{
	return fcntl(fd, F_GETFD) & FD_CLOEXEC;
}

TEST(close_resets_the_variable_and_keeps_errno)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int number = fd;
	errno = EXDEV;
	fd_close(&fd);
	assert_int_equal(fd, -1);
	assert_int_equal(errno, EXDEV);
	assert_int_equal(fcntl(number, F_GETFD), -1);
	errno = EXDEV;
	fd_close(&fd);
	assert_int_equal(errno, EXDEV);
}

TEST(take_moves_a_descriptor_out)
{
	int a = 77;
	int b = fd_take(&a);
	assert_int_equal(b, 77);
	assert_int_equal(a, -1);
}

TEST(pipes_are_closed_on_exec)
{
	int p[2];
	assert_int_equal(fd_pipe(p), 0);
	assert_true(is_cloexec(p[0]));
	assert_true(is_cloexec(p[1]));
	assert_int_equal(fd_set_cloexec(p[0], 0), 0);
	assert_false(is_cloexec(p[0]));
	assert_int_equal(fd_set_nonblock(p[0]), 0);
	char c;
	assert_int_equal(read(p[0], &c, 1), -1);
	assert_int_equal(errno, EAGAIN);
	fd_close_many(p, 2);
	assert_int_equal(p[0], -1);
	assert_int_equal(p[1], -1);
	assert_int_equal(fd_set_nonblock(-1), -EBADF);
	assert_int_equal(fd_set_cloexec(-1, 1), -EBADF);
}

TEST(closed_stdio_is_reserved)
{
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(0);
		close(2);
		int bad = fd_reserve_stdio() < 0;
		bad |= fcntl(0, F_GETFD) < 0 || fcntl(2, F_GETFD) < 0;
		int next = open("/dev/null", O_RDONLY | O_CLOEXEC);
		_exit(bad || next <= 2);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

TEST(everything_is_written_and_read)
{
	int p[2];
	char out[1000], in[1000];
	memset(out, 'q', sizeof(out));
	assert_int_equal(fd_pipe(p), 0);
	assert_int_equal(fd_write_all(p[1], out, sizeof(out)), 0);
	assert_int_equal(fd_read_all(p[0], in, 400), 0);
	assert_int_equal(fd_read_all(p[0], in + 400, 600), 0);
	assert_memory_equal(in, out, sizeof(in));
	fd_close(&p[1]);
	assert_int_equal(fd_read_all(p[0], in, 1), -EPIPE);
	fd_close(&p[0]);
	assert_int_equal(fd_read_all(-1, in, 1), -EBADF);
	assert_int_equal(fd_write_all(-1, in, 1), -EBADF);
}

TEST(everything_is_written_at_its_offset)
{
	auto_close int fd = memfd_create("at", MFD_CLOEXEC), full = open("/dev/full", O_WRONLY);
	char back[8] = "";
	assert_int_equal(fd_write_at(fd, "abcdef", 6, 0), 0);
	assert_int_equal(fd_write_at(fd, "XY", 2, 2), 0);
	assert_int_equal(pread(fd, back, sizeof(back), 0), 6);
	assert_string_equal(back, "abXYef");
	assert_int_equal(fd_write_at(full, "a", 1, 0), -ENOSPC);
	assert_int_equal(fd_write_at(-1, "a", 1, 0), -EBADF);
}

TEST(a_small_file_is_read_whole_and_a_big_one_refused)
{
	char path[] = "/tmp/test_fd_XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);
	assert_true(fd >= 0);
	char block[10000];
	memset(block, 'z', sizeof(block));
	assert_int_equal(fd_write_all(fd, block, sizeof(block)), 0);
	fd_close(&fd);

	auto_free char *data = NULL;
	assert_int_equal(fd_read_file(AT_FDCWD, path, 20000, &data), 10000);
	assert_memory_equal(data, block, sizeof(block));
	assert_int_equal(data[10000], '\0');
	char *untouched = NULL;
	assert_int_equal(fd_read_file(AT_FDCWD, path, 9999, &untouched), -EFBIG);
	assert_null(untouched);

	assert_int_equal(fd_write_file(AT_FDCWD, path, "new"), 0);
	auto_free char *again = NULL;
	assert_int_equal(fd_read_file(AT_FDCWD, path, 20000, &again), 10000);
	assert_memory_equal(again, "newz", 4);
	unlink(path);
	assert_int_equal(fd_read_file(AT_FDCWD, path, 10, &untouched), -ENOENT);
	assert_int_equal(fd_write_file(AT_FDCWD, path, "x"), -ENOENT);
}

static void make_pair(int pair[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
}

TEST(descriptors_go_over_a_socket_and_arrive_closed_on_exec)
{
	int pair[2], p[2], got[FD_PASS_MAX];
	size_t n = 99, before = count_fds();
	char data[16];
	make_pair(pair);
	assert_int_equal(fd_pipe(p), 0);
	assert_int_equal(fd_send(pair[0], "hello", 5, p, 2), 5);
	assert_int_equal(fd_recv(pair[1], data, sizeof(data), got, &n), 5);
	assert_memory_equal(data, "hello", 5);
	assert_int_equal(n, 2);
	assert_true(is_cloexec(got[0]) && is_cloexec(got[1]));
	assert_int_equal(fd_write_all(got[1], "x", 1), 0);
	assert_int_equal(fd_read_all(p[0], data, 1), 0);
	fd_close_many(got, n);
	fd_close_many(p, 2);

	assert_int_equal(fd_send(pair[0], "none", 4, NULL, 0), 4);
	assert_int_equal(fd_recv(pair[1], data, sizeof(data), got, &n), 4);
	assert_int_equal(n, 0);
	fd_close(&pair[0]);
	assert_int_equal(fd_recv(pair[1], data, sizeof(data), got, &n), 0);
	fd_close(&pair[1]);
	assert_int_equal(count_fds(), before);
}

/* Sends n copies of a descriptor in one message, past what fd_send() allows. */
static void send_many(int sock, int fd, size_t n)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * 253)];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { .iov_base = "m", .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes };
	msg.msg_controllen = CMSG_SPACE(sizeof(int) * n);
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * n);
	for (size_t i = 0; i < n; i++)
		memcpy(CMSG_DATA(c) + i * sizeof(int), &fd, sizeof(int));
	assert_int_equal(sendmsg(sock, &msg, 0), 1);
}

TEST(k9_descriptors_over_the_room_are_closed_and_none_leaks)
{
	int pair[2], got[FD_PASS_MAX];
	size_t n, before = count_fds();
	char data[16];
	make_pair(pair);
	send_many(pair[0], pair[0], 253);
	assert_int_equal(fd_recv(pair[1], data, sizeof(data), got, &n), 1);
	assert_int_equal(n, FD_PASS_MAX);
	assert_int_equal(count_fds(), before + 2 + FD_PASS_MAX);
	fd_close_many(got, n);
	fd_close_many(pair, 2);
	assert_int_equal(count_fds(), before);
}

TEST(k9_a_cut_off_message_is_refused_with_its_descriptors)
{
	int pair[2], got[FD_PASS_MAX];
	size_t n, before = count_fds();
	char data[4];
	make_pair(pair);
	assert_int_equal(fd_send(pair[0], "too long for four", 17, pair, 2), 17);
	assert_int_equal(fd_recv(pair[1], data, sizeof(data), got, &n), -EMSGSIZE);
	assert_int_equal(n, 0);
	fd_close_many(pair, 2);
	assert_int_equal(count_fds(), before);
}

TEST(k9_who_wants_to_close_them_elsewhere_gets_all_of_them)
{
	int pair[2], got[FD_RECV_MAX];
	size_t n, before = count_fds();
	char data[4];
	make_pair(pair);
	send_many(pair[0], pair[0], 253);
	assert_int_equal(fd_recv_all(pair[1], data, sizeof(data), got, &n), 1);
	assert_int_equal(n, 253);
	fd_close_many(got, n);
	assert_int_equal(fd_send(pair[0], "too long for four", 17, pair, 2), 17);
	assert_int_equal(fd_recv_all(pair[1], data, sizeof(data), got, &n), -EMSGSIZE);
	assert_int_equal(n, 2);
	fd_close_many(got, n);
	assert_int_equal(count_fds(), before + 2);
	fd_close_many(pair, 2);
}

TEST(too_many_descriptors_are_not_sent)
{
	int pair[2], fds[FD_PASS_MAX + 1] = { 0 };
	make_pair(pair);
	assert_int_equal(fd_send(pair[0], "x", 1, fds, FD_PASS_MAX + 1), -EINVAL);
	fd_close(&pair[1]);
	assert_int_equal(fd_send(pair[0], "x", 1, NULL, 0), -EPIPE);
	fd_close(&pair[0]);
}

TEST(a_sealed_file_cannot_be_changed)
{
	int fd = fd_sealed_memfd("plan", "content", 7);
	assert_true(fd >= 0);
	char data[8];
	assert_int_equal(pread(fd, data, sizeof(data), 0), 7);
	assert_memory_equal(data, "content", 7);
	assert_int_equal(pwrite(fd, "x", 1, 0), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(ftruncate(fd, 100), -1);
	assert_true(is_cloexec(fd));
	fd_close(&fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(close_resets_the_variable_and_keeps_errno),
		cmocka_unit_test(take_moves_a_descriptor_out),
		cmocka_unit_test(pipes_are_closed_on_exec),
		cmocka_unit_test(closed_stdio_is_reserved),
		cmocka_unit_test(everything_is_written_and_read),
		cmocka_unit_test(everything_is_written_at_its_offset),
		cmocka_unit_test(a_small_file_is_read_whole_and_a_big_one_refused),
		cmocka_unit_test(descriptors_go_over_a_socket_and_arrive_closed_on_exec),
		cmocka_unit_test(k9_descriptors_over_the_room_are_closed_and_none_leaks),
		cmocka_unit_test(k9_a_cut_off_message_is_refused_with_its_descriptors),
		cmocka_unit_test(k9_who_wants_to_close_them_elsewhere_gets_all_of_them),
		cmocka_unit_test(too_many_descriptors_are_not_sent),
		cmocka_unit_test(a_sealed_file_cannot_be_changed),
	};
	return RUN_TESTS(tests);
}
