/* Telling the service manager: see notify.h. */
#include "daemon/notify.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "daemon/sd.h"
#include "task/watch.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* While it drains: so much more time is asked for, so often. */
#define EXTEND_MS	10000
#define EXTEND_EVERY_MS 2000
/* So soon a manager that has no room for a word is asked again. */
#define RETRY_MS 100

bool notify_is_built_in(void)
{
	return SD_IS_BUILT_IN;
}

/*
 * The variable of a service's main process is inherited by all that it starts: dayflyd as a
 * grandchild of some other service must not speak in that one's name. SYSTEMD_EXEC_PID says whom it
 * is for (systemd 248 and later).
 */
static bool is_for_us(void)
{
	const char *pid = getenv("SYSTEMD_EXEC_PID"), *path = getenv("NOTIFY_SOCKET");
	return path && *path && (!pid || strtol(pid, NULL, 10) == getpid());
}

int notify_init(struct notify *n, struct err *e)
{
	uint64_t usec = 0;
	memset(n, 0, sizeof(*n));
	n->fd = -1;
	n->is_wanted = is_for_us();
	if (!n->is_wanted)
		unsetenv("NOTIFY_SOCKET");
	/* Its variables go; NOTIFY_SOCKET stays and is kept from our children. */
	if (sd_watchdog_enabled(1, &usec) > 0 && n->is_wanted)
		n->watchdog_ms = usec / 1000;
	if (!n->is_wanted || SD_IS_BUILT_IN)
		return 0;
	err_set(e, ERR_UNSUPPORTED, 0,
		"the service manager waits for a notification, and this dayflyd is built without "
		"libsystemd");
	err_hint(e, "build dayfly where pkg-config finds libsystemd, or set Type=exec and no "
		    "WatchdogSec= in a drop-in of dayflyd.service");
	return -ENOSYS;
}

/*
 * sd_notify(3) waits until the manager reads, and with it would the loop and every client. Returns
 * 0, -EAGAIN when there is no room, or -errno.
 */
static int send_text(struct notify *n, const char *text)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	size_t len = path ? strlen(path) : 0;
	if (!len || len >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	if (*path != '/' && *path != '@')
		return -EAFNOSUPPORT;
	memcpy(addr.sun_path, path, len);
	if (*path == '@')
		addr.sun_path[0] = '\0';
	if (n->fd < 0)
		n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (n->fd < 0)
		return -errno;
	/* The end of a path is part of its address, that of an abstract name is not. */
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (*path == '/'));
	ssize_t r = sendto(n->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT,
		(struct sockaddr *)&addr, size);
	return r < 0 ? -errno : 0;
}

/* Returns false where the manager has no room for it. */
static bool tell(struct notify *n, const char *text)
{
	int r = n->is_wanted ? send_text(n, text) : 0;
	if (r < 0 && r != -EAGAIN)
		log_warning("the service manager was not told: %s", strerror(-r));
	return r != -EAGAIN;
}

static void send_waiting(void *owner)
{
	struct notify *n = owner;
	size_t sent = 0;
	while (sent < n->n_waiting && tell(n, n->waiting[sent]))
		sent++;
	n->n_waiting -= sent;
	memmove(n->waiting, n->waiting[sent], n->n_waiting * sizeof(n->waiting[0]));
	if (n->n_waiting && n->retry)
		alarm_set(n->retry, RETRY_MS);
}

/* What the manager has to hear, in order. Of too many words the oldest are old news. */
static void tell_surely(struct notify *n, const char *text)
{
	if (!n->is_wanted)
		return;
	if (n->n_waiting == NOTIFY_WAITING_MAX) {
		n->n_waiting--;
		memmove(n->waiting, n->waiting[1], n->n_waiting * sizeof(n->waiting[0]));
	}
	snprintf(n->waiting[n->n_waiting++], NOTIFY_TEXT_SIZE, "%s", text);
	send_waiting(n);
}

/* The first line is more of the message, each line of it ended. */
static void format_status(struct notify *n, const char *first, char text[NOTIFY_TEXT_SIZE])
{
	snprintf(text, NOTIFY_TEXT_SIZE, "%sSTATUS=%s%zu running, %zu waiting", first,
		n->is_stopping ? "Stopping: " : "", n->running, n->queued);
	n->told_ns = clock_mono_ns();
}

static void tell_with_status(struct notify *n, const char *first)
{
	char text[NOTIFY_TEXT_SIZE];
	format_status(n, first, text);
	tell_surely(n, text);
}

static void on_beat(void *owner)
{
	struct notify *n = owner;
	uint64_t half_ms = n->watchdog_ms / 2;
	bool is_told = tell(n, "WATCHDOG=1");
	alarm_set(n->beat, is_told || half_ms < RETRY_MS ? half_ms : RETRY_MS);
}

static void on_status(void *owner)
{
	struct notify *n = owner;
	char text[NOTIFY_TEXT_SIZE];
	format_status(n, "", text);
	if (n->n_waiting || !tell(n, text))
		alarm_set(n->status, NOTIFY_STATUS_MS);
}

static void on_extend(void *owner)
{
	struct notify *n = owner;
	char text[64];
	snprintf(text, sizeof(text), "EXTEND_TIMEOUT_USEC=%d", EXTEND_MS * 1000);
	tell(n, text);
	alarm_set(n->extend, EXTEND_EVERY_MS);
}

int notify_start(struct notify *n, uv_loop_t *loop)
{
	if (!n->is_wanted)
		return 0;
	int r = alarm_create(loop, on_beat, n, &n->beat);
	if (r == 0)
		r = alarm_create(loop, on_status, n, &n->status);
	if (r == 0)
		r = alarm_create(loop, on_extend, n, &n->extend);
	if (r == 0)
		r = alarm_create(loop, send_waiting, n, &n->retry);
	if (r == 0 && n->watchdog_ms)
		on_beat(n);
	return r;
}

void notify_finish(struct notify *n)
{
	alarm_destroy(&n->beat);
	alarm_destroy(&n->status);
	alarm_destroy(&n->extend);
	alarm_destroy(&n->retry);
	fd_close(&n->fd);
	n->is_wanted = false;
}

void notify_ready(struct notify *n)
{
	n->is_ready = true;
	tell_with_status(n, "READY=1\n");
}

void notify_counts(struct notify *n, size_t running, size_t queued)
{
	if (running == n->running && queued == n->queued)
		return;
	n->running = running;
	n->queued = queued;
	if (!n->is_wanted || !n->is_ready)
		return;
	uint64_t since_ms = (clock_mono_ns() - n->told_ns) / NS_PER_MS;
	alarm_set(n->status, since_ms < NOTIFY_STATUS_MS ? NOTIFY_STATUS_MS - since_ms : 0);
}

void notify_reloading(struct notify *n)
{
	char text[64];
	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%llu",
		clock_mono_ns() / NS_PER_US);
	tell_surely(n, text);
}

void notify_reloaded(struct notify *n)
{
	tell_with_status(n, "READY=1\n");
}

void notify_stopping(struct notify *n)
{
	if (n->is_stopping)
		return;
	n->is_stopping = true;
	tell_with_status(n, "STOPPING=1\n");
	if (n->extend)
		on_extend(n);
}
