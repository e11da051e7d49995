/* What a parked jail was made from: see pool_stamp.h. */
#include "jail/pool_stamp.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "jail/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#ifndef RESOLVE_CACHED
#define RESOLVE_CACHED 0x20
#endif

/* A tick of the kernel's coarse clock is 1 to 10 ms. */
#define FRESH_NS (100 * NS_PER_MS)
/* What is in memory is told as if it were not while somebody mounts or renames. */
#define LOOKUP_TRIES 16

struct stamp {
	uint64_t sum;
	uint64_t newest_ns; /* of the last changes, CLOCK_REALTIME */
};

/* FNV-1a. */
static void add(struct stamp *s, const void *data, size_t len)
{
	const unsigned char *p = data;
	for (size_t i = 0; i < len; i++)
		s->sum = (s->sum ^ p[i]) * 0x100000001b3ull;
}

/* fd -1: the path, which is the host's. What is known of it will do. */
static int add_file(struct stamp *s, int fd, const char *path)
{
	struct statx sx;
	memset(&sx, 0, sizeof(sx));
	int flags = AT_STATX_DONT_SYNC | (fd >= 0 ? AT_EMPTY_PATH : 0);
	int r = statx(fd >= 0 ? fd : AT_FDCWD, path, flags, STATX_BASIC_STATS, &sx) < 0 ? -errno
											: 0;
	const uint64_t values[] = { (uint64_t)-r, sx.stx_dev_major, sx.stx_dev_minor, sx.stx_ino,
		sx.stx_mode, sx.stx_uid, sx.stx_gid, sx.stx_size, (uint64_t)sx.stx_mtime.tv_sec,
		sx.stx_mtime.tv_nsec, (uint64_t)sx.stx_ctime.tv_sec, sx.stx_ctime.tv_nsec };
	add(s, values, sizeof(values));
	uint64_t changed_ns = (uint64_t)sx.stx_ctime.tv_sec * NS_PER_S + sx.stx_ctime.tv_nsec;
	if (changed_ns > s->newest_ns)
		s->newest_ns = changed_ns;
	return r;
}

/* Nothing below an image is waited for, and no other mount is entered. */
static int add_below(struct stamp *s, int image_fd, const char *path, bool never_waits)
{
	uint64_t resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV |
			   RESOLVE_NO_MAGICLINKS | (never_waits ? 0 : RESOLVE_CACHED);
	auto_close int fd = -EAGAIN;
	for (int i = 0; i < LOOKUP_TRIES && fd == -EAGAIN; i++)
		fd = sys_openat2(image_fd, path, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0, resolve);
	int32_t errnum = fd < 0 ? -fd : 0;
	/* A kernel before 5.12 has no such lookup: -EINVAL. What we may not look at may change. */
	if (errnum && errnum != ENOENT && errnum != ENOTDIR && errnum != ELOOP && errnum != EXDEV)
		return -errnum;
	add(s, &errnum, sizeof(errnum));
	return fd < 0 ? 0 : add_file(s, fd, "");
}

/* In root mode the warden may look into what everybody may, and not into a client's own: it does so
 * as the client. */
static void look_as(uid_t uid, gid_t gid)
{
	setfsgid(gid);
	setfsuid(uid);
}

static int add_image(struct stamp *s, const struct pool_key *key, int image_fd, bool never_waits)
{
	static const char agent_home[] = "home/" PLAN_AGENT_NAME;
	static const char *const seen[] = { "etc", "etc/passwd", "etc/group", "home", agent_home,
		"var", "var/tmp" };
	bool is_other = geteuid() == 0 && key->uid != 0;
	int r = add_file(s, image_fd, "");
	if (is_other)
		look_as(key->uid, key->gid);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(seen); i++)
		r = add_below(s, image_fd, seen[i], never_waits);
	if (!is_other)
		return r;
	look_as(0, 0);
	/* A change of ids takes that away, and with it the way to our children's namespaces. */
	return prctl(PR_SET_DUMPABLE, 1) < 0 ? -errno : r;
}

static int make_stamp(struct stamp *s, const struct pool_key *key, int image_fd, bool never_waits)
{
	*s = (struct stamp){ .sum = 0xcbf29ce484222325ull };
	int r = key->image == PLAN_IMAGE_DIR ? add_image(s, key, image_fd, never_waits) : 0;
	/* It is copied into the jail, and often lies elsewhere than in /etc. */
	if (r == 0 && key->network == PLAN_NETWORK_HOST)
		add_file(s, -1, "/etc/resolv.conf");
	return r;
}

int pool_stamp(const struct pool_key *key, int image_fd, bool never_waits, uint64_t *ret)
{
	struct stamp s;
	int r = make_stamp(&s, key, image_fd, never_waits);
	if (r == 0)
		*ret = s.sum;
	return r;
}

int pool_stamp_for_making(const struct pool_key *key, int image_fd, bool never_waits, uint64_t *ret)
{
	struct stamp s;
	int r = make_stamp(&s, key, image_fd, never_waits);
	uint64_t now = clock_real_ns();
	if (r == 0 && s.newest_ns + FRESH_NS > now && s.newest_ns < now + FRESH_NS)
		r = -EBUSY;
	if (r == 0)
		*ret = s.sum;
	return r;
}

bool pool_stamp_never_waits(int fd)
{
	struct statfs fs;
	return fstatfs(fd, &fs) == 0 &&
	       (fs.f_type == TMPFS_MAGIC || (unsigned long)fs.f_type == RAMFS_MAGIC);
}
