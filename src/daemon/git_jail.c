/* Jails for git: see git_jail.h. */
#include "daemon/git_jail.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "daemon/server.h"
#include "task/closer.h"
#include "task/inputs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct git_jail {
	struct list link; /* git_jails.all */
	struct git_jails *jails;
	struct task *task;
	git_jail_fn fn;
	void *owner;
	bool is_done;
	char out[GIT_JAIL_OUT + 1];
	size_t out_len;
	/* The last bytes, moved up when it is full. */
	char errors[GIT_JAIL_ERRORS + 1];
	size_t errors_len;
};

/* ---- the task's surroundings ---- */

static uint64_t host_new_jail(void *owner)
{
	struct git_jails *js = owner;
	return warden_link_new_jail(&js->server->warden);
}

static int host_send(void *owner, const struct wire_request *rq, const int *fds, size_t n_fds)
{
	struct git_jails *js = owner;
	return warden_link_send(&js->server->warden, rq, fds, n_fds);
}

static void host_ignore(void *owner, struct task *t)
{
}

static void host_on_output(void *owner, struct task *t, enum output_stream stream, const char *data,
	const struct output_record *rec)
{
	struct git_jail *j = t->owner;
	size_t n = rec->len;
	if (stream == OUTPUT_STDOUT) {
		if (n > GIT_JAIL_OUT - j->out_len)
			n = GIT_JAIL_OUT - j->out_len;
		memcpy(j->out + j->out_len, data, n);
		j->out_len += n;
		return;
	}
	if (n > GIT_JAIL_ERRORS / 2) {
		data += n - GIT_JAIL_ERRORS / 2;
		n = GIT_JAIL_ERRORS / 2;
	}
	if (n > GIT_JAIL_ERRORS - j->errors_len) {
		memmove(j->errors, j->errors + j->errors_len - GIT_JAIL_ERRORS / 2,
			GIT_JAIL_ERRORS / 2);
		j->errors_len = GIT_JAIL_ERRORS / 2;
	}
	memcpy(j->errors + j->errors_len, data, n);
	j->errors_len += n;
}

static void host_on_done(void *owner, struct task *t)
{
	struct git_jails *js = owner;
	struct git_jail *j = t->owner;
	j->is_done = true;
	alarm_set(js->reap, 0);
}

/* A NUL would end the text early. */
static void plain(char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!text[i])
			text[i] = '?';
	text[len] = '\0';
}

static void explain_cause(const struct verdict *v, struct err *e)
{
	if (v->cause == CAUSE_TIMEOUT_WALL) {
		err_set_field(e, ERR_SOURCE_FAILED, "task.source.git",
			"git was not done in the time that it has");
		err_hint(e, "raise timeout in [git] of dayflyd.conf");
	} else if (v->cause == CAUSE_OOM) {
		err_set_field(e, ERR_SOURCE_FAILED, "task.source.git",
			"git wanted more memory than it has");
		err_hint(e, "raise memory in [git] of dayflyd.conf");
	} else {
		err_set_field(e, ERR_SOURCE_FAILED, "task.source.git", "git was stopped: %s",
			cause_name(v->cause));
	}
}

static void reap(struct git_jail *j)
{
	const struct task_result *r = j->task->result;
	struct err e;
	plain(j->out, j->out_len);
	plain(j->errors, j->errors_len);
	struct git_jail_end end = {
		.is_good = r->verdict.outcome == OUTCOME_OK,
		.status = r->verdict.exit.has_code ? r->verdict.exit.code : -1,
		.out = j->out,
		.errors = j->errors,
	};
	if (r->has_error) {
		end.err = &r->error;
	} else if (!end.is_good && r->verdict.cause != CAUSE_EXIT) {
		explain_cause(&r->verdict, &e);
		end.err = &e;
	}
	list_remove(&j->link);
	j->fn(j->owner, &end);
	task_destroy(j->task);
	free(j);
}

static void on_reap(void *owner)
{
	struct git_jails *js = owner;
	bool has_more = true;
	/* What is told may begin another. */
	while (has_more) {
		has_more = false;
		list_for_each_safe (pos, &js->all) {
			struct git_jail *j = list_entry(pos, struct git_jail, link);
			if (!j->is_done)
				continue;
			reap(j);
			has_more = true;
			break;
		}
	}
}

