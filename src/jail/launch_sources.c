/* The user's directories and files of a request, and its image: what they are, whether they may be
 * used, and as mounts. Runs in the warden. */
#include "jail/launch_priv.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "jail/idmap.h"
#include "jail/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static int source_failed(
	struct err *e, const char *field, const struct jail_source *s, int errnum, const char *what)
{
	err_set_field(e, ERR_SOURCE, field, "%.200s: %s%s%s", s->path ? s->path : "the descriptor",
		what, errnum ? ": " : "", errnum ? strerror(errnum) : "");
	e->errnum = errnum ? errnum : EINVAL;
	return -e->errnum;
}

/* Finds out what a source is and where it lies. Only directories and regular files are taken. */
static int examine_source(struct jail_source *s, const char *field, struct stat *st, struct err *e)
{
	char link[64], path[PATH_MAX];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", s->fd);
	ssize_t n = readlink(link, path, sizeof(path) - 1);
	struct statx sx;
	/* What is known of it will do: a filesystem that asks its server (FUSE, NFS) would have the
	 * warden wait for it. */
	if (n < 0 ||
		statx(s->fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC,
			STATX_TYPE | STATX_UID | STATX_GID | STATX_INO | STATX_MNT_ID, &sx) < 0)
		return source_failed(e, field, s, errno, "look at it");
	*st = (struct stat){
		.st_dev = makedev(sx.stx_dev_major, sx.stx_dev_minor),
		.st_ino = sx.stx_ino,
		.st_mode = sx.stx_mode,
		.st_uid = sx.stx_uid,
		.st_gid = sx.stx_gid,
	};
	path[n] = '\0';
	s->path = strdup(path);
	if (!s->path)
		return source_failed(e, field, s, ENOMEM, "look at it");
	if (!S_ISDIR(st->st_mode) && !S_ISREG(st->st_mode))
		return source_failed(e, field, s, 0, "is neither a directory nor a regular file");
	s->is_dir = S_ISDIR(st->st_mode);
	s->dev = st->st_dev;
	s->ino = st->st_ino;
	s->mount = sx.stx_mask & STATX_MNT_ID ? sx.stx_mnt_id : 0;
	return 0;
}

/*
 * The lower layer of an overlay is one mount. In root mode the kernel would clone it from under the
 * mounts that lie on it, and what those hide would show.
 */
static int check_one_mount(struct warden *w, const struct jail_source *s, const char *field,
	const char *hint, struct err *e)
{
	if (!host_mounts_are_below(&w->host_mounts, s->path))
		return 0;
	int r = source_failed(e, field, s, 0, "something is mounted below it");
	err_hint(e, "%s", hint);
	return r;
}

/* The id map of a source in root mode. Only root's own requests see more than the client's ids. */
static int make_source_map(struct warden *w, const struct warden_jail *j,
	const struct plan_mount *m, const struct stat *st, struct err *e)
{
	char uid_map[IDMAP_TEXT_SIZE], gid_map[IDMAP_TEXT_SIZE];
	uint32_t base = ids_slot_base(&w->ids, j->slot);
	uint32_t inside = j->plan->user == PLAN_USER_ROOT ? 0 : PLAN_AGENT_ID;
	bool writable = m->mode == PLAN_MODE_RW;
	if (m->is_own && j->plan->user == PLAN_USER_AGENT) {
		int kept = ids_own_namespace(&w->ids, j->slot, st->st_uid, st->st_gid, e);
		int ns = kept < 0 ? kept : fcntl(kept, F_DUPFD_CLOEXEC, 3);
		if (ns >= 0)
			return ns;
	}
	if (j->peer.uid != 0 && !m->is_own) {
		idmap_text_single(uid_map, j->peer.uid, base + inside);
		idmap_text_groups(gid_map, base, inside, &j->peer);
	} else if (writable || m->is_own) {
		idmap_text_single(uid_map, st->st_uid, base + inside);
		idmap_text_single(gid_map, st->st_gid, base + inside);
	} else {
		idmap_text_swap(uid_map, base, st->st_uid, inside);
		idmap_text_swap(gid_map, base, st->st_gid, inside);
	}
	return ids_make_namespace(uid_map, gid_map, e);
}

