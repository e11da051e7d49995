/* The table of requests: see schema.h. The rows stand in the order in which docs/protocol.md shows
 * them. */
#include "proto/schema.h"

#include "base/cleanup.h"
#include "base/limits.h"

#include <inttypes.h>
#include <string.h>

#define KIB	    (1ull << 10)
#define MIB	    (1ull << 20)
#define SIZE_LIMIT  (1ull << 50)
#define SECOND_MS   1000ull
#define YEAR_MS	    (86400 * SECOND_MS * 365)
#define EXACT_LIMIT (1ull << 53) /* above, a JSON number may have been rounded on its way */
#define TTY_LIMIT   65535

static const struct {
	const char *name;
	const char *meaning;
} ops[OP_COUNT] = {
	[OP_RUN] = { "run", "starts a task and streams it to its end" },
	[OP_ATTACH] = { "attach", "streams a task of the same user to its end: what is kept of its "
				  "output, then what comes" },
	[OP_INPUT] = { "input", "gives a task bytes on its standard input, or the end of it" },
	[OP_RESIZE] = { "resize", "sets the size of a task's terminal" },
	[OP_SIGNAL] = { "signal", "sends a signal to a task's process group" },
	[OP_CANCEL] = { "cancel", "stops a task, whatever its state; harmless when it is done" },
	[OP_LIST] = { "list", "shows the user's tasks" },
	[OP_INSPECT] = { "inspect", "shows all about one task" },
	[OP_WAIT] = { "wait", "answers when a task is done, with its result" },
	[OP_LOGS] = { "logs", "sends what is kept of a task's output" },
	[OP_INFO] = { "info", "shows the daemon's version, mode, limits and counts" },
	[OP_PING] = { "ping", "answers at once" },
	[OP_STATS] = { "stats", "root and the daemon's own user: shows what it has counted" },
	[OP_EVENTS] = { "events",
		"tells each change of state of the user's tasks, until it is ended" },
	[OP_UNSUBSCRIBE] = { "unsubscribe", "ends an `events` request of the same connection" },
	[OP_HISTORY] = { "history",
		"shows what is remembered of the user's tasks, the newest first" },
	[OP_UPLOADS] = { "uploads", "shows what becomes of the user's uploads" },
	[OP_DRAIN] = { "drain",
		"root and the daemon's own user: takes no new tasks, or takes them again" },
};

const char *op_name(enum op op)
{
	return (unsigned)op < OP_COUNT ? ops[op].name : "?";
}

const char *op_meaning(enum op op)
{
	return (unsigned)op < OP_COUNT ? ops[op].meaning : "";
}

enum op op_from_name(const char *name)
{
	for (unsigned i = 0; i < OP_COUNT; i++)
		if (!strcmp(ops[i].name, name))
			return (enum op)i;
	return OP_COUNT;
}

/* The values of the first three are those of plan.h, which this layer does not know; the planner's
 * test compares them. */
static const struct schema_word user_words[] = { { "agent", 0 }, { "root", 1 }, { NULL, 0 } };
static const struct schema_word network_words[] = { { "none", 0 }, { "host", 1 }, { NULL, 0 } };
static const struct schema_word profile_words[] = { { "dev", 0 }, { "strict", 1 }, { NULL, 0 } };
static const struct schema_word workspace_words[] = { { "cow", 0 }, { "ro", 1 }, { "rw", 2 },
	{ NULL, 0 } };
/* The first is the default. */
static const struct schema_word mount_words[] = { { "ro", 1 }, { "rw", 2 }, { "cow", 0 },
	{ NULL, 0 } };
static const struct schema_word framing_words[] = { { "json", FRAMING_JSON },
	{ "raw", FRAMING_RAW }, { NULL, 0 } };
static const struct schema_word stdin_words[] = { { "none", STDIN_NONE },
	{ "stream", STDIN_STREAM }, { NULL, 0 } };
static const struct schema_word disconnect_words[] = { { "kill", ON_DISCONNECT_KILL },
	{ "keep", ON_DISCONNECT_KEEP }, { NULL, 0 } };
static const struct schema_word output_limit_words[] = { { "drop", ON_OUTPUT_LIMIT_DROP },
	{ "kill", ON_OUTPUT_LIMIT_KILL }, { NULL, 0 } };
static const struct schema_word concurrency_words[] = { { "queue", CONCURRENCY_QUEUE },
	{ "supersede", CONCURRENCY_SUPERSEDE }, { NULL, 0 } };
/* The first is the default. */
static const struct schema_word artifacts_words[] = { { "fd", ARTIFACTS_TO_FD },
	{ "events", ARTIFACTS_TO_EVENTS }, { NULL, 0 } };
static const struct schema_word history_words[] = { { "any", 0 }, { "done", 1 }, { "active", 2 },
	{ NULL, 0 } };
const struct schema_word schema_best_effort_words[] = { { "memory", BEST_EFFORT_MEMORY },
	{ "cpus", BEST_EFFORT_CPUS }, { "pids", BEST_EFFORT_PIDS },
	{ "cpu_time", BEST_EFFORT_CPU_TIME }, { "memory_high", BEST_EFFORT_MEMORY_HIGH },
	{ "swap", BEST_EFFORT_SWAP }, { "cpu_weight", BEST_EFFORT_CPU_WEIGHT },
	{ "io_read", BEST_EFFORT_IO_READ }, { "io_write", BEST_EFFORT_IO_WRITE },
	{ "disk", BEST_EFFORT_DISK }, { "inodes", BEST_EFFORT_INODES }, { NULL, 0 } };

static const struct schema_word git_history_words[] = { { "shallow", GIT_HISTORY_SHALLOW },
	{ "full", GIT_HISTORY_FULL }, { NULL, 0 } };

