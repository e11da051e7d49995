/* Layers over the client's directories: see layer.h. Runs in jail init, in the store. */
#include "jail/layer.h"
#include "jail/hide.h"
#include "jail/image.h"

#include "base/fd.h"
#include "base/str.h"

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

/* The store's hide/NAME, filled. */
static int make_hidden(struct jail *j, const struct layer *l, int tree, struct err *e)
{
	char path[64];
	snprintf(path, sizeof(path), "hide/%s", l->name);
	if ((mkdirat(j->store_fd, "hide", 0755) < 0 && errno != EEXIST) ||
		mkdirat(j->store_fd, path, 0755) < 0)
		return err_set(e, ERR_SETUP, errno, "make %s", path);
	auto_close int fd = open_part(j, "hide", l->name);
	return fd < 0 ? err_set(e, ERR_SETUP, errno, "open %s", path)
		      : hide_fill(fd, tree, l->hidden, e);
}

/* What was there before the task, as the task saw it; and what it has made of it. */
static int keep_parts(struct jail *j, const struct layer *l, const char *lower, struct err *e)
{
	j->upper_fd = open_part(j, "upper", l->name);
	if (!strv_len(l->hidden)) {
		j->lower_fd = open_part(j, "lower", l->name);
		return 0;
	}
	auto_close int fd = image_overlay_fixed(lower, e);
	if (fd >= 0)
		j->lower_fd = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? fd : 0;
}

static int make_private(
	struct jail *j, const struct layer *l, int tree, const char *lower, struct err *e)
{
	int r = make_task_dir(j, "upper", l->name, e);
	if (r == 0)
		r = make_task_dir(j, "work", l->name, e);
	if (r == 0)
		r = copy_mode(j, tree, l->name, e);
	return r == 0 && !strcmp(l->name, LAYER_WORKSPACE) ? keep_parts(j, l, lower, e) : r;
}

int layer_mount(struct jail *j, const struct layer *l, struct err *e)
{
	char lower[128];
	bool hides = strv_len(l->hidden) > 0;
	if (!l->source->is_dir)
		return err_set(e, ERR_SOURCE, ENOTDIR, "only a directory can be shown as cow");
	auto_close int tree = jail_source_tree(j, l->source, false, e);
	if (tree < 0) {
		err_hint(e, "a directory that is shown as cow, or in part, cannot have mounts "
			    "below it; use mode ro or rw, or unmount them");
		return tree;
	}
	snprintf(lower, sizeof(lower), "%s%s%slower/%s", hides ? "hide/" : "", hides ? l->name : "",
		hides ? ":" : "", l->name);
	int r = image_lower(j, l->name, tree, e);
	if (r == 0 && hides)
		r = make_hidden(j, l, tree, e);
	if (r == 0 && l->is_private)
		r = make_private(j, l, tree, lower, e);
	if (r < 0)
		return r;
	int fd =
		l->is_private ? image_overlay(j, l->name, lower, e) : image_overlay_fixed(lower, e);
	if (fd < 0)
		err_hint(e, "this directory cannot be the lower layer of an overlay; use mode ro "
			    "or rw, and show all of it");
	return fd;
}
