/* The table of settings, and what does not depend on their kinds: see config.h. */
#include "daemon/config.h"

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/str.h"
#include "daemon/options.h"
#include "daemon/upload_target.h"
#include "http/url.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define YEAR_MS (365 * 86400 * 1000ull)

static const struct {
	const char *name;
	const char *title;
} sections[] = {
	{ "daemon", "The daemon itself" },
	{ "access",
		"Who may connect. In root mode root always may, elsewhere the daemon's own user" },
	{ "policy", "What tasks may have" },
	{ "images", "What a task's root file system may be. Does not bind requests of root" },
	{ "workspaces", "Which directories tasks may be given. Does not bind requests of root" },
	{ "ceilings", "The most that a task may ask for; a request above it is refused by name" },
	{ "defaults", "What a task gets that asks for nothing; never more than the ceiling" },
	{ "total",
		"What all tasks may have together. Held by a cgroup: without cgroup v2 delegation "
		"dayflyd does not start with one of these" },
	{ "pool", "Jails that are made before their task comes. Each is used once, by one task" },
	{ "git", "Repositories that workspaces are checked out of" },
	{ "webhooks", "Who may be told of tasks over HTTP. Without a host here nobody is" },
	{ "uploads",
		"Where artifacts of tasks may be sent. Without a target or a host here nowhere" },
	{ "history", "What is remembered of every task, beyond the life of dayflyd" },
	{ "ids", "The user and group ids of tasks in root mode" },
};

/* In the order of enum options_upper and enum log_level. */
static const char *const upper_words[] = { "auto", "tmpfs", "disk", NULL };
/* Those of enum webhook_event. */
static const char *const hook_words[] = { "accepted", "started", "finished", NULL };
static const char *const level_words[] = { "error", "warning", "info", "debug", NULL };

/* clang-format off */
#define KEY(section_name, key_name, key_kind, member) \
	.section = (section_name), .name = (key_name), .kind = (key_kind), .offset = offsetof(struct options, member)
#define TOTAL(key_name, key_kind, member) KEY("total", key_name, key_kind, total.member), .may_be_none = true, .fallback = "none"
#define NUMBER(section_name, key_name, member, low, high) \
	KEY(section_name, key_name, CONFIG_COUNT, member), .min = (low), .max = (high)

