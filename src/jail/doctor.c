/* The table of checks and the loop over it: see doctor.h. */
#include "jail/doctor.h"
#include "jail/doctor_priv.h"

#include "base/cleanup.h"
#include "jail/throwaway.h"
#include "jail/warden.h"

#include <stdarg.h>
#include <string.h>
#include <unistd.h>

/* In which mode a check is run or needed. */
enum { NEVER = 0, ROOT = 1, ROOTLESS = 2, BOTH = 3 };

struct check {
	struct doctor_label label;
	unsigned run_in, needed_in;
	enum doctor_status on_failure;
	const char *after; /* a check without which this one cannot work */
	doctor_check_fn *run;
	doctor_hint_fn *hint;
};

#define USERNS "user-namespaces"

/* clang-format off */
#define DEGRADED DOCTOR_DEGRADED
#define MISSING	 DOCTOR_MISSING
/* In groups, and within one in the order in which they are run. */
static const struct check checks[] = {
	{ { "mode", "host", "the ids of tasks" }, BOTH, NEVER, DEGRADED, NULL, doctor_mode, NULL },
	{ { "kernel", "host", "everything" }, BOTH, NEVER, DEGRADED, NULL, doctor_kernel, NULL },
	{ { "container", "host", "the advice below" }, BOTH, NEVER, DEGRADED, NULL, doctor_container, NULL },
	{ { "lsm", "host", "the advice below" }, BOTH, NEVER, DEGRADED, NULL, doctor_lsm, NULL },

	{ { "capabilities", "calls", "every task" }, ROOT, ROOT, MISSING, NULL, doctor_capabilities, doctor_hint_capabilities },
	{ { "clone3-pidfd", "calls", "every task" }, BOTH, BOTH, MISSING, NULL, doctor_clone3, doctor_hint_syscall },
	{ { "close-range", "calls", "every task" }, BOTH, BOTH, MISSING, NULL, doctor_close_range, doctor_hint_syscall },
	{ { "openat2", "calls", "every task" }, BOTH, BOTH, MISSING, NULL, doctor_openat2, doctor_hint_syscall },
	{ { "sealed-memfd", "calls", "every task" }, BOTH, BOTH, MISSING, NULL, doctor_sealed_memfd, doctor_hint_memfd },
	{ { "memfd-exec", "calls", "a sealed warden; tools that run programs from memory" }, BOTH, NEVER, DEGRADED, NULL,
		doctor_memfd_exec, doctor_hint_memfd },
	{ { "seccomp", "calls", "every task" }, BOTH, BOTH, MISSING, NULL, doctor_seccomp, doctor_hint_syscall },
	{ { "landlock", "calls", "a second lock on abstract sockets and signals" }, BOTH, NEVER, DEGRADED, NULL, doctor_landlock, NULL },
	{ { "unix-oob", "calls", "a note on a hole in old kernels" }, BOTH, NEVER, DEGRADED, NULL, doctor_unix_oob, NULL },

	{ { "max-user-namespaces", "namespaces", "every task" }, BOTH, BOTH, MISSING, NULL, doctor_max_userns, doctor_hint_userns },
	{ { USERNS, "namespaces", "every task" }, BOTH, BOTH, MISSING, NULL, doctor_userns, doctor_hint_userns },
	{ { "id-map", "namespaces", "the ids of tasks" }, ROOT, ROOT, MISSING, USERNS, doctor_id_map, doctor_hint_userns },
	{ { "ptrace", "namespaces", "gdb and strace in tasks" }, BOTH, NEVER, DEGRADED, USERNS, doctor_ptrace, doctor_hint_ptrace },

	{ { "host-proc", "proc", "every task" }, BOTH, BOTH, MISSING, NULL, doctor_host_proc, doctor_hint_host_proc },
	{ { "proc-mount", "proc", "every task" }, BOTH, BOTH, MISSING, USERNS, doctor_proc, doctor_hint_proc },
	{ { "namespace-limits", "proc", "no namespaces inside tasks" }, BOTH, BOTH, MISSING, USERNS, doctor_userns_limit, doctor_hint_proc },
	{ { "hidepid", "proc", "a note on the host's /proc" }, BOTH, NEVER, DEGRADED, NULL, doctor_hidepid, NULL },
	{ { "sysfs", "proc", "nothing: tasks have no /sys" }, BOTH, NEVER, DEGRADED, USERNS, doctor_sysfs, NULL },

	{ { "mount-api", "files", "every task" }, BOTH, BOTH, MISSING, USERNS, doctor_mount_api, doctor_hint_syscall },
	{ { "devpts", "files", "terminals" }, BOTH, BOTH, MISSING, USERNS, doctor_devpts, doctor_hint_syscall },
	{ { "overlay-userxattr", "files", "the root of every task" }, BOTH, BOTH, MISSING, USERNS, doctor_overlay_tmpfs, doctor_hint_overlay },
	/* Needed only where the one above does not work; it says so itself. */
	{ { "overlay-disk", "files", "the root of every task, where it cannot be on a tmpfs" }, BOTH, NEVER, DEGRADED, USERNS,
		doctor_overlay_disk, doctor_hint_overlay_disk },
	{ { "upper", "files", "which of the two it is" }, BOTH, NEVER, DEGRADED, USERNS, doctor_upper, NULL },
	{ { "overlay-usr", "files", "the image `host`" }, BOTH, NEVER, DEGRADED, USERNS, doctor_overlay_usr, doctor_hint_below_usr },
	{ { "overlay-etc", "files", "the image `host`" }, BOTH, NEVER, DEGRADED, USERNS, doctor_overlay_etc, doctor_hint_below_etc },
	{ { "overlay-rename-dir", "files", "renaming directories of an image" }, BOTH, NEVER, DEGRADED, USERNS, doctor_overlay_rename, NULL },
	{ { "overlay-volatile", "files", "nothing: private layers are mounted without it" }, BOTH, NEVER, DEGRADED, USERNS,
		doctor_overlay_volatile, NULL },
	{ { "idmapped-mount", "files", "images in root mode" }, ROOT, ROOT, MISSING, USERNS, doctor_idmap, doctor_hint_idmap },
	{ { "idmapped-workspaces", "files", "workspaces in root mode" }, ROOT, NEVER, DEGRADED, USERNS, doctor_idmap_workspaces, NULL },

	{ { "no-new-privs-unset", "ids", "`--user root`, many ids in a task" }, ROOTLESS, NEVER, DEGRADED, NULL, doctor_no_new_privs, NULL },
	{ { "id-helpers", "ids", "`--user root`, many ids in a task" }, ROOTLESS, NEVER, DEGRADED, NULL, doctor_id_helpers,
		doctor_hint_id_helpers },
	{ { "subuid", "ids", "`--user root`, many ids in a task" }, ROOTLESS, NEVER, DEGRADED, NULL, doctor_subuid, doctor_hint_subid },
	{ { "subgid", "ids", "`--user root`, many ids in a task" }, ROOTLESS, NEVER, DEGRADED, NULL, doctor_subgid, doctor_hint_subid },
	{ { "id-range", "ids", "`--user root`, many ids in a task" }, ROOTLESS, NEVER, DEGRADED, USERNS, doctor_id_range,
		doctor_hint_id_range },

	{ { "cgroup-version", "cgroups", "limits on memory, CPUs and processes" }, BOTH, NEVER, DEGRADED, NULL, doctor_cgroup_version, NULL },
	{ { "cgroup-delegation", "cgroups", "limits on memory, CPUs and processes" }, BOTH, NEVER, DEGRADED, NULL, doctor_cgroup,
		doctor_hint_cgroup },
	{ { "cgroup-kill", "cgroups", "ending a task at once" }, BOTH, NEVER, DEGRADED, NULL, doctor_cgroup_kill, NULL },
	{ { "linger", "cgroups", "tasks that outlive a login" }, ROOTLESS, NEVER, DEGRADED, NULL, doctor_linger, NULL },

	{ { "process-limit", "limits", "the pids limit without cgroups" }, BOTH, NEVER, DEGRADED, USERNS, doctor_nproc, NULL },
	{ { "user-processes", "limits", "tasks at one time" }, BOTH, NEVER, DEGRADED, NULL, doctor_user_processes,
		doctor_hint_user_processes },
	{ { "open-files", "limits", "tasks and clients at one time" }, BOTH, NEVER, DEGRADED, NULL, doctor_open_files,
		doctor_hint_open_files },
	{ { "inotify", "limits", "watching files in tasks" }, BOTH, NEVER, DEGRADED, USERNS, doctor_inotify, doctor_hint_inotify },
	{ { "keyring", "limits", "a note: tasks have no key calls" }, BOTH, NEVER, DEGRADED, NULL, doctor_keyring, doctor_hint_keyring },
	{ { "ping", "limits", "ping in tasks with the host's network" }, BOTH, NEVER, DEGRADED, USERNS, doctor_ping, doctor_hint_ping },

	{ { "state-dir", "storage", "output that is kept, private layers on disk" }, BOTH, NEVER, DEGRADED, NULL, doctor_state_dir,
		doctor_hint_state_dir },
	{ { "state-space", "storage", "output that is kept, private layers on disk" }, BOTH, NEVER, DEGRADED, NULL, doctor_state_space, NULL },
	{ { "runtime-dir", "storage", "the socket" }, BOTH, NEVER, DEGRADED, NULL, doctor_runtime_dir, NULL },
	{ { "runtime-space", "storage", "the socket" }, BOTH, NEVER, DEGRADED, NULL, doctor_runtime_space, NULL },
};
/* clang-format on */

