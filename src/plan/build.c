/* Request -> plan: see build.h. */
#include "plan/build.h"

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/str.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int no_memory(struct err *e)
{
	return err_set(e, ERR_INTERNAL, ENOMEM, "build plan");
}

/* A given value, else the default, which never rises above the ceiling. */
static uint64_t value_or_default(uint64_t given, uint64_t fallback, uint64_t ceiling)
{
	if (given)
		return given;
	return ceiling && ceiling < fallback ? ceiling : fallback;
}

/*
 * The path as text only: repeated slashes, "." parts and the slash at the end go. ".." stays
 * (plan_check refuses it in targets): what it means depends on symlinks. NULL when memory is short.
 */
static char *clean_path(const char *path)
{
	char *out = malloc(strlen(path) + 2);
	if (!out)
		return NULL;
	size_t n = 0;
	for (const char *p = path; *p;) {
		size_t len = strcspn(p, "/");
		if (len && !(len == 1 && p[0] == '.')) {
			out[n++] = '/';
			memcpy(out + n, p, len);
			n += len;
		}
		p += len;
		p += *p == '/';
	}
	if (n == 0)
		out[n++] = '/';
	out[n] = '\0';
	return out;
}

static int build_source(const struct spec_source *in, const char *field, size_t n_fds,
	struct plan_source *out, struct err *e)
{
	char name[64];
	out->fd_index = -1;
	if (in->fd >= 0) {
		if ((uint64_t)in->fd >= n_fds) {
			snprintf(name, sizeof(name), "%s.fd", field);
			return err_set_field(e, ERR_BAD_VALUE, name,
				"descriptor %lld was not sent: %zu came with the request",
				(long long)in->fd, n_fds);
		}
		out->fd_index = (int)in->fd;
	} else if (!in->path) {
		return err_set_field(e, ERR_MISSING_FIELD, field, "needs \"path\" or \"fd\"");
	} else if (in->path[0] != '/') {
		snprintf(name, sizeof(name), "%s.path", field);
		err_set_field(e, ERR_BAD_VALUE, name, "must be absolute");
		err_hint(e, "the daemon does not know the client's current directory: send the "
			    "full path, or a descriptor");
		return -EINVAL;
	}
	if (in->path && !(out->path = strdup(in->path)))
		return no_memory(e);
	return 0;
}

/* fallback: the target where there is neither a target nor a path; NULL: that is an error. */
static int build_mount(const struct spec_mount *in, const char *field, const char *fallback,
	size_t n_fds, struct plan_mount *out, struct err *e)
{
	int r = build_source(&in->source, field, n_fds, &out->source, e);
	if (r < 0)
		return r;
	const char *target = in->target ? in->target : in->source.path;
	if (!target)
		target = fallback;
	if (!target) {
		char name[64];
		snprintf(name, sizeof(name), "%s.target", field);
		return err_set_field(
			e, ERR_MISSING_FIELD, name, "a descriptor without a path needs a target");
	}
	out->mode = (enum plan_mode)in->mode;
	/* A relative target is passed on as it is, for plan_check() to refuse. */
	out->target = target[0] == '/' ? clean_path(target) : strdup(target);
	return out->target ? 0 : no_memory(e);
}

/* "a/b/" -> "/a/b". An absolute one stays as it is not allowed to be, for plan_check(). */
static int build_hidden(char *const *hide, struct plan *p, struct err *e)
{
	size_t n = strv_len(hide);
	p->hidden = n ? calloc(n + 1, sizeof(*p->hidden)) : NULL;
	if (n && !p->hidden)
		return no_memory(e);
	for (size_t i = 0; i < n; i++) {
		p->hidden[i] = hide[i][0] == '/' ? strdup("/") : clean_path(hide[i]);
		if (!p->hidden[i])
			return no_memory(e);
	}
	return 0;
}

/* What is checked out comes as one more descriptor. */
static int build_origin(
	const struct task_spec *spec, size_t n_fds, struct plan_mount *out, struct err *e)
{
	const struct spec_mount tree = {
		.source = { .fd = (int64_t)n_fds },
		.target = spec->has_workspace ? spec->workspace.target : NULL,
		.mode = PLAN_MODE_COW,
	};
	if (n_fds >= LIMIT_REQUEST_FDS)
		return err_set_field(e, ERR_TOO_LARGE, "task.source",
			"beside it at most %d descriptors may be sent", LIMIT_REQUEST_FDS - 1);
	out->is_own = true;
	return build_mount(&tree, "task.workspace", BUILD_WORKSPACE_TARGET, n_fds + 1, out, e);
}