const struct schema_word schema_webhook_words[] = { { "accepted", WEBHOOK_ACCEPTED },
	{ "started", WEBHOOK_STARTED }, { "finished", WEBHOOK_FINISHED }, { NULL, 0 } };

/* clang-format off */
#define FIELD(type, member, field_name, field_kind) \
	.name = (field_name), .kind = (field_kind), .offset = offsetof(type, member), .ops = OPS_ALL
#define LIMIT(member, field_name, field_kind) FIELD(struct spec_limits, member, field_name, field_kind)

static const struct schema_field limits_fields[] = {
	{ LIMIT(wall_ms, "wall", KIND_DURATION), .min = 1, .max = YEAR_MS, .absent = "10m",
		.doc = "how long the task may run; then it is stopped and the cause is `timeout_wall`" },
	{ LIMIT(idle_ms, "idle", KIND_DURATION), .min = 1, .max = YEAR_MS, .absent = "no limit",
		.doc = "how long the task may write nothing to stdout and stderr; then it is stopped and the cause is `timeout_idle`" },
	{ LIMIT(cpu_time_ms, "cpu_time", KIND_DURATION), .min = 10, .max = YEAR_MS, .absent = "no limit",
		.doc = "CPU time of all its processes together; then it is stopped and the cause is `timeout_cpu`" },
	{ LIMIT(grace_ms, "grace", KIND_DURATION), .min = 1, .max = YEAR_MS, .absent = "5s",
		.doc = "between SIGTERM and SIGKILL, when a task is stopped" },
	{ LIMIT(queue_ms, "queue", KIND_DURATION), .min = 1, .max = YEAR_MS, .absent = "10m",
		.doc = "how long the task may wait for a free slot" },
	{ LIMIT(memory_bytes, "memory", KIND_SIZE), .min = MIB, .max = SIZE_LIMIT,
		.absent = "no limit", .doc = "memory of the whole task, what it keeps in its jail's files included; beyond it the kernel kills the task and the cause is `oom`" },
	{ LIMIT(memory_high_bytes, "memory_high", KIND_SIZE), .min = MIB, .max = SIZE_LIMIT, .absent = "no limit",
		.doc = "memory above which the task is slowed down and its memory is reclaimed" },
	{ LIMIT(swap_bytes, "swap", KIND_SIZE), .min = 4 * KIB, .max = SIZE_LIMIT, .absent = "0 with `memory`, else no limit",
		.doc = "swap of the whole task; only beside `memory`" },
	{ LIMIT(cpu_millis, "cpus", KIND_CPUS), .min = 10, .max = 65536 * 1000ull,
		.absent = "no limit", .doc = "CPU time per second of real time" },
	{ LIMIT(cpu_weight, "cpu_weight", KIND_UINT), .min = 1, .max = 10000, .absent = "100",
		.doc = "the task's share where tasks compete for the CPUs" },
	{ LIMIT(pids, "pids", KIND_UINT), .min = 1, .max = 4194304,
		.absent = "4096", .doc = "processes and threads at one time" },
	{ LIMIT(io_read_bps, "io_read", KIND_SIZE), .min = 4 * KIB, .max = SIZE_LIMIT, .absent = "no limit",
		.doc = "bytes per second read from each block device" },
	{ LIMIT(io_write_bps, "io_write", KIND_SIZE), .min = 4 * KIB, .max = SIZE_LIMIT, .absent = "no limit",
		.doc = "bytes per second written to each block device" },
	{ LIMIT(disk_bytes, "disk", KIND_SIZE), .min = MIB, .max = SIZE_LIMIT, .absent = "2GiB",
		.doc = "bytes that the task may write inside its jail" },
	{ LIMIT(disk_inodes, "inodes", KIND_UINT), .min = 64, .max = UINT32_MAX, .absent = "500000",
		.doc = "files and directories that the task may make inside its jail" },
	{ LIMIT(output_bytes, "output", KIND_SIZE), .min = 1, .max = SIZE_LIMIT, .absent = "64MiB",
		.doc = "bytes of each of stdout and stderr that are kept; what happens with more says `on_output_limit`" },
	{ LIMIT(open_files, "open_files", KIND_UINT), .min = 16, .max = 1 << 30, .absent = "65536, or less where dayflyd's own limit is low",
		.doc = "open files of each process" },
	{ LIMIT(file_bytes, "file_size", KIND_SIZE), .min = 1, .max = SIZE_LIMIT, .absent = "no limit of its own",
		.doc = "bytes of one file" },
	{ LIMIT(core_bytes, "core", KIND_SIZE), .min = 0, .max = SIZE_LIMIT, .absent = "0: no core files",
		.doc = "bytes of a core file" },
	{ LIMIT(artifact_bytes, "artifacts", KIND_SIZE), .min = 1, .max = SIZE_LIMIT, .absent = "4GiB",
		.doc = "bytes of all its [artifacts](#artifacts) together; only beside them" },
	{ LIMIT(artifact_count, "artifact_files", KIND_UINT), .min = 1, .max = LIMIT_ARTIFACTS, .absent = "1000",
		.doc = "how many artifacts it may have; only beside `artifacts`" },
};

#define MOUNT(member, field_name, field_kind) FIELD(struct spec_mount, member, field_name, field_kind)
#define SOURCE_FIELDS \
	{ MOUNT(source.path, "path", KIND_PATH), .min = 1, .max = LIMIT_PATH_BYTES - 1, \
		.doc = "path on the host, opened with the rights of the client; beside `fd` only a name for messages" }, \
	{ MOUNT(source.fd, "fd", KIND_FD), .min = 0, .max = LIMIT_REQUEST_FDS - 1, \
		.doc = "place of an open directory or file among the descriptors sent with the request" }

