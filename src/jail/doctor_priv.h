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
	char user[64];	    /* login name, or the uid as text */
	char self[256];	    /* this program's path */
	char distro[32];    /* ID of os-release, "" if unknown */
	char container[32]; /* "docker", "podman", ... or "" */
	bool tmpfs_upper;   /* an overlay with its upper on a tmpfs works */
};

struct doctor_finding {
	enum doctor_status status;
	bool needed;
	char why[768];
	char fix[768];
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
void doctor_write_json(FILE *out, const char *check, const struct doctor_finding *f);
void doctor_write_text(FILE *out, const char *check, const struct doctor_finding *f);

/* doctor_host.c: reading the system's files. */
void doctor_learn_host(struct doctor *d);
/* A number in a file below /proc/sys ("user/max_user_namespaces"), or fallback. */
long doctor_sysctl(const char *name, long fallback);
/* How to install a program here: "sudo apt-get install uidmap". NULL where a distribution is
 * unknown. */
const char *doctor_newuidmap_package(const char *distro);
/* The path in the cgroup2 line "0::PATH" of /proc/self/cgroup. Returns 0, -ENOENT, or
 * -ENAMETOOLONG. */
int doctor_parse_cgroup(const char *text, char *ret, size_t size);
/* The value of KEY= in os-release, unquoted. Returns 0 or -ENOENT. */
int doctor_parse_os_release(const char *text, const char *key, char *ret, size_t size);

struct doctor_mount {
	char root[256];
	char point[512];
	char fs[32];
};
/* The mount in the first line of mountinfo, its octal escapes undone. Returns 0 or -EINVAL. */
int doctor_parse_mount(const char *line, struct doctor_mount *ret);
/* The first mount of a type. Returns 0 or -ENOENT. */
int doctor_find_mount(const char *mountinfo, const char *fs, struct doctor_mount *ret);
/* The first mount point strictly below dir. Returns 0 or -ENOENT. */
int doctor_find_below(const char *mountinfo, const char *dir, char *ret, size_t size);

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

/* doctor_basic.c: calls that need no namespace. */
doctor_check_fn doctor_kernel, doctor_mode, doctor_capabilities, doctor_clone3, doctor_close_range,
	doctor_openat2, doctor_sealed_memfd, doctor_memfd_exec, doctor_seccomp, doctor_landlock,
	doctor_no_new_privs;
doctor_hint_fn doctor_hint_syscall, doctor_hint_memfd, doctor_hint_capabilities;

/* doctor_ns.c: namespaces and what is mounted in them. */
doctor_check_fn doctor_userns, doctor_max_userns, doctor_userns_limit, doctor_mount_api,
	doctor_proc, doctor_devpts, doctor_nproc, doctor_ptrace;
doctor_hint_fn doctor_hint_userns, doctor_hint_proc, doctor_hint_ptrace;

/* doctor_overlay.c */
doctor_check_fn doctor_overlay_tmpfs, doctor_overlay_disk, doctor_overlay_usr, doctor_overlay_etc,
	doctor_idmap;
doctor_hint_fn doctor_hint_overlay, doctor_hint_below_usr, doctor_hint_below_etc, doctor_hint_idmap;

/* doctor_session.c: ids, cgroups and the user's session. */
doctor_check_fn doctor_id_range, doctor_cgroup, doctor_container, doctor_runtime_dir;
doctor_hint_fn doctor_hint_id_range, doctor_hint_cgroup;

#endif
