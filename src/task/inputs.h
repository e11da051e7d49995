/* The contents of a request's files and secrets on their way to the jail. */
#ifndef DAYFLY_TASK_INPUTS_H
#define DAYFLY_TASK_INPUTS_H

#include "proto/request.h"

/*
 * Puts them into one sealed file, in the order of the plan's inputs, and wipes them where they
 * were: the daemon keeps no other copy. *ret_fd is -1 where there are none. Returns 0 or -errno.
 */
int inputs_seal(struct task_spec *spec, int *ret_fd);

#endif