/* ---- what it is to do ---- */

static char *copy(const char *data, size_t len)
{
	char *p = malloc(len + 1);
	if (!p)
		return NULL;
	memcpy(p, data, len);
	p[len] = '\0';
	return p;
}

static int fill_files(struct task_spec *spec, const struct git_jail_ask *ask)
{
	spec->files = calloc(ask->n_files + 1, sizeof(*spec->files));
	spec->secrets = calloc(ask->n_files + 1, sizeof(*spec->secrets));
	if (!spec->files || !spec->secrets)
		return -ENOMEM;
	for (size_t i = 0; i < ask->n_files; i++) {
		const struct git_jail_file *f = &ask->files[i];
		char *data = copy(f->data, f->len), *name = strdup(f->path);
		if (f->is_secret)
			spec->secrets[spec->n_secrets++] = (struct spec_secret){
				.name = name, .fd = -1, .data = data, .data_len = f->len
			};
		else
			spec->files[spec->n_files++] = (struct spec_file){
				.path = name, .data = data, .data_len = f->len
			};
		if (!name || !data)
			return -ENOMEM;
	}
	return 0;
}

static int fill_mounts(struct task_spec *spec, const struct git_jail_ask *ask)
{
	int64_t n_fds = 0;
	spec->mounts = calloc(ask->n_mounts + 1, sizeof(*spec->mounts));
	if (!spec->mounts)
		return -ENOMEM;
	for (size_t i = 0; i < ask->n_mounts; i++) {
		const struct git_jail_mount *from = &ask->mounts[i];
		struct spec_mount *m = &spec->mounts[spec->n_mounts++];
		m->target = strdup(from->target);
		m->mode = from->mode;
		m->source.fd = from->path ? -1 : n_fds++;
		m->source.path = from->path ? strdup(from->path) : NULL;
		if (!m->target || (from->path && !m->source.path))
			return -ENOMEM;
	}
	return 0;
}

static struct task_spec *make_spec(struct git_jail_ask *ask)
{
	struct task_spec *spec = calloc(1, sizeof(*spec));
	if (!spec) {
		strv_free(ask->env);
		ask->env = NULL;
		return NULL;
	}
	spec->env = ask->env;
	ask->env = NULL;
	spec->network = ask->has_network ? PLAN_NETWORK_HOST : PLAN_NETWORK_NONE;
	spec->limits.wall_ms = ask->wall_ms;
	spec->limits.grace_ms = 1000;
	spec->limits.output_bytes = GIT_JAIL_OUT;
	spec->limits.file_bytes = ask->file_bytes;
	spec->limits.memory_bytes = ask->memory_bytes;
	spec->best_effort = BEST_EFFORT_MEMORY;
	spec->source.git.agent = -1;
	int r = strv_add(&spec->argv, "/bin/sh");
	if (r == 0)
		r = strv_add(&spec->argv, "-c");
	if (r == 0)
		r = strv_add(&spec->argv, ask->script);
	if (r == 0)
		r = strv_add(&spec->argv, "git");
	for (size_t i = 0; r == 0 && ask->args[i]; i++)
		r = strv_add(&spec->argv, ask->args[i]);
	if (r == 0)
		r = fill_files(spec, ask);
	if (r == 0)
		r = fill_mounts(spec, ask);
	if (r == 0)
		return spec;
	task_spec_destroy(spec);
	return NULL;
}

static int build_plan(const struct git_jails *js, const struct git_jail_ask *ask,
	const struct task_spec *spec, struct build *ret, struct err *e)
{
	struct server *s = js->server;
	const struct build_input in = {
		.task_id = ask->task,
		.n_fds = ask->n_mounts,
		.has_roots = ask->is_bound,
		.workspace_roots = ask->is_bound ? s->options->policy.workspace_roots : NULL,
		.open_files_hard = s->start->task_open_files,
		.controllers = s->warden.hello.hello.controllers,
		.no_cgroup = s->warden.hello.hello.no_cgroup,
		.is_upper_on_disk = s->warden.hello.hello.upper_on_disk != 0,
	};
	int r = plan_build(spec, &in, ret, e);
	for (size_t i = 0; r == 0 && i < ask->n_mounts; i++)
		ret->plan->mounts[i].is_own = ask->mounts[i].is_own;
	return r;
}

