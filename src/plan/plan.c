/* Plans: names, life and rules. See plan.h. */
#include "plan/plan.h"

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/path.h"
#include "base/str.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define NAME_FN(fn, type, ...)                                                                     \
	const char *fn(type v)                                                                     \
	{                                                                                          \
		static const char *const names[] = { __VA_ARGS__ };                                \
		return (unsigned)v < ARRAY_SIZE(names) ? names[v] : "?";                           \
	}

NAME_FN(plan_user_name, enum plan_user, "agent", "root")
NAME_FN(plan_network_name, enum plan_network, "none", "host")
NAME_FN(plan_profile_name, enum plan_profile, "dev", "strict")
NAME_FN(plan_image_name, enum plan_image, "host", "dir")
NAME_FN(plan_controller_name, enum plan_controller, "memory", "pids", "cpu", "io")
NAME_FN(plan_mode_name, enum plan_mode, "cow", "ro", "rw")

struct plan *plan_create(void)
{
	struct plan *p = calloc(1, sizeof(*p));
	if (p) {
		p->image_source.fd_index = -1;
		p->workspace.source.fd_index = -1;
		p->changes_fd_index = p->artifacts_fd_index = -1;
	}
	return p;
}

static void mount_finish(struct plan_mount *m)
{
	free(m->source.path);
	free(m->target);
}

void plan_destroy(struct plan *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n_mounts; i++)
		mount_finish(&p->mounts[i]);
	free(p->mounts);
	for (size_t i = 0; i < p->n_inputs; i++)
		free(p->inputs[i].path);
	free(p->inputs);
	for (size_t i = 0; i < p->n_tars; i++)
		free(p->tars[i].target);
	free(p->tars);
	for (size_t i = 0; i < p->n_artifacts; i++)
		free(p->artifacts[i].glob);
	free(p->artifacts);
	mount_finish(&p->workspace);
	free(p->image_source.path);
	free(p->cwd);
	strv_free(p->env);
	strv_free(p->image_roots);
	strv_free(p->workspace_roots);
	strv_free(p->hidden);
	strv_free(p->argv);
	free(p->task);
	free(p);
}

static size_t count_source(int fd_index, size_t n)
{
	return fd_index >= 0 && (size_t)fd_index >= n ? (size_t)fd_index + 1 : n;
}

bool plan_workspace_is_layer(const struct plan *p)
{
	return p->has_workspace && (p->workspace.mode == PLAN_MODE_COW || strv_len(p->hidden));
}

size_t plan_source_count(const struct plan *p)
{
	size_t n = 0;
	if (p->image == PLAN_IMAGE_DIR)
		n = count_source(p->image_source.fd_index, n);
	if (p->has_workspace)
		n = count_source(p->workspace.source.fd_index, n);
	for (size_t i = 0; i < p->n_mounts; i++)
		n = count_source(p->mounts[i].source.fd_index, n);
	for (size_t i = 0; i < p->n_tars; i++)
		n = count_source(p->tars[i].fd_index, n);
	n = count_source(p->changes_fd_index, n);
	return count_source(p->artifacts_fd_index, n);
}

static bool is_short_name(const char *part, size_t len)
{
	return len <= NAME_MAX && path_part_is_name(part, len);
}

bool plan_path_is_clean(const char *path)
{
	size_t len = strlen(path);
	return path[0] == '/' && len < LIMIT_PATH_BYTES &&
	       path_parts_are(path + 1, len - 1, is_short_name);
}

/* By whole components: /srv/ab is not below /srv/a. */
bool plan_path_is_below(const char *path, char *const *roots)
{
	for (; roots && *roots; roots++) {
		size_t len = strlen(*roots);
		if (len == 1 && **roots == '/' && path[0] == '/')
			return true;
		if (!strncmp(path, *roots, len) && (path[len] == '\0' || path[len] == '/'))
			return true;
	}
	return false;
}

static int check_roots(char *const *roots, const char *field, struct err *e)
{
	size_t n = strv_len(roots);
	if (n > LIMIT_ROOTS)
		return err_set_field(e, ERR_TOO_LARGE, field, "%zu allowed directories; at most %d",
			n, LIMIT_ROOTS);
	for (size_t i = 0; i < n; i++)
		if (strcmp(roots[i], "/") != 0 && !plan_path_is_clean(roots[i]))
			return err_set_field(e, ERR_BAD_VALUE, field,
				"an allowed directory is not a clean absolute path");
	return 0;
}

