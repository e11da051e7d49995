/*
 * Requests of protocol version 1, as the daemon works with them: parsed from JSON by one schema
 * table (schema.c), every value checked, units converted. What the fields mean stands in
 * docs/protocol.md, whose tables are printed from the same schema.
 */
#ifndef DAYFLY_PROTO_REQUEST_H
#define DAYFLY_PROTO_REQUEST_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum op {
	OP_RUN,
	OP_ATTACH,
	OP_INPUT,
	OP_RESIZE,
	OP_SIGNAL,
	OP_CANCEL,
	OP_LIST,
	OP_INSPECT,
	OP_WAIT,
	OP_LOGS,
	OP_INFO,
	OP_PING,
	OP_DRAIN,
	OP_STATS,
	OP_EVENTS,
	OP_UNSUBSCRIBE,
	OP_HISTORY,
	OP_UPLOADS,
	OP_COUNT,
};
const char *op_name(enum op op);

enum stdin_mode { STDIN_NONE, STDIN_STREAM }; /* "none" (default: /dev/null), "stream" */
enum on_disconnect { ON_DISCONNECT_KILL, ON_DISCONNECT_KEEP };
enum on_output_limit { ON_OUTPUT_LIMIT_DROP, ON_OUTPUT_LIMIT_KILL };
enum framing { FRAMING_JSON, FRAMING_RAW };

/* A directory or file of the host: a path, or the place of a descriptor among those sent with the
 * request (-1: none). */
struct spec_source {
	char *path;
	int64_t fd;
};

struct spec_mount {
	struct spec_source source;
	char *target; /* NULL: the same path as the source */
	int mode;     /* enum plan_mode by value: 0 cow, 1 ro, 2 rw */
	char **hide;  /* of the workspace only: NULL-terminated, relative; NULL: nothing */
};

/* A file that comes with the request, and is made in the jail. */
struct spec_file {
	char *path;
	uint64_t mode; /* 0: the default */
	char *data;    /* NULL: not given; or handed on and wiped, then data_len stays */
	size_t data_len;
};

struct spec_secret {
	char *name;
	int64_t fd; /* the place of a descriptor from which data comes, or -1 */
	char *data; /* as of spec_file */
	size_t data_len;
};

/* A tar that is unpacked in the jail. */
struct spec_tar {
	int64_t fd;   /* the place of a descriptor, or -1: it comes on stdin */
	char *target; /* NULL: where the task starts */
};

/* 0 means: not given, take the default. Explicit values are always above 0. */
struct spec_limits {
	uint64_t wall_ms;	    /* "wall": hard time limit, from the start of the task */
	uint64_t idle_ms;	    /* "idle": longest time without output */
	uint64_t cpu_time_ms;	    /* "cpu_time": of all its processes, user and system */
	uint64_t grace_ms;	    /* "grace": between SIGTERM and SIGKILL */
	uint64_t queue_ms;	    /* "queue": how long it may wait for a slot */
	uint64_t memory_bytes;	    /* "memory" */
	uint64_t memory_high_bytes; /* "memory_high": above it the task is slowed down */
	uint64_t swap_bytes;	    /* "swap": beside "memory" */
	uint64_t cpu_millis;	    /* "cpus": thousandths of a CPU */
	uint64_t cpu_weight;	    /* "cpu_weight": share among tasks, 1 to 10000 */
	uint64_t pids;		    /* "pids" */
	uint64_t io_read_bps;	    /* "io_read": bytes per second from each block device */
	uint64_t io_write_bps;	    /* "io_write": to each block device */
	uint64_t disk_bytes;	    /* "disk" */
	uint64_t disk_inodes;	    /* "inodes" */
	uint64_t output_bytes;	    /* "output": per stream */
	uint64_t open_files;	    /* "open_files" */
	uint64_t file_bytes;	    /* "file_size" */
	uint64_t core_bytes;	    /* "core" */
	uint64_t artifact_bytes;    /* "artifacts": of all of them */
	uint64_t artifact_count;    /* "artifact_files" */
};