static const struct schema_field workspace_fields[] = {
	SOURCE_FIELDS,
	{ MOUNT(mode, "mode", KIND_WORD), .words = workspace_words,
		.doc = "`cow`: changes go to a private layer that is destroyed; `ro`: read-only; `rw`: changes are made outside" },
	{ MOUNT(target, "target", KIND_PATH), .min = 2, .max = LIMIT_PATH_BYTES - 1, .absent = "`path`, or `/workspace` without one",
		.doc = "where the task sees it" },
	{ MOUNT(hide, "hide", KIND_STRINGS), .min = 0, .max = LIMIT_HIDDEN, .absent = "nothing",
		.doc = "paths of files and directories in it, relative to it, that the task does not see: for it they are not there. 1 MiB of them at most; not with `rw`" },
};

static const struct schema_field mount_fields[] = {
	SOURCE_FIELDS,
	{ MOUNT(mode, "mode", KIND_WORD), .words = mount_words,
		.doc = "`ro`: read-only; `rw`: changes are made outside; `cow`: changes of a directory go to a private layer that is destroyed" },
	{ MOUNT(target, "target", KIND_PATH), .min = 2, .max = LIMIT_PATH_BYTES - 1, .absent = "`path`; needed without one",
		.doc = "where the task sees it" },
};

#define FILE_FIELD(member, field_name, field_kind) FIELD(struct spec_file, member, field_name, field_kind)

static const struct schema_field file_fields[] = {
	{ FILE_FIELD(path, "path", KIND_PATH), .min = 2, .max = LIMIT_PATH_BYTES - 1, .required = OPS_ALL,
		.doc = "where it is made inside the jail; not below /proc, /sys, /dev, /run/secrets, nor in a directory that is shown `ro` or `rw`. A file that is there is replaced, missing directories are made, links are refused" },
	{ FILE_FIELD(data, "text", KIND_TEXT), .offset2 = offsetof(struct spec_file, data_len), .max = LIMIT_FILE_BYTES,
		.doc = "what is in it, as UTF-8 text" },
	{ FILE_FIELD(data, "base64", KIND_BASE64), .offset2 = offsetof(struct spec_file, data_len), .max = LIMIT_FILE_BYTES,
		.doc = "what is in it, as base64 with padding" },
	{ FILE_FIELD(mode, "mode", KIND_MODE), .min = 1, .max = 0777, .absent = "0644",
		.doc = "its permissions; it belongs to the task" },
};

#define SECRET(member, field_name, field_kind) FIELD(struct spec_secret, member, field_name, field_kind)

static const struct schema_field secret_fields[] = {
	{ SECRET(name, "name", KIND_NAME), .min = 1, .max = LIMIT_NAME_BYTES, .required = OPS_ALL,
		.doc = "the task reads it from /run/secrets/NAME" },
	{ SECRET(data, "text", KIND_TEXT), .offset2 = offsetof(struct spec_secret, data_len), .max = LIMIT_SECRET_BYTES,
		.doc = "the secret, as UTF-8 text" },
	{ SECRET(data, "base64", KIND_BASE64), .offset2 = offsetof(struct spec_secret, data_len), .max = LIMIT_SECRET_BYTES,
		.doc = "the secret, as base64 with padding" },
	{ SECRET(fd, "fd", KIND_FD), .min = 0, .max = LIMIT_REQUEST_FDS - 1,
		.doc = "place of an open file in memory (memfd_create) among the descriptors sent with the request: what is in it is the secret" },
};

#define TAR(member, field_name, field_kind) FIELD(struct spec_tar, member, field_name, field_kind)

static const struct schema_field tar_fields[] = {
	{ TAR(fd, "fd", KIND_FD), .min = 0, .max = LIMIT_REQUEST_FDS - 1, .absent = "the tar is what `input` sends",
		.doc = "place of an open file, pipe or Unix stream socket among the descriptors sent with the request: it is read from where it stands to its end. Without it `stdin` must be `stream`, and the task itself reads nothing" },
	{ TAR(target, "target", KIND_PATH), .min = 2, .max = LIMIT_PATH_BYTES - 1, .absent = "the workspace, or the home",
		.doc = "directory inside the jail; a missing one is made. Not below /proc, /sys, /dev, /run/secrets, nor in or above a directory that is shown `ro` or `rw`" },
};

#define CHANGES(member, field_name, field_kind) FIELD(struct spec_changes, member, field_name, field_kind)

static const struct schema_field changes_fields[] = {
	{ CHANGES(fd, "fd", KIND_FD), .min = 0, .max = LIMIT_REQUEST_FDS - 1, .required = OPS_ALL,
		.doc = "place of the writable end of a pipe, or of a connected Unix stream socket, among the descriptors sent with the request: what changed in the `cow` workspace is written there as a [tar](#the-tar-of-changes) when the task is over" },
	{ CHANGES(bytes, "bytes", KIND_SIZE), .min = 4 * KIB, .max = SIZE_LIMIT, .absent = "1GiB",
		.doc = "size of the tar; files for which no room is left stay out, and `archive.left_out` of the result counts them" },
	{ CHANGES(timeout_ms, "timeout", KIND_DURATION), .min = 1, .max = LIMIT_CHANGES_MS, .absent = "60s",
		.doc = "how long it may take to write it, all waiting for the reader included; the task keeps its slot meanwhile" },
};

#define ARTIFACT(member, field_name, field_kind) FIELD(struct spec_artifact, member, field_name, field_kind)

