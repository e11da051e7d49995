/*
 * libdayfly: run commands in one-day jails through the dayfly daemon.
 *
 * A program makes a connection (dayfly_connect), describes a task (dayfly_task_new and its
 * setters), hands it in (dayfly_run) and then reads events (dayfly_next) until the task's result
 * comes. One connection carries any number of tasks and questions at the same time; every event
 * says to which request it belongs.
 *
 *	struct dayfly_error e;
 *	struct dayfly_client *c;
 *	struct dayfly_event *ev;
 *	const char *argv[] = { "echo", "hello", NULL };
 *	struct dayfly_task *t = dayfly_task_new();
 *	dayfly_task_set_argv(t, argv);
 *	dayfly_connect(NULL, DAYFLY_CONNECT_AUTOSTART, &c, &e);
 *	dayfly_run(c, t, 0, NULL, &e);
 *	while (dayfly_next(c, -1, &ev, &e) > 0) { ... dayfly_event_free(ev); }
 *
 * Rules that hold for every function here:
 *
 * - Errors: functions that can fail return 0 (or what is written beside them) on success and a
 *   negative errno on failure. Where the last parameter is a struct dayfly_error *, it is filled on
 *   failure and left alone on success; NULL is allowed. Out-parameters are set on success only.
 *   -ENOMEM is possible everywhere and not mentioned again.
 *
 * - Threads: the library has no global state and starts no thread. Different objects may be used by
 *   different threads at the same time; one object by one thread at a time.
 *
 * - Ownership: what a function returns through ret_x is the caller's, to be freed with the function
 *   of its type. Strings and data given to a function are copied. Results of type `const char *`
 *   belong to the object they were asked from and live as long as it. Every free function accepts
 *   NULL; other functions want objects.
 *
 * - Signals and descriptors: the library never raises SIGPIPE; its descriptors are close-on-exec.
 *
 * - Text: strings that go to the daemon must be UTF-8, as JSON carries them; others give -EILSEQ.
 */
#ifndef DAYFLY_CLIENT_H
#define DAYFLY_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include <dayfly/version.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define DAYFLY_API __attribute__((visibility("default")))
#else
#define DAYFLY_API
#endif

struct dayfly_client; /* a connection to the daemon */
struct dayfly_task;   /* the description of a task to run */
struct dayfly_event;  /* something the daemon told us */

/*
 * Why something failed. `code` is one of the stable names in docs/protocol.md ("not_found",
 * "bad_value", ...); "connect_failed" when no daemon could be reached, "protocol_error" when its
 * answer could not be understood. Members without a meaning for the error at hand are "" or 0.
 */
struct dayfly_error {
	int errnum;	   /* positive errno */
	char code[32];	   /* stable name, for programs */
	char message[400]; /* the cause in one line, for people */
	char field[128];   /* the field of the request that is wrong: "task.limits.memory" */
	char step[32];	   /* the step of making the jail that failed */
	char hint[480];	   /* what to do about it */
	char reserved[64];
};

/* The version of the library, such as "0.1.0". Never NULL; static. Any thread. */
DAYFLY_API const char *dayfly_version(void);

/* ---- connection ---- */

enum dayfly_connect_flags {
	/*
	 * If no daemon is found in the default places, start a private one for this user. It leaves
	 * by itself after an idle minute. dayflyd is looked for beside the running program, in
	 * ../sbin as seen from there, and where the library was installed. Without effect when a
	 * path is given or DAYFLY_SOCKET is set.
	 */
	DAYFLY_CONNECT_AUTOSTART = 1,
};