/* A detached, idmapped mount of a source; -1 in tree_fd outside root mode. */
static int map_source(struct warden *w, struct warden_jail *j, struct jail *in,
	struct jail_source *s, const struct stat *st, const struct plan_mount *m, bool is_layer,
	const char *field, struct err *e)
{
	bool writable = m->mode == PLAN_MODE_RW;
	if (w->ids.mode != WARDEN_MODE_ROOT)
		return 0;
	if (is_layer) {
		int r = check_one_mount(w, s, field,
			"a directory that is shown as cow, or in part, cannot have mounts below "
			"it; "
			"use mode ro or rw, or unmount them",
			e);
		if (r < 0)
			return r;
	}
	auto_close int ns = make_source_map(w, j, m, st, e);
	if (ns < 0)
		return ns;
	bool recursive = !is_layer;
	auto_close int tree = mount_clone(s->fd, "", recursive, e);
	if (tree < 0)
		return source_failed(e, field, s, -tree,
			"it cannot be mounted (is it in another mount namespace?)");
	int r = idmap_apply(tree, ns, recursive);
	if (r < 0 && writable) {
		source_failed(e, field, s, -r,
			"its filesystem has no idmapped mounts, so the task could not write there");
		err_hint(e, "use mode cow or ro, or put it on ext4, xfs, btrfs or tmpfs");
		return r;
	}
	if (r < 0)
		jail_degrade(in, CONTROL_IDMAPPED_IMAGE, "%.60s: owners show as nobody (%s)", field,
			strerror(-r));
	s->tree_fd = fd_take(&tree);
	return 0;
}

/*
 * Whether the administrator lets a source lie where it does. Judged is where the descriptor leads,
 * not what the request named: links and ".." are behind us. A path that a client's own mount
 * namespace makes up goes no further: such a descriptor cannot be mounted in root mode, and
 * elsewhere the path is opened again and must lead to the same inode.
 */
static int check_place(
	const struct jail_source *s, char *const *roots, const char *field, struct err *e)
{
	if (plan_path_is_below(s->path, roots))
		return 0;
	err_set_field(e, ERR_NOT_ALLOWED, field,
		"%.200s is in no directory that this daemon allows here", s->path);
	err_hint(e,
		roots && roots[0]
			? "allowed: %s%s; [images] and [workspaces] of dayflyd.conf say what is"
			: "this daemon allows none%s%s",
		roots && roots[0] ? roots[0] : "",
		roots && roots[0] && roots[1] ? " and others" : "");
	return -EACCES;
}

static int take_source(const struct warden_jail *j, const struct plan_source *p, size_t nth,
	struct jail_source *s, const char *field, struct stat *st, struct err *e)
{
	s->fd = p->fd_index >= 0 ? j->sources[p->fd_index] : j->opened[nth];
	if (s->fd < 0)
		return err_set_field(e, ERR_SOURCE, field, "no descriptor came with the request");
	int r = examine_source(s, field, st, e);
	return r < 0 ? r
		     : check_place(s, nth == 0 ? j->plan->image_roots : j->plan->workspace_roots,
			       field, e);
}

/* A directory that the daemon says is its own must be its user's: of others' files the task would
 * get the owner's rights. */
static int check_own(const struct warden *w, const struct jail_source *s, const struct stat *st,
	const char *field, struct err *e)
{
	if (s->is_dir && w->has_owner && st->st_uid == w->owner_uid)
		return 0;
	err_set_field(
		e, ERR_NOT_ALLOWED, field, "%.200s is no directory of the daemon's own", s->path);
	return -EACCES;
}