static const struct schema_field artifact_fields[] = {
	{ ARTIFACT(glob, "glob", KIND_STRING), .min = 1, .max = LIMIT_ARTIFACT_GLOB_BYTES, .required = OPS_ALL,
		.doc = "a [pattern](#artifacts) of paths: relative to the workspace (without one: to where the task starts), or absolute in the jail" },
	{ ARTIFACT(is_required, "required", KIND_BOOL), .absent = "true",
		.doc = "a task that leaves nothing there, or something that cannot be taken, has failed" },
	{ ARTIFACT(bytes, "bytes", KIND_SIZE), .min = 1, .max = SIZE_LIMIT, .absent = "`limits.artifacts`",
		.doc = "size of one file" },
	{ ARTIFACT(count, "count", KIND_UINT), .min = 1, .max = LIMIT_ARTIFACTS, .absent = "`limits.artifact_files`",
		.doc = "how many files" },
};

#define UPLOAD(member, field_name, field_kind) FIELD(struct spec_upload, member, field_name, field_kind)

static const struct schema_field upload_fields[] = {
	{ UPLOAD(target, "target", KIND_NAME), .min = 1, .max = LIMIT_NAME_BYTES, .absent = "`url`",
		.doc = "the name of a [target](uploads.md#targets) of the configuration" },
	{ UPLOAD(prefix, "prefix", KIND_STRING), .min = 0, .max = LIMIT_UPLOAD_PREFIX_BYTES, .absent = "`{task}/`",
		.doc = "what comes before each path to make its key there; `{task}` and `{uid}` are replaced" },
	{ UPLOAD(url, "url", KIND_STRING), .min = 1, .max = LIMIT_URL_BYTES, .absent = "`target`",
		.doc = "in place of a target: where to PUT the one file, perhaps presigned, or with `{path}` in it, which is replaced by the file's path; only to hosts that [uploads] of the configuration names" },
	{ UPLOAD(credentials, "credentials", KIND_TEXT), .offset2 = offsetof(struct spec_upload, credentials_len), .max = LIMIT_UPLOAD_CREDENTIALS_BYTES, .absent = "none",
		.doc = "in place of the target's own: [lines](uploads.md#credentials-of-a-request) as in a file of credentials; only for hosts of `credential_hosts`. In no log, result or answer" },
	{ UPLOAD(credentials_fd, "credentials_fd", KIND_FD), .min = 0, .max = LIMIT_REQUEST_FDS - 1, .absent = "none",
		.doc = "the same, as the place of an open file in memory (memfd_create) among the descriptors sent with the request" },
};

#define ARTIFACTS(member, field_name, field_kind) FIELD(struct spec_artifacts, member, field_name, field_kind)

static const struct schema_field artifacts_fields[] = {
	{ ARTIFACTS(files, "files", KIND_LIST), .offset2 = offsetof(struct spec_artifacts, n_files), .object = &schema_artifact,
		.max = LIMIT_ARTIFACT_GLOBS, .required = OPS_ALL, .doc = "what to keep" },
	{ ARTIFACTS(to, "to", KIND_WORD), .words = artifacts_words,
		.doc = "`fd`: as a tar to that descriptor; `events`: over this connection, before the result" },
	{ ARTIFACTS(fd, "fd", KIND_FD), .min = 0, .max = LIMIT_REQUEST_FDS - 1, .absent = "none",
		.doc = "place of the writable end of a pipe, or of a connected Unix stream socket, among the descriptors sent with the request" },
	{ ARTIFACTS(upload, "upload", KIND_OBJECT), .offset2 = offsetof(struct spec_artifacts, has_upload), .object = &schema_upload, .absent = "none",
		.doc = "send them [there](uploads.md) when the task is over, whether its client is still there or not; in place of `fd`" },
	{ ARTIFACTS(timeout_ms, "timeout", KIND_DURATION), .min = 1, .max = LIMIT_CHANGES_MS, .absent = "60s",
		.doc = "how long taking them may take, all waiting for the reader of `fd` included; the task keeps its slot meanwhile" },
};

#define CONCURRENCY(member, field_name, field_kind) FIELD(struct spec_concurrency, member, field_name, field_kind)

static const struct schema_field concurrency_fields[] = {
	{ CONCURRENCY(key, "key", KIND_NAME), .min = 1, .max = LIMIT_NAME_BYTES, .required = OPS_ALL,
		.doc = "of the tasks of a user that have this key, one runs at a time" },
	{ CONCURRENCY(mode, "mode", KIND_WORD), .words = concurrency_words,
		.doc = "`queue`: the task waits for those before it; `supersede`: it cancels them" },
};

#define WEBHOOK(member, field_name, field_kind) FIELD(struct spec_webhook, member, field_name, field_kind)

static const struct schema_field webhook_fields[] = {
	{ WEBHOOK(url, "url", KIND_STRING), .min = 1, .max = LIMIT_URL_BYTES, .required = OPS_ALL,
		.doc = "where to: https, or http to a host of `private_hosts`; only to hosts that [webhooks] of the configuration names" },
	{ WEBHOOK(events, "events", KIND_WORDS), .words = schema_webhook_words, .absent = "`finished`",
		.doc = "what to tell" },
};

#define GIT(member, field_name, field_kind) FIELD(struct spec_git, member, field_name, field_kind)