/*
 * Connects to the daemon whose socket is at `path`. With NULL: the environment variable
 * DAYFLY_SOCKET; else the first place where a daemon listens of
 * $XDG_RUNTIME_DIR/dayfly/dayfly.sock, /run/user/UID/dayfly/dayfly.sock,
 * /tmp/dayfly-UID/dayfly.sock (each only if its directory belongs to this user) and
 * /run/dayfly/dayfly.sock. `flags`: enum dayfly_connect_flags. May wait a few seconds for a busy
 * daemon, or while one starts.
 *
 * Errors: -ENOENT, -ECONNREFUSED (no daemon there), -EACCES, -ENAMETOOLONG, -ETIMEDOUT, or
 * what starting a daemon gave; code "connect_failed".
 */
DAYFLY_API int dayfly_connect(const char *path, unsigned flags, struct dayfly_client **ret_client,
	struct dayfly_error *e);

/*
 * Makes a client of a connected stream socket. The descriptor then belongs to the client, also on
 * failure (it is closed).
 *
 * Errors: -EBADF.
 */
DAYFLY_API int dayfly_connect_fd(
	int take_fd, struct dayfly_client **ret_client, struct dayfly_error *e);

/*
 * Closes the connection and frees the client. The daemon kills the tasks that were handed in over
 * it, except detached ones and those with dayfly_task_set_keep().
 */
DAYFLY_API void dayfly_client_free(struct dayfly_client *c);

/*
 * The descriptor to wait for in a poll loop, and the events to wait for: POLLIN, and POLLOUT too
 * while requests wait to be sent. When poll reports any of them, call dayfly_next() with a timeout
 * of 0 until it returns 0. The descriptor stays the client's: neither read, write nor close it.
 */
DAYFLY_API int dayfly_client_fd(const struct dayfly_client *c);
DAYFLY_API short dayfly_client_poll_events(const struct dayfly_client *c);

/* Where the client is connected to: the path of the socket, "" after dayfly_connect_fd(). */
DAYFLY_API const char *dayfly_client_path(const struct dayfly_client *c);

enum dayfly_framing {
	DAYFLY_FRAMING_RAW,  /* the default and the fastest: plain bytes after the event */
	DAYFLY_FRAMING_JSON, /* inside the event, as text or base64 */
};

/*
 * How output is to be sent, for the requests made from now on. dayfly_event_data() works with both;
 * dayfly_event_json() holds the bytes only with DAYFLY_FRAMING_JSON.
 */
DAYFLY_API void dayfly_client_set_framing(struct dayfly_client *c, enum dayfly_framing framing);

/* ---- a task to run ---- */

enum dayfly_mode {
	DAYFLY_MODE_COW, /* the task writes to a private layer that is gone at its end */
	DAYFLY_MODE_RO,	 /* read-only */
	DAYFLY_MODE_RW,	 /* the task writes to the real directory */
};

/*
 * A new task without a command; NULL if memory ran out. It can be handed in many times, each time
 * as a new task. The setters below return 0, or -EINVAL (a NULL, or a value out of the enum) or
 * -EILSEQ (not UTF-8). Whether a value is allowed is for the daemon to say: dayfly_run() itself
 * succeeds and an error event follows that names the field.
 */
DAYFLY_API struct dayfly_task *dayfly_task_new(void);
DAYFLY_API void dayfly_task_free(struct dayfly_task *t);

/*
 * The command and its arguments, NULL-terminated, at least one. Found by PATH inside the jail
 * unless it has a slash.
 */
DAYFLY_API int dayfly_task_set_argv(struct dayfly_task *t, const char *const *argv);

/*
 * Adds one environment variable, or replaces it. The task's environment is clean but for a few
 * (PATH HOME USER LANG TERM TMPDIR).
 */
DAYFLY_API int dayfly_task_set_env(struct dayfly_task *t, const char *name, const char *value);

/* The working directory inside the jail. Default: the workspace, else the home directory. */
DAYFLY_API int dayfly_task_set_cwd(struct dayfly_task *t, const char *path);

