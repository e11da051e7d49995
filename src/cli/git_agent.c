/* Lending an ssh agent: see git_agent.h. */
#include "cli/git_agent.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "cli/place.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define CALLS_MAX   8
#define MESSAGE_MAX (256u << 10)

/* Of draft-ietf-sshm-ssh-agent. */
enum {
	AGENT_FAILURE = 5,
	AGENT_IDENTITIES = 11,
	AGENT_SIGN = 13,
	AGENT_EXTENSION = 27, /* ssh tells which host it is for: keys may be bound to some */
};

/* ---- the agent ---- */

/* By descriptor: its path may be longer than an address of a socket. */
static void address(struct sockaddr_un *sa, int fd, const char *name)
{
	*sa = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(sa->sun_path, sizeof(sa->sun_path), "/proc/self/fd/%d%s", fd, name);
}

static int call_agent(int agent_fd)
{
	struct sockaddr_un sa;
	address(&sa, agent_fd, "");
	auto_close int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s < 0 || connect(s, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return -errno;
	return fd_take(&s);
}

/* The socket itself, after a first call. */
static int find_agent(const char *path, struct err *e)
{
	const char *from = path;
	struct stat st;
	if (!*path)
		path = getenv("SSH_AUTH_SOCK");
	if (!path || !*path) {
		err_set(e, ERR_BAD_VALUE, 0, "there is no ssh agent: SSH_AUTH_SOCK is not set");
		err_hint(e, "start one (eval \"$(ssh-agent)\"; ssh-add), or name its socket: "
			    "--git-agent=SOCKET");
		return -ENOENT;
	}
	auto_close int fd = open(path, O_PATH | O_CLOEXEC);
	int r = fd < 0 || fstat(fd, &st) < 0 ? -errno : S_ISSOCK(st.st_mode) ? 0 : -ENOTSOCK;
	int call = r < 0 ? r : call_agent(fd);
	if (call < 0) {
		r = err_set(e, ERR_BAD_VALUE, -call, "no ssh agent answers at %.150s%s", path,
			*from ? "" : " (SSH_AUTH_SOCK)");
		err_hint(e, "is it running? `ssh-add -l` asks the one of SSH_AUTH_SOCK");
		return r;
	}
	fd_close(&call);
	return fd_take(&fd);
}

/* ---- between both ---- */

struct message {
	unsigned char data[4 + MESSAGE_MAX];
	uint32_t len;
};

static int read_message(int fd, struct message *m)
{
	int r = fd_read_all(fd, m->data, 4);
	m->len = (uint32_t)m->data[0] << 24 | (uint32_t)m->data[1] << 16 |
		 (uint32_t)m->data[2] << 8 | m->data[3];
	if (r == 0 && (m->len < 1 || m->len > MESSAGE_MAX))
		r = -EPROTO;
	return r < 0 ? r : fd_read_all(fd, m->data + 4, m->len);
}

/* Nobody there adds keys, takes them away or locks them. */
static bool may_ask(const struct message *m)
{
	const int type = m->data[4];
	return type == AGENT_IDENTITIES || type == AGENT_SIGN || type == AGENT_EXTENSION;
}

static _Noreturn void talk(int client, int agent_fd)
{
	static struct message m;
	static const unsigned char no[] = { 0, 0, 0, 1, AGENT_FAILURE };
	int agent = call_agent(agent_fd);
	int r = agent < 0 ? agent : 0;
	while (r == 0 && (r = read_message(client, &m)) == 0) {
		if (!may_ask(&m)) {
			r = fd_write_all(client, no, sizeof(no));
			continue;
		}
		r = fd_write_all(agent, m.data, 4 + m.len);
		if (r == 0)
			r = read_message(agent, &m);
		if (r == 0)
			r = fd_write_all(client, m.data, 4 + m.len);
	}
	_exit(0);
}

struct forwarder {
	int agent_fd, listener, line;
	pid_t calls[CALLS_MAX]; /* 0: none */
};

/* One more call is cut off at once. */
static void take_call(struct forwarder *f)
{
	const pid_t own = getpid();
	auto_close int client = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);
	pid_t *place = NULL;
	for (size_t i = 0; i < CALLS_MAX; i++) {
		if (f->calls[i] && waitpid(f->calls[i], NULL, WNOHANG) != 0)
			f->calls[i] = 0;
		if (!f->calls[i])
			place = &f->calls[i];
	}
	if (client < 0 || !place)
		return;
	pid_t child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != own)
			_exit(0);
		talk(client, f->agent_fd);
	}
	*place = child < 0 ? 0 : child;
}