/* Limits that may be listed under task.best_effort: run although this host cannot hold them. */
enum best_effort {
	BEST_EFFORT_MEMORY = 1 << 0,
	BEST_EFFORT_CPUS = 1 << 1,
	BEST_EFFORT_PIDS = 1 << 2,
	BEST_EFFORT_CPU_TIME = 1 << 3,
	BEST_EFFORT_MEMORY_HIGH = 1 << 4,
	BEST_EFFORT_SWAP = 1 << 5,
	BEST_EFFORT_CPU_WEIGHT = 1 << 6,
	BEST_EFFORT_IO_READ = 1 << 7,
	BEST_EFFORT_IO_WRITE = 1 << 8,
	BEST_EFFORT_DISK = 1 << 9,
	BEST_EFFORT_INODES = 1 << 10,
};

/* Of what an address is told, as bits. */
enum webhook_event {
	WEBHOOK_ACCEPTED = 1 << 0,
	WEBHOOK_STARTED = 1 << 1,
	WEBHOOK_FINISHED = 1 << 2,
};

struct spec_webhook {
	char *url;
	uint32_t events; /* bits of enum webhook_event; 0: WEBHOOK_FINISHED */
};

enum concurrency_mode { CONCURRENCY_QUEUE, CONCURRENCY_SUPERSEDE };

/* One task at a time with this key, of one user. */
struct spec_concurrency {
	char *key;
	int mode; /* enum concurrency_mode */
};

/* Where a tar of what the task changed goes. */
struct spec_changes {
	int64_t fd;		    /* the place of a descriptor */
	uint64_t bytes, timeout_ms; /* 0: the default */
};

enum git_history { GIT_HISTORY_SHALLOW, GIT_HISTORY_FULL };

/* A repository that the workspace is checked out of. */
struct spec_git {
	char *url;
	char *ref;	   /* NULL: its HEAD */
	int history;	   /* enum git_history */
	bool refresh;	   /* ask again what the ref stands for */
	bool submodules;   /* check them out too */
	char *credentials; /* as of spec_file, these four: a git credential store */
	size_t credentials_len;
	char *ssh_key;
	size_t ssh_key_len;
	char *known_hosts;
	size_t known_hosts_len;
	char *ca; /* certificates, PEM */
	size_t ca_len;
	int64_t agent; /* the place of a directory with agent.sock, or -1 */
};

/* Where the workspace comes from, if not from the client's directory. */
struct spec_origin {
	bool has_git;
	struct spec_git git;
};

/* Where artifacts are sent: a target of the administrator's and the beginning of the keys there, or
 * an address. */
struct spec_upload {
	char *target, *prefix, *url; /* NULL: not given */
	char *credentials;	     /* NULL: none. Secret */
	size_t credentials_len;
	int64_t credentials_fd; /* the place of a descriptor; -1: none */
};

/* Files that are to be kept. */
struct spec_artifact {
	char *glob;
	bool is_required;
	uint64_t bytes, count; /* 0: as of all together */
};

enum artifacts_to { ARTIFACTS_TO_FD, ARTIFACTS_TO_EVENTS };

struct spec_artifacts {
	struct spec_artifact *files;
	size_t n_files;
	uint64_t timeout_ms; /* 0: the default */
	int to;		     /* enum artifacts_to */
	int64_t fd;	     /* the place of a descriptor; -1: none */
	bool has_upload;
	struct spec_upload upload;
};

