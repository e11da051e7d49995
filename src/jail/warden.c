/* The warden's loop: see warden.h. One record from dayflyd, one event of a jail at a time. */
#include "jail/warden.h"
#include "jail/seccomp.h"
#include "jail/sys.h"
#include "jail/warden_priv.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* A jail that was told to die gets this long to count and report before it is killed whole. */
#define KILL_BACKSTOP_NS (700 * NS_PER_MS)
/* A jail whose main process has ended gets this long to kill the rest and to report. */
#define END_BACKSTOP_NS (900 * NS_PER_MS)
/* Opening paths as the client. */
#define OPEN_TIMEOUT_NS (5 * NS_PER_S)

static _Noreturn void die_with_daemon(struct warden *w)
{
	/* Our own death kills each jail init (PDEATHSIG, lifeline); this is faster and does not
	 * depend on it. */
	list_for_each (l, &w->jails) {
		struct warden_jail *j = list_entry(l, struct warden_jail, link);
		sys_pidfd_send_signal(j->pidfd, SIGKILL);
	}
	pool_drop(w);
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
	cgroup_tree_close(&w->cgroup);
	store_close(w);
	_exit(0);
}

void warden_tell(struct warden *w, const struct wire_event *ev, int fd)
{
	ssize_t n = fd_send(w->control_fd, ev, sizeof(*ev), &fd, fd >= 0 ? 1 : 0);
	if (n < 0)
		die_with_daemon(w);
}

static struct warden_jail *find_jail(struct warden *w, uint64_t id)
{
	list_for_each (l, &w->jails) {
		struct warden_jail *j = list_entry(l, struct warden_jail, link);
		if (j->id == id)
			return j;
	}
	return NULL;
}

static void launch(struct warden *w, struct warden_jail *j)
{
	struct err e = { 0 };
	int r = pool_take(w, j) ? launch_claim(w, j, &e) : launch_jail(w, j, &e);
	jail_close_inputs(j);
	if (r == 0 && jail_watch(j) < 0)
		r = err_set(&e, ERR_INTERNAL, EMFILE, "watch a jail");
	if (r < 0)
		warden_abandon_jail(w, j, &e);
}

static bool has_paths(const struct plan *p)
{
	bool any = p->image == PLAN_IMAGE_DIR && p->image_source.fd_index < 0;
	any |= p->has_workspace && p->workspace.source.fd_index < 0;
	for (size_t i = 0; i < p->n_mounts; i++)
		any |= p->mounts[i].source.fd_index < 0;
	return any;
}

static int read_plan(struct warden_jail *j, int fd, struct err *e)
{
	struct stat st;
	if (!jail_is_sealed(fd, &st))
		return err_set(e, ERR_INTERNAL, EPROTO, "the plan is not sealed");
	if (st.st_size <= 0 || st.st_size > LIMIT_PLAN_BYTES)
		return err_set(e, ERR_INTERNAL, EPROTO, "the plan has a bad size");
	void *data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED)
		return err_set(e, ERR_INTERNAL, errno, "map the plan");
	int r = plan_decode(data, (size_t)st.st_size, &j->plan, e);
	munmap(data, (size_t)st.st_size);
	return r;
}

/* Gives each descriptor of START its place. All of fds are taken over, or left to the caller to
 * close. */