/*
 * Shows the task a directory of this machine. It is opened here and now, with the rights of the
 * caller, and the open directory is handed to the daemon: later renames of `path` change nothing.
 * Inside it is found at the same path as outside, or at `target` if that is not NULL. A second call
 * replaces the first.
 *
 * Errors: what open(2) gives; code "source_unavailable".
 */
DAYFLY_API int dayfly_task_set_workspace(struct dayfly_task *t, const char *path,
	const char *target, enum dayfly_mode mode, struct dayfly_error *e);

/*
 * Leaves a file or directory of the workspace out, by its path seen from there ("a/.env"): for the
 * task it is not there. The workspace must be cow or ro. Returns 0, -EILSEQ (not UTF-8), -E2BIG
 * (too many) or -ENOMEM.
 */
DAYFLY_API int dayfly_task_hide(struct dayfly_task *t, const char *path);

/*
 * Shows the task one more directory or file, opened in the same way. `target`: absolute path
 * inside, NULL for the same as outside.
 *
 * Errors: what open(2) gives; -E2BIG when there are too many (code "too_large").
 */
DAYFLY_API int dayfly_task_add_mount(struct dayfly_task *t, const char *path, const char *target,
	enum dayfly_mode mode, struct dayfly_error *e);

/*
 * Has a file made inside the jail before the task starts, at an absolute path, with these bytes and
 * this mode (0644, say). It belongs to the task. May be called many times.
 */
DAYFLY_API int dayfly_task_add_file(
	struct dayfly_task *t, const char *path, const void *data, size_t len, unsigned mode);

/*
 * The same for what nobody else is to see: a file of mode 0400 at /run/secrets/NAME, on a
 * filesystem of its own. The bytes are in no answer of the daemon, no log and no record.
 */
DAYFLY_API int dayfly_task_add_secret(
	struct dayfly_task *t, const char *name, const void *data, size_t len);

/*
 * Unpacks a tar in the jail before the task starts, with the task's rights: plain, or compressed by
 * gzip, bzip2, xz or zstd. target is a directory inside the jail; NULL: the workspace, or the home.
 * fd is an open file, pipe or socket, of which a copy is kept: it is read from where it stands to
 * its end, once. -1: the tar is what dayfly_send_input() sends after dayfly_task_set_stdin(t, 1),
 * and the task itself reads nothing. At most 3, and one of them -1. Returns 0 or a negative errno,
 * with *e.
 */
DAYFLY_API int dayfly_task_add_tar(
	struct dayfly_task *t, int fd, const char *target, struct dayfly_error *e);

/*
 * Has this address told of the task by a signed HTTP request, if the daemon's configuration allows
 * its host. events: "accepted", "started", "finished" or several with commas between; NULL:
 * "finished". May be called several times.
 */
DAYFLY_API int dayfly_task_add_webhook(struct dayfly_task *t, const char *url, const char *events);

/*
 * Has what the task changes in its workspace, which must have the mode cow, written to fd as a tar
 * when the task is over: docs/protocol.md, "The tar of changes". fd is the writable end of a pipe
 * or a connected Unix stream socket; a copy is kept, until dayfly_task_free(). bytes ("1GiB") and
 * timeout ("60s") bound it; NULL: the daemon's defaults. The result tells in "changes.archive"
 * whether the tar is complete: read until the end of file, and look there. Errors: -EBADF, -EILSEQ.
 */
DAYFLY_API int dayfly_task_set_changes(
	struct dayfly_task *t, int fd, const char *bytes, const char *timeout);

/*
 * Keeps the files whose path in the jail matches a pattern (docs/protocol.md, "Artifacts"); where
 * required is not 0, a task that leaves none has failed. They are written to fd as a tar when the
 * task is over; fd is as for dayfly_task_set_changes(), and must be set with the first pattern. The
 * result tells in "artifacts" what each of them is, with its SHA-256. timeout ("60s") bounds it;
 * NULL: the daemon's default. fd -1: they are sent on, dayfly_task_set_upload() says where. Return
 * 0 or -errno (-EILSEQ: not UTF-8).
 */
