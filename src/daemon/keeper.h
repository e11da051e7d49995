/*
 * The daemon's side of the keeper: a small process, started before the loop (and, in root mode,
 * before the drop), that makes wardens and outlives the daemon to clean up after it. Messages:
 * plan/keeper.h.
 */
#ifndef DAYFLY_DAEMON_KEEPER_H
#define DAYFLY_DAEMON_KEEPER_H

#include "base/err.h"
#include "plan/plan.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What it is told on its command line. */
struct keeper_args {
	const char *upper, *state_dir; /* state_dir NULL: the usual one */
	uint32_t owner_uid;	       /* whose our own directories will be; 0: rootless, our own */
	uint64_t ids_base, ids_count;  /* the ranges of ids of tasks, in root mode */
	struct plan_limits total;      /* of all tasks together: memory, swap, cpus, pids */
};

struct keeper {
	pid_t pid; /* 0: none */
	int fd;	   /* our end, non-blocking; -1: none */
};

/* Finds the program: as given, else beside this one, else where it is installed. *ret_path is the
 * caller's. */
int keeper_find_warden(const char *given, char **ret_path, struct err *e);

/* Starts the program as a keeper in a session of its own. Returns 0 or -errno. */
int keeper_start(
	struct keeper *k, const char *warden_path, const struct keeper_args *args, struct err *e);

/* Names the socket that goes when the daemon dies. */
int keeper_guard_socket(
	struct keeper *k, const char *path, dev_t dev, ino_t ino, bool remove_dir, struct err *e);

/* Asks for a warden. *ret_fd is our end of its connection (non-blocking, the caller's); the
 * keeper's answer comes later. */
int keeper_ask_warden(struct keeper *k, int *ret_fd, struct err *e);

/* Asks what this host can do. *ret_fd is the read end of a pipe (non-blocking, the caller's)
 * through which the findings come. */
int keeper_ask_probe(struct keeper *k, const char *warden_path, int *ret_fd, struct err *e);

/* Reads one answer: a pid, or -errno of the fork. Returns 1, 0 (nothing there yet), or -EPIPE when
 * the keeper is gone. */
int keeper_read_answer(struct keeper *k, int32_t *ret_answer);

/* Waits for data on a descriptor. Returns 0, -ETIMEDOUT or -errno. */
int keeper_wait_readable(int fd, int timeout_ms);

/* Ends the connection, on which the keeper does its last duties; waits a moment for that when asked
 * to. */
void keeper_close(struct keeper *k, bool wait);

#endif