static int sort_descriptors(struct warden_jail *j, int *fds, size_t n, struct err *e)
{
	size_t next = 2;
	bool has_inputs = j->plan->n_inputs > 0;
	size_t wanted = next + j->plan->has_stdin + (j->plan->tty ? 0 : 2) +
			plan_source_count(j->plan) + has_inputs;
	struct stat st;
	if (n != wanted)
		return err_set(e, ERR_INTERNAL, EPROTO,
			"%zu descriptors came with a plan that needs %zu", n, wanted);
	if (j->plan->has_stdin)
		j->stdio[0] = fd_take(&fds[next++]);
	if (!j->plan->tty) {
		j->stdio[1] = fd_take(&fds[next++]);
		j->stdio[2] = fd_take(&fds[next++]);
	}
	for (size_t i = 0; next < n - has_inputs; i++)
		j->sources[i] = fd_take(&fds[next++]);
	if (!has_inputs)
		return 0;
	if (!jail_is_sealed(fds[next], &st) || (uint64_t)st.st_size != plan_input_bytes(j->plan))
		return err_set(e, ERR_INTERNAL, EPROTO,
			"the contents of the files are not sealed or not as the plan says");
	j->inputs_fd = fd_take(&fds[next]);
	return 0;
}

static int take_request(struct warden_jail *j, int *fds, size_t n, struct err *e)
{
	if (n < 2)
		return err_set(e, ERR_INTERNAL, EPROTO, "a start without a connection and a plan");
	int r = peer_read(fds[0], &j->peer, e);
	if (r == 0)
		r = read_plan(j, fds[1], e);
	if (r == 0)
		j->plan_fd = fd_take(&fds[1]);
	return r < 0 ? r : sort_descriptors(j, fds, n, e);
}

static void handle_start(struct warden *w, uint64_t id, int *fds, size_t n)
{
	struct err e = { 0 };
	if (find_jail(w, id)) {
		log_error("jail %llu was started twice", (unsigned long long)id);
		die_with_daemon(w);
	}
	struct warden_jail *j = jail_create(w, id);
	if (!j)
		die_with_daemon(w);
	list_append(&w->jails, &j->link);
	int r = take_request(j, fds, n, &e);
	/* Before a word goes up: then dayflyd lets go of its copies, and the last close may wait.
	 */
	fd_close_many(fds, n);
	if (r == 0 && !has_paths(j->plan)) {
		launch(w, j);
		return;
	}
	if (r == 0)
		r = opener_start(w, j, &e);
	if (r == 0) {
		j->kill_at_ns = clock_mono_ns() + OPEN_TIMEOUT_NS;
		r = jail_watch(j);
	}
	if (r < 0)
		warden_abandon_jail(w, j, &e);
}

static void handle_kill(struct warden *w, struct warden_jail *j)
{
	if (j->state == WARDEN_JAIL_EMPTYING || j->state == WARDEN_JAIL_REMOVING)
		return;
	struct wire_request rq;
	j->is_killed = true;
	wire_request_init(&rq, WIRE_KILL, j->id);
	if (j->state == WARDEN_JAIL_OPENING || fd_send(j->status_fd, &rq, sizeof(rq), NULL, 0) < 0)
		sys_pidfd_send_signal(j->pidfd, SIGKILL);
	uint64_t at = clock_mono_ns() + KILL_BACKSTOP_NS;
	if (!j->kill_at_ns || at < j->kill_at_ns)
		j->kill_at_ns = at;
}

static void handle_request(struct warden *w, const struct wire_request *rq, int *fds, size_t n)
{
	struct wire_event ev;
	if (rq->type == WIRE_START) {
		handle_start(w, rq->jail, fds, n);
		return;
	}
	if (rq->type == WIRE_POOL) {
		pool_set(w, rq->value > 0 ? (unsigned)rq->value : 0, rq->max_age_s * NS_PER_S);
		return;
	}
	struct warden_jail *j = find_jail(w, rq->jail);
	if (rq->type == WIRE_ASK) {
		now_answer(j, rq->jail, &ev);
		warden_tell(w, &ev, -1);
		return;
	}
	if (!j)
		return; /* It died while the word was on its way. */
	if (rq->type == WIRE_KILL)
		handle_kill(w, j);
	else if (j->state == WARDEN_JAIL_LIVE)
		fd_send(j->status_fd, rq, sizeof(*rq), NULL, 0);
}

