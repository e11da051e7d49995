/*
 * Plan <-> sealed bytes. One table-free, linear walk in each direction, in the same order; the
 * decoder reads through a bounds-checked reader and ends in plan_check(), so what it returns is as
 * good as what the daemon built.
 */
#include "plan/plan.h"

#include "base/limits.h"
#include "base/str.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int put_strings(struct buf *b, char *const *v)
{
	size_t n = strv_len(v);
	int r = buf_put_u32(b, (uint32_t)n);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = buf_put_str(b, v[i]);
	return r;
}

static int put_source(struct buf *b, const struct plan_source *s)
{
	int r = buf_put_u8(b, s->fd_index < 0 ? UINT8_MAX : (uint8_t)s->fd_index);
	return r < 0 ? r : buf_put_str(b, s->path);
}

static int put_mount(struct buf *b, const struct plan_mount *m)
{
	int r = put_source(b, &m->source);
	if (r == 0)
		r = buf_put_str(b, m->target);
	if (r == 0)
		r = buf_put_u8(b, (uint8_t)m->mode);
	return r < 0 ? r : buf_put_u8(b, m->is_own);
}

static int put_limits(struct buf *b, const struct plan_limits *l)
{
	const uint64_t values[] = { l->disk_bytes, l->disk_inodes, l->open_files, l->file_bytes,
		l->core_bytes, l->processes, l->data_bytes, l->cpu_ms, l->memory_bytes,
		l->swap_bytes, l->cpu_millis, l->pids, l->memory_high_bytes, l->cpu_weight,
		l->io_read_bps, l->io_write_bps, l->cpu_time_ms };
	int r = 0;
	for (size_t i = 0; r == 0 && i < sizeof(values) / sizeof(values[0]); i++)
		r = buf_put_u64(b, values[i]);
	return r;
}

static int put_inputs(struct buf *b, const struct plan *p)
{
	int r = buf_put_u32(b, (uint32_t)p->n_inputs);
	for (size_t i = 0; r == 0 && i < p->n_inputs; i++) {
		const struct plan_input *in = &p->inputs[i];
		r = buf_put_u8(b, (uint8_t)in->kind);
		if (r == 0)
			r = buf_put_str(b, in->path);
		if (r == 0)
			r = buf_put_u16(b, in->mode);
		if (r == 0)
			r = buf_put_u32(b, in->bytes);
	}
	return r;
}

static int put_tars(struct buf *b, const struct plan *p)
{
	int r = buf_put_u32(b, (uint32_t)p->n_tars);
	for (size_t i = 0; r == 0 && i < p->n_tars; i++) {
		const struct plan_tar *t = &p->tars[i];
		r = buf_put_u8(b, t->fd_index < 0 ? UINT8_MAX : (uint8_t)t->fd_index);
		if (r == 0)
			r = buf_put_str(b, t->target);
	}
	return r;
}

static int put_changes(struct buf *b, const struct plan *p)
{
	bool is_wanted = p->changes_fd_index >= 0;
	int r = buf_put_u8(b, is_wanted ? (uint8_t)p->changes_fd_index : UINT8_MAX);
	if (r == 0 && is_wanted)
		r = buf_put_u64(b, p->changes_bytes);
	return r < 0 || !is_wanted ? r : buf_put_u32(b, p->changes_ms);
}

static int put_artifacts(struct buf *b, const struct plan *p)
{
	int r = buf_put_u32(b, (uint32_t)p->n_artifacts);
	for (size_t i = 0; r == 0 && i < p->n_artifacts; i++) {
		const struct plan_artifact *a = &p->artifacts[i];
		r = buf_put_str(b, a->glob);
		if (r == 0)
			r = buf_put_u8(b, a->is_required);
		if (r == 0)
			r = buf_put_u64(b, a->bytes);
		if (r == 0)
			r = buf_put_u32(b, a->count);
	}
	if (r < 0 || !p->n_artifacts)
		return r;
	r = buf_put_u8(b, p->artifacts_fd_index < 0 ? UINT8_MAX : (uint8_t)p->artifacts_fd_index);
	if (r == 0)
		r = buf_put_u64(b, p->artifacts_bytes);
	if (r == 0)
		r = buf_put_u32(b, p->artifacts_count);
	return r < 0 ? r : buf_put_u32(b, p->artifacts_ms);
}