static int check_source(const struct plan_source *s, const char *field, struct err *e)
{
	if (s->fd_index >= 0)
		return s->fd_index < LIMIT_REQUEST_FDS
			       ? 0
			       : err_set_field(e, ERR_OUT_OF_RANGE, field,
					 "descriptor number is above %d", LIMIT_REQUEST_FDS - 1);
	if (!s->path || s->path[0] != '/' || strlen(s->path) >= LIMIT_PATH_BYTES)
		return err_set_field(e, ERR_BAD_VALUE, field,
			"must be an absolute path of less than %d bytes", LIMIT_PATH_BYTES);
	return 0;
}

bool plan_path_is_reserved(const char *target)
{
	static const char *const reserved[] = { "/proc", "/sys", "/dev" };
	for (size_t i = 0; i < ARRAY_SIZE(reserved); i++) {
		size_t len = strlen(reserved[i]);
		if (!strncmp(target, reserved[i], len) &&
			(target[len] == '\0' || target[len] == '/'))
			return true;
	}
	return false;
}

static int check_mount(const struct plan_mount *m, const char *field, struct err *e)
{
	if (m->mode >= PLAN_MODE_COUNT)
		return err_set_field(e, ERR_BAD_VALUE, field, "unknown mode");
	if (!m->target || !plan_path_is_clean(m->target))
		return err_set_field(e, ERR_BAD_VALUE, field,
			"target must be an absolute path below / without \".\", \"..\" or empty "
			"parts");
	if (plan_path_is_reserved(m->target))
		return err_set_field(e, ERR_BAD_VALUE, field,
			"nothing can be mounted at %s: the jail makes /proc, /sys and /dev itself",
			m->target);
	if (m->is_own && m->source.fd_index < 0)
		return err_set_field(e, ERR_BAD_VALUE, field,
			"the daemon's own directory comes as a descriptor");
	return check_source(&m->source, field, e);
}

static int check_hidden(const struct plan *p, struct err *e)
{
	static const char field[] = "task.workspace.hide";
	size_t n = strv_len(p->hidden), bytes = 0;
	if (n && (!p->has_workspace || p->workspace.mode == PLAN_MODE_RW)) {
		err_set_field(
			e, ERR_BAD_VALUE, field, "of a directory that is shown rw, all shows");
		err_hint(e, "show it as cow or ro");
		return -EINVAL;
	}
	for (size_t i = 0; i < n; i++) {
		bytes += strlen(p->hidden[i]) + 1;
		if (!plan_path_is_clean(p->hidden[i]))
			return err_set_field(e, ERR_BAD_VALUE, field,
				"entry %zu is not a path below the workspace, without \"..\"", i);
	}
	if (n <= LIMIT_HIDDEN && bytes <= LIMIT_HIDDEN_BYTES)
		return 0;
	return err_set_field(e, ERR_TOO_LARGE, field,
		"%zu paths of %zu bytes; at most %d of %u bytes together are allowed", n, bytes,
		LIMIT_HIDDEN, LIMIT_HIDDEN_BYTES);
}

static int check_strings(
	char *const *v, size_t max_count, size_t *total, const char *field, struct err *e)
{
	size_t n = strv_len(v);
	if (n > max_count)
		return err_set_field(e, ERR_TOO_LARGE, field,
			"%zu entries; at most %zu are allowed", n, max_count);
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(v[i]) + 1;
		if (len > LIMIT_ARG_BYTES)
			return err_set_field(e, ERR_TOO_LARGE, field,
				"entry %zu has %zu bytes; the kernel takes at most %u", i, len,
				LIMIT_ARG_BYTES);
		*total += len;
	}
	if (*total > LIMIT_EXEC_BYTES)
		return err_set_field(e, ERR_TOO_LARGE, field,
			"arguments and environment have over %u bytes", LIMIT_EXEC_BYTES);
	return 0;
}

static int check_command(const struct plan *p, struct err *e)
{
	size_t total = 0;
	if (!p->argv || !p->argv[0] || !p->argv[0][0])
		return err_set_field(e, ERR_BAD_VALUE, "task.argv",
			"must have at least one entry, and the first must not be empty");
	int r = check_strings(p->argv, LIMIT_ARGV_COUNT, &total, "task.argv", e);
	if (r == 0)
		r = check_strings(p->env, LIMIT_ENV_COUNT, &total, "task.env", e);
	for (char **v = p->env; r == 0 && v && *v; v++)
		if (**v == '=' || !strchr(*v, '='))
			r = err_set_field(
				e, ERR_BAD_VALUE, "task.env", "an entry has no name or no value");
	if (r == 0 && p->cwd && (p->cwd[0] != '/' || strlen(p->cwd) >= LIMIT_PATH_BYTES))
		r = err_set_field(
			e, ERR_BAD_VALUE, "task.cwd", "must be an absolute path inside the jail");
	return r;
}

