/* Workspaces of repositories: see git_source.h. */
#include "daemon/git_source_priv.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "daemon/connection.h"
#include "daemon/jobs.h"
#include "daemon/server.h"
#include "proto/schema.h"
#include "task/closer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REFS_MAX 1024

/* ---- what refs stand for ---- */

struct known_ref {
	struct list link;
	uid_t uid;
	char key[GIT_KEY_SIZE];
	char *ref;
	char commit[GIT_COMMIT_SIZE];
	uint64_t at_ns; /* CLOCK_BOOTTIME, when it was asked */
};

static void drop_ref(struct git_sources *g, struct known_ref *k)
{
	list_remove(&k->link);
	g->n_refs--;
	free(k->ref);
	free(k);
}

static struct known_ref *find_ref(
	const struct git_sources *g, uid_t uid, const char *key, const char *ref)
{
	list_for_each (pos, &g->refs) {
		struct known_ref *k = list_entry(pos, struct known_ref, link);
		if (k->uid == uid && !strcmp(k->key, key) && !strcmp(k->ref, ref))
			return k;
	}
	return NULL;
}

void git_sources_note_ref(struct git_sources *g, const struct git_work *w)
{
	struct known_ref *k = find_ref(g, w->uid, w->key, w->ref);
	if (k)
		drop_ref(g, k);
	if (g->n_refs >= REFS_MAX)
		drop_ref(g, list_entry(g->refs.next, struct known_ref, link));
	k = calloc(1, sizeof(*k));
	char *ref = strdup(w->ref);
	if (!k || !ref) {
		free(k);
		free(ref);
		return;
	}
	*k = (struct known_ref){ .uid = w->uid, .ref = ref, .at_ns = w->started_ns };
	memcpy(k->key, w->key, sizeof(k->key));
	memcpy(k->commit, w->commit, sizeof(k->commit));
	list_append(&g->refs, &k->link);
	g->n_refs++;
}

/* The commit that is wanted, where nobody has to be asked. */
static bool is_known(const struct git_sources *g, uid_t uid, const char *key, const char *ref,
	bool refresh, char commit[GIT_COMMIT_SIZE])
{
	if (git_ref_is_commit(ref, commit))
		return true;
	const struct known_ref *k = refresh ? NULL : find_ref(g, uid, key, ref);
	if (!k || clock_boot_ns() - k->at_ns > GIT_REF_NS)
		return false;
	memcpy(commit, k->commit, GIT_COMMIT_SIZE);
	return true;
}

/* ---- secrets ---- */

void git_secrets_wipe(struct git_secrets *s)
{
	schema_wipe(&s->credentials, s->credentials_len);
	schema_wipe(&s->ssh_key, s->ssh_key_len);
	schema_wipe(&s->known_hosts, s->known_hosts_len);
	schema_wipe(&s->ca, s->ca_len);
	*s = (struct git_secrets){ 0 };
}

/* The request keeps none. */
static struct git_secrets take_secrets(struct spec_git *g)
{
	struct git_secrets s = { g->credentials, g->credentials_len, g->ssh_key, g->ssh_key_len,
		g->known_hosts, g->known_hosts_len, g->ca, g->ca_len };
	g->credentials = g->ssh_key = g->known_hosts = g->ca = NULL;
	return s;
}

static bool is_equal(const char *a, size_t a_len, const char *b, size_t b_len)
{
	return !a == !b && (!a || (a_len == b_len && !memcmp(a, b, a_len)));
}

static bool secrets_are_equal(const struct git_secrets *a, const struct git_secrets *b)
{
	return is_equal(a->credentials, a->credentials_len, b->credentials, b->credentials_len) &&
	       is_equal(a->ssh_key, a->ssh_key_len, b->ssh_key, b->ssh_key_len) &&
	       is_equal(a->known_hosts, a->known_hosts_len, b->known_hosts, b->known_hosts_len) &&
	       is_equal(a->ca, a->ca_len, b->ca, b->ca_len);
}

/* ---- uses ---- */

static void fill_result(struct git_use *use, const struct git_work *w)
{
	struct result_source *r = &use->job->task->result->source;
	if (!w)
		return;
	memcpy(r->commit, w->commit, sizeof(r->commit));
	r->has_fetched = w->commit[0];
	r->fetched = w->fetched;
	if (w->fetch_us)
		r->fetch_us = known(w->fetch_us);
	if (w->checkout_us)
		r->checkout_us = known(w->checkout_us);
}

/* Takes the descriptor. */
static void give_tree(struct git_use *use, struct git_item *tree, int fd)
{
	struct task *t = use->job->task;
	t->result->source.submodules = known(tree->submodules);
	use->tree = tree;
	use->is_ready = true;
	task_set_source(t, (size_t)t->build.plan->workspace.source.fd_index, fd);
}