static const struct schema_field git_fields[] = {
	{ GIT(url, "url", KIND_STRING), .min = 1, .max = LIMIT_URL_BYTES, .required = OPS_ALL,
		.doc = "the repository: `https://`, `http://`, `ssh://`, `git://`, `[USER@]HOST:PATH`, `file:///PATH` or an absolute path, which is opened with the rights of the client. No password, query or fragment" },
	{ GIT(ref, "ref", KIND_STRING), .min = 1, .max = LIMIT_REF_BYTES, .absent = "the repository's HEAD",
		.doc = "a branch, a tag, a full ref or all 40 digits of a commit. What a branch or tag stands for is asked again when the last answer is older than 60 s" },
	{ GIT(history, "history", KIND_WORD), .words = git_history_words,
		.doc = "`shallow`: the commit alone; `full`: all before it too" },
	{ GIT(refresh, "refresh", KIND_BOOL), .absent = "false",
		.doc = "ask again at once what the ref stands for" },
	{ GIT(submodules, "submodules", KIND_BOOL), .absent = "false",
		.doc = "fetch and check out the submodules of the commit too, and theirs: at most 64, of which 8 lie in one another. Each has its address from .gitmodules, to which the same rules apply as to `url`, and one that leads from a server to a directory of this host is refused; from a directory of this host only `./PATH` and `../NAME` do. `credentials`, `ssh_key` and `agent` are for those only whose address has the scheme, host and port of `url` (without a port the scheme's own counts; user and path do not count); where `url` is a directory of this host, for none. Whoever writes the commit's .gitmodules chooses there, so the task may see any repository of that server that they open. `known_hosts` and `ca` are for all. Without it their directories are empty, and `submodules` of the result counts them" },
	{ GIT(credentials, "credentials", KIND_TEXT), .offset2 = offsetof(struct spec_git, credentials_len), .max = LIMIT_SECRET_BYTES, .absent = "none",
		.doc = "user and password for HTTP, as lines of git's credential store: `https://USER:PASSWORD@HOST`; refused where `url` is not of https or http. In no log, result or answer, as all that follows" },
	{ GIT(ssh_key, "ssh_key", KIND_TEXT), .offset2 = offsetof(struct spec_git, ssh_key_len), .max = LIMIT_SECRET_BYTES, .absent = "none",
		.doc = "private key for SSH, without a passphrase; refused where `url` is not of ssh, and so is `agent`" },
	{ GIT(known_hosts, "known_hosts", KIND_TEXT), .offset2 = offsetof(struct spec_git, known_hosts_len), .max = LIMIT_SECRET_BYTES, .absent = "this host's /etc/ssh/ssh_known_hosts",
		.doc = "host keys that are believed, as lines of known_hosts; others never are. Refused where `url` is not of ssh, unless there is `submodules`" },
	{ GIT(ca, "ca", KIND_TEXT), .offset2 = offsetof(struct spec_git, ca_len), .max = LIMIT_SECRET_BYTES, .absent = "whom this host trusts",
		.doc = "certificates (PEM) of those who vouch for the server; refused where `url` is not of https, unless there is `submodules`" },
	{ GIT(agent, "agent", KIND_FD), .min = 0, .max = LIMIT_REQUEST_FDS - 1,
		.doc = "place of an open directory among the descriptors sent with the request: its socket `agent.sock` is the ssh agent. Only the fetch sees it, under an id that may be another on the host: OpenSSH's own agent answers its own user alone, so the client passes on what is said" },
};

static const struct schema_field source_fields[] = {
	{ FIELD(struct spec_origin, git, "git", KIND_OBJECT), .offset2 = offsetof(struct spec_origin, has_git), .object = &schema_git, .required = OPS_ALL,
		.doc = "a repository of git" },
};

#define SPEC(member, field_name, field_kind) FIELD(struct task_spec, member, field_name, field_kind)

