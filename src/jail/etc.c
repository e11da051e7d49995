/* /etc inside a jail: see etc.h. Runs in jail init. */
#include "jail/etc.h"
#include "jail/mount.h"

#include "base/cleanup.h"
#include "base/dir.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define COPY_MAX_BYTES	 (64ull << 20)
#define COPY_MAX_DEPTH	 32
#define IMAGE_FILE_BYTES (1u << 20)

static const char passwd_text[] = "root:x:0:0:root:/root:/bin/sh\n"
				  "daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"
				  "bin:x:2:2:bin:/bin:/usr/sbin/nologin\n"
				  "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";
static const char passwd_agent[] =
	PLAN_AGENT_NAME ":x:1000:1000:" PLAN_AGENT_NAME ":" PLAN_AGENT_HOME ":/bin/sh\n";
static const char group_text[] =
	"root:x:0:\ndaemon:x:1:\nbin:x:2:\nsys:x:3:\nadm:x:4:\ntty:x:5:\ndisk:x:6:\nmail:x:8:\n"
	"utmp:x:43:\nstaff:x:50:\nusers:x:100:\nnogroup:x:65534:\n";
static const char group_agent[] = PLAN_AGENT_NAME ":x:1000:\n";
static const char hosts_text[] =
	"127.0.0.1 localhost " PLAN_HOSTNAME "\n::1 localhost ip6-localhost ip6-loopback\n";
static const char no_resolver[] = "# This task has no network.\n";

/* Makes the directories above a hidden path in the upper layer, like those of the lower one. */
static int make_upper_parents(const char *path, struct err *e)
{
	char up[4200], low[4200];
	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		snprintf(up, sizeof(up), "upper/etc/%.*s", (int)(slash - path), path);
		snprintf(low, sizeof(low), "/etc/%.*s", (int)(slash - path), path);
		if (mkdir(up, 0755) == 0) {
			struct stat st;
			if (stat(low, &st) == 0)
				chmod(up, st.st_mode & 01777);
		} else if (errno != EEXIST) {
			return err_set(e, ERR_SETUP, errno, "make %s", up);
		}
	}
	return 0;
}

/* One inode for all of them will do, which saves the kernel's memory. */
static int make_whiteout(const char *path, const char *other)
{
	if (other[0] && link(other, path) == 0)
		return 0;
	return mknod(path, S_IFCHR, makedev(0, 0));
}

static int hide_paths(struct jail *j, struct err *e)
{
	char first[4200] = "";
	for (char *const *m = j->etc_masks; m && *m; m++) {
		char path[4200];
		int r = make_upper_parents(*m, e);
		if (r < 0)
			return r;
		snprintf(path, sizeof(path), "upper/etc/%s", *m);
		if (make_whiteout(path, first) < 0)
			return err_set(e, ERR_SETUP, errno, "hide /etc/%s", *m);
		if (!first[0])
			snprintf(first, sizeof(first), "%s", path);
	}
	return 0;
}

static int copy_tree(int from, int to, uint64_t *left, int depth);

static int copy_file(int from, int to, const char *name, mode_t mode, uint64_t size, uint64_t *left)
{
	auto_close int in =
		openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (in < 0)
		return errno == EACCES || errno == ENOENT ? 0 : -errno;
	if (size > *left)
		return -EFBIG;
	*left -= size;
	auto_close int out =
		openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode & 0755);
	if (out < 0)
		return -errno;
	for (uint64_t done = 0; done < size;) {
		ssize_t n = sendfile(out, in, NULL, size - done);
		if (n <= 0)
			return n < 0 ? -errno : 0;
		done += (uint64_t)n;
	}
	return 0;
}

static int copy_entry(int from, int to, const char *name, uint64_t *left, int depth)
{
	struct stat st;
	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (S_ISLNK(st.st_mode)) {
		char target[4096];
		ssize_t n = readlinkat(from, name, target, sizeof(target) - 1);
		if (n < 0)
			return -errno;
		target[n] = '\0';
		return symlinkat(target, to, name) < 0 ? -errno : 0;
	}
	if (S_ISREG(st.st_mode) && (st.st_mode & S_IROTH))
		return copy_file(from, to, name, st.st_mode, (uint64_t)st.st_size, left);
	if (!S_ISDIR(st.st_mode) || (st.st_mode & 0005) != 0005)
		return 0;
	if (mkdirat(to, name, st.st_mode & 0755) < 0)
		return -errno;
	auto_close int from_dir = dir_open(from, name);
	auto_close int to_dir = dir_open(to, name);
	if (from_dir < 0 || to_dir < 0)
		return from_dir == -EACCES ? 0 : from_dir < 0 ? from_dir : to_dir;
	return copy_tree(from_dir, to_dir, left, depth + 1);
}