static int build_mounts(const struct task_spec *spec, size_t n_fds, struct plan *p, struct err *e)
{
	int r = 0;
	if (spec->has_source) {
		p->has_workspace = true;
		r = build_origin(spec, n_fds, &p->workspace, e);
	} else if (spec->has_workspace) {
		p->has_workspace = true;
		r = build_mount(&spec->workspace, "task.workspace", BUILD_WORKSPACE_TARGET, n_fds,
			&p->workspace, e);
		if (r == 0)
			r = build_hidden(spec->workspace.hide, p, e);
	}
	if (r < 0 || !spec->n_mounts)
		return r;
	if (spec->n_mounts > LIMIT_MOUNTS)
		return err_set_field(e, ERR_TOO_LARGE, "task.mounts",
			"%zu mounts; at most %d are allowed", spec->n_mounts, LIMIT_MOUNTS);
	p->mounts = calloc(spec->n_mounts, sizeof(*p->mounts));
	if (!p->mounts)
		return no_memory(e);
	for (size_t i = 0; r == 0 && i < spec->n_mounts; i++) {
		char field[48];
		snprintf(field, sizeof(field), "task.mounts[%zu]", i);
		p->n_mounts = i + 1;
		r = build_mount(&spec->mounts[i], field, NULL, n_fds, &p->mounts[i], e);
	}
	return r;
}

static int build_input(enum plan_input_kind kind, char *take_path, uint64_t mode, size_t len,
	struct plan *p, struct err *e)
{
	if (!take_path)
		return no_memory(e);
	if (len > UINT32_MAX) {
		free(take_path);
		return err_set_field(e, ERR_TOO_LARGE, "task.files", "too many bytes");
	}
	p->inputs[p->n_inputs++] = (struct plan_input){
		.kind = kind,
		.path = take_path,
		.mode = (uint16_t)mode,
		.bytes = (uint32_t)len,
	};
	return 0;
}

/* In the order in which task/inputs.c puts their contents. */
static int build_inputs(const struct task_spec *spec, struct plan *p, struct err *e)
{
	int r = 0;
	if (!spec->n_files && !spec->n_secrets)
		return 0;
	p->inputs = calloc(spec->n_files + spec->n_secrets, sizeof(*p->inputs));
	if (!p->inputs)
		return no_memory(e);
	for (size_t i = 0; r == 0 && i < spec->n_files; i++)
		r = build_input(PLAN_INPUT_FILE, clean_path(spec->files[i].path),
			spec->files[i].mode ? spec->files[i].mode : DEFAULT_FILE_MODE,
			spec->files[i].data_len, p, e);
	for (size_t i = 0; r == 0 && i < spec->n_secrets; i++)
		r = build_input(PLAN_INPUT_SECRET, strdup(spec->secrets[i].name), 0,
			spec->secrets[i].data_len, p, e);
	return r;
}

/* What names no place goes where the task starts. */
static int build_tars(const struct task_spec *spec, size_t n_fds, struct plan *p, struct err *e)
{
	p->tars = spec->n_tars ? calloc(spec->n_tars, sizeof(*p->tars)) : NULL;
	if (spec->n_tars && !p->tars)
		return no_memory(e);
	for (size_t i = 0; i < spec->n_tars; i++) {
		const struct spec_tar *t = &spec->tars[i];
		const char *target = t->target;
		char field[48];
		snprintf(field, sizeof(field), "task.tars[%zu].fd", i);
		if (t->fd >= 0 && (uint64_t)t->fd >= n_fds)
			return err_set_field(e, ERR_BAD_VALUE, field,
				"descriptor %lld was not sent: %zu came with the request",
				(long long)t->fd, n_fds);
		if (!target && p->has_workspace)
			target = p->workspace.target;
		else if (!target)
			target = p->user == PLAN_USER_ROOT ? "/root" : PLAN_AGENT_HOME;
		p->tars[p->n_tars++] = (struct plan_tar){
			.fd_index = (int)t->fd,
			.target = target[0] == '/' ? clean_path(target) : strdup(target),
		};
		if (!p->tars[i].target)
			return no_memory(e);
	}
	return 0;
}