static const struct schema_field task_fields[] = {
	{ SPEC(argv, "argv", KIND_STRINGS), .min = 1, .max = LIMIT_ARGV_COUNT, .required = OPS_ALL,
		.doc = "the command and its arguments; the first is looked up in the task's PATH if it has no slash" },
	{ SPEC(env, "env", KIND_ENV), .min = 0, .max = LIMIT_ENV_COUNT, .absent = "nothing is added",
		.doc = "names and values added to the clean environment (PATH HOME USER LOGNAME LANG TERM TMPDIR)" },
	{ SPEC(labels, "labels", KIND_LABELS), .min = 0, .max = LIMIT_LABELS, .absent = "none",
		.doc = "the client's own marks, shown by `list` and `inspect`" },
	{ SPEC(name, "name", KIND_TASK_NAME), .min = 1, .max = LIMIT_NAME_BYTES, .absent = "none",
		.doc = "another way to name the task; free again when the task is done" },
	{ SPEC(cwd, "cwd", KIND_PATH), .min = 1, .max = LIMIT_PATH_BYTES - 1, .absent = "the workspace, or the home",
		.doc = "current directory, inside the jail" },
	{ SPEC(image, "image", KIND_STRING), .min = 1, .max = LIMIT_PATH_BYTES - 1, .absent = "host",
		.doc = "`host`: a view of this host's programs; an absolute path: a directory that holds a root file system" },
	{ SPEC(user, "user", KIND_WORD), .words = user_words,
		.doc = "`agent`: uid 1000 without any capability; `root`: uid 0 of the jail's own user namespace" },
	{ SPEC(network, "network", KIND_WORD), .words = network_words,
		.doc = "`none`: loopback only; `host`: the host's network, where policy allows it" },
	{ SPEC(profile, "profile", KIND_WORD), .words = profile_words,
		.doc = "system calls: `dev` suits compilers, package managers and debuggers; `strict` is narrower" },
	{ SPEC(tty, "tty", KIND_BOOL), .absent = "false",
		.doc = "give the task a terminal as stdin, stdout and stderr; its output is the stream `stdout`" },
	{ SPEC(rows, "rows", KIND_UINT), .min = 1, .max = TTY_LIMIT, .absent = "unknown",
		.doc = "height of the terminal; only with `tty`" },
	{ SPEC(cols, "cols", KIND_UINT), .min = 1, .max = TTY_LIMIT, .absent = "unknown",
		.doc = "width of the terminal; only with `tty`" },
	{ SPEC(stdin_mode, "stdin", KIND_WORD), .words = stdin_words,
		.doc = "`none`: /dev/null; `stream`: what `input` sends. A task with a terminal always has its input" },
	{ SPEC(workspace, "workspace", KIND_OBJECT), .offset2 = offsetof(struct task_spec, has_workspace), .object = &schema_workspace,
		.absent = "none", .doc = "the directory that the task works on" },
	{ SPEC(source, "source", KIND_OBJECT), .offset2 = offsetof(struct task_spec, has_source), .object = &schema_source,
		.absent = "none", .doc = "where the workspace comes from, if not from a directory of the client's: it is `cow` then, and of `workspace` only `target` counts. `changes` are told and sent as for any workspace" },
	{ SPEC(mounts, "mounts", KIND_LIST), .offset2 = offsetof(struct task_spec, n_mounts), .object = &schema_mount,
		.max = LIMIT_MOUNTS, .absent = "none", .doc = "other directories or files to show" },
	{ SPEC(files, "files", KIND_LIST), .offset2 = offsetof(struct task_spec, n_files), .object = &schema_file,
		.max = LIMIT_FILES, .absent = "none", .doc = "files that are made in the jail before the task starts; at most 1.5 MiB together, and the request line bounds them too. They count as what the task writes (`limits.disk`)" },
	{ SPEC(secrets, "secrets", KIND_LIST), .offset2 = offsetof(struct task_spec, n_secrets), .object = &schema_secret,
		.max = LIMIT_SECRETS, .absent = "none", .doc = "files below /run/secrets that only the task can read, at most 256 KiB together; they are in no log, result or answer" },
	{ SPEC(tars, "tars", KIND_LIST), .offset2 = offsetof(struct task_spec, n_tars), .object = &schema_tar,
		.max = LIMIT_TARS, .absent = "none", .doc = "tars that are unpacked in the jail with the task's rights before it starts; what they hold counts as what the task writes (`limits.disk`, `limits.inodes`)" },
	{ SPEC(limits, "limits", KIND_OBJECT), .object = &schema_limits, .absent = "the defaults",
		.doc = "what the task may use" },
	{ SPEC(best_effort, "best_effort", KIND_WORDS), .words = schema_best_effort_words, .absent = "none",
		.doc = "limits without which the task may run if this host cannot hold them; the result names them as degraded" },
	{ SPEC(on_disconnect, "on_disconnect", KIND_WORD), .words = disconnect_words,
		.doc = "what becomes of the task when the connection that asked for it closes" },
	{ SPEC(on_output_limit, "on_output_limit", KIND_WORD), .words = output_limit_words,
		.doc = "`drop`: the task goes on, and of each stream its beginning and its end (64 KiB, or half of a smaller limit) are kept; `kill`: it is stopped" },
	{ SPEC(priority, "priority", KIND_INT), .min = (uint64_t)-10, .max = 10, .absent = "0",
		.doc = "before tasks of the same user with a lower one; each step counts as one minute of waiting. Who may go above 0 says `max_priority` of [policy]" },
	{ SPEC(may_queue, "queue", KIND_BOOL), .absent = "true",
		.doc = "whether the task may wait for its turn; with false it is refused with `busy` if it cannot start at once" },
	{ SPEC(concurrency, "concurrency", KIND_OBJECT), .offset2 = offsetof(struct task_spec, has_concurrency), .object = &schema_concurrency,
		.absent = "none", .doc = "tasks that must not run beside each other" },
	{ SPEC(changes, "changes", KIND_OBJECT), .offset2 = offsetof(struct task_spec, has_changes), .object = &schema_changes,
		.absent = "the result tells of them, no more", .doc = "where to send what the task changes in its `cow` workspace" },
	{ SPEC(artifacts, "artifacts", KIND_OBJECT), .offset2 = offsetof(struct task_spec, has_artifacts), .object = &schema_artifacts,
		.absent = "none", .doc = "files that the task leaves and that are to be kept" },
	{ SPEC(idempotency_key, "idempotency_key", KIND_STRING), .min = 1, .max = LIMIT_NAME_BYTES, .absent = "none",
		.doc = "a request that repeats the key of a task of the same user that is still known is answered with that task, and `duplicate` in `accepted`" },
	{ SPEC(webhooks, "webhooks", KIND_LIST), .offset2 = offsetof(struct task_spec, n_webhooks), .object = &schema_webhook,
		.max = LIMIT_WEBHOOKS, .absent = "none", .doc = "addresses that are told of the task by a signed HTTP request" },
};

#define REQUEST(member, field_name, field_kind) \
	.name = (field_name), .kind = (field_kind), .offset = offsetof(struct request, member)
#define HISTORY(member, field_name, field_kind) REQUEST(history.member, field_name, field_kind), .ops = OP_BIT(OP_HISTORY)
#define OPS_STREAM (OP_BIT(OP_RUN) | OP_BIT(OP_ATTACH) | OP_BIT(OP_LOGS))
#define OPS_TASK   (OPS_ALL & ~(OP_BIT(OP_RUN) | OP_BIT(OP_LIST) | OP_BIT(OP_INFO) | OP_BIT(OP_PING) | OP_BIT(OP_DRAIN) | OP_BIT(OP_STATS) | OP_BIT(OP_EVENTS) | OP_BIT(OP_UNSUBSCRIBE) | OP_BIT(OP_HISTORY) | OP_BIT(OP_UPLOADS)))