static int copy_tree(int from, int to, uint64_t *left, int depth)
{
	if (depth > COPY_MAX_DEPTH)
		return -ELOOP;
	auto_closedir DIR *d = dir_list(from);
	if (!d)
		return -errno;
	struct dirent *entry;
	while ((entry = dir_next(d))) {
		int r = copy_entry(from, to, entry->d_name, left, depth);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Puts a file in place of whatever has that name; a symlink is replaced, not followed. */
static int write_file(
	int etc_fd, const char *name, const char *text, const char *more, struct err *e)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	auto_close int fd = openat(etc_fd, name, flags, 0644);
	if (fd < 0 && errno == EEXIST && unlinkat(etc_fd, name, 0) == 0)
		fd = openat(etc_fd, name, flags, 0644);
	if (fd < 0)
		return err_set(e, ERR_SETUP, errno, "make /etc/%s", name);
	int r = fd_write_all(fd, text, strlen(text));
	if (r == 0)
		r = fd_write_all(fd, more, strlen(more));
	return r < 0 ? err_set(e, ERR_SETUP, -r, "write /etc/%s", name) : 0;
}

/* A directory image brings its own users; only the task's is added where nobody has that id. */
static int add_agent(int etc_fd, const char *name, const char *line, struct err *e)
{
	struct stat st;
	auto_free char *text = NULL;
	if (fstatat(etc_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode) ||
		st.st_size > IMAGE_FILE_BYTES ||
		fd_read_file(etc_fd, name, IMAGE_FILE_BYTES, &text) < 0)
		return write_file(
			etc_fd, name, !strcmp(name, "passwd") ? passwd_text : group_text, line, e);
	if (strstr(text, ":1000:"))
		return 0;
	return write_file(etc_fd, name, text, line, e);
}

static int write_users(struct jail *j, int etc_fd, struct err *e)
{
	if (j->plan->image == PLAN_IMAGE_DIR) {
		int r = add_agent(etc_fd, "passwd", passwd_agent, e);
		return r < 0 ? r : add_agent(etc_fd, "group", group_agent, e);
	}
	int r = write_file(etc_fd, "passwd", passwd_text, passwd_agent, e);
	return r < 0 ? r : write_file(etc_fd, "group", group_text, group_agent, e);
}

static int make_machine_id(char out[34], struct err *e)
{
	uint8_t raw[16];
	if (getrandom(raw, sizeof(raw), 0) != (ssize_t)sizeof(raw))
		return err_set(e, ERR_SETUP, EIO, "get random bytes");
	for (size_t i = 0; i < sizeof(raw); i++)
		snprintf(out + 2 * i, 3, "%02x", raw[i]);
	memcpy(out + 32, "\n", 2);
	return 0;
}

static int write_files(struct jail *j, int etc_fd, struct err *e)
{
	char machine_id[34];
	int r = write_users(j, etc_fd, e);
	if (r == 0)
		r = write_file(etc_fd, "hosts", hosts_text, "", e);
	if (r == 0)
		r = write_file(etc_fd, "hostname", PLAN_HOSTNAME "\n", "", e);
	if (r == 0)
		r = write_file(etc_fd, "resolv.conf",
			j->plan->network != PLAN_NETWORK_HOST ? no_resolver
			: j->resolv_conf		      ? j->resolv_conf
							      : "",
			"", e);
	if (r == 0)
		r = make_machine_id(machine_id, e);
	return r < 0 ? r : write_file(etc_fd, "machine-id", machine_id, "", e);
}

int etc_prepare_upper(struct jail *j, struct err *e)
{
	int r = hide_paths(j, e);
	auto_close int upper = r < 0 ? r : dir_open(j->store_fd, "upper/etc");
	if (upper < 0)
		return r < 0 ? r : err_set(e, ERR_SETUP, -upper, "open upper/etc");
	return write_files(j, upper, e);
}

int etc_copy(struct jail *j, struct err *e)
{
	uint64_t left = COPY_MAX_BYTES;
	auto_close int from = open("/etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_close int to = dir_open(j->root_fd, "etc");
	int r = from < 0 ? -errno : to < 0 ? to : copy_tree(from, to, &left, 0);
	return r < 0 ? err_set(e, ERR_SETUP, -r, "copy /etc") : write_files(j, to, e);
}

int etc_complete_image(struct jail *j, struct err *e)
{
	auto_close int etc_fd = mount_target(j->root_fd, "/etc", true, e);
	return etc_fd < 0 ? etc_fd : write_files(j, etc_fd, e);
}
