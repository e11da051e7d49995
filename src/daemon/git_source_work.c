/* The work of a source: its turn, its two jails, its end. See git_source.h. */
#include "daemon/git_source_priv.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/str.h"
#include "daemon/jobs.h"
#include "daemon/server.h"
#include "git/report.h"
#include "git/script.h"
#include "plan/plan.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Of one tree. */
#define TREE_FILES_MAX 2000000
/* What git writes in all, in bytes of cache_per_user: what a fetch adds, and a tree with its
 * objects. Beside that, directories and the like. */
#define FETCH_MOST   1
#define TREE_MOST    3
#define LITTLE_BYTES (1ull << 20)

/* ---- what git is told by its environment ---- */

static int add_env(char ***env, const char *name, const char *value)
{
	char *line = NULL;
	if (asprintf(&line, "%s=%s", name, value) < 0)
		return -ENOMEM;
	int r = strv_add(env, line);
	free(line);
	return r;
}

/* Host keys are those that came along, or the host's own; keys likewise. */
static int add_ssh(char ***env, const struct git_work *w, bool is_trusted)
{
	char command[512];
	const struct git_secrets *s = &w->secrets;
	const bool has_key = s->ssh_key && is_trusted, has_agent = w->agent_fd >= 0 && is_trusted;
	snprintf(command, sizeof(command),
		"ssh -F none -o BatchMode=yes -o StrictHostKeyChecking=yes "
		"-o UserKnownHostsFile=" GIT_JAIL_KNOWN_HOSTS "%s -o UpdateHostKeys=no "
		"-o ConnectTimeout=30 -o ServerAliveInterval=15 -o ServerAliveCountMax=4 "
		"-o ClearAllForwardings=yes -o ForwardAgent=no%s",
		s->known_hosts ? " -o GlobalKnownHostsFile=/dev/null" : "",
		has_key && !has_agent ? " -o IdentitiesOnly=yes -i " PLAN_SECRETS_DIR "/ssh_key"
		: has_key	      ? " -i " PLAN_SECRETS_DIR "/ssh_key"
				      : "");
	int r = add_env(env, "GIT_SSH_COMMAND", command);
	if (r == 0)
		r = add_env(env, "GIT_SSH_VARIANT", "ssh");
	if (r == 0 && has_agent)
		r = add_env(env, "SSH_AUTH_SOCK", GIT_JAIL_AGENT "/agent.sock");
	return r;
}

/* from: NULL for the checkout. */
static int make_env(
	const struct git_work *w, const struct git_url *from, bool is_trusted, char ***ret)
{
	int r = add_env(ret, "GIT_CONFIG_NOSYSTEM", "1");
	if (r == 0)
		r = add_env(ret, "GIT_ATTR_NOSYSTEM", "1");
	if (r == 0)
		r = add_env(ret, "GIT_TERMINAL_PROMPT", "0");
	if (r == 0)
		r = add_env(ret, "LC_ALL", "C");
	if (r == 0)
		r = add_env(
			ret, "GIT_ALLOW_PROTOCOL", from ? git_scheme_name(from->scheme) : "file");
	if (r == 0 && from && from->scheme == GIT_SCHEME_SSH)
		r = add_ssh(ret, w, is_trusted);
	if (r == 0 && from && w->secrets.ca)
		r = add_env(ret, "GIT_SSL_CAINFO", GIT_JAIL_CA);
	return r;
}

static void add_file(
	struct git_jail_ask *ask, const char *path, const char *data, size_t len, bool is_secret)
{
	if (data)
		ask->files[ask->n_files++] = (struct git_jail_file){ path, data, len, is_secret };
}

/* ---- jails ---- */

/* Somebody does: else it would be over. */
static const char *first_task(const struct git_work *w)
{
	return list_entry(w->uses.next, struct git_use, link)->job->task->id;
}

