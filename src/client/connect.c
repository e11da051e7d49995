/* Finding a daemon and connecting to it. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "client/autostart.h"
#include "client/client_priv.h"
#include "client/error.h"
#include "client/paths.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* How long a full backlog is waited for. */
#define CONNECT_MS 5000
/* How long a daemon that starts, or that another program starts: a busy machine takes its time, and
 * one that fails says so at once. */
#define START_MS 30000
#define RETRY_MS 20

const char *dayfly_version(void)
{
	return DAYFLY_VERSION;
}

static int client_create(
	int take_fd, const char *path, struct dayfly_client **ret, struct dayfly_error *e)
{
	struct dayfly_client *c = calloc(1, sizeof(*c));
	char *copy = strdup(path);
	if (!c || !copy) {
		fd_close(&take_fd);
		free(c);
		free(copy);
		return error_set(e, ERR_INTERNAL, ENOMEM, "connect");
	}
	c->fd = take_fd;
	c->path = copy;
	list_init(&c->out);
	list_init(&c->kept);
	reader_init(&c->reader);
	*ret = c;
	return 0;
}

/* Returns a connected socket or -errno. */
static int connect_socket(const char *path, uint64_t deadline_ns)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path));
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	while (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		/* EAGAIN is a full backlog: nothing to poll for, so wait a little. */
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		if (clock_mono_ns() >= deadline_ns)
			return -ETIMEDOUT;
		poll(NULL, 0, RETRY_MS);
	}
	return fd_take(&fd);
}

static int connect_path(
	const char *path, uint64_t deadline_ns, struct dayfly_client **ret, struct dayfly_error *e)
{
	int fd = connect_socket(path, deadline_ns);
	if (fd >= 0)
		return client_create(fd, path, ret, e);
	error_set(e, ERR_CONNECT, -fd, "connect to the daemon at %s", path);
	if (fd == -ENOENT || fd == -ECONNREFUSED)
		error_hint(e, "no daemon listens there: start one with: dayflyd --socket %s", path);
	else if (fd == -EACCES)
		error_hint(
			e, "ask the administrator to let this user connect (dayflyd --allow-uid)");
	return fd;
}

/* Tries the usual places. -ENOENT: nobody listens in any of them. */
static int connect_found(const struct paths_env *env, uint64_t deadline_ns,
	struct dayfly_client **ret, struct dayfly_error *e)
{
	struct paths_candidates found;
	struct dayfly_error first = { 0 };
	int result = -ENOENT;
	paths_find(env, &found);
	for (size_t i = 0; i < found.n; i++) {
		struct dayfly_error why;
		int r = connect_path(found.path[i], deadline_ns, ret, &why);
		if (r == 0)
			return 0;
		/*
		 * A daemon that is there and cannot be used is worth telling, if no other is found.
		 */
		if (r != -ENOENT && r != -ECONNREFUSED && result == -ENOENT) {
			result = r;
			first = why;
		}
	}
	if (result == -ENOENT) {
		error_text(&first, ERR_CONNECT, ENOENT, "no daemon is running");
		error_hint(&first, "start one with: dayflyd (or set DAYFLY_SOCKET)");
	}
	if (e)
		*e = first;
	return result;
}

/* Whether the daemon did not start because of another one, of which it only tells in words. */
static bool is_taken(const struct dayfly_error *why)
{
	return strstr(why->message, strerror(EBUSY)) || strstr(why->message, strerror(EADDRINUSE));
}

/*
 * Two programs may start a daemon at the same moment: one of the daemons finds the place locked and
 * leaves, and its program connects to the other as soon as that one listens.
 */
static int connect_started(
	const struct paths_env *env, struct dayfly_client **ret, struct dayfly_error *e)
{
	uint64_t deadline = clock_mono_ns() + START_MS * NS_PER_MS;
	char path[PATHS_SIZE];
	int r = paths_private_socket(env, path, e);
	if (r < 0)
		return r;
	struct dayfly_error why = { 0 };
	int started = autostart_daemon(path, deadline, &why);
	for (;;) {
		int fd = connect_socket(path, deadline);
		if (fd >= 0)
			return client_create(fd, path, ret, e);
		bool is_race = started == -EAGAIN && is_taken(&why);
		if ((started != 0 && !is_race) || clock_mono_ns() >= deadline)
			break;
		poll(NULL, 0, RETRY_MS);
		/* The other daemon may have been on its way out. */
		if (is_race)
			started = autostart_daemon(path, deadline, &why);
	}
	if (started == 0)
		started = error_set(&why, ERR_CONNECT, ETIMEDOUT,
			"connect to the daemon that was started at %s", path);
	if (e)
		*e = why;
	return started;
}

int dayfly_connect(
	const char *path, unsigned flags, struct dayfly_client **ret_client, struct dayfly_error *e)
{
	struct paths_env env;
	uint64_t deadline = clock_mono_ns() + CONNECT_MS * NS_PER_MS;
	paths_env_init(&env);
	if (!path && env.dayfly_socket && *env.dayfly_socket)
		path = env.dayfly_socket;
	if (path)
		return connect_path(path, deadline, ret_client, e);
	int r = connect_found(&env, deadline, ret_client, e);
	if (r == -ENOENT && (flags & DAYFLY_CONNECT_AUTOSTART))
		r = connect_started(&env, ret_client, e);
	return r;
}

int dayfly_connect_fd(int take_fd, struct dayfly_client **ret_client, struct dayfly_error *e)
{
	int r = fd_set_nonblock(take_fd);
	if (r == 0)
		r = fd_set_cloexec(take_fd, 1);
	if (r < 0) {
		fd_close(&take_fd);
		return error_set(e, ERR_CONNECT, -r, "use a descriptor as a connection");
	}
	return client_create(take_fd, "", ret_client, e);
}

void dayfly_client_free(struct dayfly_client *c)
{
	if (!c)
		return;
	list_for_each_safe (link, &c->kept)
		dayfly_event_free(list_entry(link, struct dayfly_event, link));
	send_discard(c);
	reader_finish(&c->reader);
	fd_close(&c->fd);
	free(c->path);
	free(c);
}

int dayfly_client_fd(const struct dayfly_client *c)
{
	return c->fd;
}

short dayfly_client_poll_events(const struct dayfly_client *c)
{
	return (short)(POLLIN | (list_empty(&c->out) ? 0 : POLLOUT));
}

const char *dayfly_client_path(const struct dayfly_client *c)
{
	return c->path;
}

void dayfly_client_set_framing(struct dayfly_client *c, enum dayfly_framing framing)
{
	c->framing = framing;
}
