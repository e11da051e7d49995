/* The pool as dayflyd knows it: see pool_view.h. */
#include "daemon/pool_view.h"

#include "base/str.h"
#include "daemon/json_build.h"
#include "plan/plan.h"

#include <string.h>

void pool_view_forget(struct pool_view *v)
{
	memset(v, 0, sizeof(*v));
}

void pool_view_on_wire(struct pool_view *v, const struct wire_pooled *kind)
{
	v->kinds[kind->number] = *kind;
}

/* "host", or the directory. */
static json_t *image_of(const struct wire_pooled *k)
{
	if (k->image == PLAN_IMAGE_HOST)
		return json_string(plan_image_name(PLAN_IMAGE_HOST));
	return str_is_utf8(k->path, strlen(k->path)) ? json_string(k->path) : json_null();
}

static json_t *misses_of(const struct wire_pooled *k)
{
	json_t *o = json_object();
	for (unsigned why = WIRE_POOL_WHY_NOTHING + 1; why < WIRE_POOL_WHY_COUNT; why++)
		json_build_put(&o, wire_pool_why_name((enum wire_pool_why)why),
			json_integer((json_int_t)k->misses[why]));
	return o;
}

json_t *pool_view_to_json(const struct pool_view *v, uid_t uid, bool all)
{
	json_t *list = json_array();
	for (unsigned i = 0; i < WIRE_POOL_KINDS_MAX; i++) {
		const struct wire_pooled *k = &v->kinds[i];
		if (!k->is_known || (!all && k->owner != uid))
			continue;
		json_build_add(&list,
			json_pack("{s:I, s:o, s:s, s:s, s:I, s:I, s:I, s:I, s:o, s:b}", "uid",
				(json_int_t)k->owner, "image", image_of(k), "user",
				plan_user_name((enum plan_user)k->user), "network",
				plan_network_name((enum plan_network)k->network), "processes",
				(json_int_t)k->processes, "parked", (json_int_t)k->parked, "wanted",
				(json_int_t)k->wanted, "hits", (json_int_t)k->hits, "misses",
				misses_of(k), "unreachable", k->is_unreachable != 0));
	}
	return list;
}

void pool_view_add_metrics(const struct pool_view *v, json_t **list)
{
	json_int_t parked[PLAN_IMAGE_COUNT][PLAN_USER_COUNT][PLAN_NETWORK_COUNT] = { 0 };
	bool is_there[PLAN_IMAGE_COUNT][PLAN_USER_COUNT][PLAN_NETWORK_COUNT] = { 0 };
	for (unsigned i = 0; i < WIRE_POOL_KINDS_MAX; i++) {
		const struct wire_pooled *k = &v->kinds[i];
		if (!k->is_known)
			continue;
		parked[k->image][k->user][k->network] += k->parked;
		is_there[k->image][k->user][k->network] = true;
	}
	for (unsigned n = 0; n < PLAN_IMAGE_COUNT * PLAN_USER_COUNT * PLAN_NETWORK_COUNT; n++) {
		unsigned network = n % PLAN_NETWORK_COUNT;
		unsigned user = n / PLAN_NETWORK_COUNT % PLAN_USER_COUNT;
		unsigned image = n / PLAN_NETWORK_COUNT / PLAN_USER_COUNT;
		if (!is_there[image][user][network])
			continue;
		json_build_add(list,
			json_pack("{s:s, s:s, s:s, s:{s:s, s:s, s:s}, s:I}", "name", "pool_parked",
				"kind", "gauge", "help", "jails that wait for a task", "labels",
				"image", plan_image_name((enum plan_image)image), "user",
				plan_user_name((enum plan_user)user), "network",
				plan_network_name((enum plan_network)network), "value",
				parked[image][user][network]));
	}
}