static void init_ask(const struct git_work *w, struct git_jail_ask *ask)
{
	const struct server *s = w->sources->server;
	*ask = (struct git_jail_ask){
		.wall_ms = s->options->git.timeout_ms,
		.file_bytes = s->options->git.cache_bytes_uid,
		.memory_bytes = s->options->git.memory_bytes,
		.task = first_task(w),
		.uid = w->uid,
		.client_fd = w->client_fd,
		.is_bound = w->is_bound,
	};
	add_file(ask, GIT_JAIL_CONFIG, git_script_config, strlen(git_script_config), false);
}

static void on_fetched(void *owner, const struct git_jail_end *end);
static void on_checked_out(void *owner, const struct git_jail_end *end);

/* What the work is to fetch now: the commit itself, or the next of its submodules. */
static const struct git_module *module_of(const struct git_work *w)
{
	bool is_next = w->commit[0] && w->state != GIT_WORK_WAITING;
	return is_next && w->n_fetched < w->modules.n ? &w->modules.list[w->n_fetched] : NULL;
}

static const struct git_url *url_of(const struct git_work *w)
{
	const struct git_module *m = module_of(w);
	return m ? &m->url : &w->url;
}

/* Whether what the user gave for his repository is for this address too. */
static bool is_trusted(const struct git_work *w, const struct git_url *u)
{
	return u->scheme == w->url.scheme && u->port == w->url.port && u->host && w->url.host &&
	       !strcmp(u->host, w->url.host);
}

static void add_secrets(const struct git_work *w, const struct git_url *u, struct git_jail_ask *ask)
{
	const struct git_secrets *s = &w->secrets;
	if (is_trusted(w, u)) {
		add_file(ask, "credentials", s->credentials, s->credentials_len, true);
		add_file(ask, "ssh_key", s->ssh_key, s->ssh_key_len, true);
	}
	add_file(ask, GIT_JAIL_KNOWN_HOSTS, s->known_hosts, s->known_hosts_len, false);
	add_file(ask, GIT_JAIL_CA, s->ca, s->ca_len, false);
}

/* All fetches of a work have the time of one. */
static uint64_t time_left_ms(const struct git_work *w)
{
	uint64_t all = w->sources->server->options->git.timeout_ms;
	uint64_t gone = (clock_boot_ns() - w->started_ns) / NS_PER_MS;
	return gone + 1000 < all ? all - gone : 1000;
}

static int start_fetch(struct git_work *w, struct err *e)
{
	struct git_jail_ask ask;
	char dir[sizeof(GIT_JAIL_MIRROR) + 16 + GIT_KEY_SIZE] = GIT_JAIL_MIRROR;
	const struct git_module *m = module_of(w);
	const struct git_url *u = url_of(w);
	const bool is_local = u->scheme == GIT_SCHEME_LOCAL;
	/* What commits have written is walked in the jail: no link leads out of there. */
	const size_t root_len = !is_local ? 0 : m ? m->root_len : strlen(u->path);
	char remote[sizeof(GIT_JAIL_REMOTE) + LIMIT_PATH_BYTES], root[LIMIT_PATH_BYTES];
	init_ask(w, &ask);
	if (is_local) {
		snprintf(remote, sizeof(remote), GIT_JAIL_REMOTE "%s", u->path + root_len);
		snprintf(root, sizeof(root), "%.*s", (int)root_len, u->path);
	}
	if (m) {
		snprintf(dir, sizeof(dir), GIT_JAIL_MIRROR "/modules/%s", m->key);
		uint64_t gone =
			git_store_make_room(&w->sources->store, w->mirror, &w->modules, m->key);
		w->had_bytes -= gone < w->had_bytes ? gone : w->had_bytes;
	}
	ask.script = git_script_fetch;
	ask.args[0] = is_local ? remote : u->fetch;
	ask.args[1] = m ? m->commit : w->ref;
	ask.args[2] = w->history == GIT_HISTORY_SHALLOW ? "1" : "";
	ask.args[3] = dir;
	ask.args[4] = w->wants_modules ? "1" : "";
	ask.has_network = !is_local;
	ask.wall_ms = time_left_ms(w);
	ask.mounts[ask.n_mounts++] = (struct git_jail_mount){
		.target = GIT_JAIL_MIRROR, .fd = w->mirror_fd, .is_own = true, .mode = PLAN_MODE_RW
	};
	if (w->agent_fd >= 0 && u->scheme == GIT_SCHEME_SSH && is_trusted(w, u))
		ask.mounts[ask.n_mounts++] = (struct git_jail_mount){
			.target = GIT_JAIL_AGENT, .fd = w->agent_fd, .mode = PLAN_MODE_RO
		};
	/* No place but that one can be chosen: an agent's is wherever a client has it. */
	ask.is_bound = w->is_bound && is_local;
	if (is_local)
		ask.mounts[ask.n_mounts++] = (struct git_jail_mount){
			.target = GIT_JAIL_REMOTE, .fd = -1, .path = root, .mode = PLAN_MODE_RO
		};
	else
		add_secrets(w, u, &ask);
	if (make_env(w, u, is_trusted(w, u), &ask.env) < 0) {
		strv_free(ask.env);
		return err_set(e, ERR_INTERNAL, ENOMEM, "start git");
	}
	return git_jail_start(&w->sources->jails, &ask, on_fetched, w, &w->jail, e);
}

