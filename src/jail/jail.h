/*
 * What jail init works on: one struct jail, filled by the warden before the clone and used by the
 * child alone after it (the child has its own copy of the warden's memory). Every setup step is a
 * function on it; steps.c holds the order.
 *
 * The jail's own tmpfs ("the store") holds everything that the task can write: root/ (the new
 * root's skeleton), upper/ and work/ of the overlays. One size and one inode cap therefore cover it
 * all.
 */
#ifndef DAYFLY_JAIL_JAIL_H
#define DAYFLY_JAIL_JAIL_H

#include "base/err.h"
#include "base/limits.h"
#include "plan/plan.h"
#include "plan/wire.h"

#include <linux/filter.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* A directory or file of the host, opened with the client's rights. */
struct jail_source {
	int fd;	     /* O_PATH, in the warden's mount namespace; -1: absent */
	int tree_fd; /* root mode: a detached, idmapped mount of it; else -1 */
	bool is_dir;
	uint64_t dev, ino;
	uint64_t mount; /* the number of the mount that it was reached through; 0: not known */
	char *path; /* owned: where fd points; used in rootless mode, checked against dev and ino */
};

/* The exit status of a jail init that was never told to start. */
#define JAIL_EXIT_NO_START 98

/* One directory of the host that the image `host` shows. */
#define JAIL_SHOWN_MAX 12
struct jail_shown {
	char name[16];	/* "usr", "etc", "bin", ... */
	char link[128]; /* not "": a symlink with this target is made instead */
	int tree_fd;	/* root mode: detached, idmapped mount; else -1 */
};

struct jail {
	uint64_t id;
	const struct plan *plan;
	enum warden_mode mode;
	uid_t owner_uid; /* of the warden: the one id of single mode */
	gid_t owner_gid;
	int landlock_abi;
	bool upper_on_disk;
	bool has_cgroup;				   /* a cgroup of its own, which it is in */
	const struct sock_fprog *seccomp, *seccomp_shared; /* the second may be NULL */
	/* All that there are, by profile and network, for a jail that is made before its task. */
	const struct sock_fprog *filters, *shared_filter;
	bool is_parked; /* it waits for a claim behind the steps that are the same for all */
	/* It leaves the host's mounts before it waits: nothing that needs the store attached can be
	 * mounted later, nor what is opened again in the copy of them. */
	bool pivots_early;

	/* Borrowed from the warden; the descriptors are the child's own copies. */
	struct jail_source image, workspace, mounts[12];
	struct jail_shown shown[JAIL_SHOWN_MAX];
	size_t n_shown;
	char *const *etc_masks; /* paths below /etc that are not for everybody */
	int disk_fd;	  /* upper_on_disk: this jail's directory in the state directory, else -1 */
	int disk_tree_fd; /* root mode: a detached mount of it */
	char disk_path[512];
	int inputs_fd;		 /* sealed: the contents of the plan's inputs, or -1 */
	int changes_fd;		 /* where a tar of the changes goes, or -1 */
	int artifacts_fd;	 /* likewise of the artifacts */
	int tar_fds[LIMIT_TARS]; /* of the plan's tars, or -1: stdin's */
	int unpack_fd; /* dayfly-unpack, as a sealed copy in memory; -1: there are no tars */
	int stdio[3];  /* -1: /dev/null (stdin) or the tty */
	int status_fd; /* SOCK_SEQPACKET to the warden; its end is the lifeline */

	/* Made by the steps. */
	int store_fd;		/* the tmpfs, or the directory on disk */
	int root_fd;		/* the new root */
	int proc_fd;		/* the new /proc */
	int host_root_fd;	/* the old root, until it is detached */
	int upper_fd, lower_fd; /* of a cow workspace, for counting changes */
	pid_t loopback_pid;	/* brings the device up; 0 or less: nobody does */
	int loopback_errnum;	/* what came of it */
	int tty_fd;		/* the slave, for the task */
	char *resolv_conf;	/* owned: of the host, when the task shares its network */
	char *cwd;		/* owned */
	/* Not the command, but this program with these arguments: what unpacks the tars. -1: no. */
	int exec_fd;
	const char *const *exec_argv;

	bool disk_is_full; /* when the main process ended */

	uint64_t enforced; /* bits by enum control */
	uint32_t n_degraded;
	char degraded[WIRE_DEGRADED_MAX][WIRE_DEGRADED_SIZE];
};

/* Inside, in every mode. */
uid_t jail_task_uid(const struct jail *j); /* 1000 or 0 */

static inline void jail_enforce(struct jail *j, enum control c)
{
	j->enforced |= 1ull << c;
}

/* Adds "control: why" to the result's degraded list. */
void jail_degrade(struct jail *j, enum control c, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* init.c: the child after the clone. Never returns. */
_Noreturn void jail_init_main(struct jail *j);

#endif