static void leave_work(struct git_use *use)
{
	list_remove(&use->link);
	use->work = NULL;
}

void git_work_ready(struct git_work *w)
{
	struct git_sources *g = w->sources;
	while (!list_empty(&w->uses)) {
		struct git_use *use = list_entry(w->uses.next, struct git_use, link);
		struct git_item *tree;
		int fd = git_store_open_tree(
			&g->store, w->uid, w->key, git_work_kind(w), w->commit, &tree);
		if (fd < 0) {
			struct err e;
			err_set_field(&e, ERR_SOURCE_FAILED, "task.source.git",
				"the tree that was checked out is gone again");
			git_work_failed(w, &e);
			return;
		}
		fill_result(use, w);
		give_tree(use, tree, fd);
		leave_work(use);
		sched_release(&g->server->sched, &use->job->sched);
	}
	alarm_set(g->server->after_done, 0);
}

void git_work_failed(struct git_work *w, const struct err *e)
{
	while (!list_empty(&w->uses)) {
		struct git_use *use = list_entry(w->uses.next, struct git_use, link);
		fill_result(use, w);
		leave_work(use);
		result_set_error(use->job->task->result, e);
		task_handle(use->job->task, EVENT_START_FAILED);
	}
}

/* ---- works ---- */

void git_work_destroy(struct git_work *w)
{
	list_remove(&w->link);
	git_meter_end(&w->metered);
	git_store_release(&w->sources->store, w->mirror);
	git_secrets_wipe(&w->secrets);
	git_url_finish(&w->url);
	git_modules_finish(&w->modules);
	free(w->ref);
	close_foreign(w->uid, &w->client_fd, 1);
	close_foreign(w->uid, &w->agent_fd, 1);
	fd_close(&w->mirror_fd);
	fd_close(&w->tree_fd);
	free(w);
}

static bool is_same(const struct git_work *w, uid_t uid, const char *key, const struct spec_git *s,
	const char *ref, const struct git_secrets *secrets)
{
	/* One that asks again must not get what was asked before. */
	bool is_late = s->refresh && w->state != GIT_WORK_WAITING;
	/* And nobody depends on an agent that goes with another client. */
	return !is_late && w->uid == uid && w->history == s->history &&
	       w->wants_modules == s->submodules && !strcmp(w->key, key) && !strcmp(w->ref, ref) &&
	       w->agent_fd < 0 && s->agent < 0 && w->state != GIT_WORK_OVER &&
	       secrets_are_equal(&w->secrets, secrets);
}

static struct git_work *find_work(const struct git_sources *g, uid_t uid, const char *key,
	const struct spec_git *s, const char *ref, const struct git_secrets *secrets)
{
	list_for_each (pos, &g->works) {
		struct git_work *w = list_entry(pos, struct git_work, link);
		if (is_same(w, uid, key, s, ref, secrets))
			return w;
	}
	return NULL;
}

/* What it takes over is NULL or zero then. */
static struct git_work *make_work(struct git_sources *g, const struct connection *c,
	const struct spec_git *s, struct git_url *take_url, const char *key, const char *ref,
	struct git_secrets *take_secrets)
{
	struct git_work *w = calloc(1, sizeof(*w));
	if (!w)
		return NULL;
	w->sources = g;
	w->uid = c->uid;
	memcpy(w->key, key, sizeof(w->key));
	w->history = s->history;
	w->wants_modules = s->submodules;
	w->url = *take_url;
	*take_url = (struct git_url){ 0 };
	w->secrets = *take_secrets;
	*take_secrets = (struct git_secrets){ 0 };
	w->is_bound = c->uid != 0;
	w->agent_fd = w->mirror_fd = w->tree_fd = -1;
	list_init(&w->uses);
	list_append(&g->works, &w->link);
	w->ref = strdup(ref);
	w->client_fd = fcntl(c->fd, F_DUPFD_CLOEXEC, 3);
	bool is_good = w->ref && w->client_fd >= 0;
	if (is_good && s->agent >= 0)
		w->agent_fd = fcntl(c->fds[s->agent], F_DUPFD_CLOEXEC, 3);
	if (is_good && (s->agent < 0 || w->agent_fd >= 0))
		return w;
	git_work_destroy(w);
	return NULL;
}

static int join_work(struct git_sources *g, struct connection *c, struct job *j, struct git_url *u,
	const char *key, const char *ref, struct err *e)
{
	struct spec_git *s = &j->task->spec->source.git;
	struct git_secrets secrets = take_secrets(s);
	struct git_work *w = find_work(g, c->uid, key, s, ref, &secrets);
	if (!w)
		w = make_work(g, c, s, u, key, ref, &secrets);
	git_secrets_wipe(&secrets);
	if (!w)
		return err_set(e, ERR_BUSY, ENOMEM, "make room for a repository");
	j->git.work = w;
	list_append(&w->uses, &j->git.link);
	return 0;
}

