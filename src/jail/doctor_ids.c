/* Checks of what lets a plain user give other ids to a task: two helpers with root's rights, and a
 * range in each of two files. */
#include "jail/doctor_priv.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"
#include "jail/subid.h"
#include "jail/throwaway.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define SINGLE_ID                                                                                  \
	"tasks have a single id: `--user root` cannot change owners, so apt and dnf fail in a "    \
	"task"

int doctor_no_new_privs(struct doctor *d, struct doctor_finding *f, struct err *e)
{
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return 0;
	doctor_set(f, DOCTOR_DEGRADED,
		"no_new_privs is set on this process, so newuidmap cannot gain its rights: tasks "
		"have a single id");
	doctor_fix(f, "start dayfly without it (NoNewPrivileges=no in a systemd unit; not from "
		      "inside a sandbox)");
	return 0;
}

int doctor_id_helpers(struct doctor *d, struct doctor_finding *f, struct err *e)
{
	static const char *const names[] = { "newuidmap", "newgidmap" };
	char path[128];
	struct statvfs st;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		int r = subid_find_helper(names[i], path, sizeof(path), e);
		if (r < 0)
			return r;
		if (statvfs(path, &st) == 0 && (st.f_flag & ST_NOSUID))
			return err_set(e, ERR_SETUP, EPERM,
				"%s lies on a filesystem that is mounted nosuid", path);
		doctor_why(f, "%s", path);
	}
	d->has_helpers = true;
	return 0;
}

void doctor_hint_id_helpers(const struct doctor *d, const struct err *e, struct doctor_finding *f)
{
	const char *package = doctor_newuidmap_package(d->distro);
	doctor_why(f, SINGLE_ID);
	if (strstr(e->msg, "not installed"))
		doctor_fix(f, "%s",
			package ? package : "install the newuidmap and newgidmap of shadow-utils");
	else if (strstr(e->msg, "set-user-id"))
		doctor_fix(f, "sudo chmod u+s /usr/bin/newuidmap /usr/bin/newgidmap");
	else if (strstr(e->msg, "only root can write"))
		doctor_fix(f, "sudo chown root:root %.*s && sudo chmod 4755 %.*s",
			(int)strcspn(e->msg, " "), e->msg, (int)strcspn(e->msg, " "), e->msg);
}

static int read_range(const struct doctor *d, const char *path, bool *ret, struct doctor_finding *f,
	struct err *e)
{
	struct subid_range range;
	int r = subid_read(path, d->uid, &range, e);
	*ret = r == 0;
	if (r == 0)
		doctor_why(f, "%u ids from %u", range.count, range.first);
	return r;
}

int doctor_subuid(struct doctor *d, struct doctor_finding *f, struct err *e)
{
	return read_range(d, "/etc/subuid", &d->has_subuids, f, e);
}

int doctor_subgid(struct doctor *d, struct doctor_finding *f, struct err *e)
{
	return read_range(d, "/etc/subgid", &d->has_subgids, f, e);
}

static int map_range(pid_t pid, void *arg, struct err *e)
{
	/* The own id in the midst of the others: a map of three extents. */
	return subid_map(arg, pid, 1000, e);
}

static int use_range(void *arg, struct err *e)
{
	static const uid_t ids[] = { 65535, 0 };
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		if (setresgid(ids[i], ids[i], 0) < 0 || setresuid(ids[i], ids[i], 0) < 0)
			return err_set(e, ERR_SETUP, errno, "take the subordinate id %u", ids[i]);
	return 0;
}

int doctor_id_range(struct doctor *d, struct doctor_finding *f, struct err *e)
{
	struct subid_helpers h;
	if (!d->has_helpers || !d->has_subuids || !d->has_subgids) {
		doctor_set(f, DOCTOR_DEGRADED, "not tried, as %s is not well",
			!d->has_helpers	  ? "id-helpers"
			: !d->has_subuids ? "subuid"
					  : "subgid");
		return 0;
	}
	int r = subid_prepare(&h, d->uid, e);
	if (r < 0)
		return r;
	struct throwaway t = {
		.flags = CLONE_NEWUSER, .map = map_range, .fn = use_range, .arg = &h
	};
	r = throwaway_run(&t, e);
	if (r == 0)
		doctor_why(f, "uids from %u, gids from %u", h.uids.first, h.gids.first);
	return r;
}

/* The first id that neither file gives to anybody. */
static uint32_t free_range(void)
{
	static const char *const files[] = { "/etc/subuid", "/etc/subgid" };
	uint32_t next = 100000;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		auto_free char *text = NULL;
		if (fd_read_file(AT_FDCWD, files[i], 1u << 20, &text) > 0 &&
			subid_next_free(text) > next)
			next = subid_next_free(text);
	}
	return next;
}

/* A directory service may have ranges, of which only newuidmap knows. */
static bool has_subid_service(void)
{
	auto_free char *text = doctor_read("/etc/nsswitch.conf");
	return text && (str_starts(text, "subid:") || strstr(text, "\nsubid:"));
}

void doctor_hint_subid(const struct doctor *d, const struct err *e, struct doctor_finding *f)
{
	const char *file = strstr(e->msg, "/etc/subgid") ? "/etc/subgid" : "/etc/subuid";
	doctor_why(f, SINGLE_ID);
	if (has_subid_service())
		doctor_why(f,
			"/etc/nsswitch.conf names a service for ranges, which dayfly does not ask");
	if (strstr(e->msg, "no login name"))
		doctor_fix(f, "sudo useradd --uid %u dayfly-user", d->uid);
	else
		doctor_fix(f, "echo '%s:%u:65536' | sudo tee -a %s", d->user, free_range(), file);
}

void doctor_hint_id_range(const struct doctor *d, const struct err *e, struct doctor_finding *f)
{
	doctor_why(f, SINGLE_ID);
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
		doctor_why(f, "no_new_privs is set on this process");
	else if (d->container[0])
		doctor_why(f,
			"inside a container the range must lie in the ids that the container has "
			"(cat /proc/self/uid_map)");
}