DAYFLY_API int dayfly_task_add_artifact(struct dayfly_task *t, const char *glob, int required);
DAYFLY_API int dayfly_task_set_artifacts(struct dayfly_task *t, int fd, const char *timeout);

/*
 * Has the daemon send them on when the task is over (docs/uploads.md), in place of a descriptor of
 * dayfly_task_set_artifacts(): to a target of its configuration, with a prefix of the keys there
 * (NULL: the default), or to an address. Exactly one of target and url is given. Returns 0 or
 * -errno.
 */
DAYFLY_API int dayfly_task_set_upload(
	struct dayfly_task *t, const char *target, const char *prefix, const char *url);

/* What the daemon signs that with, in place of the target's own: lines as in a file of credentials
 * (docs/uploads.md), which go in a descriptor. Returns 0 or -errno. */
DAYFLY_API int dayfly_task_set_upload_credentials(
	struct dayfly_task *t, const void *data, size_t len);

/*
 * Has the daemon check the task's workspace out of a repository of git, copy-on-write, in place of
 * a directory: docs/protocol.md, "task.source.git", also for what url and ref (NULL: HEAD) may be.
 * flags: DAYFLY_GIT_*. The texts, by name: "credentials", "ssh_key", "known_hosts", "ca"; they are
 * UTF-8 and told to nobody. dir_fd, of which a copy is kept, is an open directory with a socket
 * agent.sock, which stands for an ssh agent until the task runs; the fetch may come to it as
 * another user of the host, so a real agent refuses it: somebody must pass on what it says. Return
 * 0 or -errno (-EILSEQ: not UTF-8; -EINVAL: no such flag or name).
 */
#define DAYFLY_GIT_FULL_HISTORY 1u /* not the commit alone */
#define DAYFLY_GIT_REFRESH	2u /* the server is asked what ref is now */
#define DAYFLY_GIT_SUBMODULES	4u /* submodules are checked out too */
DAYFLY_API int dayfly_task_set_git(
	struct dayfly_task *t, const char *url, const char *ref, unsigned flags);
DAYFLY_API int dayfly_task_set_git_text(
	struct dayfly_task *t, const char *name, const void *data, size_t len);
DAYFLY_API int dayfly_task_set_git_agent(struct dayfly_task *t, int dir_fd);

/*
 * Sets one limit, by its name and a text: "wall" "idle" "cpu_time" "grace" "queue" (durations:
 * "90", "10m", "1h30m"), "memory" "memory_high" "swap" "disk" "output" "file_size" "core" "io_read"
 * "io_write" (sizes: "512MiB", "2g"; the last two per second), "cpus" ("0.5"), "cpu_weight" "pids"
 * "inodes" "open_files" (counts); "artifacts" (size) and "artifact_files" (count).
 */
DAYFLY_API int dayfly_task_set_limit(struct dayfly_task *t, const char *name, const char *text);

/*
 * Names a limit ("memory", "cpus", "pids" and the others that a cgroup holds, "disk", "inodes")
 * that need not hold where this host cannot hold it. Without this such a task is refused. The
 * result lists under "degraded" what was weaker.
 */
DAYFLY_API int dayfly_task_add_best_effort(struct dayfly_task *t, const char *limit);

/* "none" (default) or "host". */
DAYFLY_API int dayfly_task_set_network(struct dayfly_task *t, const char *network);
/* The set of system calls: "dev" (default) or "strict". */
DAYFLY_API int dayfly_task_set_profile(struct dayfly_task *t, const char *profile);
/* "agent" (default) or "root": root of the jail only. */
DAYFLY_API int dayfly_task_set_user(struct dayfly_task *t, const char *user);
/* The root file system: "host" (default) or the absolute path of a directory. */
DAYFLY_API int dayfly_task_set_image(struct dayfly_task *t, const char *image);
/* A name by which the task can be called instead of its id while it is not done. */
DAYFLY_API int dayfly_task_set_name(struct dayfly_task *t, const char *name);
/* Adds a label, or replaces it: free text to find tasks by. */
DAYFLY_API int dayfly_task_set_label(struct dayfly_task *t, const char *key, const char *value);