static int build_changes(const struct task_spec *spec, size_t n_fds, struct build *b, struct err *e)
{
	const struct spec_changes *c = &spec->changes;
	if (!spec->has_changes)
		return 0;
	if ((uint64_t)c->fd >= n_fds)
		return err_set_field(e, ERR_BAD_VALUE, "task.changes.fd",
			"descriptor %lld was not sent: %zu came with the request", (long long)c->fd,
			n_fds);
	b->plan->changes_ms = (uint32_t)(c->timeout_ms ? c->timeout_ms : DEFAULT_CHANGES_MS);
	b->collect_ms += b->plan->changes_ms;
	b->plan->changes_fd_index = (int)c->fd;
	b->plan->changes_bytes = c->bytes ? c->bytes : DEFAULT_CHANGES_BYTES;
	return 0;
}

static int build_artifacts_to(
	const struct spec_artifacts *a, size_t n_fds, struct plan *p, struct err *e)
{
	const char *const field = "task.artifacts.fd";
	if (artifacts_want_spool(a))
		return a->fd < 0 ? 0
				 : err_set_field(e, ERR_BAD_VALUE, field,
					   "they go to one place: either there, or as events and "
					   "uploads");
	if (a->fd < 0) {
		err_set_field(e, ERR_MISSING_FIELD, field, "it is not said where they go");
		err_hint(e, "send the writable end of a pipe, say \"to\": \"events\", or name an "
			    "\"upload\"");
		return -EINVAL;
	}
	if ((uint64_t)a->fd >= n_fds)
		return err_set_field(e, ERR_BAD_VALUE, field,
			"descriptor %lld was not sent: %zu came with the request", (long long)a->fd,
			n_fds);
	p->artifacts_fd_index = (int)a->fd;
	return 0;
}

static uint64_t lesser(uint64_t asked, uint64_t most)
{
	return asked && asked < most ? asked : most;
}

/* After the limits. */
static int build_artifacts(
	const struct task_spec *spec, const struct build_input *in, struct build *b, struct err *e)
{
	const struct spec_artifacts *a = &spec->artifacts;
	struct plan *p = b->plan;
	if (!spec->has_artifacts)
		return 0;
	if (!a->n_files)
		return err_set_field(
			e, ERR_BAD_VALUE, "task.artifacts.files", "it is not said what to keep");
	p->artifacts = calloc(a->n_files, sizeof(*p->artifacts));
	if (!p->artifacts)
		return no_memory(e);
	for (size_t i = 0; i < a->n_files; i++) {
		const struct spec_artifact *f = &a->files[i];
		p->artifacts[p->n_artifacts++] = (struct plan_artifact){
			.glob = strdup(f->glob),
			.is_required = f->is_required,
			.bytes = lesser(f->bytes, p->artifacts_bytes),
			.count = (uint32_t)lesser(f->count, p->artifacts_count),
		};
		if (!p->artifacts[i].glob)
			return no_memory(e);
	}
	p->artifacts_ms = (uint32_t)(a->timeout_ms ? a->timeout_ms : DEFAULT_CHANGES_MS);
	b->collect_ms += p->artifacts_ms;
	return build_artifacts_to(a, in->n_fds, p, e);
}

bool artifacts_want_spool(const struct spec_artifacts *a)
{
	return a->to == ARTIFACTS_TO_EVENTS || a->has_upload;
}

static int build_command(
	const struct task_spec *spec, const char *task_id, struct plan *p, struct err *e)
{
	p->task = strdup(task_id);
	p->argv = spec->argv ? strv_copy(spec->argv) : NULL;
	p->env = spec->env ? strv_copy(spec->env) : NULL;
	p->cwd = spec->cwd ? strdup(spec->cwd) : NULL;
	if (!p->task || (spec->argv && !p->argv) || (spec->env && !p->env) ||
		(spec->cwd && !p->cwd))
		return no_memory(e);
	p->user = (enum plan_user)spec->user;
	p->network = (enum plan_network)spec->network;
	p->profile = (enum plan_profile)spec->profile;
	if (!spec->image || !strcmp(spec->image, "host"))
		return 0;
	if (spec->image[0] != '/') {
		err_set_field(
			e, ERR_BAD_VALUE, "task.image", "there is no image \"%s\"", spec->image);
		err_hint(e, "use \"host\", or the absolute path of a directory that holds a root "
			    "file system");
		return -EINVAL;
	}
	p->image = PLAN_IMAGE_DIR;
	p->image_source.path = strdup(spec->image);
	return p->image_source.path ? 0 : no_memory(e);
}