/* ---- a task ---- */

int git_source_check(struct git_sources *g, const struct task_spec *spec, struct err *e)
{
	if (git_store_open(&g->store) == 0)
		return 0;
	err_set_field(e, ERR_UNSUPPORTED, "task.source.git",
		"this daemon has no place for repositories: %s", g->store.why);
	err_hint(e, "start it with a --state-dir of its own, or set dir in [git] of dayflyd.conf");
	return -EINVAL;
}

static int note_source(struct job *j, const struct git_url *u, const char *ref)
{
	struct result_source *r = &j->task->result->source;
	r->is_there = true;
	r->url = strdup(u->shown);
	r->ref = strdup(ref);
	return r->url && r->ref ? 0 : -ENOMEM;
}

static int begin(struct git_sources *g, struct connection *c, struct job *j, struct git_url *u,
	bool *ret_is_ready, struct err *e)
{
	struct spec_git *s = &j->task->spec->source.git;
	char key[GIT_KEY_SIZE], commit[GIT_COMMIT_SIZE], digits[GIT_COMMIT_SIZE];
	struct git_item *tree;
	const char *ref = s->ref ? s->ref : "HEAD";
	git_key_make(u->name, key);
	if (note_source(j, u, ref) < 0)
		return err_set(e, ERR_INTERNAL, ENOMEM, "note a source");
	if (git_ref_is_commit(ref, digits))
		ref = digits;
	if (is_known(g, c->uid, key, ref, s->refresh, commit)) {
		int kind = git_store_kind(s->history, s->submodules);
		int fd = git_store_open_tree(&g->store, c->uid, key, kind, commit, &tree);
		if (fd >= 0) {
			struct result_source *r = &j->task->result->source;
			struct git_secrets secrets = take_secrets(s);
			git_secrets_wipe(&secrets);
			memcpy(r->commit, commit, sizeof(r->commit));
			r->has_fetched = true;
			give_tree(&j->git, tree, fd);
			*ret_is_ready = true;
			return 0;
		}
	}
	*ret_is_ready = false;
	return join_work(g, c, j, u, key, ref, e);
}

int git_source_begin(struct git_sources *g, struct connection *c, struct job *j, bool *ret_is_ready,
	struct err *e)
{
	struct git_url u;
	*ret_is_ready = true;
	if (!j->task->spec->has_source)
		return 0;
	j->git.job = j;
	int r = git_url_parse(j->task->spec->source.git.url, &u, e);
	if (r < 0)
		return r;
	r = begin(g, c, j, &u, ret_is_ready, e);
	git_url_finish(&u);
	return r;
}

void git_source_end(struct git_sources *g, struct job *j)
{
	struct git_work *w = j->git.work;
	if (w) {
		leave_work(&j->git);
		if (list_empty(&w->uses))
			git_work_abandon(w);
	}
	git_store_release(&g->store, j->git.tree);
	j->git.tree = NULL;
}

/* ---- life ---- */

static struct git_store_bounds bounds_of(const struct server *s)
{
	return (struct git_store_bounds){
		.max_bytes = s->options->git.cache_bytes,
		.max_bytes_uid = s->options->git.cache_bytes_uid,
	};
}

int git_sources_init(struct git_sources *g, struct server *s)
{
	const struct git_store_bounds bounds = bounds_of(s);
	g->server = s;
	list_init(&g->works);
	list_init(&g->refs);
	int r = git_jails_init(&g->jails, s);
	if (r == 0)
		r = git_meter_init(&g->meter, s->loop, git_work_on_over);
	git_store_init(&g->store, s->loop, s->start->git_dir, s->start->git_makes_dirs);
	git_store_set_bounds(&g->store, &bounds);
	return r;
}

void git_sources_update(struct git_sources *g)
{
	const struct git_store_bounds bounds = bounds_of(g->server);
	git_store_set_bounds(&g->store, &bounds);
	git_works_pump(g);
}

void git_sources_on_warden_lost(struct git_sources *g)
{
	git_jails_tell(&g->jails, EVENT_WARDEN_LOST);
}

void git_sources_finish(struct git_sources *g)
{
	if (!g->server)
		return;
	git_jails_finish(&g->jails);
	git_meter_finish(&g->meter);
	list_for_each_safe (pos, &g->works) {
		struct git_work *w = list_entry(pos, struct git_work, link);
		list_for_each_safe (use, &w->uses)
			leave_work(list_entry(use, struct git_use, link));
		git_work_destroy(w);
	}
	list_for_each_safe (pos, &g->refs)
		drop_ref(g, list_entry(pos, struct known_ref, link));
	git_store_finish(&g->store);
	g->server = NULL;
}
