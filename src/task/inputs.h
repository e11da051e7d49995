/* The contents of a request's files and secrets on their way to the jail. */
#ifndef DAYFLY_TASK_INPUTS_H
#define DAYFLY_TASK_INPUTS_H

#include "base/err.h"
#include "proto/request.h"

#include <stddef.h>

/*
 * Reads the secrets that came as descriptors of the request, which must be files in memory: no
 * other reads without waiting. Returns 0 or -errno with *e naming the field.
 */
int inputs_read(struct task_spec *spec, const int *fds, size_t n_fds, struct err *e);

/*
 * Puts them into one sealed file, in the order of the plan's inputs, and wipes them where they
 * were: the daemon keeps no other copy. *ret_fd is -1 where there are none. Returns 0 or -errno.
 */
int inputs_seal(struct task_spec *spec, int *ret_fd);

#endif