__attribute__((format(printf, 4, 0))) static void append(
	char *text, size_t size, const char *separator, const char *fmt, va_list ap)
{
	size_t len = strlen(text);
	if (len && len < size)
		len += (size_t)snprintf(text + len, size - len, "%s", separator);
	if (len < size)
		vsnprintf(text + len, size - len, fmt, ap);
}

void doctor_why(struct doctor_finding *f, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	append(f->why, sizeof(f->why), "; ", fmt, ap);
	va_end(ap);
}

void doctor_fix(struct doctor_finding *f, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	f->fix[0] = '\0';
	append(f->fix, sizeof(f->fix), "", fmt, ap);
	va_end(ap);
}

void doctor_set(struct doctor_finding *f, enum doctor_status s, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	f->status = s;
	append(f->why, sizeof(f->why), "; ", fmt, ap);
	va_end(ap);
}

static void run_check(const struct check *c, struct doctor *d, struct doctor_finding *f)
{
	struct err e = { 0 };
	int r = c->run(d, f, &e);
	if (r >= 0)
		return;
	if (f->status == DOCTOR_OK)
		f->status = c->on_failure;
	/* What the probe itself saw comes first, then what explains it. */
	doctor_why(f, "%s", e.msg);
	if (c->hint)
		c->hint(d, &e, f);
}