/*
 * Gives the task a terminal of this size (0, 0: unknown) in place of pipes. Its output is
 * all on stdout then, and it always has its input.
 */
DAYFLY_API int dayfly_task_set_tty(struct dayfly_task *t, unsigned rows, unsigned cols);

/*
 * Whether the task's standard input is sent with dayfly_input(). Default 0: it reads an empty
 * input.
 */
DAYFLY_API int dayfly_task_set_stdin(struct dayfly_task *t, int is_streamed);

/* Whether the task goes on when the connection closes. Default 0: it is killed. */
DAYFLY_API int dayfly_task_set_keep(struct dayfly_task *t, int is_kept);

/*
 * Whether too much output kills the task. Default 0: what is over the limit is dropped and counted.
 */
DAYFLY_API int dayfly_task_set_kill_on_output_limit(struct dayfly_task *t, int is_killed);

/* -10 to 10; default 0. Before tasks of the same user with a lower one. */
DAYFLY_API int dayfly_task_set_priority(struct dayfly_task *t, int priority);

/* Whether a task that cannot start at once is refused with "busy". Default 0: it waits. */
DAYFLY_API int dayfly_task_set_no_queue(struct dayfly_task *t, int is_refused);

/*
 * Of the tasks with this key one runs at a time. mode: "queue" (NULL: that) waits for those before
 * it, "supersede" cancels them.
 */
DAYFLY_API int dayfly_task_set_concurrency(
	struct dayfly_task *t, const char *key, const char *mode);

/*
 * A request that repeats the key of a task that the daemon still knows is answered with that task:
 * a request whose answer was lost can be sent again. The same key with another request is refused
 * ("duplicate").
 */
DAYFLY_API int dayfly_task_set_idempotency_key(struct dayfly_task *t, const char *key);

/* ---- requests ---- */

/*
 * Each of these sends one request and returns at once; what comes of it is told by events.
 * `ret_request` (may be NULL) gets the number that dayfly_event_request() of those events returns.
 * Every request ends with exactly one event of type DAYFLY_EVENT_RESULT or DAYFLY_EVENT_ERROR.
 * `task` is a task id, the beginning of one that is unique, or a name.
 *
 * Errors: -ECONNRESET, -EPIPE (the connection is gone; code "connect_failed"), -EAGAIN (too much
 * waits to be sent: call dayfly_next() and try again), -EINVAL, -EILSEQ, -E2BIG.
 */

enum dayfly_run_flags {
	/* The request ends as soon as the task is accepted; the task outlives the connection. */
	DAYFLY_RUN_DETACH = 1,
};

/*
 * Hands in a task. Events: accepted, state, output, and the result record (not with
 * DAYFLY_RUN_DETACH).
 */
DAYFLY_API int dayfly_run(struct dayfly_client *c, const struct dayfly_task *t, unsigned flags,
	uint64_t *ret_request, struct dayfly_error *e);

/*
 * Follows a task: replays the kept output with a sequence number over `after`, then as
 * dayfly_run().
 */
DAYFLY_API int dayfly_attach(struct dayfly_client *c, const char *task, uint64_t after,
	uint64_t *ret_request, struct dayfly_error *e);

/* The kept output with a sequence number over `after`; with `follow` also what is still to come. */
DAYFLY_API int dayfly_logs(struct dayfly_client *c, const char *task, uint64_t after, int follow,
	uint64_t *ret_request, struct dayfly_error *e);

/* Waits for the result of a task, without its output. */
DAYFLY_API int dayfly_wait(
	struct dayfly_client *c, const char *task, uint64_t *ret_request, struct dayfly_error *e);

