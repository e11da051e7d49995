/* What a plan may say about artifacts. */
#include "plan/plan.h"

#include "base/glob.h"
#include "base/limits.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int check_one(const struct plan *p, size_t i, struct err *e)
{
	const struct plan_artifact *a = &p->artifacts[i];
	char field[48];
	snprintf(field, sizeof(field), "task.artifacts.files[%zu].glob", i);
	if (!a->glob || strlen(a->glob) > LIMIT_ARTIFACT_GLOB_BYTES ||
		!glob_is_valid(a->glob + (a->glob[0] == '/'))) {
		err_set_field(e, ERR_BAD_VALUE, field,
			"is no pattern of a path: it has an empty part, \".\" or \"..\", or an "
			"open "
			"bracket");
		err_hint(e, "write dist/*.whl, or reports/** for all that is below; a backslash "
			    "takes the next character as it is");
		return -EINVAL;
	}
	if (a->glob[0] == '/' && plan_path_is_reserved(a->glob))
		return err_set_field(
			e, ERR_BAD_VALUE, field, "nothing is kept from below /proc, /sys and /dev");
	if (!a->bytes || !a->count)
		return err_set_field(e, ERR_OUT_OF_RANGE, field, "its limits must be above 0");
	return 0;
}

/* It is written to its end, by one. */
static bool is_named_twice(const struct plan *p)
{
	const int fd = p->artifacts_fd_index;
	bool is = fd >= 0 && fd == p->changes_fd_index;
	for (size_t i = 0; i < p->n_tars; i++)
		is = is || (fd >= 0 && fd == p->tars[i].fd_index);
	return is;
}

int plan_check_artifacts(const struct plan *p, struct err *e)
{
	if (p->n_artifacts > LIMIT_ARTIFACT_GLOBS)
		return err_set_field(e, ERR_TOO_LARGE, "task.artifacts.files",
			"at most %d are allowed", LIMIT_ARTIFACT_GLOBS);
	int r = 0;
	for (size_t i = 0; r == 0 && i < p->n_artifacts; i++)
		r = check_one(p, i, e);
	if (r < 0 || !p->n_artifacts)
		return r;
	/* One more than a client may send: a file of the daemon's comes behind them. */
	if (p->artifacts_fd_index > LIMIT_REQUEST_FDS)
		return err_set_field(e, ERR_OUT_OF_RANGE, "task.artifacts.fd",
			"descriptor number is above %d", LIMIT_REQUEST_FDS - 1);
	if (is_named_twice(p))
		return err_set_field(e, ERR_BAD_VALUE, "task.artifacts.fd",
			"descriptor %d is named twice: artifacts, changes and each tar need one of "
			"their own",
			p->artifacts_fd_index);
	if (!p->artifacts_bytes || !p->artifacts_count || p->artifacts_count > LIMIT_ARTIFACTS ||
		!p->artifacts_ms || p->artifacts_ms > LIMIT_CHANGES_MS)
		return err_set_field(e, ERR_OUT_OF_RANGE, "task.artifacts",
			"their limits must be above 0, with at most %d files and %d seconds",
			LIMIT_ARTIFACTS, LIMIT_CHANGES_MS / 1000);
	return 0;
}
