/* Records between dayflyd and the warden: see wire.h. */
#include "plan/wire.h"

#include "plan/plan.h"

#include <errno.h>
#include <string.h>

static const struct {
	const char *name;
	const char *meaning;
} controls[CONTROL_COUNT] = {
#define CONTROL(enumerator, name, meaning) [enumerator] = { name, meaning },
#include "plan/controls.def"
#undef CONTROL
};

const char *control_name(enum control c)
{
	return (unsigned)c < CONTROL_COUNT ? controls[c].name : "?";
}

const char *control_meaning(enum control c)
{
	return (unsigned)c < CONTROL_COUNT ? controls[c].meaning : "";
}

const char *warden_mode_name(enum warden_mode m)
{
	static const char *const names[] = {
		[WARDEN_MODE_ROOT] = "root",
		[WARDEN_MODE_SUBUID] = "rootless-subuid",
		[WARDEN_MODE_SINGLE] = "rootless",
	};
	return (unsigned)m < sizeof(names) / sizeof(names[0]) ? names[m] : "?";
}

const char *wire_pool_why_name(enum wire_pool_why why)
{
	static const char *const names[WIRE_POOL_WHY_COUNT] = {
#define POOL_WHY(enumerator, name, meaning) [enumerator] = name,
#include "plan/pool_why.def"
#undef POOL_WHY
	};
	return (unsigned)why < WIRE_POOL_WHY_COUNT ? names[why] : NULL;
}

void wire_event_init(struct wire_event *ev, enum wire_type type, uint64_t jail)
{
	memset(ev, 0, sizeof(*ev));
	ev->version = WIRE_VERSION;
	ev->type = type;
	ev->jail = jail;
}

void wire_request_init(struct wire_request *rq, enum wire_type type, uint64_t jail)
{
	memset(rq, 0, sizeof(*rq));
	rq->version = WIRE_VERSION;
	rq->type = type;
	rq->jail = jail;
}

int wire_event_check(struct wire_event *ev, size_t len)
{
	if (len != sizeof(*ev) || ev->version != WIRE_VERSION)
		return -EPROTO;
	switch (ev->type) {
	case WIRE_HELLO:
		ev->hello.info[WIRE_INFO_SIZE - 1] = '\0';
		ev->hello.no_cgroup[WIRE_WHY_SIZE - 1] = '\0';
		return ev->hello.mode <= WARDEN_MODE_SINGLE ? 0 : -EPROTO;
	case WIRE_STARTED:
		if (ev->started.n_degraded > WIRE_DEGRADED_MAX ||
			ev->started.pool > WIRE_POOL_MISS ||
			ev->started.pool_why >= WIRE_POOL_WHY_COUNT)
			return -EPROTO;
		for (size_t i = 0; i < WIRE_DEGRADED_MAX; i++)
			ev->started.degraded[i][WIRE_DEGRADED_SIZE - 1] = '\0';
		return 0;
	case WIRE_FAILED: {
		struct err *e = &ev->failed.err;
		e->field[sizeof(e->field) - 1] = '\0';
		e->step[sizeof(e->step) - 1] = '\0';
		e->msg[sizeof(e->msg) - 1] = '\0';
		e->hint[sizeof(e->hint) - 1] = '\0';
		return (unsigned)e->code < ERR_CODE_COUNT ? 0 : -EPROTO;
	}
	case WIRE_TTY:
	case WIRE_EXITED:
		return 0;
	case WIRE_GONE:
		ev->gone.forbidden_call[WIRE_CALL_SIZE - 1] = '\0';
		return 0;
	case WIRE_NOW:
		return ev->now.source <= WIRE_NOW_PROCESSES ? 0 : -EPROTO;
	case WIRE_CHANGES:
	case WIRE_ARTIFACTS:
		return ev->changes.len <= WIRE_CHANGES_SIZE ? 0 : -EPROTO;
	case WIRE_POOLED:
		ev->pooled.path[WIRE_WHY_SIZE - 1] = '\0';
		return ev->pooled.number < WIRE_POOL_KINDS_MAX &&
				       ev->pooled.image < PLAN_IMAGE_COUNT &&
				       ev->pooled.user < PLAN_USER_COUNT &&
				       ev->pooled.network < PLAN_NETWORK_COUNT
			       ? 0
			       : -EPROTO;
	case WIRE_LIMIT:
		return ev->limit.which == WIRE_LIMIT_CPU_TIME ? 0 : -EPROTO;
	default:
		return -EPROTO;
	}
}

int wire_request_check(const struct wire_request *rq, size_t len)
{
	if (len != sizeof(*rq) || rq->version != WIRE_VERSION)
		return -EPROTO;
	return rq->type >= WIRE_START && rq->type <= WIRE_ASK ? 0 : -EPROTO;
}