/* What all fetches of a work add is bound, not what each does. */
static bool has_fetched_too_much(const struct git_work *w)
{
	uint64_t max = w->sources->server->options->git.cache_bytes_uid;
	return max && w->mirror->bytes > w->had_bytes && w->mirror->bytes - w->had_bytes > max;
}

static void watch(struct git_work *w, int fd, uint64_t has, uint64_t most)
{
	uint64_t max = w->sources->server->options->git.cache_bytes_uid, bytes;
	if (!max || __builtin_mul_overflow(max, most, &bytes) ||
		__builtin_add_overflow(bytes, has + LITTLE_BYTES, &bytes))
		return;
	git_meter_begin(&w->sources->meter, &w->metered, fd, bytes);
}

void git_work_on_over(struct git_metered *m)
{
	struct git_work *w = list_entry(m, struct git_work, metered);
	w->is_over_bound = true;
	w->is_odd = m->is_odd;
	git_jail_cancel(w->jail);
}

static int start_checkout(struct git_work *w, struct err *e)
{
	struct git_sources *g = w->sources;
	struct git_jail_ask ask;
	char bytes[24], files[24];
	uint64_t max = g->server->options->git.cache_bytes_uid;
	w->tree_fd = git_store_open_new(&g->store, w->uid, w->key);
	if (w->tree_fd < 0)
		return err_set(e, ERR_SOURCE_FAILED, -w->tree_fd, "make a place for a tree");
	init_ask(w, &ask);
	snprintf(bytes, sizeof(bytes), "%" PRIu64, max ? max : UINT64_MAX >> 12);
	snprintf(files, sizeof(files), "%d", TREE_FILES_MAX);
	ask.script = git_script_checkout;
	ask.args[0] = w->commit;
	ask.args[1] = w->history == GIT_HISTORY_SHALLOW ? "1" : "";
	ask.args[2] = w->url.shown;
	ask.args[3] = bytes;
	ask.args[4] = files;
	ask.mounts[ask.n_mounts++] = (struct git_jail_mount){
		.target = GIT_JAIL_MIRROR, .fd = w->mirror_fd, .is_own = true, .mode = PLAN_MODE_RO
	};
	ask.mounts[ask.n_mounts++] = (struct git_jail_mount){
		.target = GIT_JAIL_TREE, .fd = w->tree_fd, .is_own = true, .mode = PLAN_MODE_RW
	};
	auto_free char *modules = git_modules_text(&w->modules);
	add_file(&ask, GIT_JAIL_MODULES, modules, modules ? strlen(modules) : 0, false);
	int r = modules ? make_env(w, NULL, false, &ask.env) : -ENOMEM;
	if (r < 0) {
		strv_free(ask.env);
		err_set(e, ERR_INTERNAL, ENOMEM, "start git");
	} else {
		r = git_jail_start(&g->jails, &ask, on_checked_out, w, &w->jail, e);
	}
	if (r == 0)
		watch(w, w->tree_fd, 0, TREE_MOST);
	return r;
}

/* ---- the way of a work ---- */

