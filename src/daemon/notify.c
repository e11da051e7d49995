/* Telling the service manager: see notify.h. */
#include "daemon/notify.h"

#include "base/clock.h"
#include "base/log.h"
#include "daemon/sd.h"
#include "task/watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* While it drains: so much more time is asked for, so often. */
#define EXTEND_MS	10000
#define EXTEND_EVERY_MS 2000

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
	n->is_wanted = is_for_us();
	if (!n->is_wanted)
		unsetenv("NOTIFY_SOCKET");
	/* Its variables go; NOTIFY_SOCKET stays for sd_notify() and is kept from our children. */
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

static void tell(const struct notify *n, const char *text)
{
	int r = n->is_wanted ? sd_notify(0, text) : 0;
	if (r < 0)
		log_warning("the service manager was not told: %s", strerror(-r));
}

/* The first line is more of the message, each line of it ended. */
static void tell_status(struct notify *n, const char *first)
{
	char text[256];
	snprintf(text, sizeof(text), "%sSTATUS=%s%zu running, %zu waiting", first,
		n->is_stopping ? "Stopping: " : "", n->running, n->queued);
	n->told_ns = clock_mono_ns();
	tell(n, text);
}

static void on_beat(void *owner)
{
	struct notify *n = owner;
	tell(n, "WATCHDOG=1");
	alarm_set(n->beat, n->watchdog_ms / 2);
}

static void on_status(void *owner)
{
	tell_status(owner, "");
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
	if (r == 0 && n->watchdog_ms)
		on_beat(n);
	return r;
}

void notify_finish(struct notify *n)
{
	alarm_destroy(&n->beat);
	alarm_destroy(&n->status);
	alarm_destroy(&n->extend);
	n->is_wanted = false;
}

void notify_ready(struct notify *n)
{
	n->is_ready = true;
	tell_status(n, "READY=1\n");
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
	tell(n, text);
}

void notify_reloaded(struct notify *n)
{
	tell_status(n, "READY=1\n");
}

void notify_stopping(struct notify *n)
{
	if (n->is_stopping)
		return;
	n->is_stopping = true;
	tell_status(n, "STOPPING=1\n");
	if (n->extend)
		on_extend(n);
}
