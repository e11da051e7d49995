#include "cli/canned_cli.h"

#include "harness.h"

#include "base/fd.h"
#include "cli/verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS_MAX 64

static int listen_at(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 5), 0);
	return fd;
}

static void play_daemon(const struct canned_cli *c, int listener, int sent)
{
	int fd = accept(listener, NULL, NULL), n = 0;
	char byte;
	while (read(fd, &byte, 1) == 1) {
		(void)!write(sent, &byte, 1);
		if (byte != '\n')
			continue;
		const char *reply = n < CANNED_REPLIES_MAX ? c->replies[n] : NULL;
		if (reply)
			fd_write_all(fd, reply, strlen(reply));
		if (++n == c->closes_after)
			break;
	}
	_exit(0);
}

static void play_program(
	const struct canned_cli *c, const char *path, const char *const *argv, const int *stdio)
{
	char *words[WORDS_MAX] = { "dayfly" };
	int n = 1;
	for (; argv[n - 1] && n + 1 < WORDS_MAX; n++)
		words[n] = (char *)(strcmp(argv[n - 1], "SOCKET") ? argv[n - 1] : path);
	for (int i = 0; i < 3; i++)
		dup2(stdio[i], i);
	exit(cli_main(n, words));
}

static int scratch(const char *text)
{
	int fd = memfd_create("test", MFD_CLOEXEC);
	assert_true(fd >= 0);
	if (text) {
		assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
		lseek(fd, 0, SEEK_SET);
	}
	return fd;
}

static void collect(int *fd, char *out, size_t size)
{
	lseek(*fd, 0, SEEK_SET);
	ssize_t n = read(*fd, out, size - 1);
	out[n > 0 ? n : 0] = '\0';
	fd_close(fd);
}

/* One signal for each line that has been sent, so that it meets the program in a known state. */
static void send_signals(const struct canned_cli *c, pid_t pid, int sent)
{
	char words[64];
	snprintf(words, sizeof(words), "%s", c->signals ? c->signals : "");
	char *rest = words;
	for (int line = 1; *rest; line++) {
		char text[16384];
		int n;
		do {
			poll(NULL, 0, 5);
			ssize_t len = pread(sent, text, sizeof(text) - 1, 0);
			text[len > 0 ? len : 0] = '\0';
			n = 0;
			for (const char *p = text; (p = strchr(p, '\n')); p++)
				n++;
		} while (n < line);
		/* Time for the program to read what was replied. */
		poll(NULL, 0, 50);
		char *word = rest;
		rest += strcspn(rest, " ");
		if (*rest)
			*rest++ = '\0';
		kill(pid, !strcmp(word, "INT") ? SIGINT : !strcmp(word, "HUP") ? SIGHUP : SIGTERM);
	}
}

void canned_cli_run(struct canned_cli *c, const char *const *argv)
{
	char dir[] = "/tmp/dayfly-test-XXXXXX", path[64];
	int status;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/sock", dir);
	int listener = listen_at(path);
	int out = scratch(NULL), err = scratch(NULL), sent = scratch(NULL);
	int in = c->input ? scratch(c->input) : open("/dev/null", O_RDONLY | O_CLOEXEC);
	const int stdio[] = { in, c->stdout_fd ? c->stdout_fd : out, err };
	fflush(NULL);
	pid_t daemon = fork();
	if (daemon == 0)
		play_daemon(c, listener, sent);
	pid_t program = fork();
	if (program == 0)
		play_program(c, path, argv, stdio);
	fd_close(&listener);
	send_signals(c, program, sent);
	assert_int_equal(waitpid(program, &status, 0), program);
	c->status = WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
	kill(daemon, SIGKILL);
	assert_int_equal(waitpid(daemon, &status, 0), daemon);
	collect(&out, c->out, sizeof(c->out));
	collect(&err, c->err, sizeof(c->err));
	collect(&sent, c->sent, sizeof(c->sent));
	fd_close(&in);
	unlink(path);
	rmdir(dir);
}
