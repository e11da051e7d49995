/* Closing what came from a client: see closer.h. */
#include "task/closer.h"

#include "base/clock.h"
#include "base/fd.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define STUCK_NS    NS_PER_S
#define STACK_BYTES (256u << 10)
#define QUEUE_MIN   256
/* For threads that have nothing to do, to be gone when the process ends. */
#define END_NS (NS_PER_S / 10)

struct entry {
	uid_t uid;
	int fd;
};

/* One of the process, as its descriptors are. All below the mutex. */
static struct {
	pthread_mutex_t mutex;
	pthread_cond_t has_work;  /* for the closers */
	pthread_cond_t has_queue; /* for the one that looks after them */
	struct entry *queue;
	size_t n, room;
	struct entry busy[CLOSER_THREADS]; /* fd is -1: none */
	uint64_t since_ns[CLOSER_THREADS];
	size_t n_busy, n_threads;
	uint64_t n_taken; /* out of the queue, since ever */
	bool has_guard, is_ending;
	pthread_t guard, threads[CLOSER_THREADS];
} closer = {
	.mutex = PTHREAD_MUTEX_INITIALIZER,
	.has_work = PTHREAD_COND_INITIALIZER,
};

static void close_one(int fd)
{
	/* Spares the plain case. Who sent it may switch it on again, or hide the socket in another:
	 * then this thread sleeps. */
	const struct linger none = { 0 };
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
	close(fd);
}

static bool may_take(uid_t uid)
{
	size_t n = 0;
	for (size_t i = 0; i < closer.n_threads; i++)
		n += closer.busy[i].fd >= 0 && closer.busy[i].uid == uid;
	return n < CLOSER_THREADS_UID;
}

/* The first one whose user has a thread left. */
static bool take(struct entry *ret)
{
	uid_t full = 0;
	bool has_full = false;
	for (size_t i = 0; i < closer.n; i++) {
		if (has_full && closer.queue[i].uid == full)
			continue;
		if (!may_take(closer.queue[i].uid)) {
			has_full = true;
			full = closer.queue[i].uid;
			continue;
		}
		*ret = closer.queue[i];
		closer.n--;
		memmove(&closer.queue[i], &closer.queue[i + 1],
			(closer.n - i) * sizeof(closer.queue[0]));
		closer.n_taken++;
		return true;
	}
	return false;
}

static void *run_closer(void *arg)
{
	struct entry *mine = arg;
	pthread_mutex_lock(&closer.mutex);
	while (!closer.is_ending) {
		if (!take(mine)) {
			pthread_cond_wait(&closer.has_work, &closer.mutex);
			continue;
		}
		closer.since_ns[mine - closer.busy] = clock_mono_ns();
		closer.n_busy++;
		int fd = mine->fd;
		pthread_mutex_unlock(&closer.mutex);
		close_one(fd);
		pthread_mutex_lock(&closer.mutex);
		mine->fd = -1;
		closer.n_busy--;
		/* Others may have waited for this user's turn. */
		if (closer.n)
			pthread_cond_signal(&closer.has_work);
	}
	pthread_mutex_unlock(&closer.mutex);
	return NULL;
}

