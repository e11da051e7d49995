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
	const char *name;
	unsigned run_in, needed_in;
	enum doctor_status on_failure;
	const char *after; /* a check without which this one cannot work */
	doctor_check_fn *run;
	doctor_hint_fn *hint;
};

#define USERNS "user-namespaces"

static const struct check checks[] = {
	{ "mode", BOTH, NEVER, DOCTOR_DEGRADED, NULL, doctor_mode, NULL },
	{ "kernel", BOTH, NEVER, DOCTOR_DEGRADED, NULL, doctor_kernel, NULL },
	{ "container", BOTH, NEVER, DOCTOR_DEGRADED, NULL, doctor_container, NULL },
	{ "capabilities", ROOT, ROOT, DOCTOR_MISSING, NULL, doctor_capabilities,
		doctor_hint_capabilities },
	{ "clone3-pidfd", BOTH, BOTH, DOCTOR_MISSING, NULL, doctor_clone3, doctor_hint_syscall },
	{ "close-range", BOTH, BOTH, DOCTOR_MISSING, NULL, doctor_close_range,
		doctor_hint_syscall },
	{ "openat2", BOTH, BOTH, DOCTOR_MISSING, NULL, doctor_openat2, doctor_hint_syscall },
	{ "sealed-memfd", BOTH, BOTH, DOCTOR_MISSING, NULL, doctor_sealed_memfd,
		doctor_hint_memfd },
	{ "memfd-exec", BOTH, NEVER, DOCTOR_DEGRADED, NULL, doctor_memfd_exec, doctor_hint_memfd },
	{ "seccomp", BOTH, BOTH, DOCTOR_MISSING, NULL, doctor_seccomp, doctor_hint_syscall },
	{ "landlock", BOTH, NEVER, DOCTOR_DEGRADED, NULL, doctor_landlock, NULL },
	{ "max-user-namespaces", BOTH, BOTH, DOCTOR_MISSING, NULL, doctor_max_userns,
		doctor_hint_userns },
	{ USERNS, BOTH, BOTH, DOCTOR_MISSING, NULL, doctor_userns, doctor_hint_userns },
	{ "namespace-limits", BOTH, BOTH, DOCTOR_MISSING, USERNS, doctor_userns_limit,
		doctor_hint_proc },
	{ "mount-api", BOTH, BOTH, DOCTOR_MISSING, USERNS, doctor_mount_api, doctor_hint_syscall },
	{ "proc-mount", BOTH, BOTH, DOCTOR_MISSING, USERNS, doctor_proc, doctor_hint_proc },
	{ "devpts", BOTH, BOTH, DOCTOR_MISSING, USERNS, doctor_devpts, doctor_hint_syscall },
	{ "overlay-userxattr", BOTH, BOTH, DOCTOR_MISSING, USERNS, doctor_overlay_tmpfs,
		doctor_hint_overlay },
	/* Needed only where the one above does not work; it says so itself. */
	{ "overlay-disk", BOTH, NEVER, DOCTOR_MISSING, USERNS, doctor_overlay_disk,
		doctor_hint_overlay },
	{ "overlay-usr", BOTH, NEVER, DOCTOR_DEGRADED, USERNS, doctor_overlay_usr,
		doctor_hint_below_usr },
	{ "overlay-etc", BOTH, NEVER, DOCTOR_DEGRADED, USERNS, doctor_overlay_etc,
		doctor_hint_below_etc },
	{ "idmapped-mount", ROOT, ROOT, DOCTOR_MISSING, USERNS, doctor_idmap, doctor_hint_idmap },
	{ "no-new-privs-unset", ROOTLESS, NEVER, DOCTOR_DEGRADED, NULL, doctor_no_new_privs, NULL },
	{ "id-range", ROOTLESS, NEVER, DOCTOR_DEGRADED, USERNS, doctor_id_range,
		doctor_hint_id_range },
	{ "process-limit", BOTH, NEVER, DOCTOR_DEGRADED, USERNS, doctor_nproc, NULL },
	{ "ptrace", BOTH, NEVER, DOCTOR_DEGRADED, USERNS, doctor_ptrace, doctor_hint_ptrace },
	{ "cgroup-delegation", BOTH, NEVER, DOCTOR_DEGRADED, NULL, doctor_cgroup,
		doctor_hint_cgroup },
	{ "runtime-dir", ROOTLESS, NEVER, DOCTOR_DEGRADED, NULL, doctor_runtime_dir, NULL },
};

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
		if (!strcmp(checks[i].name, name))
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

static void learn(struct doctor *d)
{
	struct throwaway t = { .fn = ask_mode };
	d->uid = geteuid();
	doctor_learn_host(d);
	int mode = throwaway_run(&t, NULL);
	d->is_root = mode >= 0 ? mode == WARDEN_MODE_ROOT : d->uid == 0;
}

int doctor_main(bool json)
{
	struct doctor d = { 0 };
	enum doctor_status status[ARRAY_SIZE(checks)] = { 0 };
	int missing = 0;
	learn(&d);
	unsigned mode = d.is_root ? ROOT : ROOTLESS;
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		const struct check *c = &checks[i];
		struct doctor_finding f = { .needed = (c->needed_in & mode) != 0 };
		if (!(c->run_in & mode))
			continue;
		if (c->after && is_missing(c->after, status))
			doctor_set(&f, c->on_failure, "not tried, as %s is missing", c->after);
		else
			run_check(c, &d, &f);
		status[i] = f.status;
		missing |= f.needed && f.status == DOCTOR_MISSING;
		if (json)
			doctor_write_json(stdout, c->name, &f);
		else
			doctor_write_text(stdout, c->name, &f);
		/* A reader may show lines as they come; a forked child must never hold a copy of
		 * unwritten output. */
		fflush(stdout);
	}
	return missing || ferror(stdout) ? 1 : 0;
}

void doctor_print_names(FILE *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++)
		fprintf(out, "%s\n", checks[i].name);
}
