/* A task that an earlier daemon had: known by its name and result only, and done. */
#ifndef DAYFLY_TASK_RESTORE_H
#define DAYFLY_TASK_RESTORE_H

#include "task/task.h"

/*
 * Takes over spec and result, also after a failure. The result names the task; its output is not
 * there. Returns NULL when there is no memory.
 */
struct task *task_restore(const struct task_host *host, uid_t uid, struct task_spec *take_spec,
	struct task_result *take_result);

#endif
