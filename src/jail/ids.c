/* Ids of tasks: see ids.h. */
#include "jail/ids.h"
#include "jail/idmap.h"
#include "jail/sys.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROTATION_MAX 64
/* Of a process that only waits. */
#define HOLDER_STACK_BYTES (64 << 10)

/* Each slot in use keeps a descriptor: where those are few, fewer slots take turns. */
static int rotation(void)
{
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur >= 8 * ROTATION_MAX)
		return ROTATION_MAX;
	return files.rlim_cur < 8 ? 1 : (int)files.rlim_cur / 8;
}

void ids_init(struct ids *ids, enum warden_mode mode, uint32_t base, int count)
{
	memset(ids, 0, sizeof(*ids));
	ids->mode = mode;
	ids->uid = geteuid();
	ids->gid = getegid();
	ids->base = base ? base : IDS_BASE;
	ids->count = count > 0 && count < IDS_SLOT_COUNT ? count : IDS_SLOT_COUNT;
	ids->rotation = rotation() < ids->count ? rotation() : ids->count;
	for (int i = 0; i < IDS_SLOT_COUNT; i++)
		ids->image_ns[i] = ids->own_ns[i] = -1;
}

int ids_take_slot(struct ids *ids)
{
	if (ids->mode != WARDEN_MODE_ROOT)
		return 0;
	for (int i = 0; i < ids->count; i++) {
		int slot = (ids->next + i) % ids->count;
		uint64_t bit = 1ull << (slot % 64);
		if (ids->used[slot / 64] & bit)
			continue;
		ids->used[slot / 64] |= bit;
		/* Few namespaces are made, yet a range rests before it is used again. */
		ids->next = (slot + 1) % ids->rotation;
		return slot;
	}
	return -EBUSY;
}

bool ids_has_slot(const struct ids *ids)
{
	if (ids->mode != WARDEN_MODE_ROOT)
		return true;
	for (int slot = 0; slot < ids->count; slot++)
		if (!(ids->used[slot / 64] & 1ull << (slot % 64)))
			return true;
	return false;
}

void ids_release_slot(struct ids *ids, int slot)
{
	if (ids->mode != WARDEN_MODE_ROOT || slot < 0)
		return;
	ids->used[slot / 64] &= ~(1ull << (slot % 64));
	/* Only those that take turns keep theirs. */
	if (slot >= ids->rotation) {
		fd_close(&ids->image_ns[slot]);
		fd_close(&ids->own_ns[slot]);
	}
}

uint32_t ids_slot_base(const struct ids *ids, int slot)
{
	return ids->base + (uint32_t)(slot + 1) * IDS_PER_TASK;
}

static int write_map(pid_t pid, const char *file, const char *text)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	return fd_write_file(AT_FDCWD, path, text);
}

int ids_write_maps(const struct ids *ids, int slot, pid_t pid, enum plan_user user, struct err *e)
{
	char map[96];
	if (ids->mode == WARDEN_MODE_ROOT)
		snprintf(map, sizeof(map), "0 %u %u", ids_slot_base(ids, slot), IDS_PER_TASK);
	else if (user == PLAN_USER_ROOT)
		/* Two extents, because ours has two: one may not span both. */
		snprintf(map, sizeof(map), "0 0 1\n1 1 65535");
	else /* The user's own id, 0 in the warden's namespace, is the task's. */
		snprintf(map, sizeof(map), "0 1 1000\n1000 0 1\n1001 1001 64535");
	int r = write_map(pid, "uid_map", map);
	if (r == 0)
		r = write_map(pid, "gid_map", map);
	return r < 0 ? err_set(e, ERR_SETUP, -r, "write the id map of the jail") : 0;
}

uid_t ids_task_uid(const struct ids *ids, int slot, enum plan_user user)
{
	uid_t inside = user == PLAN_USER_ROOT ? 0 : PLAN_AGENT_ID;
	if (ids->mode == WARDEN_MODE_ROOT)
		return ids_slot_base(ids, slot) + inside;
	return ids->mode == WARDEN_MODE_SUBUID ? 0 : ids->uid;
}

/* After a change of the effective id away from root: the capabilities again, as they were. */
static int raise_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	if (syscall(SYS_capget, &header, data) < 0)
		return -errno;
	for (int i = 0; i < 2; i++)
		data[i].effective = data[i].permitted;
	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

/* The saved id stays root's, and so the way back. The filesystem's too: with it the kernel looks
 * who owns a cgroup. */