static const struct schema_field request_fields[] = {
	{ REQUEST(op, "op", KIND_OP), .ops = OPS_ALL, .required = OPS_ALL,
		.doc = "the operation" },
	{ REQUEST(id, "id", KIND_STRING), .ops = OPS_ALL, .required = OPS_ALL, .min = 1, .max = LIMIT_TAG_BYTES,
		.doc = "the client's tag, repeated in every answer" },
	{ REQUEST(spec, "task", KIND_POINTER), .ops = OP_BIT(OP_RUN), .required = OP_BIT(OP_RUN), .object = &schema_task,
		.doc = "what to run" },
	{ REQUEST(task, "task", KIND_NAME), .ops = OPS_TASK, .required = OPS_TASK, .min = 1, .max = LIMIT_NAME_BYTES,
		.doc = "the task: its id, the beginning of its id if no other task has it, or its name" },
	{ REQUEST(task, "task", KIND_NAME), .ops = OP_BIT(OP_EVENTS), .min = 1, .max = LIMIT_NAME_BYTES, .absent = "every task",
		.doc = "only this task, named as elsewhere; the request then ends when the task is done. Not beside `all`" },
	{ REQUEST(task, "task", KIND_NAME), .ops = OP_BIT(OP_HISTORY), .min = 1, .max = LIMIT_NAME_BYTES, .absent = "a list",
		.doc = "all about this one task, named as elsewhere; the conditions beside it but `uid` and `all` do not count" },
	{ REQUEST(task, "task", KIND_NAME), .ops = OP_BIT(OP_UPLOADS), .min = 1, .max = LIMIT_NAME_BYTES, .absent = "every task",
		.doc = "only those of this task, named as elsewhere, or by its whole id where it is not kept any more" },
	{ REQUEST(watch, "watch", KIND_BOOL), .ops = OP_BIT(OP_UPLOADS), .absent = "false",
		.doc = "tell how they get on, and answer when all of that `task` are over" },
	{ REQUEST(framing, "framing", KIND_WORD), .ops = OPS_STREAM, .words = framing_words,
		.doc = "how output comes: as JSON text or base64, or as raw bytes after the event" },
	{ REQUEST(detach, "detach", KIND_BOOL), .ops = OP_BIT(OP_RUN), .absent = "false",
		.doc = "answer as soon as the task is accepted, and keep it when the connection closes" },
	{ REQUEST(after, "after", KIND_UINT), .ops = OP_BIT(OP_ATTACH) | OP_BIT(OP_LOGS), .max = EXACT_LIMIT, .absent = "0: from the start",
		.doc = "send only output with a higher `seq`" },
	{ REQUEST(follow, "follow", KIND_BOOL), .ops = OP_BIT(OP_LOGS), .absent = "false",
		.doc = "go on until the task is done" },
	{ REQUEST(signal, "signal", KIND_SIGNAL), .ops = OP_BIT(OP_SIGNAL), .required = OP_BIT(OP_SIGNAL), .min = 1, .max = 16,
		.doc = "\"TERM\", \"SIGTERM\" or \"15\"" },
	{ REQUEST(rows, "rows", KIND_UINT), .ops = OP_BIT(OP_RESIZE), .required = OP_BIT(OP_RESIZE), .min = 1, .max = TTY_LIMIT,
		.doc = "new height" },
	{ REQUEST(cols, "cols", KIND_UINT), .ops = OP_BIT(OP_RESIZE), .required = OP_BIT(OP_RESIZE), .min = 1, .max = TTY_LIMIT,
		.doc = "new width" },
	{ REQUEST(data, "text", KIND_TEXT), .offset2 = offsetof(struct request, data_len), .ops = OP_BIT(OP_INPUT),
		.max = LIMIT_INPUT_BYTES, .doc = "the bytes, as UTF-8 text" },
	{ REQUEST(data, "base64", KIND_BASE64), .offset2 = offsetof(struct request, data_len), .ops = OP_BIT(OP_INPUT),
		.max = LIMIT_INPUT_BYTES, .doc = "the bytes, as base64 with padding" },
	{ REQUEST(bytes, "bytes", KIND_UINT), .ops = OP_BIT(OP_INPUT), .min = 1, .max = LIMIT_INPUT_BYTES,
		.doc = "so many raw bytes follow the newline of this request" },
	{ REQUEST(eof, "eof", KIND_BOOL), .ops = OP_BIT(OP_INPUT), .absent = "false",
		.doc = "the input ends after these bytes" },
	{ REQUEST(all, "all", KIND_BOOL), .ops = OP_BIT(OP_LIST), .absent = "false",
		.doc = "finished tasks too, as long as they are kept" },
	{ REQUEST(all, "all", KIND_BOOL), .ops = OP_BIT(OP_EVENTS), .absent = "false",
		.doc = "root and the daemon's own user: tasks of every user" },
	{ REQUEST(snapshot, "snapshot", KIND_BOOL), .ops = OP_BIT(OP_EVENTS), .absent = "false",
		.doc = "begin with the tasks that are not done" },
	{ REQUEST(usage, "usage", KIND_BOOL), .ops = OP_BIT(OP_LIST), .absent = "false",
		.doc = "what running tasks use at the moment: CPU, memory, processes, output" },
	{ REQUEST(request, "request", KIND_STRING), .ops = OP_BIT(OP_UNSUBSCRIBE), .required = OP_BIT(OP_UNSUBSCRIBE), .min = 1, .max = LIMIT_TAG_BYTES,
		.doc = "the tag of the `events` request" },
	{ REQUEST(on, "on", KIND_BOOL), .ops = OP_BIT(OP_DRAIN), .absent = "true",
		.doc = "true: no new tasks; false: as before" },
	{ REQUEST(all, "all", KIND_BOOL), .ops = OP_BIT(OP_HISTORY), .absent = "false",
		.doc = "root and the daemon's own user: tasks of every user" },
	{ HISTORY(uid, "uid", KIND_UINT), .offset2 = offsetof(struct request, history.has_uid), .max = UINT32_MAX - 1, .absent = "the client's own",
		.doc = "tasks of this user; another than the client's own only for root and the daemon's own user. Not beside `all`" },
	{ HISTORY(state, "state", KIND_WORD), .words = history_words,
		.doc = "`done`, or `active`: tasks that are not done, once they are a second old" },
	{ HISTORY(outcome, "outcome", KIND_STRING), .min = 1, .max = 15, .absent = "any",
		.doc = "only tasks with this outcome" },
	{ HISTORY(cause, "cause", KIND_STRING), .min = 1, .max = 23, .absent = "any",
		.doc = "only tasks with this cause" },
	{ HISTORY(name, "name", KIND_NAME), .min = 1, .max = LIMIT_NAME_BYTES, .absent = "any",
		.doc = "only tasks that had this name" },
	{ HISTORY(since_ns, "since", KIND_TIME), .absent = "any time",
		.doc = "only tasks that were accepted then or later: \"2026-01-31T09:05:00Z\"" },
	{ HISTORY(until_ns, "until", KIND_TIME), .absent = "any time",
		.doc = "only tasks that were accepted before" },
	{ HISTORY(limit, "limit", KIND_UINT), .min = 1, .max = 1000, .absent = "100",
		.doc = "at most so many; fewer where the answer would be longer than 256 KiB" },
	{ HISTORY(before, "before", KIND_STRING), .min = 1, .max = 47, .absent = "the newest",
		.doc = "those after the ones of an earlier answer: its `next`" },
	{ REQUEST(label, "label", KIND_LABEL), .ops = OP_BIT(OP_LIST) | OP_BIT(OP_EVENTS) | OP_BIT(OP_HISTORY), .min = 1, .max = LIMIT_NAME_BYTES + 1 + LIMIT_LABEL_BYTES,
		.absent = "every task", .doc = "only tasks with this label" },
};