static int take_mount(const struct warden *w, const struct warden_jail *j,
	const struct plan_mount *m, size_t nth, struct jail_source *s, const char *field,
	struct stat *st, struct err *e)
{
	if (!m->is_own)
		return take_source(j, &m->source, nth, s, field, st, e);
	s->fd = j->sources[m->source.fd_index];
	if (s->fd < 0)
		return err_set_field(e, ERR_SOURCE, field, "no descriptor came with the request");
	int r = examine_source(s, field, st, e);
	return r < 0 ? r : check_own(w, s, st, field, e);
}

/* The image's own ids: all of them for root's requests; else the client's files are root's inside,
 * and others belong to nobody. */
static int map_image(struct warden *w, struct warden_jail *j, struct jail *in, struct err *e)
{
	if (w->ids.mode != WARDEN_MODE_ROOT)
		return 0;
	int below = check_one_mount(w, &in->image, "task.image",
		"the image must be a directory without mounts below it", e);
	if (below < 0)
		return below;
	auto_close int tree = mount_clone(in->image.fd, "", false, e);
	if (tree < 0)
		return source_failed(e, "task.image", &in->image, -tree, "it cannot be mounted");
	char uid_map[IDMAP_TEXT_SIZE], gid_map[IDMAP_TEXT_SIZE];
	if (j->peer.uid == 0) {
		idmap_text_swap(uid_map, ids_slot_base(&w->ids, j->slot), 0, 0);
		idmap_text_swap(gid_map, ids_slot_base(&w->ids, j->slot), 0, 0);
	} else {
		idmap_text_single(uid_map, j->peer.uid, ids_slot_base(&w->ids, j->slot));
		idmap_text_single(gid_map, j->peer.gid, ids_slot_base(&w->ids, j->slot));
	}
	auto_close int ns = ids_make_namespace(uid_map, gid_map, e);
	int r = ns < 0 ? ns : idmap_apply(tree, ns, false);
	if (r < 0)
		jail_degrade(in, CONTROL_IDMAPPED_IMAGE, "image: owners show as nobody (%s)",
			strerror(-r));
	else
		jail_enforce(in, CONTROL_IDMAPPED_IMAGE);
	in->image.tree_fd = fd_take(&tree);
	return 0;
}

int launch_look_at_image(const struct warden_jail *j, struct jail_source *s, struct err *e)
{
	struct stat st;
	int r = take_source(j, &j->plan->image_source, 0, s, "task.image", &st, e);
	if (r == 0 && !s->is_dir)
		r = source_failed(e, "task.image", s, ENOTDIR, "an image is a directory");
	return r;
}

int launch_take_image(struct warden *w, struct warden_jail *j, struct jail *in, struct err *e)
{
	int r = launch_look_at_image(j, &in->image, e);
	return r < 0 ? r : map_image(w, j, in, e);
}

int launch_take_sources(struct warden *w, struct warden_jail *j, struct jail *in, struct err *e)
{
	const struct plan *p = j->plan;
	struct stat st;
	int r = 0;
	if (p->has_workspace) {
		r = take_mount(w, j, &p->workspace, 1, &in->workspace, "task.workspace", &st, e);
		if (r == 0 && !in->workspace.is_dir)
			r = source_failed(e, "task.workspace", &in->workspace, ENOTDIR,
				"a workspace is a directory");
		if (r == 0)
			r = map_source(w, j, in, &in->workspace, &st, &p->workspace,
				plan_workspace_is_layer(p), "task.workspace", e);
	}
	for (size_t i = 0; r == 0 && i < p->n_mounts; i++) {
		char field[48];
		snprintf(field, sizeof(field), "task.mounts[%zu]", i);
		r = take_mount(w, j, &p->mounts[i], 2 + i, &in->mounts[i], field, &st, e);
		if (r == 0)
			r = map_source(w, j, in, &in->mounts[i], &st, &p->mounts[i],
				p->mounts[i].mode == PLAN_MODE_COW, field, e);
	}
	return r < 0 ? r : tars_prepare(w, j, in, e);
}
