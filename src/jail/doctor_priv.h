/* Shared by the doctor's files. A check returns 0 or -errno with *e filled; the table (doctor.c)
 * turns that into a finding. */
#ifndef DAYFLY_JAIL_DOCTOR_PRIV_H
#define DAYFLY_JAIL_DOCTOR_PRIV_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

enum doctor_status { DOCTOR_OK, DOCTOR_DEGRADED, DOCTOR_MISSING };
const char *doctor_status_name(enum doctor_status s);

/* What the checks know about the host. */
struct doctor {
	bool is_root; /* root mode */
	uid_t uid;
	char user[64];	       /* login name, or the uid as text */
	char self[256];	       /* this program's path */
	char distro[32];       /* ID of os-release, "" if unknown */
	char container[32];    /* "docker", "podman", ... or "" */
	const char *state_dir; /* where files on disk go */
	bool tmpfs_upper;      /* an overlay with its upper on a tmpfs works */
	bool disk_upper;       /* ... with its upper in state_dir */
	bool has_helpers, has_subuids, has_subgids, has_cgroups;
};

struct doctor_finding {
	enum doctor_status status;
	bool needed;
	char why[768];
	char fix[768];
};

/* What the table says of a check. */
struct doctor_label {
	const char *name, *group, *feature;
};

/* Appends a clause to why, after "; " if there is one. */
void doctor_why(struct doctor_finding *f, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Replaces the fix. */
void doctor_fix(struct doctor_finding *f, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void doctor_set(struct doctor_finding *f, enum doctor_status s, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* doctor_report.c */
void doctor_write_string(FILE *out, const char *s); /* as a JSON string, whatever its bytes */
void doctor_write_json(FILE *out, const struct doctor_label *label, const struct doctor_finding *f);

/* doctor_host.c: reading the system's files. */
void doctor_learn_host(struct doctor *d);
/* A number in a file below /proc/sys ("user/max_user_namespaces"), or fallback. */
long doctor_sysctl(const char *name, long fallback);
/* How to install a program here: "sudo apt-get install uidmap". NULL where a distribution is
 * unknown. */
const char *doctor_newuidmap_package(const char *distro);
/* The value of KEY= in os-release, unquoted. Returns 0 or -ENOENT. */
int doctor_parse_os_release(const char *text, const char *key, char *ret, size_t size);

/* All of a file of /proc, or NULL; the caller's. */
char *doctor_read(const char *path);
/* The mount points strictly below dir, "/proc/a, /proc/b and 3 more"; returns how many.
 * Without those in except, which may be NULL. */
size_t doctor_list_below(
	const char *mountinfo, const char *dir, const char *const *except, char *ret, size_t size);
/* The type of the filesystem that a path lies on: of the mount with the longest point. "" if there
 * is none. */
void doctor_filesystem(const char *mountinfo, const char *path, char *ret, size_t size);
/* A command that makes a sysctl hold, now and after a reboot. */
void doctor_fix_sysctl(struct doctor_finding *f, const char *name, const char *value);

/*
 * doctor_ns.c: runs fn in new namespaces, mapped as a jail's are (root mode: a range of ids, of
 * which fn has 0; else the user's own id as 0), all mounts private. result may be NULL.
 */
#define DOCTOR_ALL_NS                                                                              \
	(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | \
		CLONE_NEWCGROUP)
int doctor_in_ns(const struct doctor *d, uint64_t flags, int (*fn)(void *arg, struct err *e),
	void *arg, struct err *e);
/* The base of the id range that these children have in root mode. */
uid_t doctor_range(void);

typedef int doctor_check_fn(struct doctor *d, struct doctor_finding *f, struct err *e);
typedef void doctor_hint_fn(const struct doctor *d, const struct err *e, struct doctor_finding *f);

/* Runs fn in a throw-away child without namespaces of its own. */
int doctor_in_child(int (*fn)(void *arg, struct err *e), void *arg, struct err *e);

/* doctor_apparmor.c: the label of a process as AppArmor has it ("unconfined"), or "". */
void doctor_apparmor_label(char *ret, size_t size);
/* In a child that failed: adds the label that it was put under, if that is why. */
void doctor_apparmor_note(struct err *e);
/* Whether a shell and AppArmor both take the path as it is. */
bool doctor_is_plain_path(const char *path);
void doctor_hint_apparmor(const struct doctor *d, struct doctor_finding *f);

typedef int doctor_check_fn(struct doctor *d, struct doctor_finding *f, struct err *e);
typedef void doctor_hint_fn(const struct doctor *d, const struct err *e, struct doctor_finding *f);

/* doctor_basic.c: the host, and calls that need no namespace. */
doctor_check_fn doctor_kernel, doctor_mode, doctor_container, doctor_capabilities, doctor_clone3,
	doctor_close_range, doctor_openat2, doctor_sealed_memfd, doctor_memfd_exec;
doctor_hint_fn doctor_hint_syscall, doctor_hint_memfd, doctor_hint_capabilities;

/* doctor_locks.c: what a task is locked in with, beside its namespaces. */
doctor_check_fn doctor_lsm, doctor_seccomp, doctor_landlock, doctor_unix_oob, doctor_ptrace;
doctor_hint_fn doctor_hint_ptrace;

/* doctor_ns.c: namespaces. */
doctor_check_fn doctor_userns, doctor_max_userns, doctor_id_map, doctor_mount_api, doctor_devpts;
doctor_hint_fn doctor_hint_userns;

/* doctor_proc.c: /proc and /sys. */
doctor_check_fn doctor_host_proc, doctor_proc, doctor_userns_limit, doctor_hidepid, doctor_sysfs;
doctor_hint_fn doctor_hint_host_proc, doctor_hint_proc;

/* doctor_overlay.c */
doctor_check_fn doctor_overlay_tmpfs, doctor_overlay_disk, doctor_overlay_usr, doctor_overlay_etc,
	doctor_overlay_rename, doctor_overlay_volatile, doctor_upper;
doctor_hint_fn doctor_hint_overlay, doctor_hint_overlay_disk, doctor_hint_below_usr,
	doctor_hint_below_etc;

/* doctor_storage.c: filesystems of the host. */
doctor_check_fn doctor_idmap, doctor_idmap_workspaces, doctor_state_dir, doctor_state_space,
	doctor_runtime_dir, doctor_runtime_space;
doctor_hint_fn doctor_hint_idmap, doctor_hint_state_dir;
/* A detached mount of a host directory whose ids appear shifted into doctor_range(). */
int doctor_idmapped_tree(const char *path, struct err *e);

/* doctor_ids.c: what lets a plain user give other ids to tasks. */
doctor_check_fn doctor_no_new_privs, doctor_id_helpers, doctor_subuid, doctor_subgid,
	doctor_id_range;
doctor_hint_fn doctor_hint_id_helpers, doctor_hint_subid, doctor_hint_id_range;

/* doctor_cgroup.c */
doctor_check_fn doctor_cgroup_version, doctor_cgroup, doctor_cgroup_kill, doctor_linger;
doctor_hint_fn doctor_hint_cgroup;

/* doctor_limits.c: what the user shares with all else that runs as the same user. */
doctor_check_fn doctor_nproc, doctor_user_processes, doctor_open_files, doctor_inotify,
	doctor_keyring, doctor_ping;
doctor_hint_fn doctor_hint_user_processes, doctor_hint_open_files, doctor_hint_inotify,
	doctor_hint_keyring, doctor_hint_ping;

#endif
