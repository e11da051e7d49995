/*
 * Work in a child that is thrown away: its own namespaces, a time limit, one answer through a pipe,
 * then SIGKILL. Whatever the work mounts, starts or changes in its namespaces is gone when
 * throwaway_run returns. For single-threaded programs: the child is forked without exec and may
 * allocate. The caller must not reap foreign children (waitpid(-1)) meanwhile.
 */
#ifndef DAYFLY_JAIL_THROWAWAY_H
#define DAYFLY_JAIL_THROWAWAY_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define THROWAWAY_TIMEOUT_MS 5000
#define THROWAWAY_RESULT_MAX 2048

struct throwaway {
	uint64_t flags; /* CLONE_NEW*; with CLONE_NEWPID whatever the work starts dies with it */
	unsigned timeout_ms; /* for everything together; 0: THROWAWAY_TIMEOUT_MS */
	/* Runs in the caller while the child waits: writes the child's id maps. NULL: the child
	 * starts at once. */
	int (*map)(pid_t pid, void *arg, struct err *e);
	/* Runs in the child. Its answer (0, positive, or -errno with *e filled) is that of
	 * throwaway_run. */
	int (*fn)(void *arg, struct err *e);
	void *arg; /* of both */
	/* Memory of the caller that fn fills in its own copy; it travels back. At most
	 * THROWAWAY_RESULT_MAX bytes. */
	void *result;
	size_t result_size;
};

/*
 * Returns what fn returned; or -errno: the clone, the map, -ETIMEDOUT, or -ECHILD when the child
 * died before it could answer (the message names the signal).
 */
int throwaway_run(const struct throwaway *t, struct err *e);

/* Maps for a child in a new user namespace. Single: the caller's own ids are `inside`; the only map
 * that needs no privilege. */
int throwaway_map_single(pid_t pid, uid_t inside, struct err *e);
/* 0..count-1 inside are first..first+count-1 outside; needs CAP_SETUID and CAP_SETGID. */
int throwaway_map_range(pid_t pid, uid_t first, uint32_t count, struct err *e);

/* In the child: takes id 0 of its user namespace, where the caller's own id is not mapped. Returns
 * 0 or -errno with *e set. */
int throwaway_become_root(struct err *e);

/*
 * Runs a program (absolute path) with an empty environment, at most timeout_ms. What it writes to
 * stdout and stderr lands in out, cut to out_size and NUL-terminated. Returns its exit status
 * 0..255, 128 + n for signal n, or -errno.
 */
int throwaway_exec(const char *path, char *const argv[], unsigned timeout_ms, char *out,
	size_t out_size, struct err *e);

#endif
