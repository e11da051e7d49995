/* New clients: who they are, whether they may come in, and what happens when there are too many or
 * no descriptors are left. */
#include "daemon/connection.h"
#include "daemon/server.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "proto/answer.h"
#include "task/closer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPTS_PER_TURN 8
#define PAUSE_MS	 100
#define REFUSED_MS	 1000

/* Whether one of the peer's groups is allowed. */
static bool has_allowed_group(const struct options *o, int fd, gid_t gid)
{
	socklen_t size = 0;
	auto_free gid_t *groups = NULL;
	if (!o->allow_gids.n)
		return false;
	/* Asked with no room it fails and says how much there is. */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &size) < 0 && errno == ERANGE && size)
		groups = malloc(size);
	if (!groups || getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0)
		size = 0;
	for (size_t i = 0; i < o->allow_gids.n; i++) {
		if (o->allow_gids.id[i] == gid)
			return true;
		for (size_t k = 0; k < size / sizeof(gid_t); k++)
			if (groups[k] == o->allow_gids.id[i])
				return true;
	}
	return false;
}

static bool may_connect(const struct server *s, int fd, const struct ucred *peer)
{
	const struct options *o = s->options;
	/* A daemon of one user is for that user; root's is for root and whom its options name. */
	uid_t owner = s->start->is_root_mode ? 0 : geteuid();
	if (peer->uid == owner || o->allow_all)
		return true;
	for (size_t i = 0; i < o->allow_uids.n; i++)
		if (o->allow_uids.id[i] == peer->uid)
			return true;
	return has_allowed_group(o, fd, peer->gid);
}

static size_t count_of_uid(const struct server *s, uid_t uid)
{
	size_t n = 0;
	list_for_each (pos, &s->connections)
		n += list_entry(pos, struct connection, link)->uid == uid;
	return n;
}

static void close_refused(struct server *s)
{
	for (size_t i = 0; i < SERVER_REFUSED_MAX; i++)
		close_client(CLOSER_NOBODY, &s->refused[i]);
}

static void on_refused_over(void *owner)
{
	close_refused(owner);
}

/*
 * One line, as far as the socket takes it at once. The client may be sending its request: closed at
 * once, the socket would give it an error instead of our line. So a few of them stay open for a
 * moment.
 */
