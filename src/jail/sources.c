/* The user's own directories and files inside the jail: the workspace and the extra mounts. */
#include "jail/image.h"
#include "jail/layer.h"
#include "jail/mount.h"
#include "jail/steps.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

/*
 * Rootless, a descriptor of the host's mount namespace cannot be cloned from ours: the path is
 * opened again in our copy of the mounts, and must lead to the very same inode.
 */
static int reopen_source(const struct jail_source *s, struct err *e)
{
	auto_close int fd = sys_openat2(
		AT_FDCWD, s->path, O_PATH, 0, RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS);
	if (fd < 0)
		return err_set(e, ERR_SOURCE, -fd, "open %s again", s->path);
	struct stat st;
	if (fstat(fd, &st) < 0)
		return err_set(e, ERR_SOURCE, errno, "stat %s", s->path);
	if (st.st_dev != s->dev || st.st_ino != s->ino)
		return err_set(e, ERR_SOURCE, ESTALE,
			"%s is not what was opened before: it was moved, replaced or mounted over",
			s->path);
	return fd_take(&fd);
}

int jail_source_tree(struct jail *j, const struct jail_source *s, bool recursive, struct err *e)
{
	if (s->tree_fd >= 0) {
		int fd = fcntl(s->tree_fd, F_DUPFD_CLOEXEC, 3);
		return fd < 0 ? err_set(e, ERR_SETUP, errno, "duplicate a descriptor") : fd;
	}
	auto_close int fd = reopen_source(s, e);
	return fd < 0 ? fd : mount_clone(fd, "", recursive, e);
}

static int attach_source(
	struct jail *j, int tree, const struct jail_source *s, const char *target, struct err *e)
{
	auto_close int at = mount_target(j->root_fd, target, s->is_dir, e);
	return at < 0 ? at : mount_attach(tree, at, "", e);
}

static int bind_source(
	struct jail *j, const struct jail_source *s, const struct plan_mount *m, struct err *e)
{
	auto_close int tree = jail_source_tree(j, s, true, e);
	if (tree < 0)
		return tree;
	unsigned attrs = MOUNT_SAFE | (m->mode == PLAN_MODE_RO ? SYS_MOUNT_ATTR_RDONLY : 0);
	int r = mount_set(tree, attrs, true, e);
	return r < 0 ? r : attach_source(j, tree, s, m->target, e);
}

static int show_source(struct jail *j, const struct jail_source *s, const struct plan_mount *m,
	const char *name, struct err *e)
{
	bool is_workspace = s == &j->workspace;
	if (is_workspace ? !plan_workspace_is_layer(j->plan) : m->mode != PLAN_MODE_COW)
		return bind_source(j, s, m, e);
	const struct layer l = { s, name, is_workspace ? j->plan->hidden : NULL,
		m->mode == PLAN_MODE_COW };
	auto_close int fd = layer_mount(j, &l, e);
	return fd < 0 ? fd : attach_source(j, fd, s, m->target, e);
}

int step_workspace(struct jail *j, struct err *e)
{
	int r = show_source(j, &j->workspace, &j->plan->workspace, LAYER_WORKSPACE, e);
	if (r < 0 && !e->field[0])
		snprintf(e->field, sizeof(e->field), "task.workspace");
	return r;
}

int step_extra_mounts(struct jail *j, struct err *e)
{
	for (size_t i = 0; i < j->plan->n_mounts; i++) {
		char name[32];
		snprintf(name, sizeof(name), "mount-%zu", i);
		int r = show_source(j, &j->mounts[i], &j->plan->mounts[i], name, e);
		if (r < 0) {
			snprintf(e->field, sizeof(e->field), "task.mounts[%zu]", i);
			return r;
		}
	}
	return 0;
}