#define OBJECT(heading, table, type) { .title = (heading), .fields = (table), .n_fields = ARRAY_SIZE(table), .size = sizeof(type) }

const struct schema_object schema_request = OBJECT("request", request_fields, struct request);
const struct schema_object schema_task = OBJECT("task", task_fields, struct task_spec);
const struct schema_object schema_workspace = OBJECT("task.workspace", workspace_fields, struct spec_mount);
const struct schema_object schema_mount = OBJECT("task.mounts[]", mount_fields, struct spec_mount);
const struct schema_object schema_file = OBJECT("task.files[]", file_fields, struct spec_file);
const struct schema_object schema_secret = OBJECT("task.secrets[]", secret_fields, struct spec_secret);
const struct schema_object schema_tar = OBJECT("task.tars[]", tar_fields, struct spec_tar);
const struct schema_object schema_webhook = OBJECT("task.webhooks[]", webhook_fields, struct spec_webhook);
const struct schema_object schema_source = OBJECT("task.source", source_fields, struct spec_origin);
const struct schema_object schema_git = OBJECT("task.source.git", git_fields, struct spec_git);
const struct schema_object schema_changes = OBJECT("task.changes", changes_fields, struct spec_changes);
const struct schema_object schema_upload = OBJECT("task.artifacts.upload", upload_fields, struct spec_upload);
const struct schema_object schema_artifacts = OBJECT("task.artifacts", artifacts_fields, struct spec_artifacts);
const struct schema_object schema_artifact = OBJECT("task.artifacts.files[]", artifact_fields, struct spec_artifact);
const struct schema_object schema_concurrency = OBJECT("task.concurrency", concurrency_fields, struct spec_concurrency);
const struct schema_object schema_limits = OBJECT("task.limits", limits_fields, struct spec_limits);
/* clang-format on */

const struct schema_field *schema_find(
	const struct schema_object *object, enum op op, const char *name)
{
	for (size_t i = 0; i < object->n_fields; i++)
		if ((object->fields[i].ops & OP_BIT(op)) && !strcmp(object->fields[i].name, name))
			return &object->fields[i];
	return NULL;
}

struct unit {
	const char *name;
	uint64_t size;
};

/* In the largest unit that divides it. */
static void format_with_unit(const struct unit *units, size_t n, uint64_t value, char *out)
{
	size_t i = 0;
	while (i + 1 < n && (value == 0 || value % units[i].size))
		i++;
	snprintf(out, SCHEMA_BOUND_SIZE, "%" PRIu64 "%s", value / units[i].size, units[i].name);
}

void schema_format_bound(enum schema_kind kind, uint64_t value, char out[SCHEMA_BOUND_SIZE])
{
	static const struct unit sizes[] = { { "TiB", 1ull << 40 }, { "GiB", 1ull << 30 },
		{ "MiB", MIB }, { "KiB", KIB }, { "", 1 } };
	static const struct unit durations[] = { { "d", 86400 * SECOND_MS },
		{ "h", 3600 * SECOND_MS }, { "m", 60 * SECOND_MS }, { "s", SECOND_MS },
		{ "ms", 1 } };
	if (kind == KIND_SIZE)
		format_with_unit(sizes, ARRAY_SIZE(sizes), value, out);
	else if (kind == KIND_DURATION)
		format_with_unit(durations, ARRAY_SIZE(durations), value, out);
	else if (kind == KIND_CPUS && value % 1000)
		snprintf(out, SCHEMA_BOUND_SIZE, "%g", (double)value / 1000);
	else if (kind == KIND_INT)
		snprintf(out, SCHEMA_BOUND_SIZE, "%" PRId64, (int64_t)value);
	else
		snprintf(out, SCHEMA_BOUND_SIZE, "%" PRIu64,
			kind == KIND_CPUS ? value / 1000 : value);
}