static int build_tty(const struct task_spec *spec, struct plan *p, struct err *e)
{
	if (spec->rows > UINT16_MAX || spec->cols > UINT16_MAX)
		return err_set_field(e, ERR_OUT_OF_RANGE,
			spec->rows > UINT16_MAX ? "task.rows" : "task.cols", "at most %d",
			UINT16_MAX);
	p->tty = spec->tty;
	p->rows = (uint16_t)spec->rows;
	p->cols = (uint16_t)spec->cols;
	p->has_stdin = !spec->tty && spec->stdin_mode == STDIN_STREAM;
	return 0;
}

static void add_degraded(struct build *b, const char *text)
{
	if (b->n_degraded < BUILD_DEGRADED_MAX)
		snprintf(b->degraded[b->n_degraded++], sizeof(b->degraded[0]), "%s", text);
}

#define ANY_CONTROLLER UINT32_MAX
#define NEEDS(c)       (1u << PLAN_CONTROLLER_##c)

/* The limits that only a cgroup can hold. `instead`: what a best effort without one comes to. */
static const struct cgroup_limit {
	const char *name;
	size_t spec_offset, plan_offset;
	uint32_t controllers; /* one of these is needed */
	uint32_t best_effort;
	const char *instead;
} cgroup_limits[] = {
#define LIMIT(name, spec_member, plan_member, needs, bit, instead)                                 \
	{                                                                                          \
		(name), offsetof(struct spec_limits, spec_member),                                 \
			offsetof(struct plan_limits, plan_member), (needs), BEST_EFFORT_##bit,     \
			(instead)                                                                  \
	}
	LIMIT("memory", memory_bytes, memory_bytes, NEEDS(MEMORY), MEMORY,
		"memory: holds for the data of each process by itself (RLIMIT_DATA), not for the "
		"task"),
	LIMIT("memory_high", memory_high_bytes, memory_high_bytes, NEEDS(MEMORY), MEMORY_HIGH,
		"memory_high: not held"),
	LIMIT("swap", swap_bytes, swap_bytes, NEEDS(MEMORY), SWAP, "swap: not held"),
	LIMIT("cpus", cpu_millis, cpu_millis, NEEDS(CPU), CPUS, "cpus: not held"),
	LIMIT("cpu_weight", cpu_weight, cpu_weight, NEEDS(CPU), CPU_WEIGHT, "cpu_weight: not held"),
	LIMIT("cpu_time", cpu_time_ms, cpu_time_ms, ANY_CONTROLLER, CPU_TIME,
		"cpu_time: holds for each process by itself (RLIMIT_CPU), not for the task"),
	LIMIT("pids", pids, pids, NEEDS(PIDS), PIDS, "pids: held by RLIMIT_NPROC, not by a cgroup"),
	LIMIT("io_read", io_read_bps, io_read_bps, NEEDS(IO), IO_READ, "io_read: not held"),
	LIMIT("io_write", io_write_bps, io_write_bps, NEEDS(IO), IO_WRITE, "io_write: not held"),
#undef LIMIT
};

static uint64_t spec_value(const struct spec_limits *l, const struct cgroup_limit *c)
{
	return *(const uint64_t *)((const char *)l + c->spec_offset);
}

static int refuse_limit(
	const struct cgroup_limit *c, bool is_asked_for, const char *why, struct err *e)
{
	char field[64];
	snprintf(field, sizeof(field), "task.limits.%s", c->name);
	err_set_field(e, ERR_UNENFORCEABLE, field, "this host cannot hold the limit: %s", why);
	if (is_asked_for)
		err_hint(e,
			"leave the limit out, run with --best-effort %s, or run dayflyd with "
			"cgroup v2 delegation (systemd: Delegate=yes)",
			c->name);
	else
		err_hint(e,
			"it is a default of this daemon: run with --best-effort %s, or set it to "
			"none in [defaults] of dayflyd.conf",
			c->name);
	return -EINVAL;
}

