/*
 * A plan says everything about one jail and its task: the daemon makes it from a validated request
 * (build.c), seals it as bytes (codec.c) and hands it down; the warden, which trusts nothing,
 * decodes and checks it again (plan_decode) and acts on it. Pure: nothing here touches the kernel.
 */
#ifndef DAYFLY_PLAN_PLAN_H
#define DAYFLY_PLAN_PLAN_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLAN_MAGIC   0x6e616c70u /* "plan" */
#define PLAN_VERSION 9

/* Below these the kernel refuses the limit, or nothing can run. */
#define PLAN_MEMORY_MIN	    (1ull << 20)
#define PLAN_CPU_MILLIS_MIN 10
#define PLAN_CPU_MILLIS_MAX (65536 * 1000ull)
#define PLAN_CPU_WEIGHT_MAX 10000
#define PLAN_PIDS_MAX	    4194304

/* Inside every jail. */
#define PLAN_AGENT_ID	 1000
#define PLAN_AGENT_NAME	 "agent"
#define PLAN_AGENT_HOME	 "/home/agent"
#define PLAN_HOSTNAME	 "dayfly"
#define PLAN_SECRETS_DIR "/run/secrets"

enum plan_user { PLAN_USER_AGENT, PLAN_USER_ROOT, PLAN_USER_COUNT };
enum plan_network { PLAN_NETWORK_NONE, PLAN_NETWORK_HOST, PLAN_NETWORK_COUNT };
enum plan_profile { PLAN_PROFILE_DEV, PLAN_PROFILE_STRICT, PLAN_PROFILE_COUNT };
enum plan_image { PLAN_IMAGE_HOST, PLAN_IMAGE_DIR, PLAN_IMAGE_COUNT };
enum plan_mode { PLAN_MODE_COW, PLAN_MODE_RO, PLAN_MODE_RW, PLAN_MODE_COUNT };

/* "agent", "none", "dev", "host", "cow", ...: also the words of the protocol. */
const char *plan_user_name(enum plan_user v);
const char *plan_network_name(enum plan_network v);
const char *plan_profile_name(enum plan_profile v);
const char *plan_image_name(enum plan_image v);
const char *plan_mode_name(enum plan_mode v);

/* The cgroup v2 controllers that hold limits, or count; in sets: bits 1 << v. */
enum plan_controller {
	PLAN_CONTROLLER_MEMORY,
	PLAN_CONTROLLER_PIDS,
	PLAN_CONTROLLER_CPU,
	PLAN_CONTROLLER_IO,
	PLAN_CONTROLLER_COUNT
};
/* "memory", "pids", "cpu", "io": the kernel's words. */
const char *plan_controller_name(enum plan_controller v);

/*
 * A directory or file of the host. Either a descriptor that the client passed, by its place among
 * the source descriptors that come with the plan (fd_index >= 0), or an absolute path (fd_index =
 * -1) that a child of the warden opens with the client's rights. path may be set beside a
 * descriptor, for messages only.
 */
struct plan_source {
	int fd_index;
	char *path;
};

struct plan_mount {
	struct plan_source source;
	char *target; /* absolute path inside the jail */
	enum plan_mode mode;
	bool is_own; /* the daemon's directory, by descriptor: its user's files are the task's */
};

/* A file to be made in the jail. */
enum plan_input_kind { PLAN_INPUT_FILE, PLAN_INPUT_SECRET, PLAN_INPUT_COUNT };
struct plan_input {
	enum plan_input_kind kind;
	char *path;	/* absolute, inside the jail; of a secret: its name in PLAN_SECRETS_DIR */
	uint16_t mode;	/* of a file; a secret's is 0400 */
	uint32_t bytes; /* so much of the inputs' descriptor is its content: one after the other */
};

/* A tar that is unpacked in the jail, with the task's rights. */
struct plan_tar {
	int fd_index; /* as of plan_source; -1: it is what comes on stdin, and the task reads none
		       */
	char *target; /* absolute path of a directory inside the jail */
};

/* Files that the task leaves and that are to be kept. */
struct plan_artifact {
	char *glob; /* base/glob.h; with a slash before it: in the jail, else in the workspace */
	bool is_required;
	uint64_t bytes; /* of one file */
	uint32_t count;
};

/* 0 = none asked for, unless said otherwise. */
struct plan_limits {
	/* Numbers that jail init applies itself. */
	uint64_t disk_bytes;  /* of everything writable in the jail; > 0 */
	uint64_t disk_inodes; /* likewise; > 0 */
	uint64_t open_files;  /* RLIMIT_NOFILE; > 0 */
	uint64_t file_bytes;  /* RLIMIT_FSIZE */
	uint64_t core_bytes;  /* RLIMIT_CORE; 0 means no core files */
	uint64_t processes;   /* RLIMIT_NPROC of the task's uid in its own user namespace; > 0 */
	uint64_t data_bytes;  /* best effort without a cgroup: RLIMIT_DATA of each process */
	uint64_t cpu_ms; /* best effort without a cgroup: RLIMIT_CPU of each process, rounded up to
			    seconds */