int plan_encode(const struct plan *p, struct buf *out)
{
	const uint8_t words[] = { (uint8_t)p->user, (uint8_t)p->network, (uint8_t)p->profile,
		(uint8_t)p->image, p->has_workspace, p->tty, p->has_stdin };
	int r = buf_put_u32(out, PLAN_MAGIC);
	if (r == 0)
		r = buf_put_u32(out, PLAN_VERSION);
	if (r == 0)
		r = buf_put_str(out, p->task);
	if (r == 0)
		r = put_strings(out, p->argv);
	if (r == 0)
		r = put_strings(out, p->env);
	if (r == 0)
		r = buf_put_str(out, p->cwd);
	if (r == 0)
		r = buf_add(out, words, sizeof(words));
	if (r == 0)
		r = buf_put_u16(out, p->rows);
	if (r == 0)
		r = buf_put_u16(out, p->cols);
	if (r == 0)
		r = put_source(out, &p->image_source);
	if (r == 0)
		r = put_mount(out, &p->workspace);
	if (r == 0)
		r = buf_put_u32(out, (uint32_t)p->n_mounts);
	for (size_t i = 0; r == 0 && i < p->n_mounts; i++)
		r = put_mount(out, &p->mounts[i]);
	if (r == 0)
		r = put_limits(out, &p->limits);
	if (r == 0)
		r = put_strings(out, p->image_roots);
	if (r == 0)
		r = put_strings(out, p->workspace_roots);
	if (r == 0)
		r = put_inputs(out, p);
	if (r == 0)
		r = put_tars(out, p);
	if (r == 0)
		r = put_strings(out, p->hidden);
	if (r == 0)
		r = put_changes(out, p);
	return r < 0 ? r : put_artifacts(out, p);
}

static char **get_strings(struct buf_reader *r, size_t max_count)
{
	uint32_t n = buf_get_u32(r);
	/* Each entry has at least its length: a count beyond what is left is a lie. */
	if (r->failed || n > max_count || n > r->left / sizeof(uint32_t)) {
		r->failed = true;
		return NULL;
	}
	char **v = calloc((size_t)n + 1, sizeof(char *));
	if (!v) {
		r->failed = true;
		return NULL;
	}
	for (uint32_t i = 0; i < n; i++) {
		v[i] = buf_get_str(r, LIMIT_ARG_BYTES);
		if (!v[i]) {
			r->failed = true;
			break;
		}
	}
	return v;
}

static bool get_bool(struct buf_reader *r)
{
	uint8_t v = buf_get_u8(r);
	if (v > 1)
		r->failed = true;
	return v == 1;
}

static void get_source(struct buf_reader *r, struct plan_source *s)
{
	uint8_t index = buf_get_u8(r);
	s->fd_index = index == UINT8_MAX ? -1 : index;
	s->path = buf_get_str(r, LIMIT_PATH_BYTES);
}

static void get_mount(struct buf_reader *r, struct plan_mount *m)
{
	get_source(r, &m->source);
	m->target = buf_get_str(r, LIMIT_PATH_BYTES);
	m->mode = (enum plan_mode)buf_get_u8(r);
	m->is_own = get_bool(r);
}

static void get_mounts(struct buf_reader *r, struct plan *p)
{
	uint32_t n = buf_get_u32(r);
	if (r->failed || n > LIMIT_MOUNTS) {
		r->failed = true;
		return;
	}
	p->mounts = calloc((size_t)n + 1, sizeof(*p->mounts));
	if (!p->mounts) {
		r->failed = true;
		return;
	}
	p->n_mounts = n;
	for (uint32_t i = 0; i < n; i++)
		get_mount(r, &p->mounts[i]);
}

static void get_inputs(struct buf_reader *r, struct plan *p)
{
	uint32_t n = buf_get_u32(r);
	if (r->failed || n > LIMIT_FILES + LIMIT_SECRETS) {
		r->failed = true;
		return;
	}
	p->inputs = calloc((size_t)n + 1, sizeof(*p->inputs));
	if (!p->inputs) {
		r->failed = true;
		return;
	}
	p->n_inputs = n;
	for (uint32_t i = 0; i < n; i++) {
		p->inputs[i].kind = (enum plan_input_kind)buf_get_u8(r);
		p->inputs[i].path = buf_get_str(r, LIMIT_PATH_BYTES);
		p->inputs[i].mode = buf_get_u16(r);
		p->inputs[i].bytes = buf_get_u32(r);
	}
}

static void get_tars(struct buf_reader *r, struct plan *p)
{
	uint32_t n = buf_get_u32(r);
	if (r->failed || n > LIMIT_TARS) {
		r->failed = true;
		return;
	}
	p->tars = calloc((size_t)n + 1, sizeof(*p->tars));
	if (!p->tars) {
		r->failed = true;
		return;
	}
	p->n_tars = n;
	for (uint32_t i = 0; i < n; i++) {
		uint8_t index = buf_get_u8(r);
		p->tars[i].fd_index = index == UINT8_MAX ? -1 : index;
		p->tars[i].target = buf_get_str(r, LIMIT_PATH_BYTES);
	}
}

