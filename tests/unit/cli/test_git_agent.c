#include "harness.h"

#include "base/fd.h"
#include "cli/git_agent.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* An agent that says of each question which it was: a child of ours. */
static char folder[64], path[80];
static pid_t agent;

static _Noreturn void answer(int listener)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		unsigned char m[64];
		int s = accept(listener, NULL, NULL);
		if (fork() != 0) {
			close(s);
			continue;
		}
		while (fd_read_all(s, m, 4) == 0 && fd_read_all(s, m + 4, m[3]) == 0) {
			m[4] += 100;
			fd_write_all(s, m, 4u + m[3]);
		}
		_exit(0);
	}
}

static int connect_to(const char *to)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%.107s", to);
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(s, (struct sockaddr *)&sa, sizeof(sa)) == 0)
		return s;
	close(s);
	return -errno;
}

static int begin_all(void **state)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	snprintf(folder, sizeof(folder), "/tmp/dayfly-test-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	setenv("XDG_RUNTIME_DIR", folder, 1);
	snprintf(path, sizeof(path), "%s/real", folder);
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(listener, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(listener, 8) < 0)
		return -1;
	agent = fork();
	if (agent == 0)
		answer(listener);
	close(listener);
	return 0;
}

static int end_all(void **state)
{
	kill(agent, SIGKILL);
	waitpid(agent, NULL, 0);
	unlink(path);
	return rmdir(folder);
}

static int call(const struct git_agent *a)
{
	char to[PATH_MAX + 32];
	snprintf(to, sizeof(to), "%s/agent/agent.sock", a->path);
	return connect_to(to);
}

/* The type of the answer. */
static int ask(int s, unsigned char type)
{
	unsigned char m[] = { 0, 0, 0, 2, type, 7 }, got[16];
	assert_int_equal(fd_write_all(s, m, sizeof(m)), 0);
	assert_int_equal(fd_read_all(s, got, 5), 0);
	if (got[3] == 2)
		assert_int_equal(fd_read_all(s, got + 5, 1), 0);
	return got[4];
}

TEST(what_is_asked_reaches_the_agent_but_nothing_that_changes_it)
{
	struct git_agent a;
	struct err e = { 0 };
	struct stat st;
	setenv("SSH_AUTH_SOCK", path, 1);
	assert_int_equal(git_agent_begin(&a, "", &e), 0);
	int one = call(&a), two = call(&a);
	assert_true(one >= 0 && two >= 0);
	assert_int_equal(ask(one, 11), 111);
	assert_int_equal(ask(two, 13), 113);
	assert_int_equal(ask(one, 27), 127);
	/* To add a key, to take one away, all of them, to lock. */
	for (unsigned char type = 17; type <= 25; type++)
		assert_int_equal(ask(one, type), 5);
	assert_int_equal(ask(one, 11), 111);
	assert_int_equal(stat(a.path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	close(one);
	char was[PATH_MAX];
	memcpy(was, a.path, sizeof(was));
	git_agent_end(&a);
	assert_int_equal(access(was, F_OK), -1);
	assert_int_equal(read(two, was, 1), 0);
	close(two);
	git_agent_end(&a);
}

TEST(there_are_no_more_calls_at_once_than_a_few)
{
	struct git_agent a;
	struct err e = { 0 };
	int calls[9];
	char byte;
	assert_int_equal(git_agent_begin(&a, path, &e), 0);
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		assert_true((calls[i] = call(&a)) >= 0);
	assert_int_equal(read(calls[8], &byte, 1), 0);
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		close(calls[i]);
	git_agent_end(&a);
}

TEST(nothing_is_left_when_we_are_killed)
{
	struct git_agent a;
	struct err e = { 0 };
	int ends[2];
	assert_int_equal(fd_pipe(ends), 0);
	pid_t child = fork();
	if (child == 0) {
		if (git_agent_begin(&a, path, &e) < 0)
			_exit(1);
		fd_write_all(ends[1], &a, sizeof(a));
		pause();
		_exit(0);
	}
	assert_int_equal(fd_read_all(ends[0], &a, sizeof(a)), 0);
	int s = call(&a);
	assert_int_equal(ask(s, 11), 111);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	/* For as long as it takes: the test has a deadline. */
	while (access(a.path, F_OK) == 0)
		nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
	char byte;
	assert_int_equal(read(s, &byte, 1), 0);
	close(s);
	fd_close_many(ends, 2);
}

TEST(where_no_agent_is_the_reason_is_told)
{
	struct git_agent a;
	struct err e = { 0 };
	char file[96];
	unsetenv("SSH_AUTH_SOCK");
	assert_int_equal(git_agent_begin(&a, "", &e), -ENOENT);
	assert_non_null(strstr(e.msg, "SSH_AUTH_SOCK is not set"));
	assert_non_null(strstr(e.hint, "--git-agent=SOCKET"));
	git_agent_end(&a);
	setenv("SSH_AUTH_SOCK", "/no/such/socket", 1);
	assert_int_equal(git_agent_begin(&a, "", &e), -ENOENT);
	assert_non_null(strstr(e.msg, "/no/such/socket (SSH_AUTH_SOCK)"));
	snprintf(file, sizeof(file), "%s/file", folder);
	close(open(file, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(git_agent_begin(&a, file, &e), -ENOTSOCK);
	unlink(file);
	/* A socket that nobody listens at any more. */
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", file);
	int s = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(s, (struct sockaddr *)&sa, sizeof(sa)), 0);
	close(s);
	assert_int_equal(git_agent_begin(&a, file, &e), -ECONNREFUSED);
	unlink(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_asked_reaches_the_agent_but_nothing_that_changes_it),
		cmocka_unit_test(there_are_no_more_calls_at_once_than_a_few),
		cmocka_unit_test(nothing_is_left_when_we_are_killed),
		cmocka_unit_test(where_no_agent_is_the_reason_is_told),
	};
	return cmocka_run_group_tests(tests, begin_all, end_all);
}