	/* Limits of the whole task, which its cgroup holds: each needs its controller. */
	uint64_t memory_bytes;	    /* memory.max; >= PLAN_MEMORY_MIN */
	uint64_t memory_high_bytes; /* memory.high; likewise */
	uint64_t swap_bytes;  /* memory.swap.max, where memory_bytes is set; 0 means no swap */
	uint64_t cpu_millis;  /* cpu.max: thousandths of a CPU; >= PLAN_CPU_MILLIS_MIN */
	uint64_t cpu_weight;  /* cpu.weight: 1 to PLAN_CPU_WEIGHT_MAX */
	uint64_t pids;	      /* pids.max: processes and threads */
	uint64_t io_read_bps; /* io.max of each block device: rbps, wbps */
	uint64_t io_write_bps;
	uint64_t cpu_time_ms; /* cpu.stat: of all its processes; the warden tells when it is
				 used up (WIRE_LIMIT). Any cgroup will do. */
};

struct plan {
	char *task;  /* task id, for messages */
	char **argv; /* NULL-terminated, at least one entry */
	char **env;  /* NULL-terminated "NAME=value", the request's additions only */
	char *cwd;   /* absolute, inside the jail; NULL: the workspace, or the home */
	enum plan_user user;
	enum plan_network network;
	enum plan_profile profile;
	enum plan_image image;
	struct plan_source image_source; /* PLAN_IMAGE_DIR */
	bool has_workspace;
	struct plan_mount workspace;
	char **hidden; /* "/a/b": of the workspace, seen from its root; NULL: all of it shows */
	struct plan_mount *mounts;
	size_t n_mounts;
	struct plan_input *inputs; /* with any, a descriptor of their contents comes along */
	size_t n_inputs;
	struct plan_tar *tars;
	size_t n_tars;
	/* A tar of what changes in the cow workspace goes to this descriptor, as of plan_source;
	 * -1: none is asked for. At most so many bytes, in so much time after the task's end. */
	int changes_fd_index;
	uint64_t changes_bytes;
	uint32_t changes_ms;
	/* Likewise a tar of the artifacts; the descriptor is named only when the jail is started,
	 * where it is a file of the daemon's. */
	struct plan_artifact *artifacts;
	size_t n_artifacts;
	int artifacts_fd_index;
	uint64_t artifacts_bytes; /* of the files */
	uint32_t artifacts_count;
	uint32_t artifacts_ms;
	bool tty;
	uint16_t rows, cols; /* of the tty; 0 = unknown */
	bool has_stdin;	     /* a stdin descriptor comes with the plan; else /dev/null */
	struct plan_limits limits;
	/* Where image_source and the other sources may lie, as NULL-terminated lists of
	 * directories; NULL or empty: nowhere. */
	char **image_roots, **workspace_roots;
};

struct plan *plan_create(void);
void plan_destroy(struct plan *p);

static inline void plan_cleanup(struct plan **p)
{
	plan_destroy(*p);
}
#define auto_plan __attribute__((cleanup(plan_cleanup)))

/* Whether the workspace is shown through an overlay: with a private layer, or without a part of it.
 */
bool plan_workspace_is_layer(const struct plan *p);

/* How many source descriptors the plan refers to: one more than the highest fd_index. */
size_t plan_source_count(const struct plan *p);

/* The bytes of all inputs, and whether one is of that kind. */
uint64_t plan_input_bytes(const struct plan *p);
bool plan_has_input(const struct plan *p, enum plan_input_kind kind);

/* Whether an absolute path without "." and ".." is one of these directories or lies below one. */
bool plan_path_is_below(const char *path, char *const *roots);

/* inputs.c: the part of plan_check() that is about inputs and tars, and what they must not lie in.
 */
int plan_check_inputs(const struct plan *p, struct err *e);
/* An absolute path without empty, "." or ".." components and not "/" itself. */
bool plan_path_is_clean(const char *path);
/* Places that the jail makes itself: /proc, /sys, /dev and what is below them. */
bool plan_path_is_reserved(const char *path);

/* artifacts.c: the part of plan_check() that is about artifacts. Returns 0 or -EINVAL. */
int plan_check_artifacts(const struct plan *p, struct err *e);

/*
 * The rules that every plan must meet, whoever made it: bounds, absolute targets without "." or
 * "..", words in range. Returns 0 or -EINVAL with *e naming the field ("task.argv").
 */
int plan_check(const struct plan *p, struct err *e);

/* codec.c: appends the plan's bytes to *out. Returns 0 or -errno. */
int plan_encode(const struct plan *p, struct buf *out);

/*
 * codec.c: reads and checks a plan from untrusted bytes. Everything must be there and nothing more.
 * *ret_plan is the caller's. Returns 0 or -errno.
 */
int plan_decode(const void *data, size_t len, struct plan **ret_plan, struct err *e);

#endif