/*
 * Sends bytes to the task's standard input (at most DAYFLY_INPUT_MAX at once), and with `eof` its
 * end. The result event comes when the daemon took them: whoever sends much should wait for it now
 * and then.
 */
#define DAYFLY_INPUT_MAX 65536
DAYFLY_API int dayfly_input(struct dayfly_client *c, const char *task, const void *data, size_t len,
	int eof, uint64_t *ret_request, struct dayfly_error *e);

/* Tells the task the new size of its terminal. */
DAYFLY_API int dayfly_resize(struct dayfly_client *c, const char *task, unsigned rows,
	unsigned cols, uint64_t *ret_request, struct dayfly_error *e);

/* Sends a signal to the process group of the task: "TERM", "SIGTERM" or "15". */
DAYFLY_API int dayfly_signal(struct dayfly_client *c, const char *task, const char *signal,
	uint64_t *ret_request, struct dayfly_error *e);

/*
 * Whether the daemon takes new tasks: with on it takes none, what it has goes on; without, it takes
 * them again. For root and the daemon's own user. The result has "draining", "running" and
 * "waiting".
 */
DAYFLY_API int dayfly_drain(
	struct dayfly_client *c, int on, uint64_t *ret_request, struct dayfly_error *e);

/* Ends a task: SIGTERM, its grace time, SIGKILL. Allowed in every state and any number of times. */
DAYFLY_API int dayfly_cancel(
	struct dayfly_client *c, const char *task, uint64_t *ret_request, struct dayfly_error *e);

/*
 * The caller's tasks; with `all` finished ones too, with `label` ("key" or "key=value", or NULL)
 * only those that have it.
 */
DAYFLY_API int dayfly_list(struct dayfly_client *c, int all, const char *label,
	uint64_t *ret_request, struct dayfly_error *e);

/* The same with "usage" of each task that runs: its CPU time, memory, processes and output now. */
DAYFLY_API int dayfly_list_usage(struct dayfly_client *c, int all, const char *label,
	uint64_t *ret_request, struct dayfly_error *e);

enum dayfly_events_flags {
	/* Of every user's tasks; for root and the daemon's own user. */
	DAYFLY_EVENTS_ALL_USERS = 1,
	/* First an event for each task that is not done. */
	DAYFLY_EVENTS_SNAPSHOT = 2,
};

/*
 * Subscribes to the changes of state of the caller's tasks: of those with `label` (as in
 * dayfly_list(); NULL: any), or of one `task` (NULL: of all). Events: task, missed and, when the
 * snapshot is complete, subscribed. The request ends with dayfly_unsubscribe() (its result has
 * "missed", the sum) or, with `task`, when the task is done. A reader that is slow loses events,
 * and is told how many: it holds nothing up.
 */
DAYFLY_API int dayfly_events(struct dayfly_client *c, unsigned flags, const char *label,
	const char *task, uint64_t *ret_request, struct dayfly_error *e);

/* Ends a dayfly_events() request of this client; `subscription` is its number. */
DAYFLY_API int dayfly_unsubscribe(struct dayfly_client *c, uint64_t subscription,
	uint64_t *ret_request, struct dayfly_error *e);

/* Everything known of one task. */
DAYFLY_API int dayfly_inspect(
	struct dayfly_client *c, const char *task, uint64_t *ret_request, struct dayfly_error *e);

/*
 * What the daemon remembers of the caller's tasks, also from before its last start, the newest
 * first: "tasks", and "next", which is null at the end. `filters` is a NULL-terminated list of
 * "name=value", or NULL: "outcome=failed", "cause=oom", "name=NAME", "state=done" or
 * "state=active", "label=KEY" or "label=KEY=VALUE", "since=2026-01-31T09:05:00Z", "until=...",
 * "limit=100", "before=NEXT" (NEXT of the answer before); for root and the daemon's own user
 * "uid=1000" and "all=true": of every user. With "task=TASK" all about one, as
 * dayfly_inspect() has it.
 *
 * Errors: -EINVAL for what is no "name=value", or a number that is none.
 */