static void on_control(struct warden *w)
{
	struct wire_request rq;
	int fds[FD_PASS_MAX];
	size_t n_fds = 0;
	ssize_t n = fd_recv(w->control_fd, &rq, sizeof(rq), fds, &n_fds);
	if (n == -EAGAIN)
		return;
	if (n <= 0)
		die_with_daemon(w);
	if (wire_request_check(&rq, (size_t)n) < 0) {
		log_error("bad record from dayflyd");
		die_with_daemon(w);
	}
	handle_request(w, &rq, fds, n_fds);
	fd_close_many(fds, n_fds);
}

/* What is left to do has its time: beyond that of a kill only where something is taken out. */
static void note_exit(struct warden_jail *j, int status)
{
	j->has_exited = true;
	j->exit_status = status;
	const struct plan *p = j->plan;
	uint64_t collect_ms = p->changes_fd_index < 0 ? 0 : p->changes_ms;
	collect_ms += p->n_artifacts ? p->artifacts_ms : 0;
	if (!j->kill_at_ns || collect_ms)
		j->kill_at_ns = clock_mono_ns() + END_BACKSTOP_NS + collect_ms * NS_PER_MS;
}

/* Takes one record of jail init on to dayflyd. Returns false when there is none. */
static bool forward_status(struct warden *w, struct warden_jail *j)
{
	struct wire_event ev;
	int fds[FD_PASS_MAX];
	size_t n_fds = 0;
	ssize_t n = fd_recv(j->status_fd, &ev, sizeof(ev), fds, &n_fds);
	if (n <= 0)
		return false;
	/* What went wrong before the claim reached it was said under no number. */
	if (n > 0 && j->is_pooled && ev.jail == 0)
		ev.jail = j->id;
	if (wire_event_check(&ev, (size_t)n) == 0 && ev.jail == j->id && ev.type != WIRE_NOW &&
		ev.type != WIRE_POOLED) {
		if (ev.type == WIRE_GONE) {
			j->end = ev;
			j->has_end = true;
		} else {
			if (ev.type == WIRE_STARTED) {
				ev.started.pid = j->pid;
				ev.started.pool = j->is_pooled	? WIRE_POOL_HIT
						  : w->pool.max ? WIRE_POOL_MISS
								: WIRE_POOL_OFF;
				ev.started.pool_why = w->pool.max && !j->is_pooled
							      ? j->pool_why
							      : WIRE_POOL_WHY_NOTHING;
				if (ev.started.at_ns > j->received_ns)
					ev.started.setup_ns = ev.started.at_ns - j->received_ns;
			}
			if (ev.type == WIRE_STARTED)
				cpu_time_start(j);
			j->has_started |= ev.type == WIRE_STARTED;
			j->has_failed |= ev.type == WIRE_FAILED;
			if (ev.type == WIRE_EXITED)
				note_exit(j, ev.exited.status);
			warden_tell(w, &ev, n_fds ? fds[0] : -1);
		}
	}
	fd_close_many(fds, n_fds);
	return true;
}

static void on_opened(struct warden *w, struct warden_jail *j)
{
	struct err e = { 0 };
	int r = opener_finish(j, &e);
	/* The answer may have crossed the word. */
	if (r == 0 && j->is_killed)
		r = err_set(&e, ERR_SOURCE, ECANCELED, "open the paths of the request");
	sys_pidfd_send_signal(j->pidfd, SIGKILL);
	waitpid(j->pid, NULL, 0);
	jail_unwatch(j);
	j->kill_at_ns = 0;
	if (r == 0)
		launch(w, j);
	else
		warden_abandon_jail(w, j, &e);
}

static void on_status(struct warden *w, struct warden_jail *j)
{
	if (pool_has(j))
		pool_on_child(w, j);
	else if (j->state == WARDEN_JAIL_OPENING)
		on_opened(w, j);
	else if (!forward_status(w, j))
		epoll_ctl(w->epoll_fd, EPOLL_CTL_DEL, j->status_fd, NULL);
}