static void end_work(struct git_work *w)
{
	struct git_sources *g = w->sources;
	if (w->state != GIT_WORK_WAITING)
		g->n_running--;
	git_work_destroy(w);
	git_works_pump(g);
}

static void fail_work(struct git_work *w, const struct err *e)
{
	log_info("git: %s of %s: %s", w->ref, w->url.shown, e->msg);
	git_work_failed(w, e);
	end_work(w);
}

static const char *what_of(const struct git_work *w)
{
	const struct git_module *m = module_of(w);
	return m ? m->commit : w->ref;
}

static bool explain_bound(const struct git_work *w, struct err *e)
{
	if (w->is_odd) {
		err_set_field(e, ERR_SOURCE_FAILED, "task.source.git",
			"git wrote more than %d directories in one another, or one that cannot be "
			"opened",
			GIT_METER_DEPTH_MAX);
		err_hint(e, "choose a commit whose directories are not so deep");
		return true;
	}
	err_set_field(
		e, ERR_SOURCE_FAILED, "task.source.git", "git wrote more than this daemon keeps");
	err_hint(e, "raise cache_per_user in [git] of dayflyd.conf");
	return true;
}

/* Fills *e where the jail did not do what it was to. */
static bool has_failed(const struct git_work *w, const struct git_jail_end *end, struct err *e)
{
	if (w->is_over_bound)
		return explain_bound(w, e);
	if (end->err && end->err->code != ERR_SOURCE_FAILED && end->status < 0) {
		*e = *end->err;
		/* Its own fields mean nothing to who asked. */
		snprintf(e->field, sizeof(e->field), "task.source.git");
		return true;
	}
	if (end->err)
		*e = *end->err;
	else if (!end->is_good)
		git_report_failure(url_of(w), what_of(w), end->status, end->errors, e);
	return !end->is_good;
}

static int fault(struct err *e)
{
	err_set_field(e, ERR_SOURCE_FAILED, "task.source.git", "git did not say what it did");
	return -EPROTO;
}

static uint64_t step_us(struct git_work *w)
{
	uint64_t now = clock_boot_ns(), us = (now - w->step_ns) / NS_PER_US;
	w->step_ns = now;
	return us ? us : 1;
}

/* The tree may be there already, of another ref or from before. */
static bool has_tree(struct git_work *w)
{
	struct git_store *st = &w->sources->store;
	struct git_item *tree;
	int fd = git_store_open_tree(st, w->uid, w->key, git_work_kind(w), w->commit, &tree);
	if (fd < 0)
		return false;
	fd_close(&fd);
	git_store_release(st, tree);
	return true;
}

/* What the commit that has just come says of submodules: each must be an address that the user
 * could name. */
static int add_modules(struct git_work *w, const char *out, struct err *e)
{
	const struct policy *p = &w->sources->server->options->policy;
	size_t n = w->modules.n;
	if (!w->wants_modules)
		return 0;
	int r = git_modules_add(&w->modules, url_of(w), module_of(w), out, e);
	for (size_t i = n; r == 0 && i < w->modules.n; i++) {
		const struct git_module *m = &w->modules.list[i];
		r = policy_check_git_url(p, &m->url, e);
		if (r < 0) {
			err_wrap(e, "the submodule %.100s", m->path);
			snprintf(e->field, sizeof(e->field), "task.source.git.submodules");
		}
	}
	return r;
}