DAYFLY_API int dayfly_history(struct dayfly_client *c, const char *const *filters,
	uint64_t *ret_request, struct dayfly_error *e);

/*
 * The uploads of one task, or of all of the caller's (NULL): "uploads". With `watch` events of the
 * kind upload tell how those of the task get on, and the request ends when they are over.
 */
DAYFLY_API int dayfly_uploads(struct dayfly_client *c, const char *task, int watch,
	uint64_t *ret_request, struct dayfly_error *e);

/* The daemon: version, mode, limits, counts. */
DAYFLY_API int dayfly_info(struct dayfly_client *c, uint64_t *ret_request, struct dayfly_error *e);

/* What the daemon has counted, for root and its own user: "metrics", docs/operations.md. */
DAYFLY_API int dayfly_stats(struct dayfly_client *c, uint64_t *ret_request, struct dayfly_error *e);

/* Whether the daemon answers. */
DAYFLY_API int dayfly_ping(struct dayfly_client *c, uint64_t *ret_request, struct dayfly_error *e);

/* ---- events ---- */

enum dayfly_event_type {
	DAYFLY_EVENT_ACCEPTED = 1, /* the task has an id now */
	DAYFLY_EVENT_STATE,	   /* dayfly_event_state(): "queued", "running", ... */
	DAYFLY_EVENT_OUTPUT,	   /* bytes of the task, or a gap: dayfly_event_truncated() */
	DAYFLY_EVENT_DENIED,	   /* the jail refused something to the task */
	DAYFLY_EVENT_RESULT,	   /* the last event of a request that went well */
	DAYFLY_EVENT_ERROR,  /* the last event of a request that did not: dayfly_event_error() */
	DAYFLY_EVENT_TASK,   /* dayfly_events(): a task came into dayfly_event_state() */
	DAYFLY_EVENT_MISSED, /* dayfly_events(): dayfly_event_missed() of them were left out */
	DAYFLY_EVENT_SUBSCRIBED, /* dayfly_events(): it has begun; all that is known was told */
	DAYFLY_EVENT_OTHER,	 /* from a newer daemon: dayfly_event_json() */
	/* dayfly_logs(), dayfly_attach(): the output is not kept any more; dayfly_event_error()
	 * says why. The result follows. */
	DAYFLY_EVENT_GONE,
	DAYFLY_EVENT_UPLOAD, /* dayfly_uploads(): dayfly_event_json() has "path", "state", "sent" */
};

enum dayfly_stream {
	DAYFLY_STREAM_NONE,
	DAYFLY_STREAM_STDOUT,
	DAYFLY_STREAM_STDERR,
};

/*
 * The next event, waiting at most `timeout_ms` milliseconds for it (0: not at all, -1: for ever).
 * Also sends what waits to be sent. Returns 1 with an event, 0 when there was none in time, or an
 * error: -ECONNRESET when the daemon closed the connection (code "connect_failed"), -EPROTO when it
 * sent what is no event ("protocol_error"). After an error the connection is of no more use.
 */
DAYFLY_API int dayfly_next(struct dayfly_client *c, int timeout_ms, struct dayfly_event **ret_event,
	struct dayfly_error *e);

/*
 * Waits for the last event of one request and returns it as dayfly_next() does. Other events that
 * come meanwhile are kept for dayfly_next(). An error event is turned into an error: *e then holds
 * what the daemon said, and the return value is -e->errnum or -EREMOTEIO. -ENOBUFS: too many other
 * events came.
 */
DAYFLY_API int dayfly_await(struct dayfly_client *c, uint64_t request, int timeout_ms,
	struct dayfly_event **ret_event, struct dayfly_error *e);