/* Ctrl-C and the like are for dayfly run, which ends us. */
static void leave_signals(void)
{
	static const int ours[] = { SIGINT, SIGTERM, SIGQUIT, SIGHUP, SIGTSTP, SIGPIPE };
	for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
		signal(ours[i], SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
}

/* Who waits for the end of our output is not to wait for this. */
static void leave_stdio(void)
{
	auto_close int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = 0; null >= 0 && fd <= 2; fd++)
		dup2(null, fd);
}

/* Until a word comes through the line, or its other end is gone: dayfly run was killed. */
static _Noreturn void forward(struct forwarder *f, const char *path)
{
	struct pollfd fds[] = { { .fd = f->line, .events = POLLIN },
		{ .fd = f->listener, .events = POLLIN } };
	leave_signals();
	leave_stdio();
	while (!fds[0].revents) {
		int n = poll(fds, 2, -1);
		if (n < 0 && errno != EINTR)
			break;
		if (n > 0 && fds[1].revents)
			take_call(f);
	}
	for (size_t i = 0; i < CALLS_MAX; i++) {
		if (!f->calls[i])
			continue;
		kill(f->calls[i], SIGKILL);
		waitpid(f->calls[i], NULL, 0);
	}
	place_remove_tree(AT_FDCWD, path);
	_exit(0);
}

/* ---- the directory ---- */

static int make_private(struct git_agent *a, struct err *e)
{
	const char *const bases[] = { getenv("XDG_RUNTIME_DIR"), getenv("TMPDIR"), "/tmp" };
	for (size_t i = 0; i < ARRAY_SIZE(bases); i++) {
		if (!bases[i] || bases[i][0] != '/')
			continue;
		snprintf(a->path, sizeof(a->path), "%.4000s/dayfly-agent-XXXXXX", bases[i]);
		if (mkdtemp(a->path))
			return 0;
	}
	int errnum = errno;
	a->path[0] = '\0';
	return err_set(e, ERR_INTERNAL, errnum, "make a directory for the ssh agent in /tmp");
}

/* What is shown lies in it and is open to all: who fetches is, on the host, nobody who owns
 * anything. */
static int make_shown(struct git_agent *a)
{
	auto_close int top = open(a->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (top < 0 || mkdirat(top, "agent", 0700) < 0)
		return -errno;
	a->dir_fd = openat(top, "agent", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return a->dir_fd < 0 || fchmod(a->dir_fd, 0755) < 0 ? -errno : 0;
}

static int make_listener(const struct git_agent *a)
{
	struct sockaddr_un sa;
	address(&sa, a->dir_fd, "/agent.sock");
	auto_close int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s < 0 || bind(s, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
		fchmodat(a->dir_fd, "agent.sock", 0666, 0) < 0 || listen(s, CALLS_MAX) < 0)
		return -errno;
	return fd_take(&s);
}

static int start(struct git_agent *a, int agent_fd, struct err *e)
{
	int ends[2];
	int r = make_shown(a);
	auto_close int listener = r < 0 ? r : make_listener(a);
	if (listener < 0)
		return err_set(e, ERR_INTERNAL, -listener, "make a socket for the ssh agent");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return err_set(e, ERR_INTERNAL, errno, "lend the ssh agent");
	a->child = fork();
	if (a->child == 0) {
		struct forwarder f = {
			.agent_fd = agent_fd, .listener = listener, .line = ends[0]
		};
		fd_close(&ends[1]);
		forward(&f, a->path);
	}
	r = a->child < 0 ? err_set(e, ERR_INTERNAL, errno, "lend the ssh agent") : 0;
	fd_close(&ends[0]);
	a->line = ends[1];
	return r;
}

int git_agent_begin(struct git_agent *a, const char *socket, struct err *e)
{
	*a = (struct git_agent){ .dir_fd = -1, .line = -1 };
	auto_close int agent_fd = find_agent(socket, e);
	int r = agent_fd < 0 ? agent_fd : make_private(a, e);
	if (r == 0)
		r = start(a, agent_fd, e);
	if (r < 0)
		git_agent_end(a);
	return r;
}

void git_agent_end(struct git_agent *a)
{
	if (!a->path[0])
		return;
	if (a->child > 0) {
		send(a->line, "", 1, MSG_NOSIGNAL);
		while (waitpid(a->child, NULL, 0) < 0 && errno == EINTR)
			;
	}
	/* Unless the child was killed it is gone already. */
	place_remove_tree(AT_FDCWD, a->path);
	fd_close(&a->line);
	fd_close(&a->dir_fd);
	*a = (struct git_agent){ 0 };
}
