/*
 * The files and secrets that came with the request, made inside the jail. Runs in jail init, which
 * copies them from one sealed file without looking at them.
 */
#include "jail/mount.h"
#include "jail/steps.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

/* Room for what LIMIT_SECRETS_BYTES allows, a page more for each, and nothing else. */
#define SECRETS_SIZE   "512k"
#define SECRETS_INODES "32"

static int fill(struct jail *j, int fd, off_t *at, size_t len, mode_t mode, struct err *e)
{
	for (size_t left = len; left;) {
		ssize_t n = sendfile(fd, j->inputs_fd, at, left);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_set(e, ERR_SETUP, n < 0 ? errno : EPROTO, "write it");
		left -= (size_t)n;
	}
	if (fchown(fd, jail_task_uid(j), jail_task_uid(j)) < 0 || fchmod(fd, mode) < 0)
		return err_set(e, ERR_SETUP, errno, "give it to the task");
	return 0;
}

/* A new file. What has its name makes room if it is a file; a link is not followed, nor removed. */
static int make_file(int dir, const char *name, struct err *e)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	struct stat st;
	int fd = openat(dir, name, flags, 0600);
	if (fd < 0 && errno == EEXIST) {
		if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
			return err_set(e, ERR_SETUP, EEXIST, "what is there is not a regular file");
		if (unlinkat(dir, name, 0) < 0)
			return err_set(e, ERR_SETUP, errno, "replace it");
		fd = openat(dir, name, flags, 0600);
	}
	return fd < 0 ? err_set(e, ERR_SETUP, errno, "make it") : fd;
}

/* What is the jail's own on these ways is made for the task: it may write there. */
static int open_parent(struct jail *j, const char *path, const char **ret_name, struct err *e)
{
	const char *slash = strrchr(path, '/');
	char dir[4096];
	snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path), path);
	*ret_name = slash + 1;
	return mount_dir_for(j->root_fd, dir, jail_task_uid(j), e);
}

static int add_file(struct jail *j, const struct plan_input *in, off_t *at, struct err *e)
{
	const char *name;
	auto_close int dir = open_parent(j, in->path, &name, e);
	if (dir < 0)
		return dir;
	auto_close int fd = make_file(dir, name, e);
	return fd < 0 ? fd : fill(j, fd, at, in->bytes, in->mode, e);
}

static int add_secret(
	struct jail *j, int secrets_fd, const struct plan_input *in, off_t *at, struct err *e)
{
	auto_close int fd = make_file(secrets_fd, in->path, e);
	return fd < 0 ? fd : fill(j, fd, at, in->bytes, 0400, e);
}

static int add_all(struct jail *j, int secrets_fd, struct err *e)
{
	off_t at = 0;
	size_t counts[PLAN_INPUT_COUNT] = { 0 };
	for (size_t i = 0; i < j->plan->n_inputs; i++) {
		const struct plan_input *in = &j->plan->inputs[i];
		bool is_secret = in->kind == PLAN_INPUT_SECRET;
		size_t nth = counts[in->kind]++;
		int r = is_secret ? add_secret(j, secrets_fd, in, &at, e) : add_file(j, in, &at, e);
		if (r == 0)
			continue;
		if (e->errnum == ENOSPC || e->errnum == EDQUOT)
			err_hint(e, "files count as what the task writes: raise limits.disk or "
				    "limits.inodes");
		err_wrap(e, "%s %.200s", is_secret ? "secret" : "file", in->path);
		snprintf(e->field, sizeof(e->field), "task.%s[%zu]",
			is_secret ? "secrets" : "files", nth);
		return r;
	}
	return 0;
}

static int make_secrets(struct err *e)
{
	static const struct mount_opt opts[] = { { "size", SECRETS_SIZE },
		{ "nr_inodes", SECRETS_INODES }, { "mode", "0755" }, { NULL, NULL } };
	return mount_new("tmpfs", opts, MOUNT_SAFE | SYS_MOUNT_ATTR_NOEXEC, e);
}

/* Full, and from now on as it is. */
static int attach_secrets(struct jail *j, int fd, struct err *e)
{
	int r = mount_set(fd, MOUNT_SAFE | SYS_MOUNT_ATTR_NOEXEC | SYS_MOUNT_ATTR_RDONLY, false, e);
	if (r < 0)
		return r;
	auto_close int at = mount_target(j->root_fd, PLAN_SECRETS_DIR, true, e);
	return at < 0 ? at : mount_attach(fd, at, "", e);
}

int step_inputs(struct jail *j, struct err *e)
{
	auto_close int secrets = -1;
	bool has_secrets = plan_has_input(j->plan, PLAN_INPUT_SECRET);
	if (has_secrets && (secrets = make_secrets(e)) < 0)
		return secrets;
	int r = add_all(j, secrets, e);
	if (r == 0 && has_secrets)
		r = attach_secrets(j, secrets, e);
	fd_close(&j->inputs_fd);
	return r;
}