static void get_changes(struct buf_reader *r, struct plan *p)
{
	uint8_t index = buf_get_u8(r);
	p->changes_fd_index = index == UINT8_MAX ? -1 : index;
	if (index == UINT8_MAX)
		return;
	p->changes_bytes = buf_get_u64(r);
	p->changes_ms = buf_get_u32(r);
}

static void get_artifacts(struct buf_reader *r, struct plan *p)
{
	uint32_t n = buf_get_u32(r);
	if (r->failed || n > LIMIT_ARTIFACT_GLOBS) {
		r->failed = true;
		return;
	}
	p->artifacts = calloc((size_t)n + 1, sizeof(*p->artifacts));
	if (!p->artifacts) {
		r->failed = true;
		return;
	}
	p->n_artifacts = n;
	for (uint32_t i = 0; i < n; i++) {
		p->artifacts[i].glob = buf_get_str(r, LIMIT_ARTIFACT_GLOB_BYTES);
		p->artifacts[i].is_required = get_bool(r);
		p->artifacts[i].bytes = buf_get_u64(r);
		p->artifacts[i].count = buf_get_u32(r);
	}
	if (!n)
		return;
	uint8_t index = buf_get_u8(r);
	p->artifacts_fd_index = index == UINT8_MAX ? -1 : index;
	p->artifacts_bytes = buf_get_u64(r);
	p->artifacts_count = buf_get_u32(r);
	p->artifacts_ms = buf_get_u32(r);
}

static void get_limits(struct buf_reader *r, struct plan_limits *l)
{
	l->disk_bytes = buf_get_u64(r);
	l->disk_inodes = buf_get_u64(r);
	l->open_files = buf_get_u64(r);
	l->file_bytes = buf_get_u64(r);
	l->core_bytes = buf_get_u64(r);
	l->processes = buf_get_u64(r);
	l->data_bytes = buf_get_u64(r);
	l->cpu_ms = buf_get_u64(r);
	l->memory_bytes = buf_get_u64(r);
	l->swap_bytes = buf_get_u64(r);
	l->cpu_millis = buf_get_u64(r);
	l->pids = buf_get_u64(r);
	l->memory_high_bytes = buf_get_u64(r);
	l->cpu_weight = buf_get_u64(r);
	l->io_read_bps = buf_get_u64(r);
	l->io_write_bps = buf_get_u64(r);
	l->cpu_time_ms = buf_get_u64(r);
}

int plan_decode(const void *data, size_t len, struct plan **ret_plan, struct err *e)
{
	if (len > LIMIT_PLAN_BYTES)
		return err_set(e, ERR_TOO_LARGE, EMSGSIZE, "plan of %zu bytes", len);
	struct buf_reader r = { .p = data, .left = len };
	uint32_t magic = buf_get_u32(&r), version = buf_get_u32(&r);
	if (r.failed || magic != PLAN_MAGIC || version != PLAN_VERSION)
		return err_set(e, ERR_INTERNAL, EPROTO, "not a plan of version %d", PLAN_VERSION);

	auto_plan struct plan *p = plan_create();
	if (!p)
		return err_set(e, ERR_INTERNAL, ENOMEM, "decode plan");
	p->task = buf_get_str(&r, LIMIT_NAME_BYTES);
	p->argv = get_strings(&r, LIMIT_ARGV_COUNT);
	p->env = get_strings(&r, LIMIT_ENV_COUNT);
	p->cwd = buf_get_str(&r, LIMIT_PATH_BYTES);
	p->user = (enum plan_user)buf_get_u8(&r);
	p->network = (enum plan_network)buf_get_u8(&r);
	p->profile = (enum plan_profile)buf_get_u8(&r);
	p->image = (enum plan_image)buf_get_u8(&r);
	p->has_workspace = get_bool(&r);
	p->tty = get_bool(&r);
	p->has_stdin = get_bool(&r);
	p->rows = buf_get_u16(&r);
	p->cols = buf_get_u16(&r);
	get_source(&r, &p->image_source);
	get_mount(&r, &p->workspace);
	get_mounts(&r, p);
	get_limits(&r, &p->limits);
	p->image_roots = get_strings(&r, LIMIT_ROOTS);
	p->workspace_roots = get_strings(&r, LIMIT_ROOTS);
	get_inputs(&r, p);
	get_tars(&r, p);
	p->hidden = get_strings(&r, LIMIT_HIDDEN);
	get_changes(&r, p);
	get_artifacts(&r, p);
	if (r.failed || r.left || !p->task)
		return err_set(e, ERR_INTERNAL, EPROTO, "plan is cut short, too long or malformed");
	int rc = plan_check(p, e);
	if (rc < 0)
		return rc;
	*ret_plan = p;
	p = NULL;
	return 0;
}