DAYFLY_API void dayfly_event_free(struct dayfly_event *ev);

/* The accessors never fail: where an event has no such thing they return 0, "" or NULL. */

DAYFLY_API enum dayfly_event_type dayfly_event_type(const struct dayfly_event *ev);

/*
 * The number of the request it answers; 0 if it answers none. An error event that answers none is
 * the daemon's word before it closes the connection: this user may not use it, it has too many
 * connections, or it stops (code "shutting_down": a request without an answer was not acted upon).
 */
DAYFLY_API uint64_t dayfly_event_request(const struct dayfly_event *ev);

/* The task's id, or "". */
DAYFLY_API const char *dayfly_event_task(const struct dayfly_event *ev);

/* State and task events: queued, starting, running, stopping, collecting or done; else "". */
DAYFLY_API const char *dayfly_event_state(const struct dayfly_event *ev);

/* Missed events: how many task events were left out since the last one; else 0. */
DAYFLY_API uint64_t dayfly_event_missed(const struct dayfly_event *ev);

/*
 * State events of a task that waits: how many tasks are before it, and about how many milliseconds
 * it has to wait (0: not known). Returns 0, or -ENOENT for any other event.
 */
DAYFLY_API int dayfly_event_waiting(
	const struct dayfly_event *ev, uint64_t *ret_position, uint64_t *ret_wait_ms);

/* State events of a task that waits for its repository: which, without what may be a token; else
 * "". */
DAYFLY_API const char *dayfly_event_fetching(const struct dayfly_event *ev);

/*
 * Output events: which stream, its bytes (any bytes; never NULL), and the number that counts the
 * task's output events.
 */
DAYFLY_API enum dayfly_stream dayfly_event_stream(const struct dayfly_event *ev);
DAYFLY_API const void *dayfly_event_data(const struct dayfly_event *ev, size_t *ret_len);
DAYFLY_API uint64_t dayfly_event_seq(const struct dayfly_event *ev);

/* Output events: how many bytes were dropped at this place (at most, where the event's JSON has
 * "at_most"); 0 for an event with data. */
DAYFLY_API uint64_t dayfly_event_truncated(const struct dayfly_event *ev);

/*
 * The event as the daemon sent it: one JSON object without line end (with raw framing: without the
 * bytes of output).
 */
DAYFLY_API const char *dayfly_event_json(const struct dayfly_event *ev);

/* Result events: the whole result as JSON text, else NULL. Made at the first call. */
DAYFLY_API const char *dayfly_event_result_json(struct dayfly_event *ev);

/*
 * Result events: one member of the result by its path, such as "cause", "memory.peak" or
 * "exit.code". The first gives a string, or NULL if there is none; the second a whole number (true
 * and false count as 1 and 0). Returns 0, or -ENOENT if it is absent, null or no number.
 */
DAYFLY_API const char *dayfly_event_result_text(const struct dayfly_event *ev, const char *path);
DAYFLY_API int dayfly_event_result_number(
	const struct dayfly_event *ev, const char *path, int64_t *ret);

/* Shorthands: "outcome" and "cause" of a task's result, or "". */
DAYFLY_API const char *dayfly_event_outcome(const struct dayfly_event *ev);
DAYFLY_API const char *dayfly_event_cause(const struct dayfly_event *ev);

/*
 * The exit status by which a command line program passes on how the task ended: its own code; 128+n
 * for signal n; 124 for a timeout; 126 and 127 for a command that could not be executed or was not
 * found; 130 when it was cancelled; 125 for everything else.
 */
DAYFLY_API int dayfly_event_exit_status(const struct dayfly_event *ev);

/*
 * Error events, and results of tasks that failed by more than their own doing: fills *ret and
 * returns 1. Others: returns 0.
 */
DAYFLY_API int dayfly_event_error(const struct dayfly_event *ev, struct dayfly_error *ret);

#ifdef __cplusplus
}
#endif

#endif