static int check_limits(const struct plan_limits *l, struct err *e)
{
	if (!l->disk_bytes || !l->disk_inodes || !l->open_files || !l->processes)
		return err_set_field(e, ERR_OUT_OF_RANGE, "task.limits",
			"disk, inodes, open_files and processes must be above 0");
	if (l->memory_bytes && l->memory_bytes < PLAN_MEMORY_MIN)
		return err_set_field(e, ERR_OUT_OF_RANGE, "task.limits.memory",
			"at least %llu bytes", PLAN_MEMORY_MIN);
	if (l->memory_high_bytes && l->memory_high_bytes < PLAN_MEMORY_MIN)
		return err_set_field(e, ERR_OUT_OF_RANGE, "task.limits.memory_high",
			"at least %llu bytes", PLAN_MEMORY_MIN);
	if (l->swap_bytes && !l->memory_bytes)
		return err_set_field(e, ERR_BAD_VALUE, "task.limits.swap",
			"is only held beside task.limits.memory");
	if (l->cpu_weight > PLAN_CPU_WEIGHT_MAX)
		return err_set_field(e, ERR_OUT_OF_RANGE, "task.limits.cpu_weight", "at most %d",
			PLAN_CPU_WEIGHT_MAX);
	if (l->cpu_millis &&
		(l->cpu_millis < PLAN_CPU_MILLIS_MIN || l->cpu_millis > PLAN_CPU_MILLIS_MAX))
		return err_set_field(e, ERR_OUT_OF_RANGE, "task.limits.cpus",
			"%d to %llu thousandths of a CPU", PLAN_CPU_MILLIS_MIN,
			PLAN_CPU_MILLIS_MAX);
	if (l->pids > PLAN_PIDS_MAX)
		return err_set_field(
			e, ERR_OUT_OF_RANGE, "task.limits.pids", "at most %d", PLAN_PIDS_MAX);
	return 0;
}

static int check_changes(const struct plan *p, struct err *e)
{
	if (p->changes_fd_index < 0)
		return 0;
	if (!p->has_workspace || p->workspace.mode != PLAN_MODE_COW) {
		err_set_field(e, ERR_BAD_VALUE, "task.changes",
			"there are none without a workspace of mode cow");
		err_hint(e, "leave it out, or show the workspace as cow");
		return -EINVAL;
	}
	if (p->changes_fd_index >= LIMIT_REQUEST_FDS)
		return err_set_field(e, ERR_OUT_OF_RANGE, "task.changes.fd",
			"descriptor number is above %d", LIMIT_REQUEST_FDS - 1);
	if (!p->changes_bytes || !p->changes_ms || p->changes_ms > LIMIT_CHANGES_MS)
		return err_set_field(e, ERR_OUT_OF_RANGE, "task.changes",
			"bytes and timeout must be above 0, and timeout at most %d seconds",
			LIMIT_CHANGES_MS / 1000);
	return 0;
}

int plan_check(const struct plan *p, struct err *e)
{
	if (p->user >= PLAN_USER_COUNT || p->network >= PLAN_NETWORK_COUNT ||
		p->profile >= PLAN_PROFILE_COUNT || p->image >= PLAN_IMAGE_COUNT)
		return err_set_field(
			e, ERR_BAD_VALUE, "task", "unknown user, network, profile or image kind");
	int r = check_command(p, e);
	if (r == 0 && p->image == PLAN_IMAGE_DIR)
		r = check_source(&p->image_source, "task.image", e);
	if (r == 0 && p->has_workspace)
		r = check_mount(&p->workspace, "task.workspace", e);
	if (r == 0)
		r = check_hidden(p, e);
	if (r == 0 && p->n_mounts > LIMIT_MOUNTS)
		r = err_set_field(e, ERR_TOO_LARGE, "task.mounts",
			"%zu mounts; at most %d are allowed", p->n_mounts, LIMIT_MOUNTS);
	if (r == 0)
		r = check_roots(p->image_roots, "task.image", e);
	if (r == 0)
		r = check_roots(p->workspace_roots, "task.workspace", e);
	for (size_t i = 0; r == 0 && i < p->n_mounts; i++)
		r = check_mount(&p->mounts[i], "task.mounts", e);
	if (r == 0)
		r = plan_check_inputs(p, e);
	if (r == 0)
		r = check_changes(p, e);
	if (r == 0)
		r = plan_check_artifacts(p, e);
	return r < 0 ? r : check_limits(&p->limits, e);
}