/* Takes copies of what is borrowed. */
static int make_task(struct git_jails *js, const struct git_jail_ask *ask,
	struct task_spec *take_spec, struct build *take_build, struct task **ret)
{
	int fds[GIT_JAIL_MOUNTS], r = 0;
	size_t n = 0;
	for (size_t i = 0; r == 0 && i < ask->n_mounts; i++) {
		if (ask->mounts[i].path)
			continue;
		fds[n] = fcntl(ask->mounts[i].fd, F_DUPFD_CLOEXEC, 3);
		if (fds[n] < 0)
			r = -errno;
		else
			n++;
	}
	struct task_origin origin = {
		.id = ask->task,
		.uid = ask->uid,
		.take_client_fd = r < 0 ? -1 : fcntl(ask->client_fd, F_DUPFD_CLOEXEC, 3),
		.take_sources = fds,
		.n_sources = n,
		.take_inputs_fd = -1,
	};
	if (r == 0 && origin.take_client_fd < 0)
		r = -errno;
	if (r == 0)
		r = inputs_seal(take_spec, &origin.take_inputs_fd);
	if (r < 0) {
		close_foreign(ask->uid, &origin.take_client_fd, 1);
		close_foreign(ask->uid, fds, n);
		build_finish(take_build);
		task_spec_destroy(take_spec);
		return r;
	}
	return task_create(&js->host, &origin, take_spec, take_build, ret);
}

int git_jail_start(struct git_jails *js, struct git_jail_ask *ask, git_jail_fn fn, void *owner,
	struct git_jail **ret, struct err *e)
{
	struct build build;
	struct git_jail *j = calloc(1, sizeof(*j));
	struct task_spec *spec = make_spec(ask);
	int r = !j || !spec ? -ENOMEM : 0;
	if (r < 0)
		err_set(e, ERR_INTERNAL, -r, "make a jail for git");
	else
		r = build_plan(js, ask, spec, &build, e);
	if (r < 0) {
		task_spec_destroy(spec);
		free(j);
		return r;
	}
	r = make_task(js, ask, spec, &build, &j->task);
	if (r < 0) {
		free(j);
		return err_set(e, ERR_INTERNAL, -r, "make a jail for git");
	}
	*j = (struct git_jail){ .jails = js, .task = j->task, .fn = fn, .owner = owner };
	j->task->owner = j;
	list_append(&js->all, &j->link);
	*ret = j;
	task_handle(j->task, EVENT_SLOT_FREE);
	return 0;
}

void git_jail_cancel(struct git_jail *j)
{
	if (j)
		task_handle(j->task, EVENT_CANCEL);
}

/* ---- life ---- */

struct task *git_jails_find(const struct git_jails *js, uint64_t jail)
{
	list_for_each (pos, &js->all) {
		struct task *t = list_entry(pos, struct git_jail, link)->task;
		if (t->jail == jail && task_has_jail(t))
			return t;
	}
	return NULL;
}

void git_jails_tell(struct git_jails *js, enum task_event event)
{
	list_for_each_safe (pos, &js->all)
		task_handle(list_entry(pos, struct git_jail, link)->task, event);
}

int git_jails_init(struct git_jails *js, struct server *s)
{
	js->server = s;
	list_init(&js->all);
	js->host = (struct task_host){
		.loop = s->loop,
		.deadlines = &s->deadlines,
		.scratch = s->scratch,
		.setup_ms = &s->options->setup_ms,
		.part = "git",
		.owner = js,
		.new_jail = host_new_jail,
		.send = host_send,
		.on_state = host_ignore,
		.on_output = host_on_output,
		.on_input_room = host_ignore,
		.on_unqueue = host_ignore,
		.on_done = host_on_done,
	};
	return alarm_create(s->loop, on_reap, js, &js->reap);
}

void git_jails_finish(struct git_jails *js)
{
	if (!js->server)
		return;
	list_for_each_safe (pos, &js->all) {
		struct git_jail *j = list_entry(pos, struct git_jail, link);
		list_remove(&j->link);
		task_destroy(j->task);
		free(j);
	}
	alarm_destroy(&js->reap);
	js->server = NULL;
}