/*
 * What the cgroup of the task is to hold: refused where this host cannot, unless the request says
 * that its best is good enough. The default of pids is no promise: without a cgroup it is
 * RLIMIT_NPROC.
 */
static int build_cgroup_limits(const struct task_spec *spec, const struct spec_limits *effective,
	const struct build_input *in, struct build *b, struct err *e)
{
	struct plan_limits *l = &b->plan->limits;
	if (spec->limits.swap_bytes && !effective->memory_bytes)
		return err_set_field(e, ERR_BAD_VALUE, "task.limits.swap",
			"is only held beside a limit on memory: give that too");
	for (size_t i = 0; i < ARRAY_SIZE(cgroup_limits); i++) {
		const struct cgroup_limit *c = &cgroup_limits[i];
		/* Without memory's limit the default of swap has nothing to stand beside. */
		if (c->best_effort == BEST_EFFORT_SWAP && !effective->memory_bytes)
			continue;
		uint64_t value = spec_value(effective, c), asked = spec_value(&spec->limits, c);
		if (!value)
			continue;
		if (in->controllers & c->controllers) {
			*(uint64_t *)((char *)l + c->plan_offset) = value;
			continue;
		}
		if (!asked && c->best_effort == BEST_EFFORT_PIDS)
			continue;
		if (!(spec->best_effort & c->best_effort))
			return refuse_limit(c, asked, in->no_cgroup, e);
		add_degraded(b, c->instead);
	}
	if (!l->memory_bytes)
		l->data_bytes = effective->memory_bytes;
	if (!l->cpu_time_ms)
		l->cpu_ms = effective->cpu_time_ms;
	return 0;
}

/* A private layer on disk has no cap: one that is asked for is refused likewise. What is only a
 * default is told as degraded by the jail. */
static int build_disk_limits(
	const struct task_spec *spec, const struct build_input *in, struct build *b, struct err *e)
{
	const struct {
		const char *name;
		uint64_t asked;
		uint32_t bit;
		const char *instead;
	} limits[] = {
		{ "disk", spec->limits.disk_bytes, BEST_EFFORT_DISK,
			"disk: holds for each file by itself (RLIMIT_FSIZE), not for all" },
		{ "inodes", spec->limits.disk_inodes, BEST_EFFORT_INODES, "inodes: not held" },
	};
	for (size_t i = 0; in->is_upper_on_disk && i < ARRAY_SIZE(limits); i++) {
		if (!limits[i].asked)
			continue;
		if (!(spec->best_effort & limits[i].bit)) {
			char field[64];
			snprintf(field, sizeof(field), "task.limits.%s", limits[i].name);
			err_set_field(e, ERR_UNENFORCEABLE, field,
				"this host cannot hold the limit: the private layer is on disk, "
				"where nothing caps it");
			err_hint(e,
				"leave the limit out, run with --best-effort %s, or use Linux 6.6 "
				"or newer, where it can be in memory (upper = auto)",
				limits[i].name);
			return -EINVAL;
		}
		add_degraded(b, limits[i].instead);
	}
	struct plan_limits *l = &b->plan->limits;
	if (in->is_upper_on_disk && spec->limits.disk_bytes &&
		(!l->file_bytes || l->file_bytes > spec->limits.disk_bytes))
		l->file_bytes = spec->limits.disk_bytes;
	return 0;
}

/* What a task gets that asks for nothing, when the administrator says nothing else. */
static const struct spec_limits builtin_defaults = {
	.wall_ms = DEFAULT_WALL_MS,
	.grace_ms = DEFAULT_GRACE_MS,
	.queue_ms = DEFAULT_QUEUE_MS,
	.pids = DEFAULT_PROCESSES,
	.disk_bytes = DEFAULT_DISK_BYTES,
	.disk_inodes = DEFAULT_DISK_INODES,
	.output_bytes = DEFAULT_OUTPUT_BYTES,
	.open_files = DEFAULT_OPEN_FILES,
	.artifact_bytes = DEFAULT_ARTIFACT_BYTES,
	.artifact_count = LIMIT_ARTIFACTS,
};

