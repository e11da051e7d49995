/* Private layers over the client's directories: see layer.h. Runs in jail init, in the store. */
#include "jail/layer.h"
#include "jail/image.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static int make_task_dir(struct jail *j, const char *part, const char *name, struct err *e)
{
	char path[64];
	snprintf(path, sizeof(path), "%s/%s", part, name);
	if (mkdirat(j->store_fd, path, 0755) < 0 ||
		fchownat(j->store_fd, path, jail_task_uid(j), jail_task_uid(j), 0) < 0)
		return err_set(e, ERR_SETUP, errno, "make %s", path);
	return 0;
}

static int open_part(struct jail *j, const char *part, const char *name)
{
	char path[64];
	snprintf(path, sizeof(path), "%s/%s", part, name);
	return openat(j->store_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* The merged directory shows the mode of the upper one. */
static int copy_mode(struct jail *j, int tree, const char *name, struct err *e)
{
	char path[64];
	struct stat st;
	snprintf(path, sizeof(path), "upper/%s", name);
	if (fstat(tree, &st) < 0 || fchmodat(j->store_fd, path, st.st_mode & 0777, 0) < 0)
		return err_set(e, ERR_SETUP, errno, "give %s its mode", path);
	return 0;
}

int layer_mount(struct jail *j, const struct jail_source *s, const char *name, struct err *e)
{
	char lower[64];
	if (!s->is_dir)
		return err_set(e, ERR_SOURCE, ENOTDIR, "only a directory can be shown as cow");
	auto_close int tree = jail_source_tree(j, s, false, e);
	if (tree < 0) {
		err_hint(e, "a directory that is shown as cow cannot have mounts below it; use "
			    "mode ro or rw, or unmount them");
		return tree;
	}
	int r = image_lower(j, name, tree, e);
	if (r == 0)
		r = make_task_dir(j, "upper", name, e);
	if (r == 0)
		r = make_task_dir(j, "work", name, e);
	if (r == 0)
		r = copy_mode(j, tree, name, e);
	if (r < 0)
		return r;
	if (!strcmp(name, LAYER_WORKSPACE)) {
		j->lower_fd = open_part(j, "lower", name);
		j->upper_fd = open_part(j, "upper", name);
	}
	snprintf(lower, sizeof(lower), "lower/%s", name);
	int fd = image_overlay(j, name, lower, e);
	if (fd < 0)
		err_hint(e, "this directory cannot be the lower layer of an overlay; use mode ro "
			    "or rw");
	return fd;
}