static int set_maker(uid_t uid)
{
	if (setresuid(uid, uid, (uid_t)-1) < 0)
		return -errno;
	setfsuid(0);
	return raise_capabilities();
}

/* What the maker may have then is the most that all ids of the namespace have together. */
static int set_soft_limit(rlim_t processes, rlim_t *ret_before)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NPROC, &limit) < 0)
		return -errno;
	*ret_before = limit.rlim_cur;
	limit.rlim_cur = processes < limit.rlim_max ? processes : limit.rlim_max;
	return setrlimit(RLIMIT_NPROC, &limit) < 0 ? -errno : 0;
}

pid_t ids_clone(const struct ids *ids, int slot, uint64_t processes, uint64_t flags, int cgroup_fd,
	int *ret_pidfd)
{
	rlim_t before, ours;
	if (ids->mode != WARDEN_MODE_ROOT)
		return sys_clone_into(flags, cgroup_fd, ret_pidfd);
	/* Jail init is one more; the warden itself is another until it is root again. */
	int r = set_soft_limit((rlim_t)processes + 2, &before);
	if (r < 0)
		return r;
	r = set_maker(ids_slot_base(ids, slot));
	pid_t pid = r < 0 ? r : sys_clone_into(flags, cgroup_fd, ret_pidfd);
	if (pid == 0)
		return 0;
	/* A change of ids makes a process undumpable, and then it cannot open its children's
	 * namespaces. */
	if (set_maker(0) < 0 || set_soft_limit(before, &ours) < 0 || prctl(PR_SET_DUMPABLE, 1) < 0)
		abort();
	return pid;
}

/*
 * Until it is killed, or its parent is. Nothing of the parent's stays open here: whoever waits for
 * the parent's end of a socket to close would wait for this process too.
 */
static int hold_namespace(void *arg)
{
	pid_t parent = *(const pid_t *)arg;
	sys_close_range(0, ~0u);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (getppid() == parent)
		pause();
	return 0;
}

int ids_make_namespace(const char *uid_map, const char *gid_map, struct err *e)
{
	static _Alignas(16) char stack[HOLDER_STACK_BYTES];
	pid_t parent = getpid();
	/* The child only holds the namespace until it is open. It shares our memory, which is much
	 * faster than a copy, and does nothing with it. */
	pid_t pid = clone(
		hold_namespace, stack + sizeof(stack), CLONE_NEWUSER | CLONE_VM | SIGCHLD, &parent);
	if (pid < 0)
		return err_set(e, ERR_SETUP, errno, "create a user namespace");
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
	int r = write_map(pid, "uid_map", uid_map);
	if (r == 0)
		r = write_map(pid, "gid_map", gid_map);
	int fd = r < 0 ? r : open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		err_set(e, ERR_SETUP, r < 0 ? -r : errno, "make an id map for a mount");
	/* Ours until it is waited for: the number is not another's. */
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return fd < 0 ? -e->errnum : fd;
}

int ids_image_namespace(struct ids *ids, int slot, struct err *e)
{
	if (ids->image_ns[slot] < 0) {
		/* Files of the host's other users are nobody's inside: what only they may read is
		 * neither the agent's (their 1000 is not ours) nor root's. */
		char uid_map[64], gid_map[64];
		snprintf(uid_map, sizeof(uid_map), "0 %u 1", ids_slot_base(ids, slot));
		snprintf(gid_map, sizeof(gid_map), "0 %u %u", ids_slot_base(ids, slot),
			IDS_PER_TASK);
		ids->image_ns[slot] = ids_make_namespace(uid_map, gid_map, e);
	}
	return ids->image_ns[slot];
}

int ids_own_namespace(struct ids *ids, int slot, uint32_t uid, uint32_t gid, struct err *e)
{
	if (ids->has_own && (ids->own_uid != uid || ids->own_gid != gid))
		return -EINVAL;
	ids->has_own = true;
	ids->own_uid = uid;
	ids->own_gid = gid;
	if (ids->own_ns[slot] < 0) {
		char uid_map[IDMAP_TEXT_SIZE], gid_map[IDMAP_TEXT_SIZE];
		uint32_t inside = ids_slot_base(ids, slot) + PLAN_AGENT_ID;
		idmap_text_single(uid_map, uid, inside);
		idmap_text_single(gid_map, gid, inside);
		ids->own_ns[slot] = ids_make_namespace(uid_map, gid_map, e);
	}
	return ids->own_ns[slot];
}
