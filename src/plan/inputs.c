/* What a plan says about the files that come with a request, and its rules: see plan.h. */
#include "plan/plan.h"

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/str.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* By kind. */
static const struct {
	const char *field;
	size_t max_count;
	uint64_t max_bytes, max_sum;
} kinds[] = {
	[PLAN_INPUT_FILE] = { "task.files", LIMIT_FILES, LIMIT_FILE_BYTES, LIMIT_FILES_BYTES },
	[PLAN_INPUT_SECRET] = { "task.secrets", LIMIT_SECRETS, LIMIT_SECRET_BYTES,
		LIMIT_SECRETS_BYTES },
};

uint64_t plan_input_bytes(const struct plan *p)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < p->n_inputs; i++)
		sum += p->inputs[i].bytes;
	return sum;
}

bool plan_has_input(const struct plan *p, enum plan_input_kind kind)
{
	for (size_t i = 0; i < p->n_inputs; i++)
		if (p->inputs[i].kind == kind)
			return true;
	return false;
}

static bool is_at_or_below(const char *path, const char *dir)
{
	char *const dirs[] = { (char *)dir, NULL };
	return plan_path_is_below(path, dirs);
}

/* A file there would be written to the host, or to where it cannot be; is_tree: or one anywhere
 * below, as an entry of a tar can lead to. */
static bool is_in_shared(const struct plan *p, const char *path, bool is_tree)
{
	for (size_t i = 0; i <= p->n_mounts; i++) {
		/* The workspace is one more. */
		bool is_mount = i < p->n_mounts;
		if (!is_mount && !p->has_workspace)
			break;
		const char *target = is_mount ? p->mounts[i].target : p->workspace.target;
		if ((is_mount ? p->mounts[i].mode : p->workspace.mode) != PLAN_MODE_COW &&
			(is_at_or_below(path, target) || (is_tree && is_at_or_below(target, path))))
			return true;
	}
	return false;
}

static int check_file(
	const struct plan *p, const struct plan_input *in, const char *field, struct err *e)
{
	if (!plan_path_is_clean(in->path))
		return err_set_field(e, ERR_BAD_VALUE, field,
			"must be an absolute path below / without \".\", \"..\" or empty parts");
	if (plan_path_is_reserved(in->path) || is_at_or_below(in->path, PLAN_SECRETS_DIR))
		return err_set_field(e, ERR_BAD_VALUE, field,
			"no file can be made at %.200s: the jail makes /proc, /sys, /dev and "
			"" PLAN_SECRETS_DIR " itself",
			in->path);
	if (is_in_shared(p, in->path, false)) {
		err_set_field(e, ERR_BAD_VALUE, field,
			"%.200s is in a directory that is shown ro or rw: it would be written to "
			"the host",
			in->path);
		err_hint(e, "choose another place, or show that directory as cow");
		return -EINVAL;
	}
	if (in->mode == 0 || in->mode > 0777)
		return err_set_field(e, ERR_OUT_OF_RANGE, field, "mode must be 0001 to 0777");
	return 0;
}

static int check_secret(const struct plan_input *in, const char *field, struct err *e)
{
	if (!str_is_name(in->path, LIMIT_NAME_BYTES))
		return err_set_field(e, ERR_BAD_VALUE, field, "is not a name");
	return in->mode == 0 ? 0 : err_set_field(e, ERR_BAD_VALUE, field, "a secret has no mode");
}

static int check_one(
	const struct plan *p, size_t nth, const char *list, size_t nth_of_kind, struct err *e)
{
	const struct plan_input *in = &p->inputs[nth];
	bool is_file = in->kind == PLAN_INPUT_FILE;
	char field[64];
	snprintf(field, sizeof(field), "%s[%zu].%s", list, nth_of_kind, is_file ? "path" : "name");
	if (!in->path)
		return err_set_field(e, ERR_BAD_VALUE, field, "is missing");
	int r = is_file ? check_file(p, in, field, e) : check_secret(in, field, e);
	for (size_t i = 0; r == 0 && i < nth; i++)
		if (p->inputs[i].kind == in->kind && !strcmp(p->inputs[i].path, in->path))
			r = err_set_field(
				e, ERR_BAD_VALUE, field, "%.200s is there twice", in->path);
	return r;
}

/* The place of the secrets is the jail's own. */
static int check_secrets_dir(const struct plan *p, struct err *e)
{
	char field[48];
	if (p->has_workspace && (is_at_or_below(p->workspace.target, PLAN_SECRETS_DIR) ||
					is_at_or_below(PLAN_SECRETS_DIR, p->workspace.target)))
		return err_set_field(e, ERR_BAD_VALUE, "task.workspace",
			"cannot lie in or over " PLAN_SECRETS_DIR " beside secrets");
	for (size_t i = 0; i < p->n_mounts; i++) {
		const char *target = p->mounts[i].target;
		if (!is_at_or_below(target, PLAN_SECRETS_DIR) &&
			!is_at_or_below(PLAN_SECRETS_DIR, target))
			continue;
		snprintf(field, sizeof(field), "task.mounts[%zu]", i);
		return err_set_field(e, ERR_BAD_VALUE, field,
			"cannot lie in or over " PLAN_SECRETS_DIR " beside secrets");
	}
	return 0;
}