static void refuse(
	struct server *s, int *fd, enum err_code code, const char *text, const char *hint)
{
	struct err e;
	struct buf line;
	err_set(&e, code, 0, "%s", text);
	err_hint(&e, "%s", hint);
	buf_init(&line, 0);
	if (answer_error(&line, NULL, &e) == 0 &&
		send(*fd, buf_data(&line), buf_len(&line), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		log_debug("refusal not sent");
	buf_finish(&line);
	shutdown(*fd, SHUT_WR);
	int *place = &s->refused[s->n_refused++ % SERVER_REFUSED_MAX];
	close_client(CLOSER_NOBODY, place);
	*place = fd_take(fd);
	alarm_set(s->refused_alarm, REFUSED_MS);
}

/*
 * A client is a descriptor. Half of ours at most are for clients: the rest is for tasks that run
 * and for the output of those that are done.
 */
static size_t most_connections(const struct server *s)
{
	uint64_t room = s->start->open_files_hard / 2;
	return (size_t)(s->options->max_connections < room ? s->options->max_connections : room);
}

void accept_check_limit(const struct server *s)
{
	size_t most = most_connections(s);
	if (most < s->options->max_connections)
		log_warning("max_connections is %" PRIu64
			    ", but %zu clients are the most, as dayflyd "
			    "may have %" PRIu64 " open files: raise LimitNOFILE= or ulimit -n",
			s->options->max_connections, most, s->start->open_files_hard);
}

/* Whether there is room for one more client of this user; else it is refused. */
static bool has_room(struct server *s, int *fd, uid_t uid)
{
	if (s->n_connections >= s->options->max_connections)
		refuse(s, fd, ERR_BUSY, "too many connections",
			"try again later, or raise max_connections in [daemon] of dayflyd.conf");
	else if (s->n_connections >= most_connections(s))
		refuse(s, fd, ERR_BUSY, "too many connections for the open files of dayflyd",
			"try again later, or raise the open files that dayflyd may have "
			"(ulimit -n, LimitNOFILE=)");
	else if (count_of_uid(s, uid) >= s->options->max_connections_uid)
		refuse(s, fd, ERR_BUSY, "too many connections of this user",
			"try again later, or raise max_connections_per_user in [daemon] of "
			"dayflyd.conf");
	else if (closer_is_full(uid, server_closes_max(s)))
		refuse(s, fd, ERR_BUSY, "too many descriptors of this user wait to be closed",
			"they do not let go (a socket that lingers, a file on FUSE): end what "
			"holds them up");
	else
		return true;
	return false;
}

static void admit(struct server *s, int take_fd)
{
	int fd = take_fd;
	const int yes = 1;
	struct ucred peer;
	socklen_t len = sizeof(peer);
	struct connection *c;
	/* A byte out of band is read with the descriptors on it, not thrown away by the kernel. */
	if (setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &yes, sizeof(yes)) < 0 ||
		getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0) {
		close_client(CLOSER_NOBODY, &fd);
		return;
	}
	if (!may_connect(s, fd, &peer)) {
		log_warning("client uid %u pid %d: not allowed", peer.uid, peer.pid);
		refuse(s, &fd, ERR_NOT_ALLOWED, "this user may not use this daemon",
			"an administrator lets it in: [access] in dayflyd.conf, or --allow-uid");
		return;
	}
	if (!has_room(s, &fd, peer.uid))
		return;
	int r = connection_create(s, fd_take(&fd), peer.uid, peer.gid, peer.pid, &c);
	if (r < 0) {
		log_error("client uid %u pid %d: %s", peer.uid, peer.pid, strerror(-r));
		return;
	}
	list_append(&s->connections, &c->link);
	s->n_connections++;
}

static int open_reserve(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/*
 * No descriptors are left: the waiting client would keep the socket readable and the loop spinning.
 * Its place is made by giving up the reserve; it learns why, and the reserve is taken again.
 */
static void refuse_one(struct server *s)
{
	close_refused(s);
	if (s->reserve_fd >= 0) {
		fd_close(&s->reserve_fd);
		int fd = accept4(s->start->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0)
			refuse(s, &fd, ERR_BUSY, "no descriptors are left",
				"try again later, or raise the open files that dayflyd may have "
				"(ulimit -n, LimitNOFILE=)");
	}
	s->reserve_fd = open_reserve();
	watch_set(s->listen_watch, 0);
	alarm_set(s->listen_pause, PAUSE_MS);
}

static void on_listener(void *owner, int events)
{
	struct server *s = owner;
	/* Each of those who come now may leave another one behind. */
	if (closer_waiting() > s->start->open_files_hard / 4) {
		watch_set(s->listen_watch, 0);
		alarm_set(s->listen_pause, PAUSE_MS);
		return;
	}
	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		int fd = accept4(s->start->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0) {
			admit(s, fd);
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
			   errno == ENOBUFS) {
			log_warning("accept: %s", strerror(errno));
			refuse_one(s);
			return;
		} else if (errno != EINTR && errno != ECONNABORTED) {
			return;
		}
	}
}

static void on_pause_over(void *owner)
{
	struct server *s = owner;
	if (s->reserve_fd < 0)
		s->reserve_fd = open_reserve();
	if (s->listen_watch)
		watch_set(s->listen_watch, WATCH_READ);
}

void accept_pending(struct server *s)
{
	on_listener(s, WATCH_READ);
}

int accept_init(struct server *s)
{
	s->reserve_fd = open_reserve();
	accept_check_limit(s);
	int r = alarm_create(s->loop, on_pause_over, s, &s->listen_pause);
	if (r == 0)
		r = alarm_create(s->loop, on_refused_over, s, &s->refused_alarm);
	if (r == 0)
		r = watch_create(s->loop, s->start->listener.fd, on_listener, s, &s->listen_watch);
	if (r == 0)
		watch_set(s->listen_watch, WATCH_READ);
	return r;
}

void accept_stop(struct server *s)
{
	watch_destroy(&s->listen_watch);
	alarm_destroy(&s->listen_pause);
	alarm_destroy(&s->refused_alarm);
	close_refused(s);
	fd_close(&s->reserve_fd);
}
