/* The end of a jail: see warden_priv.h. */
#include "jail/seccomp.h"
#include "jail/sys.h"
#include "jail/warden_priv.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

/* What is left in a cgroup when jail init is dead dies at once, but for what hangs in the kernel.
 */
#define EMPTY_NS (2 * NS_PER_S)

void warden_report_failed(struct warden *w, struct warden_jail *j, const struct err *e)
{
	struct wire_event ev;
	wire_event_init(&ev, WIRE_FAILED, j->id);
	ev.failed.err = *e;
	warden_tell(w, &ev, -1);
}

/* What a filter has ended the main process for, as far as that can be known. */
static void name_forbidden_call(
	struct warden *w, const struct warden_jail *j, char *out, size_t size)
{
	struct kernel_log_call call;
	if (j->has_exited && WIFSIGNALED(j->exit_status) && WTERMSIG(j->exit_status) == SIGSYS &&
		w->ids.mode == WARDEN_MODE_ROOT &&
		kernel_log_find(
			&w->kernel_log, ids_slot_base(&w->ids, j->slot), IDS_PER_TASK, &call))
		seccomp_call_name(call.arch, call.number, out, size);
}

/* The last word on a jail: nothing of it is left. */
static void finish_jail(struct warden *w, struct warden_jail *j)
{
	struct wire_event ev;
	wire_event_init(&ev, WIRE_GONE, j->id);
	if (j->has_end)
		ev.gone = j->end.gone;
	ev.gone.init_status = j->init_status;
	ev.gone.usage = j->usage;
	/* Before the word: see handle_start(). */
	jail_close_inputs(j);
	name_forbidden_call(w, j, ev.gone.forbidden_call, sizeof(ev.gone.forbidden_call));
	warden_tell(w, &ev, -1);
	jail_destroy(j);
	/* Its range of ids may do for one of the pool. */
	pool_has_room(w);
}

/* Kills what is left in the jail's cgroup, reads and removes it. Returns false where that must be
 * tried again: at j->kill_at_ns. */
static bool empty_cgroup(struct warden_jail *j)
{
	uint64_t now = clock_mono_ns();
	if (j->cgroup.fd < 0)
		return true;
	if (j->state != WARDEN_JAIL_EMPTYING)
		j->empty_until_ns = now + EMPTY_NS;
	j->state = WARDEN_JAIL_EMPTYING;
	if (cgroup_task_is_populated(&j->cgroup)) {
		cgroup_task_kill(&j->cgroup);
	} else {
		cgroup_task_read(&j->cgroup, &j->usage);
		if (cgroup_task_remove(&j->warden->cgroup, &j->cgroup) == 0)
			return true;
	}
	if (now >= j->empty_until_ns) {
		log_error("the cgroup %s could not be removed", j->cgroup.name);
		cgroup_task_read(&j->cgroup, &j->usage);
		cgroup_task_close(&j->cgroup);
		return true;
	}
	j->kill_at_ns = now + WARDEN_EMPTY_PAUSE_NS;
	return false;
}

/* Out of memory, the kernel kills everything in a cgroup at once, and jail init with it before it
 * can say a word. */
static void tell_oom(struct warden *w, struct warden_jail *j)
{
	struct err e = { 0 };
	struct wire_event ev;
	if (!j->usage.oom_kills || j->is_killed || j->has_exited || !WIFSIGNALED(j->init_status) ||
		WTERMSIG(j->init_status) != SIGKILL)
		return;
	if (j->has_started) {
		wire_event_init(&ev, WIRE_EXITED, j->id);
		ev.exited.status = SIGKILL;
		ev.exited.at_ns = clock_mono_ns();
		warden_tell(w, &ev, -1);
	} else if (!j->has_failed) {
		err_set_field(&e, ERR_SETUP, "task.limits.memory",
			"the jail ran out of memory while it was made");
		e.errnum = ENOMEM;
		snprintf(e.step, sizeof(e.step), "cgroup");
		err_hint(
			&e, "a limit of 16MiB is enough for any jail; the rest is for the command");
		warden_report_failed(w, j, &e);
	}
}

void warden_settle_jail(struct warden *w, struct warden_jail *j)
{
	if (j->state != WARDEN_JAIL_REMOVING) {
		if (!empty_cgroup(j))
			return;
		tell_oom(w, j);
		if (j->disk_name[0] && store_remove_start(w, j) == 0) {
			j->state = WARDEN_JAIL_REMOVING;
			if (jail_watch(j) == 0)
				return;
		} else if (j->disk_name[0]) {
			/* Without a process for it. */
			store_remove_now(w, j);
		}
	}
	finish_jail(w, j);
}

void warden_end_jail(struct warden *w, struct warden_jail *j, int status)
{
	j->kill_at_ns = j->cpu_check_ns = 0;
	jail_unwatch(j);
	if (j->state != WARDEN_JAIL_REMOVING)
		j->init_status = status;
	warden_settle_jail(w, j);
}

void warden_abandon_jail(struct warden *w, struct warden_jail *j, const struct err *e)
{
	warden_report_failed(w, j, e);
	if (j->pidfd >= 0) {
		sys_pidfd_send_signal(j->pidfd, SIGKILL);
		waitpid(j->pid, NULL, 0);
	}
	warden_end_jail(w, j, 0);
}