static void on_fetched(void *owner, const struct git_jail_end *end)
{
	struct git_work *w = owner;
	const struct git_module *m = module_of(w);
	struct git_fetched got;
	struct err e;
	w->jail = NULL;
	git_meter_end(&w->metered);
	w->fetch_us += step_us(w);
	git_store_measure_mirror(&w->sources->store, w->mirror, m ? m->key : NULL);
	w->is_over_bound |= has_fetched_too_much(w);
	if (w->state == GIT_WORK_OVER)
		return end_work(w);
	if (has_failed(w, end, &e) || (git_report_fetched(end->out, &got) < 0 && fault(&e)))
		return fail_work(w, &e);
	w->fetched |= !got.had;
	if (add_modules(w, end->out, &e) < 0)
		return fail_work(w, &e);
	if (w->commit[0]) {
		w->n_fetched++;
	} else {
		memcpy(w->commit, got.commit, sizeof(w->commit));
		git_sources_note_ref(w->sources, w);
		if (has_tree(w)) {
			git_work_ready(w);
			return end_work(w);
		}
	}
	if (w->n_fetched < w->modules.n) {
		if (start_fetch(w, &e) < 0)
			return fail_work(w, &e);
		watch(w, w->mirror_fd, w->had_bytes, FETCH_MOST);
		return;
	}
	w->state = GIT_WORK_CHECKING_OUT;
	if (start_checkout(w, &e) < 0)
		fail_work(w, &e);
}

static void on_checked_out(void *owner, const struct git_jail_end *end)
{
	struct git_work *w = owner;
	struct git_store *st = &w->sources->store;
	uint64_t bytes, submodules;
	struct err e;
	int r = 0;
	w->jail = NULL;
	git_meter_end(&w->metered);
	w->checkout_us = step_us(w);
	bool is_good = !has_failed(w, end, &e);
	if (is_good && git_report_checked_out(end->out, &bytes, &submodules) < 0)
		r = fault(&e);
	else if (is_good)
		r = git_store_publish(
			st, w->uid, w->key, git_work_kind(w), w->commit, bytes, submodules);
	if (is_good && r < 0 && r != -EPROTO)
		err_set(&e, ERR_SOURCE_FAILED, -r, "keep the tree");
	if (!is_good || r < 0) {
		git_store_drop_new(st, w->uid, w->key);
		return w->state == GIT_WORK_OVER ? end_work(w) : fail_work(w, &e);
	}
	if (w->state != GIT_WORK_OVER)
		git_work_ready(w);
	end_work(w);
}

void git_work_abandon(struct git_work *w)
{
	if (w->state == GIT_WORK_WAITING)
		return end_work(w);
	w->state = GIT_WORK_OVER;
	git_jail_cancel(w->jail);
}

/* ---- whose turn it is ---- */

/* One at a time writes into the folder of a repository. */
static bool may_start(const struct git_sources *g, const struct git_work *w)
{
	const struct options *o = g->server->options;
	size_t of_uid = 0;
	if (w->state != GIT_WORK_WAITING || g->n_running >= o->git.fetches)
		return false;
	list_for_each (pos, &g->works) {
		const struct git_work *other = list_entry(pos, struct git_work, link);
		if (other->state == GIT_WORK_WAITING || other->uid != w->uid)
			continue;
		of_uid++;
		if (!strcmp(other->key, w->key))
			return false;
	}
	return of_uid < o->git.fetches_uid;
}

static struct git_work *next_work(const struct git_sources *g)
{
	list_for_each (pos, &g->works) {
		struct git_work *w = list_entry(pos, struct git_work, link);
		if (may_start(g, w))
			return w;
	}
	return NULL;
}

static void start_work(struct git_work *w)
{
	struct git_sources *g = w->sources;
	struct err e;
	w->state = GIT_WORK_FETCHING;
	g->n_running++;
	w->started_ns = w->step_ns = clock_boot_ns();
	w->mirror_fd = git_store_open_mirror(&g->store, w->uid, w->key, w->history, &w->mirror);
	int r = w->mirror_fd;
	if (r < 0) {
		err_set(&e, ERR_SOURCE_FAILED, -r, "open the mirror of a repository");
	} else {
		w->had_bytes = w->mirror->bytes;
		r = start_fetch(w, &e);
	}
	if (r < 0)
		fail_work(w, &e);
	else
		watch(w, w->mirror_fd, w->had_bytes, FETCH_MOST);
}

void git_works_pump(struct git_sources *g)
{
	struct git_work *w;
	/* A start that fails ends here again. */
	if (g->is_pumping)
		return;
	g->is_pumping = true;
	while (g->server->state == SERVER_RUNNING && warden_link_is_up(&g->server->warden) &&
		(w = next_work(g)))
		start_work(w);
	g->is_pumping = false;
}
