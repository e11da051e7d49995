/* Descriptors and timers on the loop: see watch.h. */
#include "task/watch.h"

#include "base/cleanup.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

struct watch {
	uv_poll_t handle;
	watch_fn fn;
	void *owner;
	int events;
};

struct alarm {
	uv_timer_t handle;
	alarm_fn fn;
	void *owner;
};

static void on_close(uv_handle_t *handle)
{
	free(handle->data);
}

static void on_poll(uv_poll_t *handle, int status, int uv_events)
{
	struct watch *w = handle->data;
	int events = 0;
	if (status < 0) {
		/* libuv has stopped the watch: the descriptor has an error. A read or write will
		 * say which. */
		events = WATCH_HANGUP | w->events;
		w->events = 0;
	} else {
		events |= uv_events & UV_READABLE ? WATCH_READ : 0;
		events |= uv_events & UV_WRITABLE ? WATCH_WRITE : 0;
		if (!events)
			events = WATCH_HANGUP;
	}
	/* Careful: the owner may destroy the watch here. */
	w->fn(w->owner, events);
}

int watch_create(uv_loop_t *loop, int fd, watch_fn fn, void *owner, struct watch **ret)
{
	struct watch *w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	int r = uv_poll_init(loop, &w->handle, fd);
	if (r < 0) {
		free(w);
		return r;
	}
	w->handle.data = w;
	w->fn = fn;
	w->owner = owner;
	*ret = w;
	return 0;
}

static void on_nothing(void *owner, int events)
{
}

/* Its table has a place for each number up to the highest that it has seen, and never shrinks. */
int watch_reserve(uv_loop_t *loop, unsigned n)
{
	struct rlimit limit;
	struct watch *w = NULL;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && n > limit.rlim_cur)
		n = (unsigned)limit.rlim_cur;
	auto_close int low = eventfd(0, EFD_CLOEXEC);
	auto_close int high = low < 0 ? -1 : fcntl(low, F_DUPFD_CLOEXEC, n - 1);
	if (high < 0)
		return -errno;
	int r = watch_create(loop, high, on_nothing, NULL, &w);
	if (r < 0)
		return r;
	watch_set(w, WATCH_READ);
	watch_destroy(&w);
	return 0;
}

void watch_set(struct watch *w, int events)
{
	if (w->events == events)
		return;
	w->events = events;
	/* UV_PRIORITIZED stands for "nothing but a hang-up": epoll reports that with any set of
	 * events, libuv needs at least one. */
	int uv_events = (events & WATCH_READ ? UV_READABLE : 0) |
			(events & WATCH_WRITE ? UV_WRITABLE : 0) |
			(events & WATCH_HANGUP ? UV_PRIORITIZED : 0);
	if (uv_events)
		uv_poll_start(&w->handle, uv_events, on_poll);
	else
		uv_poll_stop(&w->handle);
}

void watch_destroy(struct watch **w)
{
	if (!*w)
		return;
	uv_poll_stop(&(*w)->handle);
	uv_close((uv_handle_t *)&(*w)->handle, on_close);
	*w = NULL;
}

static void on_timer(uv_timer_t *handle)
{
	struct alarm *a = handle->data;
	a->fn(a->owner);
}

int alarm_create(uv_loop_t *loop, alarm_fn fn, void *owner, struct alarm **ret)
{
	struct alarm *a = calloc(1, sizeof(*a));
	if (!a)
		return -ENOMEM;
	uv_timer_init(loop, &a->handle);
	a->handle.data = a;
	a->fn = fn;
	a->owner = owner;
	*ret = a;
	return 0;
}

void alarm_set(struct alarm *a, uint64_t delay_ms)
{
	uv_update_time(a->handle.loop);
	uv_timer_start(&a->handle, on_timer, delay_ms, 0);
}

void alarm_stop(struct alarm *a)
{
	uv_timer_stop(&a->handle);
}

void alarm_destroy(struct alarm **a)
{
	if (!*a)
		return;
	uv_close((uv_handle_t *)&(*a)->handle, on_close);
	*a = NULL;
}