static int check_tar(const struct plan *p, const struct plan_tar *t, size_t nth, struct err *e)
{
	char field[48];
	snprintf(field, sizeof(field), "task.tars[%zu].target", nth);
	if (!t->target || !plan_path_is_clean(t->target))
		return err_set_field(e, ERR_BAD_VALUE, field,
			"must be an absolute path below / without \".\", \"..\" or empty parts");
	if (plan_path_is_reserved(t->target) || is_at_or_below(t->target, PLAN_SECRETS_DIR))
		return err_set_field(e, ERR_BAD_VALUE, field,
			"nothing can be unpacked at %.200s: the jail makes /proc, /sys, /dev and "
			"" PLAN_SECRETS_DIR " itself",
			t->target);
	if (is_in_shared(p, t->target, true)) {
		err_set_field(e, ERR_BAD_VALUE, field,
			"%.200s is in a directory that is shown ro or rw, or has one below it: it "
			"would be written to the host",
			t->target);
		err_hint(e, "choose another place, or show that directory as cow");
		return -EINVAL;
	}
	snprintf(field, sizeof(field), "task.tars[%zu].fd", nth);
	if (t->fd_index >= LIMIT_REQUEST_FDS)
		return err_set_field(e, ERR_OUT_OF_RANGE, field, "descriptor number is above %d",
			LIMIT_REQUEST_FDS - 1);
	if (t->fd_index < 0 && !p->has_stdin) {
		err_set_field(e, ERR_MISSING_FIELD, field,
			"is missing: without a descriptor the tar comes on stdin");
		err_hint(e, "send a descriptor, or set \"stdin\":\"stream\" (without a terminal) "
			    "and send the tar with `input`");
		return -EINVAL;
	}
	return 0;
}

static int check_tars(const struct plan *p, struct err *e)
{
	size_t n_stdin = 0;
	int r = 0;
	if (p->n_tars > LIMIT_TARS)
		return err_set_field(
			e, ERR_TOO_LARGE, "task.tars", "at most %d are allowed", LIMIT_TARS);
	for (size_t i = 0; r == 0 && i < p->n_tars; i++) {
		n_stdin += p->tars[i].fd_index < 0;
		r = n_stdin > 1 ? err_set_field(e, ERR_BAD_VALUE, "task.tars",
					  "only one tar can come on stdin")
				: check_tar(p, &p->tars[i], i, e);
	}
	return r;
}

/* Each is read or written to its end, by one. */
static int check_shared_numbers(const struct plan *p, struct err *e)
{
	for (size_t i = 0; i < p->n_tars; i++) {
		int fd = p->tars[i].fd_index;
		bool is_twice = fd >= 0 && fd == p->changes_fd_index;
		for (size_t j = 0; j < i; j++)
			is_twice = is_twice || (fd >= 0 && fd == p->tars[j].fd_index);
		if (is_twice) {
			char field[48];
			snprintf(field, sizeof(field), "task.tars[%zu].fd", i);
			return err_set_field(e, ERR_BAD_VALUE, field,
				"descriptor %d is named twice: each tar, and the changes, need one "
				"of their own",
				fd);
		}
	}
	return 0;
}

int plan_check_inputs(const struct plan *p, struct err *e)
{
	size_t counts[PLAN_INPUT_COUNT] = { 0 };
	uint64_t sums[PLAN_INPUT_COUNT] = { 0 };
	for (size_t i = 0; i < p->n_inputs; i++) {
		const struct plan_input *in = &p->inputs[i];
		unsigned kind = in->kind;
		if (kind >= ARRAY_SIZE(kinds))
			return err_set_field(e, ERR_BAD_VALUE, "task.files", "unknown kind");
		if (counts[kind] == kinds[kind].max_count)
			return err_set_field(e, ERR_TOO_LARGE, kinds[kind].field,
				"at most %zu are allowed", kinds[kind].max_count);
		sums[kind] += in->bytes;
		if (in->bytes > kinds[kind].max_bytes || sums[kind] > kinds[kind].max_sum)
			return err_set_field(e, ERR_TOO_LARGE, kinds[kind].field,
				"at most %llu bytes each and %llu together are allowed",
				(unsigned long long)kinds[kind].max_bytes,
				(unsigned long long)kinds[kind].max_sum);
		int r = check_one(p, i, kinds[kind].field, counts[kind]++, e);
		if (r < 0)
			return r;
	}
	int r = counts[PLAN_INPUT_SECRET] ? check_secrets_dir(p, e) : 0;
	if (r == 0)
		r = check_tars(p, e);
	return r == 0 ? check_shared_numbers(p, e) : r;
}