static int start_thread(pthread_t *ret, void *(*run)(void *), void *arg)
{
	pthread_attr_t attr;
	sigset_t all, old;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	/* Signals are the loop's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int r = pthread_create(ret, &attr, run, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return -r;
}

static int add_closer(void)
{
	struct entry *mine = &closer.busy[closer.n_threads];
	mine->fd = -1;
	int r = start_thread(&closer.threads[closer.n_threads], run_closer, mine);
	if (r == 0)
		closer.n_threads++;
	return r;
}

/* Looks whether the queue moves. One that does not move has a thread more, if there may be one. */
static void *run_guard(void *arg)
{
	pthread_mutex_lock(&closer.mutex);
	while (!closer.is_ending) {
		if (!closer.n || closer.n_threads == CLOSER_THREADS) {
			pthread_cond_wait(&closer.has_queue, &closer.mutex);
			continue;
		}
		uint64_t taken = closer.n_taken, until = clock_mono_ns() + STUCK_NS;
		const struct timespec at = { (time_t)(until / NS_PER_S), (long)(until % NS_PER_S) };
		while (!closer.is_ending && closer.n && closer.n_taken == taken &&
			pthread_cond_timedwait(&closer.has_queue, &closer.mutex, &at) != ETIMEDOUT)
			;
		if (!closer.is_ending && closer.n && closer.n_taken == taken &&
			closer.n_busy == closer.n_threads)
			add_closer();
	}
	pthread_mutex_unlock(&closer.mutex);
	return NULL;
}

static void join_until(pthread_t thread, uint64_t until)
{
	while (pthread_tryjoin_np(thread, NULL) == EBUSY && clock_mono_ns() < until)
		usleep(500);
}

/* What is stuck by then is the kernel's to end. */
static void end_all(void)
{
	uint64_t until = clock_mono_ns() + END_NS;
	pthread_mutex_lock(&closer.mutex);
	closer.is_ending = true;
	pthread_cond_broadcast(&closer.has_work);
	pthread_cond_broadcast(&closer.has_queue);
	pthread_mutex_unlock(&closer.mutex);
	/* First: it is the one that starts others. */
	join_until(closer.guard, until);
	for (size_t i = 0; i < closer.n_threads; i++)
		join_until(closer.threads[i], until);
}

/* Below the mutex. */
static int start_all(void)
{
	int r = 0;
	if (!closer.has_guard) {
		pthread_condattr_t attr;
		pthread_condattr_init(&attr);
		pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
		pthread_cond_init(&closer.has_queue, &attr);
		pthread_condattr_destroy(&attr);
		r = start_thread(&closer.guard, run_guard, NULL);
		closer.has_guard = r == 0;
		if (r == 0)
			atexit(end_all);
	}
	if (r == 0 && !closer.n_threads)
		r = add_closer();
	return r;
}

int closer_start(void)
{
	pthread_mutex_lock(&closer.mutex);
	int r = start_all();
	pthread_mutex_unlock(&closer.mutex);
	return r;
}

static bool add_entry(uid_t uid, int fd)
{
	if (closer.n == closer.room) {
		size_t room = closer.room ? closer.room * 2 : QUEUE_MIN;
		struct entry *grown = realloc(closer.queue, room * sizeof(*grown));
		if (!grown)
			return false;
		closer.queue = grown;
		closer.room = room;
	}
	closer.queue[closer.n++] = (struct entry){ uid, fd };
	return true;
}

void close_foreign(uid_t uid, int *fds, size_t n)
{
	int saved = errno;
	size_t n_added = 0;
	if (!n)
		return;
	pthread_mutex_lock(&closer.mutex);
	bool can = start_all() == 0;
	for (size_t i = 0; i < n; i++)
		if (fds[i] >= 0 && can && add_entry(uid, fds[i])) {
			fds[i] = -1;
			n_added++;
		}
	if (n_added) {
		pthread_cond_signal(&closer.has_work);
		pthread_cond_signal(&closer.has_queue);
	}
	pthread_mutex_unlock(&closer.mutex);
	/* No thread or no memory: a number that nobody knows any more would be worse. */
	for (size_t i = 0; i < n; i++)
		if (fds[i] >= 0)
			close_one(fd_take(&fds[i]));
	errno = saved;
}

/* Asked when nobody can send any more. */
static bool is_empty(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLPRI };
	int unread = 0;
	return ioctl(fd, FIONREAD, &unread) == 0 && unread == 0 && poll(&p, 1, 0) >= 0 &&
	       !(p.revents & POLLPRI);
}

void close_client(uid_t uid, int *fd)
{
	if (*fd < 0)
		return;
	int saved = errno;
	shutdown(*fd, SHUT_RDWR);
	if (is_empty(*fd))
		fd_close(fd);
	else
		close_foreign(uid, fd, 1);
	errno = saved;
}

size_t closer_waiting(void)
{
	pthread_mutex_lock(&closer.mutex);
	size_t n = closer.n + closer.n_busy;
	pthread_mutex_unlock(&closer.mutex);
	return n;
}

/* Below the mutex: whether more than max of this user wait. */
static bool has_many(uid_t uid, size_t max)
{
	size_t n = 0;
	for (size_t i = 0; closer.n > max && i < closer.n; i++)
		n += closer.queue[i].uid == uid;
	return n > max;
}

/* Below the mutex: whether a close of this user hangs, or one in each thread. */
static bool is_stuck(uid_t uid)
{
	uint64_t now = clock_mono_ns();
	size_t n = 0;
	for (size_t i = 0; i < closer.n_threads; i++) {
		if (closer.busy[i].fd < 0 || now - closer.since_ns[i] < STUCK_NS)
			continue;
		if (closer.busy[i].uid == uid)
			return true;
		n++;
	}
	return n == CLOSER_THREADS;
}

bool closer_is_full(uid_t uid, size_t max)
{
	pthread_mutex_lock(&closer.mutex);
	bool is_full = has_many(uid, max) && is_stuck(uid);
	pthread_mutex_unlock(&closer.mutex);
	return is_full;
}

bool closer_is_behind(uid_t uid, size_t max)
{
	pthread_mutex_lock(&closer.mutex);
	bool is_behind = has_many(uid, max) && !is_stuck(uid);
	pthread_mutex_unlock(&closer.mutex);
	return is_behind;
}
