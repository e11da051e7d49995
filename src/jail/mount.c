/* Mounting by descriptor: see mount.h. */
#include "jail/mount.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

/* What the kernel wrote about the last failed call on a filesystem context: "e <text>". */
static void read_fs_log(int fs_fd, char *out, size_t size)
{
	ssize_t n = read(fs_fd, out, size - 1);
	if (n < 0)
		n = 0;
	out[n] = '\0';
	out[strcspn(out, "\n")] = '\0';
}

static int fs_failed(int fs_fd, int r, const char *fs, const char *what, struct err *e)
{
	char text[160];
	read_fs_log(fs_fd, text, sizeof(text));
	if (text[0])
		return err_set(
			e, ERR_SETUP, -r, "%s %s (%s)", fs, what, text[1] == ' ' ? text + 2 : text);
	return err_set(e, ERR_SETUP, -r, "%s %s", fs, what);
}

/* Gives a context its options and has it do something with them. */
static int configure(
	int fs_fd, const char *fs, const struct mount_opt *opts, unsigned command, struct err *e)
{
	for (; opts && opts->key; opts++) {
		unsigned cmd = opts->value ? SYS_FSCONFIG_STRING : SYS_FSCONFIG_FLAG;
		int r = sys_fsconfig(fs_fd, cmd, opts->key, opts->value);
		if (r < 0)
			return fs_failed(fs_fd, r, fs, opts->key, e);
	}
	int r = sys_fsconfig(fs_fd, command, NULL, NULL);
	if (r < 0)
		return fs_failed(
			fs_fd, r, fs, command == SYS_FSCONFIG_CREATE ? "create" : "change", e);
	return 0;
}

int mount_change(int root_fd, const struct mount_opt *opts, struct err *e)
{
	auto_close int fs_fd = sys_fspick(root_fd);
	if (fs_fd < 0)
		return err_set(e, ERR_SETUP, -fs_fd, "fspick");
	return configure(fs_fd, "a filesystem", opts, SYS_FSCONFIG_CHANGE, e);
}

int mount_new(const char *fs, const struct mount_opt *opts, unsigned attrs, struct err *e)
{
	auto_close int fs_fd = sys_fsopen(fs);
	if (fs_fd < 0)
		return err_set(e, ERR_SETUP, -fs_fd, "fsopen %s", fs);
	int r = configure(fs_fd, fs, opts, SYS_FSCONFIG_CREATE, e);
	if (r < 0)
		return r;
	int mount_fd = sys_fsmount(fs_fd, attrs);
	if (mount_fd < 0)
		return fs_failed(fs_fd, mount_fd, fs, "mount", e);
	return mount_fd;
}

int mount_attach(int mount_fd, int dirfd, const char *path, struct err *e)
{
	int r = sys_move_mount(mount_fd, dirfd, path);
	return r < 0 ? err_set(e, ERR_SETUP, -r, "attach a mount at %s",
			       path[0] ? path : "its target")
		     : 0;
}

int mount_clone(int dirfd, const char *path, bool recursive, struct err *e)
{
	unsigned flags = OPEN_TREE_CLONE | AT_SYMLINK_NOFOLLOW | (recursive ? AT_RECURSIVE : 0) |
			 (path[0] ? 0 : AT_EMPTY_PATH);
	/* A clone is a peer of its original: on a host with shared mounts (systemd makes them so),
	 * what the jail mounts in it would appear on the host, and the other way round. */
	const struct sys_mount_attr cut_off = { .propagation = MS_PRIVATE };
	auto_close int fd = sys_open_tree(dirfd, path, flags);
	int r = fd < 0 ? fd : sys_mount_setattr(fd, &cut_off, recursive ? AT_RECURSIVE : 0);
	return r < 0 ? err_set(e, ERR_SETUP, -r, "clone the mount of %s",
			       path[0] ? path : "the source")
		     : fd_take(&fd);
}

int mount_set(int mount_fd, unsigned attrs, bool recursive, struct err *e)
{
	struct sys_mount_attr attr = { .attr_set = attrs };
	int r = sys_mount_setattr(mount_fd, &attr, recursive ? AT_RECURSIVE : 0);
	return r < 0 ? err_set(e, ERR_SETUP, -r, "set mount attributes") : 0;
}

static int open_beneath(int dirfd, const char *name, uint64_t flags)
{
	return sys_openat2(dirfd, name, flags, 0,
		RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
}

#define NOBODYS ((uid_t)-1)

/* Opens one part, making it first where it is missing; for owner if that is not NOBODYS. */
static int open_or_make(int dirfd, const char *name, bool is_dir, uid_t owner, struct err *e)
{
	int fd = open_beneath(dirfd, name, O_PATH | (is_dir ? O_DIRECTORY : 0));
	if (fd >= 0)
		return fd;
	if (fd == -ELOOP)
		return err_set(e, ERR_SETUP, ELOOP, "%s is a symbolic link inside the image", name);
	if (fd != -ENOENT)
		return err_set(e, ERR_SETUP, -fd, "open %s", name);
	if (is_dir) {
		if (mkdirat(dirfd, name, 0755) < 0)
			return err_set(e, ERR_SETUP, errno, "make directory %s", name);
		if (owner != NOBODYS &&
			fchownat(dirfd, name, owner, owner, AT_SYMLINK_NOFOLLOW) < 0)
			return err_set(e, ERR_SETUP, errno, "give away directory %s", name);
	} else {
		auto_close int made = openat(
			dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
		if (made < 0)
			return err_set(e, ERR_SETUP, errno, "make file %s", name);
	}
	fd = open_beneath(dirfd, name, O_PATH | (is_dir ? O_DIRECTORY : 0));
	return fd < 0 ? err_set(e, ERR_SETUP, -fd, "open %s", name) : fd;
}

static int walk(int root_fd, const char *path, bool is_dir, uid_t owner, struct err *e)
{
	auto_close int dir = fcntl(root_fd, F_DUPFD_CLOEXEC, 3);
	if (dir < 0)
		return err_set(e, ERR_SETUP, errno, "duplicate a descriptor");
	char name[256];
	for (const char *p = path; *p;) {
		p += strspn(p, "/");
		size_t len = strcspn(p, "/");
		if (len == 0)
			break;
		if (len >= sizeof(name))
			return err_set(e, ERR_SETUP, ENAMETOOLONG, "%s", path);
		memcpy(name, p, len);
		name[len] = '\0';
		p += len;
		bool last = p[strspn(p, "/")] == '\0';
		int next = open_or_make(dir, name, last ? is_dir : true, owner, e);
		if (next < 0)
			return err_wrap(e, "target %s", path), next;
		fd_close(&dir);
		dir = next;
	}
	if (!is_dir) {
		struct stat st;
		if (fstat(dir, &st) < 0 || !S_ISREG(st.st_mode))
			return err_set(e, ERR_SETUP, EEXIST,
				"target %s is there and is not a regular file", path);
	}
	return fd_take(&dir);
}

int mount_target(int root_fd, const char *path, bool is_dir, struct err *e)
{
	return walk(root_fd, path, is_dir, NOBODYS, e);
}

int mount_dir_for(int root_fd, const char *path, uid_t uid, struct err *e)
{
	return walk(root_fd, path, true, uid, e);
}