static void on_child_end(struct warden *w, struct warden_jail *j)
{
	int status = 0;
	if (pool_has(j)) {
		pool_on_child(w, j);
		return;
	}
	if (j->state == WARDEN_JAIL_OPENING) {
		on_opened(w, j);
		return;
	}
	if (waitpid(j->pid, &status, WNOHANG) != j->pid)
		return;
	while (j->status_fd >= 0 && forward_status(w, j))
		;
	warden_end_jail(w, j, status);
}

static void tell_cpu_time(struct warden *w, const struct warden_jail *j)
{
	struct wire_event ev;
	wire_event_init(&ev, WIRE_LIMIT, j->id);
	ev.limit.which = WIRE_LIMIT_CPU_TIME;
	warden_tell(w, &ev, -1);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return b && b < a ? b : a;
}

/* Kills what is overdue. Returns how long the next wait may be, in milliseconds; -1: for ever. */
static int check_deadlines(struct warden *w)
{
	uint64_t now = clock_mono_ns(), next = UINT64_MAX;
	list_for_each_safe (l, &w->jails) {
		struct warden_jail *j = list_entry(l, struct warden_jail, link);
		if (cpu_time_is_up(j, now))
			tell_cpu_time(w, j);
		next = earlier(next, j->cpu_check_ns);
		if (!j->kill_at_ns || j->kill_at_ns > now) {
			next = earlier(next, j->kill_at_ns);
			continue;
		}
		j->kill_at_ns = 0;
		if (j->state != WARDEN_JAIL_EMPTYING) {
			sys_pidfd_send_signal(j->pidfd, SIGKILL);
			continue;
		}
		next = earlier(next, now + WARDEN_EMPTY_PAUSE_NS);
		warden_settle_jail(w, j);
	}
	return next == UINT64_MAX ? -1 : (int)((next - now) / NS_PER_MS) + 1;
}

static void serve(struct warden *w)
{
	for (;;) {
		/* One at a time: handling an event may destroy the object of the next. */
		struct epoll_event ev;
		int deadline_ms = check_deadlines(w), pool_ms = pool_wait_ms(w, clock_mono_ns());
		bool is_pool = pool_ms >= 0 && (deadline_ms < 0 || pool_ms <= deadline_ms);
		int n = epoll_wait(w->epoll_fd, &ev, 1, is_pool ? pool_ms : deadline_ms);
		if (n < 0 && errno != EINTR)
			die_with_daemon(w);
		if (n == 0 && is_pool)
			pool_refill(w);
		if (n <= 0)
			continue;
		struct watch *watch = ev.data.ptr;
		if (watch->kind == WATCH_CONTROL)
			on_control(w);
		else if (watch->kind == WATCH_MOUNTS)
			pool_on_mounts(w);
		else if (watch->kind == WATCH_STATUS)
			on_status(w, watch->jail);
		else
			on_child_end(w, watch->jail);
	}
}

static int compile_filters(struct warden *w, struct err *e)
{
	for (unsigned p = 0; p < PLAN_PROFILE_COUNT; p++)
		for (unsigned n = 0; n < PLAN_NETWORK_COUNT; n++) {
			int r = seccomp_filter_compile(
				(enum plan_profile)p, (enum plan_network)n, &w->filters[p][n], e);
			if (r < 0)
				return r;
		}
	return seccomp_filter_compile_shared(&w->shared_filter, e);
}

