/* What is asked of a run request before anything is made for it: see submit.h. */
#include "base/clock.h"
#include "daemon/jobs.h"
#include "daemon/server.h"
#include "daemon/submit_priv.h"

#include <errno.h>

/* When draining ends is a person's decision. */
#define DRAIN_RETRY_MS 10000u

enum policy_client submit_client_kind(const struct connection *c)
{
	if (c->uid == 0)
		return POLICY_CLIENT_ROOT;
	return c->server->start->is_root_mode ? POLICY_CLIENT_OTHER : POLICY_CLIENT_OWNER;
}

/* What tasks make us hold: those that are not done, and those whose clients do not read. */
struct holding {
	uint64_t bytes, fds; /* of requests; descriptors */
	struct jobs_kept unread;
};

static struct holding sum_holding(const struct jobs *js, const uid_t *uid)
{
	const struct jobs_load load = jobs_load(js, uid);
	const struct jobs_kept unread = jobs_unread(js, uid);
	/* Of one that is done only the file of its output is open. */
	return (struct holding){
		.bytes = load.spec_bytes + unread.spec_bytes,
		.fds = load.fds + unread.count,
		.unread = unread,
	};
}

/* As far as one user may go who has the nth part of all. */
static int check_sum(
	const struct connection *c, const uid_t *uid, size_t line_len, unsigned part, struct err *e)
{
	const struct holding h = sum_holding(&c->server->jobs, uid);
	const char *whose = uid ? " of this user" : "";
	const uint64_t most_bytes = JOBS_PENDING_SPEC_BYTES / part;
	const uint64_t most_fds = c->server->start->open_files_hard / 2 / part;
	if (h.bytes + line_len > most_bytes)
		return err_set(e, ERR_BUSY, 0,
			"the requests%s that wait already take %llu bytes; at most %llu may", whose,
			(unsigned long long)h.bytes, (unsigned long long)most_bytes);
	if (h.fds + JOBS_HOLD_FDS + c->n_fds > most_fds)
		return err_set(e, ERR_BUSY, 0,
			"the tasks%s that wait already hold %llu descriptors; at most %llu may",
			whose, (unsigned long long)h.fds, (unsigned long long)most_fds);
	if (h.unread.count < JOBS_UNREAD_COUNT / part &&
		h.unread.log_bytes <= JOBS_UNREAD_LOG_BYTES / part)
		return 0;
	err_set(e, ERR_BUSY, 0,
		"the clients of %llu finished tasks%s do not read what they asked for, %llu bytes "
		"of output in all",
		(unsigned long long)h.unread.count, whose, (unsigned long long)h.unread.log_bytes);
	err_hint(e, "read the answers on the other connections, or close them");
	return -EBUSY;
}

/* Where there are other users, one has half of all at most. */
static int check_holding(struct connection *c, size_t line_len, struct err *e)
{
	/* Somebody may have stopped listening just now. */
	jobs_expire(&c->server->jobs, clock_boot_ns());
	int r = check_sum(c, NULL, line_len, 1, e);
	if (r == 0 && options_has_others(c->server->options))
		r = check_sum(c, &c->uid, line_len, 2, e);
	return r;
}

int submit_check(struct connection *c, const struct request *rq, size_t line_len, struct err *e)
{
	struct server *s = c->server;
	const struct task_spec *spec = rq->spec;
	const bool is_detached = rq->detach;
	if (s->state != SERVER_RUNNING)
		return err_set(e, ERR_SHUTDOWN, 0, "the daemon is stopping");
	if (s->takes_none) {
		err_set(e, ERR_DRAINING, 0, "the daemon takes no new tasks for now");
		e->retry_ms = DRAIN_RETRY_MS;
		err_hint(e, "try again later; root and the daemon's own user can end that: dayfly "
			    "drain --off");
		return -EBUSY;
	}
	int r = policy_check(&s->options->policy, spec, submit_client_kind(c), e);
	if (r < 0)
		return r;
	if (spec->has_source)
		r = git_source_check(&s->git, spec, e);
	if (r < 0)
		return r;
	r = webhooks_check(s, spec, e);
	if (r < 0)
		return r;
	if (spec->has_artifacts && spec->artifacts.has_upload)
		r = uploads_check(&s->uploads, &spec->artifacts.upload, e);
	if (r < 0)
		return r;
	if (is_detached && spec->has_artifacts && spec->artifacts.to == ARTIFACTS_TO_EVENTS)
		return err_set_field(e, ERR_BAD_VALUE, "task.artifacts.to",
			"nobody is here to take the events of a task that is detached");
	if (spec->name && jobs_find_active_name(&s->jobs, c->uid, spec->name))
		return err_set_field(e, ERR_DUPLICATE, "task.name",
			"a task with the name \"%s\" is not done yet", spec->name);
	return check_holding(c, line_len, e);
}