struct task_spec {
	char **argv;   /* NULL-terminated */
	char **env;    /* NULL-terminated "NAME=value", from the object task.env */
	char **labels; /* NULL-terminated "key=value", from the object task.labels */
	char *name;    /* NULL: none */
	char *cwd;
	char *image; /* NULL or "host": the host image; an absolute path: a directory */
	int user;    /* enum plan_user: 0 agent, 1 root */
	int network; /* enum plan_network: 0 none, 1 host */
	int profile; /* enum plan_profile: 0 dev, 1 strict */
	bool tty;
	uint64_t rows, cols;
	int stdin_mode; /* enum stdin_mode */
	bool has_workspace;
	struct spec_mount workspace; /* target NULL: the same path as outside when it has one, else
					/workspace */
	bool has_source;
	struct spec_origin source;
	struct spec_mount *mounts;
	size_t n_mounts;
	struct spec_file *files;
	size_t n_files;
	struct spec_secret *secrets;
	size_t n_secrets;
	struct spec_tar *tars;
	size_t n_tars;
	struct spec_limits limits;
	uint32_t best_effort; /* bits of enum best_effort */
	int on_disconnect;    /* enum on_disconnect */
	int on_output_limit;  /* enum on_output_limit */
	int64_t priority;     /* -10 to 10 */
	bool may_queue;	      /* "queue": else refused if it cannot start at once */
	bool has_concurrency;
	struct spec_concurrency concurrency;
	char *idempotency_key; /* NULL: none */
	struct spec_webhook *webhooks;
	size_t n_webhooks;
	bool has_changes;
	struct spec_changes changes;
	bool has_artifacts;
	struct spec_artifacts artifacts;
};

/* Which tasks of the history. */
struct spec_history {
	int state;     /* enum history_state by value: 0 any, 1 done, 2 active */
	char *outcome; /* NULL: any */
	char *cause;   /* likewise */
	char *name;    /* likewise */
	bool has_uid;
	uint64_t uid;
	uint64_t since_ns, until_ns; /* CLOCK_REALTIME; 0: any time */
	uint64_t limit;		     /* 0: the default */
	char *before;		     /* "next" of the answer before; NULL: the newest */
};

struct request {
	enum op op;
	char *id; /* the client's tag, repeated in every answer; never NULL after a successful parse
		   */
	int framing;	     /* run attach logs: enum framing */
	bool detach;	     /* run: accepted is the last event; the task outlives the connection */
	char *task;	     /* all that name a task: id, unique prefix of an id, or name; events,
				history: may be NULL */
	uint64_t after;	     /* attach logs: replay what has a higher seq */
	bool follow;	     /* logs: go on until the end */
	bool all;	     /* list: finished tasks too; events, history: of every user */
	bool usage;	     /* list: what running tasks use now */
	bool snapshot;	     /* events: first the tasks that are not done */
	bool watch;	     /* uploads: until they are over */
	char *request;	     /* unsubscribe: the tag of the events request */
	bool on;	     /* drain: or no longer */
	char *label;	     /* list events history: only tasks with this "key=value" or "key" */
	char *signal;	     /* signal: "TERM", "SIGTERM" or a number as text */
	uint64_t rows, cols; /* resize */
	char *data;	     /* input: the bytes (from text or base64), or NULL */
	size_t data_len;
	uint64_t bytes;		     /* input: so many raw bytes follow the line */
	bool eof;		     /* input: end of input after these bytes */
	struct spec_history history; /* history */
	struct task_spec *spec;	     /* run */
};

/*
 * Parses one request line (without its newline). On success *ret is the caller's. On failure *e
 * names the field and the cause, and *ret_id is the request's tag if it could be read (the
 * caller's; may be NULL). Errors: -EINVAL, -ENOMEM.
 */
int request_parse(const char *line, size_t len, struct request **ret, char **ret_id, struct err *e);
void request_destroy(struct request *rq);
void task_spec_destroy(struct task_spec *spec);

/* The number of a signal given as "TERM", "SIGTERM" or "15"; -EINVAL if there is none such. And its
 * name: "SIGTERM". */
int signal_number(const char *text);
const char *signal_name(int signo);

#endif