static int build_limits(
	const struct task_spec *spec, const struct build_input *in, struct build *b, struct err *e)
{
	static const struct spec_limits none;
	const struct spec_limits *given = &spec->limits, *max = in->ceiling ? in->ceiling : &none;
	struct plan_limits *l = &b->plan->limits;

	const struct spec_limits *d = in->defaults ? in->defaults : &builtin_defaults;
	struct spec_limits effective = { 0 };

	b->wall_ms = value_or_default(given->wall_ms, d->wall_ms, max->wall_ms);
	b->grace_ms = value_or_default(given->grace_ms, d->grace_ms, max->grace_ms);
	b->idle_ms = value_or_default(given->idle_ms, d->idle_ms, max->idle_ms);
	b->queue_ms = value_or_default(given->queue_ms, d->queue_ms, max->queue_ms);
	b->output_bytes = value_or_default(given->output_bytes, d->output_bytes, max->output_bytes);
	l->disk_bytes = value_or_default(given->disk_bytes, d->disk_bytes, max->disk_bytes);
	l->disk_inodes = value_or_default(given->disk_inodes, d->disk_inodes, max->disk_inodes);
	l->open_files = value_or_default(given->open_files, d->open_files, max->open_files);
	l->file_bytes = value_or_default(given->file_bytes, d->file_bytes, max->file_bytes);
	b->plan->artifacts_bytes =
		value_or_default(given->artifact_bytes, d->artifact_bytes, max->artifact_bytes);
	b->plan->artifacts_count = (uint32_t)value_or_default(
		given->artifact_count, d->artifact_count, max->artifact_count);
	l->core_bytes = value_or_default(given->core_bytes, d->core_bytes, max->core_bytes);
	for (size_t i = 0; i < ARRAY_SIZE(cgroup_limits); i++) {
		const struct cgroup_limit *c = &cgroup_limits[i];
		*(uint64_t *)((char *)&effective + c->spec_offset) = value_or_default(
			spec_value(given, c), spec_value(d, c), spec_value(max, c));
	}
	b->memory_bytes = effective.memory_bytes;
	b->cpu_millis = effective.cpu_millis;
	/* Beside the cgroup's count, or in its place. */
	l->processes = effective.pids;
	if (l->open_files > in->open_files_hard) {
		if (given->open_files)
			return err_set_field(e, ERR_UNENFORCEABLE, "task.limits.open_files",
				"a task can have %llu open files here",
				(unsigned long long)in->open_files_hard);
		l->open_files = in->open_files_hard;
	}
	int r = build_disk_limits(spec, in, b, e);
	return r < 0 ? r : build_cgroup_limits(spec, &effective, in, b, e);
}

/* Where the request's sources may lie: the warden looks at what they are once they are open. */
static int build_roots(const struct build_input *in, struct plan *p, struct err *e)
{
	static char *const anywhere[] = { "/", NULL };
	char *const *image = in->has_roots ? in->image_roots : anywhere;
	char *const *workspace = in->has_roots ? in->workspace_roots : anywhere;
	p->image_roots = image ? strv_copy(image) : NULL;
	p->workspace_roots = workspace ? strv_copy(workspace) : NULL;
	return (image && !p->image_roots) || (workspace && !p->workspace_roots) ? no_memory(e) : 0;
}

int plan_build(const struct task_spec *spec, const struct build_input *in, struct build *ret,
	struct err *e)
{
	struct build b = { .plan = plan_create() };
	if (!b.plan)
		return no_memory(e);
	int r = build_command(spec, in->task_id, b.plan, e);
	if (r == 0)
		r = build_tty(spec, b.plan, e);
	if (r == 0)
		r = build_mounts(spec, in->n_fds, b.plan, e);
	if (r == 0)
		r = build_inputs(spec, b.plan, e);
	if (r == 0)
		r = build_tars(spec, in->n_fds, b.plan, e);
	if (r == 0)
		r = build_changes(spec, in->n_fds, &b, e);
	if (r == 0)
		r = build_limits(spec, in, &b, e);
	if (r == 0)
		r = build_artifacts(spec, in, &b, e);
	if (r == 0)
		r = build_roots(in, b.plan, e);
	if (r == 0)
		r = plan_check(b.plan, e);
	if (r < 0) {
		build_finish(&b);
		return r;
	}
	*ret = b;
	return 0;
}

void build_finish(struct build *b)
{
	plan_destroy(b->plan);
	b->plan = NULL;
}
