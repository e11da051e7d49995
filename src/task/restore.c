/* Tasks of an earlier daemon: see restore.h. */
#include "task/restore.h"

#include <stdlib.h>
#include <string.h>

/* Nothing ever comes from its streams. */
static const struct streams_hooks no_hooks;

struct task *task_restore(const struct task_host *host, uid_t uid, struct task_spec *take_spec,
	struct task_result *take_result)
{
	struct task *t = calloc(1, sizeof(*t));
	if (!t) {
		task_spec_destroy(take_spec);
		result_destroy(take_result);
		return NULL;
	}
	t->magic = TASK_MAGIC;
	t->host = host;
	t->uid = uid;
	t->state = TASK_STATE_DONE;
	t->spec = take_spec;
	t->result = take_result;
	t->client_fd = t->inputs_fd = -1;
	memcpy(t->id, take_result->task, sizeof(t->id));
	streams_init(&t->streams, host->loop, host->scratch, &no_hooks, t);
	if (output_log_create_ended(&t->log) < 0) {
		task_destroy(t);
		return NULL;
	}
	return t;
}
