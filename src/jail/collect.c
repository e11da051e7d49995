/* Collecting: see collect.h. */
#include "jail/collect.h"

#include "base/clock.h"
#include "base/fd.h"
#include "jail/archive.h"
#include "jail/artifacts.h"
#include "jail/changes.h"
#include "jail/steps.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <unistd.h>

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
static int send_list(struct jail *j, enum wire_type type, struct buf *list)
{
	struct wire_event ev;
	ssize_t r = 0;
	while (r >= 0 && buf_len(list)) {
		size_t n = buf_len(list) < WIRE_CHANGES_SIZE ? buf_len(list) : WIRE_CHANGES_SIZE;
		wire_event_init(&ev, type, j->id);
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
		r = send_list(j, WIRE_CHANGES, &all->sum.list);
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

/* ---- artifacts ---- */

/* What the task could not have read is not for its client. */
static int become_task(struct jail *j)
{
	struct pollfd p = { .fd = j->status_fd };
	struct err e;
	int r = step_credentials(j, &e);
	/* The change of ids has cleared it. */
	if (r == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		r = -errno;
	if (r == 0 && poll(&p, 1, 0) > 0 && p.revents & POLLHUP)
		_exit(1);
	return r;
}

static int collect_into(struct jail *j, struct artifacts *a)
{
	const struct plan *p = j->plan;
	const uint64_t until_ns = clock_mono_ns() + p->artifacts_ms * NS_PER_MS;
	auto_close int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = root < 0 ? -errno : become_task(j);
	if (r < 0)
		return r;
	const struct artifacts_walk walk = {
		.plan = p,
		.cwd = p->has_workspace ? p->workspace.target : j->cwd,
		.root_fd = root,
		.archive = &archive,
		.until_ns = until_ns,
	};
	/* Beside the contents each file has its headers, and the tar its end. */
	archive_begin(&archive, j->artifacts_fd, until_ns,
		p->artifacts_bytes + (LIMIT_ARTIFACTS + 1ull) * 4 * LIMIT_PATH_BYTES);
	r = artifacts_collect(&walk, a);
	if (r < 0 && !archive.errnum)
		archive.errnum = -r;
	return archive_finish(&archive);
}

void collect_artifacts(struct jail *j, struct wire_event *gone)
{
	struct artifacts a;
	if (!j->plan->n_artifacts)
		return;
	artifacts_init(&a);
	a.unmet = UINT32_MAX;
	int r = -EBADF;
	start_ticks();
	if (j->artifacts_fd >= 0) {
		a.unmet = 0;
		r = collect_into(j, &a);
	}
	stop_ticks();
	fd_close(&j->artifacts_fd);
	int sent = send_list(j, WIRE_ARTIFACTS, &a.list);
	gone->gone.has_artifacts = 1;
	gone->gone.artifacts_errnum = r < 0 ? -r : -sent;
	gone->gone.artifacts_count = a.count;
	gone->gone.artifacts_bytes = a.bytes;
	gone->gone.artifacts_archive_bytes = archive.bytes;
	gone->gone.artifacts_unmet = r < 0 || sent < 0 ? UINT32_MAX : a.unmet;
	gone->gone.artifacts_is_cut = a.is_cut;
	artifacts_finish(&a);
}
