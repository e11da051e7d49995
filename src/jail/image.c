/*
 * The root filesystem. Image `host`: a skeleton on the store with one overlay for each shown
 * directory of the host. A directory image: one overlay with that directory below. Then the few
 * files that a jail writes itself.
 */
#include "jail/image.h"
#include "jail/etc.h"
#include "jail/mount.h"
#include "jail/steps.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int make_dir(int dirfd, const char *path, mode_t mode, struct err *e)
{
	/* The umask of jail init is 0. */
	if (mkdirat(dirfd, path, mode) < 0)
		return err_set(e, ERR_SETUP, errno, "make %s", path);
	return 0;
}

int image_overlay(struct jail *j, const char *name, const char *lower, struct err *e)
{
	char upper[64], work[64];
	snprintf(upper, sizeof(upper), "upper/%s", name);
	snprintf(work, sizeof(work), "work/%s", name);
	const struct mount_opt opts[] = {
		{ "lowerdir", lower },
		{ "upperdir", upper },
		{ "workdir", work },
		/* Without it the mount succeeds in a user namespace, and then removing a lower
		   directory gives EIO. */
		{ "userxattr", NULL },
		{ NULL, NULL },
	};
	return mount_new("overlay", opts, MOUNT_SAFE, e);
}

int image_overlay_fixed(const char *lower, struct err *e)
{
	const struct mount_opt opts[] = {
		{ "lowerdir", lower },
		{ "userxattr", NULL },
		{ NULL, NULL },
	};
	return mount_new("overlay", opts, MOUNT_SAFE | SYS_MOUNT_ATTR_RDONLY, e);
}

int image_lower(struct jail *j, const char *name, int tree_fd, struct err *e)
{
	char path[64];
	snprintf(path, sizeof(path), "lower/%s", name);
	int r = mkdirat(j->store_fd, path, 0755) < 0 ? err_set(e, ERR_SETUP, errno, "make %s", path)
						     : 0;
	return r < 0 ? r : mount_attach(tree_fd, j->store_fd, path, e);
}

/*
 * The kernel refuses an overlay over a directory with (locked) mounts below it. Then the directory
 * is bound read-only with all that is mounted there; /etc, whose parts must be hidden and written,
 * is copied instead.
 */
static int show_without_overlay(struct jail *j, const struct jail_shown *d, struct err *e)
{
	char path[32];
	snprintf(path, sizeof(path), "/%s", d->name);
	if (!strcmp(d->name, "etc")) {
		int r = etc_copy(j, e);
		if (r == 0)
			jail_degrade(j, CONTROL_OVERLAY_ROOT,
				"/etc is a copy: something is mounted below it on the host");
		return r;
	}
	auto_close int tree = mount_clone(AT_FDCWD, path, true, e);
	int r = tree < 0 ? tree : mount_set(tree, MOUNT_SAFE | SYS_MOUNT_ATTR_RDONLY, true, e);
	if (r == 0)
		r = mount_attach(tree, j->root_fd, d->name, e);
	if (r == 0)
		jail_degrade(j, CONTROL_OVERLAY_ROOT,
			"%s is read-only: something is mounted below it on the host", path);
	return r;
}

static int show_dir(struct jail *j, const struct jail_shown *d, struct err *e)
{
	char path[64];
	static const char *const parts[] = { "upper", "work" };
	int r = make_dir(j->root_fd, d->name, 0755, e);
	for (size_t i = 0; r == 0 && i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s", parts[i], d->name);
		r = make_dir(j->store_fd, path, 0755, e);
	}
	if (r == 0 && !strcmp(d->name, "etc"))
		r = etc_prepare_upper(j, e);
	if (r < 0)
		return r;

	snprintf(path, sizeof(path), "/%s", d->name);
	if (d->tree_fd >= 0) {
		r = image_lower(j, d->name, d->tree_fd, e);
		snprintf(path, sizeof(path), "lower/%s", d->name);
	}
	auto_close int fd = r < 0 ? r : image_overlay(j, d->name, path, e);
	if (fd == -ENOENT && unlinkat(j->root_fd, d->name, AT_REMOVEDIR) == 0)
		return 0; /* it went meanwhile, with its package: it is not shown */
	if (fd == -EINVAL || fd == -EPERM)
		return show_without_overlay(j, d, e);
	return fd < 0 ? fd : mount_attach(fd, j->root_fd, d->name, e);
}

/* The new root has to be a mount of its own: a bind of the store's root/. */
static int open_skeleton_root(struct jail *j, struct err *e)
{
	auto_close int tree = mount_clone(j->store_fd, "root", false, e);
	int r = tree < 0 ? tree : mount_attach(tree, j->store_fd, "root", e);
	if (r == 0)
		j->root_fd = fd_take(&tree);
	return r;
}

