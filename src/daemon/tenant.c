/* What one uid takes: see tenant.h. */
#include "daemon/tenant.h"

#include <stdlib.h>

void tenants_init(struct tenants *ts)
{
	list_init(&ts->all);
	list_init(&ts->late);
}

struct tenant *tenant_join(struct tenants *ts, uid_t uid)
{
	struct tenant *t = NULL;
	list_for_each (pos, &ts->all) {
		t = list_entry(pos, struct tenant, link);
		if (t->uid == uid)
			break;
		t = NULL;
	}
	if (!t) {
		t = calloc(1, sizeof(*t));
		if (!t)
			return NULL;
		t->uid = uid;
		list_append(&ts->all, &t->link);
	}
	t->n_connections++;
	return t;
}

void tenant_leave(struct tenant **t)
{
	struct tenant *old = *t;
	*t = NULL;
	if (!old || --old->n_connections)
		return;
	list_remove(&old->link);
	free(old);
}

bool tenant_has_time(const struct tenant *t)
{
	return t->used_ns < TENANT_TURN_NS;
}

bool tenant_may_be_told(const struct tenant *t)
{
	return t->told_ns < TENANT_TURN_NS;
}

void tenants_turn(struct tenants *ts)
{
	list_for_each (pos, &ts->all) {
		struct tenant *t = list_entry(pos, struct tenant, link);
		t->used_ns = t->told_ns = 0;
	}
}

void tenant_count(size_t *sum, size_t *share, size_t now)
{
	*sum += now;
	*sum -= *share;
	*share = now;
}
