/* Collecting: see collect.h. */
#include "jail/collect.h"

#include "base/clock.h"
#include "base/fd.h"
#include "jail/archive.h"
#include "jail/changes.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>

/* A jail whose main process has ended has little time: the warden's backstops. What is not counted
 * by then is not known. */
#define COUNT_NS (500 * NS_PER_MS)
/* A write that waits, which the client's own doing may have made it do, is looked after this often.
 */
#define TICK_US 100000

struct collection {
	struct changes_walk walk;
	struct changes sum;
	bool has_archive;
};

/* Of jail init alone, which is a process by itself; too large for its stack. */
static struct archive archive;

static int take(void *owner, const struct change *c)
{
	struct collection *all = owner;
	changes_note(&all->sum, c);
	if (!all->has_archive || archive.errnum)
		return 0;
	archive_add(&archive, c);
	/* Nobody takes it: what is left to do is to count. */
	uint64_t until_ns = clock_mono_ns() + COUNT_NS;
	if (archive.errnum && until_ns < all->walk.until_ns)
		all->walk.until_ns = until_ns;
	return 0;
}

static void on_tick(int signo)
{
}

/* A signal ends every write that waits, again and again. */
static void start_ticks(void)
{
	const struct sigaction tick = { .sa_handler = on_tick }, none = { .sa_handler = SIG_IGN };
	const struct itimerval every = { { 0, TICK_US }, { 0, TICK_US } };
	sigaction(SIGALRM, &tick, NULL);
	sigaction(SIGPIPE, &none, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
}

static void stop_ticks(void)
{
	const struct itimerval never = { 0 };
	setitimer(ITIMER_REAL, &never, NULL);
}

/* Returns 0 or -errno: nobody is there to be told. */
static int send_list(struct jail *j, struct buf *list)
{
	struct wire_event ev;
	ssize_t r = 0;
	while (r >= 0 && buf_len(list)) {
		size_t n = buf_len(list) < WIRE_CHANGES_SIZE ? buf_len(list) : WIRE_CHANGES_SIZE;
		wire_event_init(&ev, WIRE_CHANGES, j->id);
		ev.changes.len = (uint32_t)n;
		memcpy(ev.changes.data, buf_data(list), n);
		buf_consume(list, n);
		r = fd_send(j->status_fd, &ev, sizeof(ev), NULL, 0);
	}
	return r < 0 ? (int)r : 0;
}

static void tell(
	struct jail *j, struct collection *all, int r, uint64_t left_out, struct wire_event *gone)
{
	const struct changes *c = &all->sum;
	if (r == 0)
		r = send_list(j, &all->sum.list);
	gone->gone.changes_errnum = -r;
	if (r < 0)
		return;
	gone->gone.has_changes = 1;
	gone->gone.changes_added = c->added;
	gone->gone.changes_modified = c->modified;
	gone->gone.changes_deleted = c->deleted;
	gone->gone.changes_bytes = c->bytes;
	gone->gone.changes_left_out = c->left_out + left_out;
	gone->gone.changes_is_cut = c->is_list_cut;
}

static void tell_archive(int r, uint64_t left_out, struct wire_event *gone)
{
	/* Without an end it does not look whole. */
	if (r < 0 && !archive.errnum)
		archive.errnum = -r;
	archive_finish(&archive);
	gone->gone.has_archive = 1;
	gone->gone.archive_bytes = archive.bytes;
	gone->gone.archive_left_out = archive.left_out + left_out;
	gone->gone.archive_errnum = archive.errnum;
}

void collect_changes(struct jail *j, struct wire_event *gone)
{
	uint64_t left_out = 0, time_ns = COUNT_NS;
	if (j->upper_fd < 0 || j->lower_fd < 0)
		return;
	struct collection all = { .has_archive = j->changes_fd >= 0 };
	if (all.has_archive)
		time_ns = j->plan->changes_ms * NS_PER_MS;
	all.walk = (struct changes_walk){
		.upper_fd = j->upper_fd,
		.lower_fd = j->lower_fd,
		.until_ns = clock_mono_ns() + time_ns,
		.fn = take,
		.owner = &all,
	};
	changes_init(&all.sum);
	if (all.has_archive) {
		start_ticks();
		archive_begin(&archive, j->changes_fd, all.walk.until_ns, j->plan->changes_bytes);
	}
	int r = changes_walk(&all.walk, &left_out);
	if (all.has_archive) {
		tell_archive(r, left_out, gone);
		stop_ticks();
		fd_close(&j->changes_fd);
	}
	tell(j, &all, r, left_out, gone);
	changes_finish(&all.sum);
}
