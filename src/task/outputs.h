/* What a request wants to have back besides its result. */
#ifndef DAYFLY_TASK_OUTPUTS_H
#define DAYFLY_TASK_OUTPUTS_H

#include "base/err.h"
#include "proto/request.h"

#include <stddef.h>

/*
 * Whether the descriptors for the changes and the artifacts are such as can be written to without
 * waiting where a signal does not reach: a pipe or a Unix stream socket, open for writing. Does not
 * wait itself. One that was not sent is no matter for this. Returns 0 or -errno with *e naming the
 * field.
 */
int outputs_check(const struct task_spec *spec, const int *fds, size_t n_fds, struct err *e);

#endif