/* Bounds of 0 to 0 are those of the protocol's field of the same name: number_bounds(). */
#define LIMIT(limit_name, member, limit_kind, limit_option, limit_default, limit_ceiling, is_optional, text) \
	{ KEY("ceilings", #limit_name, CONFIG_##limit_kind, policy.ceiling.member), .may_be_none = true, .is_live = true, \
		.option = (limit_option), .fallback = (limit_ceiling), .doc = (text) },

const struct config_key config_keys[] = {
	{ KEY("daemon", "socket", CONFIG_PATH, socket_path), .option = "socket", .fallback = "",
		.computed = "`dayfly.sock` in `runtime_dir`", .doc = "listen here" },
	{ KEY("daemon", "runtime_dir", CONFIG_PATH, runtime_dir), .option = "runtime-dir", .fallback = "",
		.computed = "`/run/dayfly` as root, else `$XDG_RUNTIME_DIR/dayfly`, without that `/tmp/dayfly-UID`", .doc = "directory of the socket" },
	{ KEY("daemon", "state_dir", CONFIG_PATH, state_dir), .option = "state-dir", .fallback = "",
		.computed = "`/var/tmp`; for the journal `/var/lib/dayfly` as root, else beside the socket",
		.doc = "directory for the journal, for the nameless files that keep output, and for private layers on disk" },
	{ KEY("daemon", "journal", CONFIG_BOOL, keep_journal), .fallback = "yes",
		.doc = "write down which tasks are accepted, so that the next daemon can tell what became of them should this one die" },
	{ KEY("daemon", "warden", CONFIG_PATH, warden_path), .option = "warden", .fallback = "",
		.computed = "`dayfly-warden` beside dayflyd, then as installed", .doc = "the program that makes jails" },
	{ KEY("daemon", "upper", CONFIG_WORD, upper), .words = upper_words, .option = "upper", .fallback = "auto",
		.doc = "where a jail's private layer lies" },
	{ KEY("daemon", "user", CONFIG_TEXT, user), .option = "user", .fallback = "",
		.computed = "`dayfly` if there is such a user, else an id without a name", .doc = "as root: become this user after the start" },
	{ KEY("daemon", "log_level", CONFIG_WORD, log_level), .words = level_words, .option = "log-level", .fallback = "info", .is_live = true,
		.doc = "how much dayflyd tells" },
	{ KEY("daemon", "idle_exit", CONFIG_DURATION, idle_exit_ms), .min = 0, .max = YEAR_MS, .may_be_none = true, .option = "idle-exit",
		.fallback = "none", .is_live = true, .doc = "leave after so long without connection and task" },
	{ KEY("daemon", "setup_timeout", CONFIG_DURATION, setup_ms), .min = 1000, .max = 3600000, .fallback = "30s", .is_live = true,
		.doc = "how long making a jail may take, from 1s to 1h; then its task ends with an error. Unpacking tars may take the task's `limits.wall` more" },
	{ NUMBER("daemon", "max_tasks", max_tasks, 1, 10000), .option = "max-tasks", .fallback = "64", .is_live = true,
		.doc = "tasks at one time" },
	{ NUMBER("daemon", "max_queue", max_queue, 1, 1000000), .option = "max-queue", .fallback = "1024", .is_live = true,
		.doc = "tasks that may wait for their turn" },
	{ NUMBER("daemon", "max_tasks_per_user", max_tasks_uid, 1, 10000), .may_be_none = true, .fallback = "none", .is_live = true,
		.doc = "tasks of one user at one time; with none all but an eighth of `max_tasks` where there are other users" },
	{ NUMBER("daemon", "max_queue_per_user", max_queue_uid, 1, 1000000), .may_be_none = true, .fallback = "none", .is_live = true,
		.doc = "tasks of one user that may wait; with none half of `max_queue` where there are other users" },
	{ KEY("daemon", "max_tasks_per_label", CONFIG_LABEL_CAPS, label_caps), .fallback = "", .is_live = true,
		.doc = "tasks at one time that have a label: `KEY:N` or `KEY=VALUE:N`" },
	{ KEY("daemon", "admit_memory", CONFIG_SIZE, admit_memory), .min = 1 << 20, .max = 1ull << 50, .may_be_none = true, .fallback = "none",
		.is_live = true, .doc = "start a task only if the memory limits of all that run do not exceed this together" },
	{ KEY("daemon", "admit_cpus", CONFIG_CPUS, admit_cpus), .min = 10, .max = 65536000, .may_be_none = true, .fallback = "none",
		.is_live = true, .doc = "the same for their limits of CPUs" },
	{ KEY("daemon", "admit_memory_per_user", CONFIG_SIZE, admit_memory_uid), .min = 1 << 20, .max = 1ull << 50, .may_be_none = true,
		.fallback = "none", .is_live = true,
		.doc = "how much of `admit_memory` one user may have; with none all but an eighth of it where there are other users" },
	{ KEY("daemon", "admit_cpus_per_user", CONFIG_CPUS, admit_cpus_uid), .min = 10, .max = 65536000, .may_be_none = true, .fallback = "none",
		.is_live = true, .doc = "the same for `admit_cpus`" },
	{ NUMBER("daemon", "max_connections", max_connections, 1, LIMIT_CONNECTIONS), .option = "max-connections", .fallback = "1024",
		.is_live = true, .doc = "clients at one time; half of the open files that dayflyd may have, where that is less" },
	{ NUMBER("daemon", "max_connections_per_user", max_connections_uid, 1, LIMIT_CONNECTIONS), .fallback = "256",
		.is_live = true, .doc = "clients of one user at one time" },
	{ KEY("daemon", "max_spool_per_user", CONFIG_SIZE, max_spool_uid), .min = 1 << 20, .max = 1ull << 50, .may_be_none = true, .fallback = "none",
		.is_live = true, .doc = "bytes of one user's artifacts in the state directory until they are fetched or sent; `none`: half of the free room where "
			"there are other users, else no bound. One task gets at most half of what is left of it" },

	{ KEY("access", "users", CONFIG_USERS, allow_uids), .option = "allow-uid", .fallback = "", .is_live = true,
		.doc = "let this user connect too" },
	{ KEY("access", "groups", CONFIG_GROUPS, allow_gids), .option = "allow-gid", .fallback = "", .is_live = true,
		.doc = "let members of this group connect" },
	{ KEY("access", "all", CONFIG_BOOL, allow_all), .option = "allow-all", .fallback = "no", .is_live = true,
		.doc = "let every local user connect" },

	{ KEY("policy", "host_network", CONFIG_BOOL, policy.allow_host_network), .option = "allow-host-network", .fallback = "no",
		.is_live = true, .doc = "let tasks ask for the host's network" },
	{ NUMBER("policy", "max_priority", policy.max_priority, 1, 10), .may_be_none = true, .fallback = "none", .is_live = true,
		.doc = "root mode: the highest `priority` that clients other than root may ask for; with none they may only go below 0" },
	{ KEY("policy", "root_user", CONFIG_BOOL, policy.allow_root_user), .option = "allow-root-user", .fallback = "no", .is_live = true,
		.doc = "root mode: let clients other than root ask for `user: \"root\"` inside the jail" },

	{ KEY("images", "host", CONFIG_BOOL, policy.allow_host_image), .fallback = "yes", .is_live = true,
		.doc = "let tasks have the image `host`, a view of this host's programs" },
	{ KEY("images", "directories", CONFIG_PATHS, policy.image_roots), .fallback = "/", .is_live = true,
		.doc = "directories that may be images, with all below them; empty: none" },

	{ KEY("workspaces", "roots", CONFIG_PATHS, policy.workspace_roots), .fallback = "/", .is_live = true,
		.doc = "workspaces and mounts must lie in one of these directories; empty: there are none" },

#include "daemon/limits.def"
#undef LIMIT
#define LIMIT(limit_name, member, limit_kind, limit_option, limit_default, limit_ceiling, is_optional, text) \
	{ KEY("defaults", #limit_name, CONFIG_##limit_kind, policy.defaults.member), .may_be_none = (is_optional), .is_live = true, \
		.fallback = (limit_default), .doc = (text) },
#include "daemon/limits.def"
#undef LIMIT

	{ TOTAL("memory", CONFIG_SIZE, memory_bytes), .min = 16 << 20, .max = INT64_MAX, .option = "total-memory",
		.doc = "memory of all tasks; beyond it the kernel kills one task, as a whole" },
	{ TOTAL("swap", CONFIG_SIZE, swap_bytes), .min = 4096, .max = INT64_MAX, .option = "total-swap", .doc = "swap of all tasks" },
	{ TOTAL("cpus", CONFIG_CPUS, cpu_millis), .min = PLAN_CPU_MILLIS_MIN, .max = PLAN_CPU_MILLIS_MAX, .option = "total-cpus",
		.doc = "CPU time per second of all tasks" },
	{ TOTAL("pids", CONFIG_COUNT, pids), .min = 8, .max = PLAN_PIDS_MAX, .option = "total-pids",
		.doc = "processes and threads of all tasks; each task has one more, its jail's init" },

	{ NUMBER("pool", "size", pool_size, 1, 256), .may_be_none = true, .option = "pool-size", .fallback = "none", .is_live = true,
		.doc = "at most so many, of all kinds and users; how many of which there are follows the demand" },
	{ KEY("pool", "max_age", CONFIG_DURATION, pool_max_age_ms), .min = 1000, .max = 86400000, .fallback = "5m", .is_live = true,
		.doc = "one that no task has claimed for so long goes, and a kind that nobody has asked for as long is kept no more" },

	{ KEY("git", "hosts", CONFIG_GIT_HOSTS, policy.git_hosts), .fallback = "*", .is_live = true,
		.doc = "with https and ssh, from these. Without a port, any; `*` is every host" },
	{ KEY("git", "plain_hosts", CONFIG_GIT_HOSTS, policy.git_plain_hosts), .fallback = "", .is_live = true,
		.doc = "also with http and git://, where who is in between reads and writes along. From loopback of `hosts` that is always allowed" },
	{ KEY("git", "local", CONFIG_BOOL, policy.git_local), .fallback = "yes", .is_live = true,
		.doc = "from directories of this host that the client may read, below `roots` of [workspaces]" },
	{ KEY("git", "dir", CONFIG_PATH, git.dir), .fallback = "",
		.computed = "as of [history]", .doc = "where mirrors and trees are kept, in a folder of their own, /var/lib/dayfly for a daemon that root's `dayfly run` has started; nobody but root and dayflyd's user may write there" },
	{ KEY("git", "cache", CONFIG_SIZE, git.cache_bytes), .min = 1 << 20, .max = INT64_MAX, .may_be_none = true, .fallback = "20GiB", .is_live = true,
		.doc = "what they take together at most; what was not used for longest goes, of the user who has most. What running tasks use stays" },
	{ KEY("git", "cache_per_user", CONFIG_SIZE, git.cache_bytes_uid), .min = 1 << 20, .max = INT64_MAX, .may_be_none = true, .fallback = "10GiB", .is_live = true,
		.doc = "the same of one user; also the most that one commit's files may have and that its fetches may bring. What is being checked out may take three times as much" },
	{ NUMBER("git", "fetches", git.fetches, 1, 64), .fallback = "4", .is_live = true,
		.doc = "repositories that are fetched or checked out at one time" },
	{ NUMBER("git", "fetches_per_user", git.fetches_uid, 1, 64), .fallback = "2", .is_live = true,
		.doc = "the same of one user" },
	{ KEY("git", "timeout", CONFIG_DURATION, git.timeout_ms), .min = 1000, .max = 86400000, .fallback = "10m", .is_live = true,
		.doc = "how long all fetches of a commit, and how long its checkout may take" },
	{ KEY("git", "memory", CONFIG_SIZE, git.memory_bytes), .min = 16 << 20, .max = INT64_MAX, .may_be_none = true, .fallback = "2GiB", .is_live = true,
		.doc = "memory of all of git's processes in one fetch or checkout; where no cgroup can hold that, of each process" },

	{ KEY("webhooks", "hosts", CONFIG_HOSTS, policy.hook_hosts), .fallback = "", .is_live = true,
		.doc = "requests may name addresses of these hosts: with https, at addresses of the public Internet. Without a port, 443" },
	{ KEY("webhooks", "private_hosts", CONFIG_HOSTS, policy.hook_private_hosts), .fallback = "", .is_live = true,
		.doc = "the same for hosts on loopback or your own network: at any address, http too. Without a port, 443 and 80" },
	{ KEY("webhooks", "endpoints", CONFIG_URLS, hooks.endpoints), .fallback = "", .is_live = true,
		.doc = "addresses that are told of every task, whoever asked for it; each of one of the hosts above" },
	{ KEY("webhooks", "events", CONFIG_CHOICES, hooks.events), .words = hook_words, .fallback = "finished", .is_live = true,
		.doc = "of what `endpoints` are told; for several, repeat the line" },
	{ KEY("webhooks", "secret_file", CONFIG_PATH, hooks.secret_file), .fallback = "",
		.computed = "the credential `webhook_secret` that the service manager passes (`LoadCredential=`)",
		.doc = "what they are signed with: a file with lines of `whsec_` and the base64 of 24 to 64 bytes, that only root and dayflyd's user may read. With several each signs" },
	{ KEY("webhooks", "ca_file", CONFIG_PATH, hooks.ca_file), .fallback = "", .is_live = true,
		.computed = "whom the system trusts", .doc = "certificates (PEM) of those who vouch for the hosts; a changed file is read within a minute" },
	{ KEY("webhooks", "timeout", CONFIG_DURATION, hooks.timeout_ms), .min = 100, .max = 600000, .fallback = "30s", .is_live = true,
		.doc = "how long one attempt may take" },
	{ KEY("webhooks", "deadline", CONFIG_DURATION, hooks.deadline_ms), .min = 1000, .max = 30 * 86400 * 1000ull, .fallback = "1d", .is_live = true,
		.doc = "how long attempts are made; then the event is given up" },
	{ NUMBER("webhooks", "max_waiting_per_user", hooks.max_count_uid, 1, 8192), .fallback = "1024", .is_live = true,
		.doc = "events of one user's tasks that may wait, and as many for `endpoints`; what comes beyond is given up" },
	{ KEY("webhooks", "max_bytes_per_user", CONFIG_SIZE, hooks.max_bytes_uid), .min = 64 << 10, .max = 32 << 20, .fallback = "4MiB", .is_live = true,
		.doc = "the same for their bytes" },

	{ KEY("uploads", "target", CONFIG_TARGETS, uploads.targets), .fallback = "",
		.doc = "a place that requests may name: `NAME KEY=VALUE ...`, where lines of one name add up. The keys stand in [uploads.md](uploads.md#targets)" },
	{ KEY("uploads", "hosts", CONFIG_HOSTS, policy.upload_hosts), .fallback = "", .is_live = true,
		.doc = "requests may also give addresses of these hosts: with https, at addresses of the public Internet. Without a port, 443" },
	{ KEY("uploads", "private_hosts", CONFIG_HOSTS, policy.upload_private_hosts), .fallback = "", .is_live = true,
		.doc = "the same for hosts on loopback or your own network: at any address, http too. Without a port, 443 and 80" },
	{ KEY("uploads", "credential_hosts", CONFIG_HOSTS, policy.upload_credential_hosts), .fallback = "", .is_live = true,
		.doc = "requests may bring credentials for these hosts, be it with an address or with a target there. Without a port, 443 and 80" },
	{ KEY("uploads", "keep_credentials", CONFIG_BOOL, uploads.keeps_credentials), .fallback = "no", .is_live = true,
		.doc = "write those down beside the files until they are sent, so that they outlive dayflyd; with no they are in its memory only" },
	{ KEY("uploads", "ca_file", CONFIG_PATH, uploads.ca_file), .fallback = "", .is_live = true,
		.computed = "whom the system trusts", .doc = "certificates (PEM) of those who vouch for the servers; a target may have its own" },
	{ KEY("uploads", "deadline", CONFIG_DURATION, uploads.deadline_ms), .min = 1000, .max = 30 * 86400 * 1000ull, .fallback = "1d", .is_live = true,
		.doc = "how long attempts are made; then the upload is given up" },
	{ KEY("uploads", "stall", CONFIG_DURATION, uploads.stall_ms), .min = 1000, .max = 3600000, .fallback = "1m", .is_live = true,
		.doc = "an attempt during which next to nothing moves for so long ends" },
	{ NUMBER("uploads", "max_waiting_per_user", uploads.max_count_uid, 1, 8192), .fallback = "2048", .is_live = true,
		.doc = "uploads of one user's tasks that may wait; what comes beyond fails" },
	{ KEY("uploads", "max_bytes_per_user", CONFIG_SIZE, uploads.max_bytes_uid), .min = 1 << 20, .max = 1ull << 50, .fallback = "8GiB", .is_live = true,
		.doc = "the same for their bytes, which lie on the disk until all of one task are sent" },
	{ KEY("uploads", "max_bytes", CONFIG_SIZE, uploads.max_bytes), .min = 1 << 20, .max = 1ull << 50, .fallback = "32GiB", .is_live = true,
		.doc = "the same for all users together" },

	{ KEY("history", "record", CONFIG_BOOL, keep_history), .fallback = "yes",
		.doc = "write down every task with its request and its result; secrets, files of the request and values of the environment stay out" },
	{ KEY("history", "dir", CONFIG_PATH, history_dir), .fallback = "",
		.computed = "`state_dir`; without one `/var/lib/dayfly` as root, else `$XDG_STATE_HOME/dayfly` or `~/.local/state/dayfly`; none where dayflyd has a socket of its own",
		.doc = "where the folder `dayfly-UID.history` is made" },
	{ KEY("history", "max_age", CONFIG_DURATION, history_age_ms), .min = 1000, .max = 100 * YEAR_MS, .may_be_none = true, .fallback = "30d",
		.is_live = true, .doc = "tasks that were accepted and done longer ago are forgotten" },
	{ KEY("history", "max_bytes", CONFIG_SIZE, history_bytes), .min = 1 << 20, .max = 1ull << 40, .may_be_none = true, .fallback = "256MiB",
		.is_live = true, .doc = "beyond this the oldest tasks of the user who has most are forgotten" },

	{ NUMBER("ids", "base", ids_base, 65536, 4294901760u), .option = "ids-base", .fallback = "1879048192",
		.doc = "first id; its 65536 are dayfly's own, and each task at one time has the next 65536" },
	{ NUMBER("ids", "count", ids_count, 1, OPTIONS_IDS_COUNT_MAX), .option = "ids-count", .fallback = "4093",
		.doc = "ranges of 65536 ids for tasks" },
};
/* clang-format on */
const size_t config_key_count = ARRAY_SIZE(config_keys);

const char *config_section_title(const char *section)
{
	for (size_t i = 0; i < ARRAY_SIZE(sections); i++)
		if (!strcmp(sections[i].name, section))
			return sections[i].title;
	return NULL;
}

size_t config_find(const char *section, const char *name)
{
	size_t i = 0;
	while (i < config_key_count &&
		(strcmp(config_keys[i].section, section) || strcmp(config_keys[i].name, name)))
		i++;
	return i;
}

bool config_is_strv(const struct config_key *k)
{
	return k->kind == CONFIG_PATHS || k->kind == CONFIG_LABEL_CAPS || k->kind == CONFIG_HOSTS ||
	       k->kind == CONFIG_GIT_HOSTS || k->kind == CONFIG_URLS || k->kind == CONFIG_CHOICES ||
	       k->kind == CONFIG_TARGETS;
}

bool config_is_list(const struct config_key *k)
{
	return config_is_strv(k) || k->kind == CONFIG_USERS || k->kind == CONFIG_GROUPS;
}

/* ---- life ---- */

int config_init(struct options *o)
{
	static const struct config_origin from = { .kind = CONFIG_FROM_DEFAULT };
	o->origins = calloc(config_key_count, sizeof(*o->origins));
	if (!o->origins)
		return -ENOMEM;
	for (size_t i = 0; i < config_key_count; i++) {
		struct err e;
		if (config_assign(o, i, config_keys[i].fallback, &from, &e) < 0)
			return -ENOMEM; /* a test sees to it that every default is a good value */
	}
	return 0;
}

static void *member(struct options *o, size_t key)
{
	return (char *)o + config_keys[key].offset;
}

void config_finish(struct options *o)
{
	for (size_t i = 0; i < config_key_count; i++) {
		enum config_kind kind = config_keys[i].kind;
		if (kind == CONFIG_TEXT || kind == CONFIG_PATH)
			free(*(char **)member(o, i));
		else if (config_is_strv(&config_keys[i]))
			strv_free(*(char ***)member(o, i));
		else if (kind == CONFIG_USERS || kind == CONFIG_GROUPS)
			strv_free(((struct config_ids *)member(o, i))->names);
		if (o->origins)
			free(o->origins[i].file);
	}
	free(o->origins);
	o->origins = NULL;
}

static size_t member_size(enum config_kind kind)
{
	switch (kind) {
	case CONFIG_BOOL:
		return sizeof(bool);
	case CONFIG_WORD:
		return sizeof(int);
	case CONFIG_TEXT:
	case CONFIG_PATH:
	case CONFIG_PATHS:
	case CONFIG_LABEL_CAPS:
	case CONFIG_HOSTS:
	case CONFIG_GIT_HOSTS:
	case CONFIG_URLS:
	case CONFIG_CHOICES:
	case CONFIG_TARGETS:
		return sizeof(char *);
	case CONFIG_USERS:
	case CONFIG_GROUPS:
		return sizeof(struct config_ids);
	default:
		return sizeof(uint64_t);
	}
}

void config_swap(struct options *a, struct options *b, size_t key)
{
	char *x = member(a, key), *y = member(b, key);
	for (size_t i = 0; i < member_size(config_keys[key].kind); i++) {
		char c = x[i];
		x[i] = y[i];
		y[i] = c;
	}
	struct config_origin from = a->origins[key];
	a->origins[key] = b->origins[key];
	b->origins[key] = from;
}

bool config_is_equal(const struct options *a, const struct options *b, size_t key)
{
	for (size_t n = 0;; n++) {
		auto_free char *x = config_format(a, key, n);
		auto_free char *y = config_format(b, key, n);
		if (!x || !y)
			return !x && !y;
		if (strcmp(x, y))
			return false;
	}
}

char *config_origin_text(const struct options *o, size_t key)
{
	const struct config_origin *from = &o->origins[key];
	char *text = NULL;
	int n;
	if (from->kind == CONFIG_FROM_DEFAULT)
		return strdup("default");
	if (from->kind == CONFIG_FROM_OPTION)
		n = asprintf(&text, "option --%s", config_keys[key].option);
	else
		n = asprintf(&text, "%s:%u", from->file, from->line);
	return n < 0 ? NULL : text;
}

/* ---- rules about more than one value ---- */

static void fault_at(struct config_faults *f, const struct options *o, size_t key, struct err *e)
{
	const struct config_origin *from = &o->origins[key];
	snprintf(e->field, sizeof(e->field), "%s.%s", config_keys[key].section,
		config_keys[key].name);
	config_faults_add(f, from->kind == CONFIG_FROM_FILE ? from->file : NULL, from->line, e);
}

static uint64_t number(const struct options *o, size_t key)
{
	return *(const uint64_t *)((const char *)o + config_keys[key].offset);
}

/* A built-in default gives way to a lower ceiling; one that was asked for must fit below it. */
static void check_default(const struct options *o, size_t key, struct config_faults *f)
{
	size_t ceiling = config_find("ceilings", config_keys[key].name);
	struct err e;
	if (o->origins[key].kind == CONFIG_FROM_DEFAULT || !number(o, ceiling) ||
		number(o, key) <= number(o, ceiling))
		return;
	auto_free char *max = config_format(o, ceiling, 0);
	auto_free char *from = config_origin_text(o, ceiling);
	err_set(&e, ERR_BAD_VALUE, 0, "is above the ceiling of %s (%s)", max ? max : "?",
		from ? from : "?");
	err_hint(&e, "lower it, or raise %s in [ceilings]", config_keys[key].name);
	fault_at(f, o, key, &e);
}

/* What a task is given is compared by its real path: a root that is a link would match nothing. */
static void check_roots(
	const struct options *o, size_t key, char *const *roots, struct config_faults *f)
{
	struct err e;
	for (; roots && *roots; roots++) {
		auto_free char *real = realpath(*roots, NULL);
		if (!real || !strcmp(real, *roots))
			continue;
		err_set(&e, ERR_BAD_VALUE, 0, "%s leads through a symbolic link", *roots);
		err_hint(&e, "write the real path: %s", real);
		fault_at(f, o, key, &e);
	}
}

static void check_endpoints(const struct options *o, struct config_faults *f)
{
	for (char **text = o->hooks.endpoints; text && *text; text++) {
		struct url u;
		struct err e;
		if (url_parse(*text, &u, &e) < 0)
			continue; /* told when it was read */
		enum url_verdict v =
			url_judge(&u, o->policy.hook_hosts, o->policy.hook_private_hosts);
		if (v == URL_REFUSED || v == URL_NEEDS_TLS) {
			err_set(&e, ERR_BAD_VALUE, 0, "%s is %s", u.origin,
				v == URL_REFUSED ? "in neither hosts nor private_hosts"
						 : "not of private_hosts, and without TLS");
			err_hint(&e, "name its host there%s",
				v == URL_REFUSED ? "" : ", or write https://");
			fault_at(f, o, config_find("webhooks", "endpoints"), &e);
		}
		url_finish(&u);
	}
}

static void check_targets(const struct options *o, struct config_faults *f)
{
	struct upload_targets ts;
	struct err e;
	if (upload_targets_parse(o->uploads.targets, &ts, &e) < 0)
		fault_at(f, o, config_find("uploads", "target"), &e);
	else
		upload_targets_finish(&ts);
}

void config_check(const struct options *o, struct config_faults *f)
{
	struct err e;
	for (size_t i = 0; i < config_key_count; i++) {
		if (!strcmp(config_keys[i].section, "defaults"))
			check_default(o, i, f);
		else if (config_keys[i].kind == CONFIG_PATHS)
			check_roots(o, i,
				*(char *const *const *)((const char *)o + config_keys[i].offset),
				f);
	}
	check_endpoints(o, f);
	check_targets(o, f);
	if (o->ids_base + (o->ids_count + 1) * OPTIONS_IDS_PER_TASK > UINT32_MAX) {
		err_set(&e, ERR_BAD_VALUE, 0,
			"%" PRIu64 " ranges from %" PRIu64 " on go beyond the last id, 4294967294",
			o->ids_count + 1, o->ids_base);
		err_hint(&e, "give a lower base or count in [ids]");
		fault_at(f, o, config_find("ids", "count"), &e);
	}
}

/* ---- faults ---- */

void config_faults_add(
	struct config_faults *f, const char *file, unsigned line, const struct err *e)
{
	if (f->n == CONFIG_FAULTS_MAX) {
		f->n_more++;
		return;
	}
	struct config_fault *list = realloc(f->list, (f->n + 1) * sizeof(*list));
	if (!list) {
		f->n_more++;
		return;
	}
	f->list = list;
	/* Without memory for the name the fault is told without it. */
	list[f->n++] = (struct config_fault){
		.file = file ? strdup(file) : NULL, .line = line, .err = *e
	};
}

void config_faults_finish(struct config_faults *f)
{
	for (size_t i = 0; i < f->n; i++)
		free(f->list[i].file);
	free(f->list);
	*f = (struct config_faults){ 0 };
}

void config_fault_text(const struct config_fault *f, char *out, size_t size)
{
	char line[16] = "";
	if (f->line)
		snprintf(line, sizeof(line), ":%u", f->line);
	snprintf(out, size, "%s%s%s%s%s%s", f->file ? f->file : "", f->file ? line : "",
		f->file ? ": " : "", f->err.field, f->err.field[0] ? ": " : "", f->err.msg);
}