int step_host_image(struct jail *j, struct err *e)
{
	static const struct {
		const char *name;
		mode_t mode;
	} skeleton[] = {
		{ "proc", 0555 },
		{ "sys", 0555 },
		{ "dev", 0755 },
		{ "home", 0755 },
		{ "root", 0700 },
		{ "tmp", 01777 },
		{ "run", 0755 },
		{ "run/lock", 01777 },
		{ "var", 0755 },
		{ "var/tmp", 01777 },
		{ "var/lib", 0755 },
		{ "var/cache", 0755 },
		{ "var/log", 0755 },
		{ "mnt", 0755 },
		{ "opt", 0755 },
		{ "srv", 0755 },
	};
	int r = open_skeleton_root(j, e);
	for (size_t i = 0; r == 0 && i < sizeof(skeleton) / sizeof(skeleton[0]); i++)
		r = make_dir(j->root_fd, skeleton[i].name, skeleton[i].mode, e);
	if (r == 0 && (symlinkat("../run", j->root_fd, "var/run") < 0 ||
			      symlinkat("../run/lock", j->root_fd, "var/lock") < 0))
		r = err_set(e, ERR_SETUP, errno, "make links in /var");
	for (size_t i = 0; r == 0 && i < j->n_shown; i++) {
		const struct jail_shown *d = &j->shown[i];
		if (!d->link[0])
			r = show_dir(j, d, e);
		else if (symlinkat(d->link, j->root_fd, d->name) < 0)
			r = err_set(e, ERR_SETUP, errno, "make link /%s", d->name);
		if (r < 0)
			err_wrap(e, "show /%s", d->name);
	}
	if (r == 0)
		jail_enforce(j, CONTROL_OVERLAY_ROOT);
	return r;
}

/* What every image must have; a symlink there is refused, not followed. */
static int complete_dir_image(struct jail *j, struct err *e)
{
	static const char *const needed[] = { "/proc", "/dev", "/tmp", "/run", "/etc", "/home",
		"/var/tmp" };
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		auto_close int fd = mount_target(j->root_fd, needed[i], true, e);
		if (fd < 0) {
			err_hint(e, "make it a directory in the image");
			return fd;
		}
	}
	/* /tmp and /run are private and empty, whatever the image holds there. */
	static const struct {
		const char *name;
		mode_t mode;
	} fresh[] = { { "tmp", 01777 }, { "run", 0755 } };
	for (size_t i = 0; i < 2; i++) {
		int r = make_dir(j->store_fd, fresh[i].name, fresh[i].mode, e);
		auto_close int tree = r < 0 ? r : mount_clone(j->store_fd, fresh[i].name, false, e);
		r = tree < 0 ? tree : mount_attach(tree, j->root_fd, fresh[i].name, e);
		if (r < 0)
			return r;
	}
	return 0;
}

int step_dir_image(struct jail *j, struct err *e)
{
	auto_close int tree = jail_source_tree(j, &j->image, false, e);
	int r = tree < 0 ? tree : image_lower(j, "image", tree, e);
	if (r == 0)
		r = make_dir(j->store_fd, "upper/image", 0755, e);
	if (r == 0)
		r = make_dir(j->store_fd, "work/image", 0755, e);
	if (r < 0)
		return r;
	auto_close int fd = image_overlay(j, "image", "lower/image", e);
	if (fd < 0) {
		err_hint(e, "the image must be a directory without mounts below it, on a "
			    "filesystem that overlayfs takes as a lower layer");
		return fd;
	}
	r = mount_attach(fd, j->store_fd, "root", e);
	if (r < 0)
		return r;
	j->root_fd = fd_take(&fd);
	r = complete_dir_image(j, e);
	if (r == 0)
		jail_enforce(j, CONTROL_OVERLAY_ROOT);
	return r;
}

static int make_home(struct jail *j, struct err *e)
{
	auto_close int home = mount_target(j->root_fd, PLAN_AGENT_HOME, true, e);
	if (home < 0) {
		if (j->plan->image != PLAN_IMAGE_HOST && (home == -EACCES || home == -EOVERFLOW))
			err_hint(e, "make the directory in the image, or put the image on a "
				    "filesystem whose owners can be mapped on this kernel "
				    "(dayfly doctor: idmapped-mount)");
		return home;
	}
	uid_t uid = j->mode == WARDEN_MODE_SINGLE ? jail_task_uid(j) : PLAN_AGENT_ID;
	if (fchownat(home, "", uid, uid, AT_EMPTY_PATH) < 0)
		return err_set(e, ERR_SETUP, errno, "give %s to the task", PLAN_AGENT_HOME);
	return 0;
}

int step_image_files(struct jail *j, struct err *e)
{
	int r = make_home(j, e);
	return r < 0 || j->plan->image == PLAN_IMAGE_HOST ? r : etc_complete_image(j, e);
}
