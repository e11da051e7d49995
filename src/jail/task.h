/* The task's own process, from fork to execve: the second table of steps runs here. */
#ifndef DAYFLY_JAIL_TASK_H
#define DAYFLY_JAIL_TASK_H

#include "jail/jail.h"

/* What the forked child tells jail init when it cannot become the task; end of file on the pipe means that it has. */
struct task_failure {
	uint32_t phase_exec; /* 1: execve itself failed */
	struct err err;
};

/* Runs the steps and executes the command. Writes a struct task_failure to j->fail_fd and exits when that fails. */
_Noreturn void task_main(struct jail *j);

#endif
