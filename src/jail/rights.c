/* The warden's own rights: which ids it can give to tasks, and the few capabilities that it keeps.
 */
#include "jail/subid.h"
#include "jail/throwaway.h"
#include "jail/warden.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CAP(c) (1ull << (c))

static int set_capabilities(uint64_t set)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {
		{ .effective = (uint32_t)set, .permitted = (uint32_t)set },
		{ .effective = (uint32_t)(set >> 32), .permitted = (uint32_t)(set >> 32) },
	};
	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

int rights_drop_all(void)
{
	return set_capabilities(0);
}

static uint64_t own_permitted(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };
	if (syscall(SYS_capget, &header, data) < 0)
		return 0;
	return data[0].permitted | (uint64_t)data[1].permitted << 32;
}

int rights_drop(enum warden_mode mode, bool upper_on_disk, struct err *e)
{
	uint64_t keep = 0;
	if (mode == WARDEN_MODE_ROOT)
		/* Detached and idmapped mounts; the id maps; the client's ids; killing what has
		 * other ids; an OOM score that a task cannot lower again. */
		keep = CAP(CAP_SYS_ADMIN) | CAP(CAP_SETUID) | CAP(CAP_SETGID) | CAP(CAP_KILL) |
		       (own_permitted() & CAP(CAP_SYS_RESOURCE));
	else if (mode == WARDEN_MODE_SUBUID)
		/* The user's own id is 0 in our namespace: since Linux 5.12 mapping that on needs
		 * CAP_SETFCAP, user_namespaces(7). */
		keep = CAP(CAP_SETUID) | CAP(CAP_SETGID) | CAP(CAP_KILL) | CAP(CAP_SETFCAP);
	if (upper_on_disk && mode != WARDEN_MODE_SINGLE)
		keep |= CAP(CAP_DAC_OVERRIDE) | CAP(CAP_FOWNER) | CAP(CAP_CHOWN);
	for (unsigned cap = 0; mode != WARDEN_MODE_SINGLE && cap <= 63; cap++) {
		if (keep & CAP(cap))
			continue;
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 && errno != EINVAL)
			return err_set(e, ERR_INTERNAL, errno, "drop capability %u", cap);
	}
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	int r = set_capabilities(keep);
	return r < 0 ? err_set(e, ERR_INTERNAL, -r, "drop capabilities") : 0;
}

/* Whether every id of the host is ours to give: a full uid_map, which only the initial user
 * namespace has. */
static bool has_all_ids(void)
{
	char *text = NULL;
	unsigned long inside = 1, outside = 1, count = 0;
	if (fd_read_file(AT_FDCWD, "/proc/self/uid_map", 4096, &text) > 0)
		sscanf(text, "%lu %lu %lu", &inside, &outside, &count);
	free(text);
	return inside == 0 && outside == 0 && count == 4294967295ul;
}

/* Runs the two set-user-id helpers on our parent, from outside its new user namespace, when told
 * that it is there. */
static _Noreturn void map_parent(const struct subid_helpers *h, int go_fd, int done_fd)
{
	char c;
	struct err e = { 0 };
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	int r = fd_read_all(go_fd, &c, 1);
	if (r == 0)
		r = subid_map(h, getppid(), 0, &e);
	if (r < 0)
		fd_write_all(done_fd, &e, sizeof(e));
	_exit(r < 0);
}

/* Moves this process into a user namespace where its own id is 0 and the subordinate range follows.
 */
static int enter_range(const struct subid_helpers *h, struct err *e)
{
	int go[2], done[2], status;
	if (fd_pipe(go) < 0 || fd_pipe(done) < 0)
		return err_set(e, ERR_INTERNAL, errno, "make a pipe");
	pid_t pid = fork();
	if (pid == 0) {
		fd_close(&go[1]);
		map_parent(h, go[0], done[1]);
	}
	fd_close(&done[1]);
	int r = pid < 0 || unshare(CLONE_NEWUSER) < 0
			? err_set(e, ERR_UNSUPPORTED, errno, "create a user namespace")
			: 0;
	if (r == 0)
		r = fd_write_all(go[1], "x", 1);
	fd_close(&go[1]);
	if (pid > 0 && (waitpid(pid, &status, 0) < 0 || status != 0) && r == 0) {
		struct err why = { 0 };
		r = fd_read_all(done[0], &why, sizeof(why)) == 0
			    ? err_set(e, ERR_UNSUPPORTED, 0, "%s", why.msg)
			    : err_set(e, ERR_UNSUPPORTED, 0, "newuidmap failed");
	}
	fd_close(&go[0]);
	fd_close(&done[0]);
	if (r == 0 && (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0))
		r = err_set(e, ERR_UNSUPPORTED, errno, "become root of the user namespace");
	return r;
}

/* Tries whether the range can really be mapped, before this process commits itself to it. */
static int try_range(pid_t pid, void *arg, struct err *e)
{
	return subid_map(arg, pid, 0, e);
}

static int do_nothing(void *arg, struct err *e)
{
	return 0;
}

int rights_find_mode(enum warden_mode *ret, struct err *e)
{
	struct subid_helpers h;
	struct err why = { 0 };
	if (geteuid() == 0 && has_all_ids()) {
		*ret = WARDEN_MODE_ROOT;
		return 0;
	}
	const struct throwaway t = {
		.flags = CLONE_NEWUSER, .map = try_range, .fn = do_nothing, .arg = &h
	};
	*ret = WARDEN_MODE_SINGLE;
	if (geteuid() == 0 || subid_prepare(&h, geteuid(), &why) < 0 || throwaway_run(&t, &why) < 0)
		return 0;
	int r = enter_range(&h, e);
	if (r == 0)
		*ret = WARDEN_MODE_SUBUID;
	return r;
}