static int set_up(struct warden *w, const struct warden_options *options, struct err *e)
{
	enum warden_mode mode;
	struct cgroup_place place;
	/* Jails inherit dispositions until their task resets them; a client that went away is an
	 * error code, not a signal. */
	signal(SIGPIPE, SIG_IGN);
	fd_raise_limit();
	/* While we are still who we are: the children below are born in the supervisor. */
	cgroup_tree_init(&w->cgroup);
	w->cgroup.total = options->total;
	int r = cgroup_place_read(&place, w->control_fd);
	place.total = &options->total;
	if (r == 0)
		cgroup_tree_open(&w->cgroup, &place);
	else
		snprintf(w->cgroup.why, sizeof(w->cgroup.why), "/proc cannot be read: %s",
			strerror(-r));
	cgroup_place_finish(&place);
	kernel_log_open(&w->kernel_log);
	r = cgroup_check_total(&w->cgroup, e);
	if (r == 0)
		r = rights_find_mode(&mode, e);
	if (r < 0)
		return r;
	ids_init(&w->ids, mode, options->ids_base, options->ids_count);
	etc_scan_init(&w->etc);
	host_mounts_init(&w->host_mounts);
	if (mode == WARDEN_MODE_ROOT)
		host_mounts_open(&w->host_mounts);
	list_init(&w->jails);
	pool_init(&w->pool);
	w->state_fd = -1;
	w->landlock_abi = sys_landlock_abi();
	w->unpack = options->unpack;
	w->owner_uid = mode == WARDEN_MODE_ROOT ? options->owner_uid : geteuid();
	w->has_owner = mode != WARDEN_MODE_ROOT || w->owner_uid;
	r = compile_filters(w, e);
	if (r == 0)
		r = store_open(w, options, e);
	if (r == 0)
		r = rights_drop(mode, w->upper_on_disk, e);
	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	w->control_watch = (struct watch){ WATCH_CONTROL, NULL };
	if (r == 0 &&
		(w->epoll_fd < 0 || warden_watch_add(w, w->control_fd, &w->control_watch) < 0))
		r = err_set(e, ERR_INTERNAL, errno, "make an epoll descriptor");
	return r;
}

/* "memory pids cpu" */
static void list_controllers(uint32_t set, char *out, size_t size)
{
	size_t n = 0;
	out[0] = '\0';
	for (unsigned i = 0; i < PLAN_CONTROLLER_COUNT; i++)
		if (set & 1u << i)
			n += (size_t)snprintf(
				out + n, size - n, "%s%s", n ? " " : "", plan_controller_name(i));
}

static void say_hello(struct warden *w)
{
	struct wire_event ev;
	char controllers[64];
	wire_event_init(&ev, WIRE_HELLO, 0);
	ev.hello.mode = w->ids.mode;
	ev.hello.upper_on_disk = w->upper_on_disk;
	ev.hello.landlock_abi = w->landlock_abi;
	ev.hello.controllers = w->cgroup.controllers;
	snprintf(ev.hello.no_cgroup, sizeof(ev.hello.no_cgroup), "%s", w->cgroup.why);
	list_controllers(w->cgroup.controllers, controllers, sizeof(controllers));
	snprintf(ev.hello.info, sizeof(ev.hello.info),
		"%s; private layers on %s; Landlock ABI %d; %s%s%s%s",
		warden_mode_name(w->ids.mode), w->upper_on_disk ? "disk" : "tmpfs", w->landlock_abi,
		controllers[0] ? "cgroup controllers " : "no cgroups", controllers,
		w->cgroup.why[0] ? ": " : "", w->cgroup.why);
	warden_tell(w, &ev, -1);
}

int warden_main(int control_fd, const struct warden_options *options)
{
	static struct warden w;
	struct err e = { 0 };
	prctl(PR_SET_NAME, "dayfly-warden");
	w.control_fd = control_fd;
	if (set_up(&w, options, &e) < 0) {
		log_error("cannot make jails: %s", e.msg);
		struct wire_event ev;
		wire_event_init(&ev, WIRE_FAILED, 0);
		ev.failed.err = e;
		fd_send(control_fd, &ev, sizeof(ev), NULL, 0);
		return 1;
	}
	/* What the filters were compiled with: each jail init has a copy of what is left here. */
	malloc_trim(0);
	say_hello(&w);
	serve(&w);
	return 0;
}