/* Whether a check that came before has failed. */
static bool is_missing(const char *name, const enum doctor_status *status)
{
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++)
		if (!strcmp(checks[i].label.name, name))
			return status[i] == DOCTOR_MISSING;
	return false;
}

/* The warden's own rule decides the mode; it may change the process, so it is asked in a child. */
static int ask_mode(void *arg, struct err *e)
{
	enum warden_mode mode = WARDEN_MODE_SINGLE;
	int r = rights_find_mode(&mode, e);
	return r < 0 ? r : (int)mode;
}

static void learn(struct doctor *d, const struct doctor_options *o)
{
	int mode = doctor_in_child(ask_mode, NULL, NULL);
	d->uid = geteuid();
	d->is_root = mode >= 0 ? mode == WARDEN_MODE_ROOT : d->uid == 0;
	d->state_dir = o->state_dir ? o->state_dir : "/var/tmp";
	doctor_learn_host(d);
	if (o->self)
		snprintf(d->self, sizeof(d->self), "%s", o->self);
}

int doctor_main(const struct doctor_options *o)
{
	struct doctor d = { 0 };
	enum doctor_status status[ARRAY_SIZE(checks)] = { 0 };
	bool is_missed = false;
	learn(&d, o);
	unsigned mode = d.is_root ? ROOT : ROOTLESS;
	for (size_t i = 0; i < ARRAY_SIZE(checks) && !ferror(o->out); i++) {
		const struct check *c = &checks[i];
		struct doctor_finding f = { .needed = (c->needed_in & mode) != 0 };
		if (!(c->run_in & mode))
			continue;
		if (c->after && is_missing(c->after, status))
			doctor_set(&f, c->on_failure, "not tried, as %s is missing", c->after);
		else
			run_check(c, &d, &f);
		status[i] = f.status;
		is_missed |= f.needed && f.status == DOCTOR_MISSING;
		doctor_write_json(o->out, &c->label, &f);
		/* A reader may show lines as they come; a forked child must never hold a copy of
		 * unwritten output. */
		fflush(o->out);
	}
	return is_missed || ferror(o->out) ? 1 : 0;
}

void doctor_print_names(FILE *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++)
		fprintf(out, "%s\n", checks[i].label.name);
}
