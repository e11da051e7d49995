/*
 * The task's own process, from its clone to execve: the last table of steps runs here.
 *
 * It shares jail init's memory, which waits until the command is executed or the process has ended
 * (vfork(2)): no page tables are copied, and what failed is simply there. Its descriptors,
 * directory, signals, ids and limits are its own.
 */
#ifndef DAYFLY_JAIL_TASK_H
#define DAYFLY_JAIL_TASK_H

#include "jail/jail.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* TASK_PHASE_EXEC and no failure: the task runs. TASK_PHASE_SETUP and none: the process died on its
 * way. */
enum task_phase { TASK_PHASE_SETUP, TASK_PHASE_EXEC };

/* How a start went; the process writes it, jail init reads it when task_start() has returned. */
struct task_start {
	struct jail *jail;
	char **env;
	enum task_phase phase;
	bool has_failed;
	struct err err;	  /* where it has failed */
	uint64_t exec_ns; /* CLOCK_MONOTONIC, at the beginning of TASK_PHASE_EXEC */
};

/* Clones, runs the steps, executes the command. Returns the pid or -errno; s says the rest. */
pid_t task_start(struct jail *j, struct task_start *s);

#endif
