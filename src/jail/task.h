/* The task's own process, from fork to execve: the second table of steps runs here. */
#ifndef DAYFLY_JAIL_TASK_H
#define DAYFLY_JAIL_TASK_H

#include "jail/jail.h"

/*
 * What the forked child tells jail init on its pipe: how far it has come, and then, if that was the
 * end, why. End of file after TASK_PHASE_EXEC means that the task runs; before it, that the child
 * died on its way.
 */
enum task_phase { TASK_PHASE_SETUP, TASK_PHASE_EXEC };
struct task_failure {
	uint32_t phase; /* enum task_phase; sent before the exec is tried */
	struct err err; /* sent only after a failure */
};

/* Runs the steps and executes the command. Tells on j->fail_fd what came of it. */
_Noreturn void task_main(struct jail *j);

#endif
