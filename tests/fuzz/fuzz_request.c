/* A request line from anybody: parsed or refused with a sendable error; what is accepted gives a
 * plan that the warden accepts, or none. */
#include "base/id.h"
#include "plan/build.h"
#include "proto/answer.h"
#include "proto/request.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An answer must always be one line of JSON. */
static void check_error(const char *id, const struct err *e)
{
	struct buf b;
	buf_init(&b, 0);
	if (!e->msg[0] || answer_error(&b, id, e) < 0)
		abort();
	json_t *json = json_loadb(buf_data(&b), buf_len(&b), JSON_REJECT_DUPLICATES, NULL);
	if (!json || memchr(buf_data(&b), '\n', buf_len(&b) - 1))
		abort();
	json_decref(json);
	buf_finish(&b);
}

static void check_plan(const struct task_spec *spec)
{
	struct build_input in = {
		.task_id = "t-00", .n_fds = 2, .open_files_hard = 1 << 20, .no_cgroup = "none"
	};
	struct build build;
	struct err e = { 0 };
	struct plan *plan;
	struct buf b;
	if (plan_build(spec, &in, &build, &e) < 0) {
		check_error("1", &e);
		return;
	}
	buf_init(&b, 0);
	if (plan_encode(build.plan, &b) < 0 ||
		plan_decode(buf_data(&b), buf_len(&b), &plan, NULL) < 0)
		abort();
	plan_destroy(plan);
	buf_finish(&b);
	build_finish(&build);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct request *rq = NULL;
	struct err e = { 0 };
	char *id = NULL;
	if (request_parse((const char *)data, size, &rq, &id, &e) < 0)
		check_error(id, &e);
	else if (!rq->id || !rq->id[0] || (rq->op == OP_RUN && (!rq->spec || !rq->spec->argv[0])))
		abort();
	else if (rq->op == OP_RUN)
		check_plan(rq->spec);
	free(id);
	request_destroy(rq);
	return 0;
}
