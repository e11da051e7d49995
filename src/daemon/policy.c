/* The administrator's ceilings: see policy.h. */
#include "daemon/policy.h"

#include "base/cleanup.h"
#include "base/units.h"
#include "git/ref.h"
#include "git/url.h"
#include "http/url.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* clang-format off */
#define LIMIT(limit_name, member, kind, limit_option, fallback, ceiling, is_optional, doc) \
	{ .name = #limit_name, .option = (limit_option), .unit = POLICY_UNIT_##kind, .offset = offsetof(struct spec_limits, member) },
const struct policy_field policy_fields[] = {
#include "daemon/limits.def"
};
#undef LIMIT
/* clang-format on */
const size_t policy_field_count = ARRAY_SIZE(policy_fields);

uint64_t policy_value(const struct spec_limits *limits, size_t i)
{
	return *(const uint64_t *)((const char *)limits + policy_fields[i].offset);
}

static void format_value(size_t i, uint64_t v, char out[UNITS_TEXT_SIZE])
{
	switch (policy_fields[i].unit) {
	case POLICY_UNIT_SIZE:
		units_format_size(v, out);
		break;
	case POLICY_UNIT_DURATION:
		units_format_duration(v * 1000000, out);
		break;
	case POLICY_UNIT_CPUS:
		snprintf(out, UNITS_TEXT_SIZE, "%llu.%03llu", (unsigned long long)v / 1000,
			(unsigned long long)v % 1000);
		break;
	default:
		snprintf(out, UNITS_TEXT_SIZE, "%llu", (unsigned long long)v);
		break;
	}
}

static int check_limits(const struct policy *p, const struct spec_limits *limits, struct err *e)
{
	for (size_t i = 0; i < policy_field_count; i++) {
		uint64_t asked = policy_value(limits, i), max = policy_value(&p->ceiling, i);
		if (!asked || !max || asked <= max)
			continue;
		char field[64], text[UNITS_TEXT_SIZE];
		snprintf(field, sizeof(field), "task.limits.%s", policy_fields[i].name);
		format_value(i, max, text);
		err_set_field(e, ERR_NOT_ALLOWED, field, "this daemon allows at most %s", text);
		err_hint(e, "ask for less, or raise %s in [ceilings] of dayflyd.conf (or its --%s)",
			policy_fields[i].name, policy_fields[i].option);
		return -EINVAL;
	}
	return 0;
}

static int refuse(const char *field, const char *cause, const char *fix, struct err *e)
{
	err_set_field(e, ERR_NOT_ALLOWED, field, "%s", cause);
	err_hint(e, "%s", fix);
	return -EINVAL;
}

static int refuse_host(const char *field, const struct url *u, enum url_verdict v, struct err *e)
{
	if (v == URL_NEEDS_TLS) {
		err_set_field(
			e, ERR_NOT_ALLOWED, field, "%s would be told in the clear", u->origin);
		err_hint(e, "use https, or name the host under private_hosts in [webhooks] of "
			    "dayflyd.conf");
	} else {
		err_set_field(
			e, ERR_NOT_ALLOWED, field, "this daemon sends nothing to %s", u->origin);
		err_hint(e, "use a host that dayflyd.conf names, or add it to hosts in [webhooks] "
			    "(private_hosts if it is on your own network)");
	}
	return -EINVAL;
}

static int check_webhook(
	const struct policy *p, const struct spec_webhook *w, size_t i, struct err *e)
{
	char field[64];
	struct url u;
	snprintf(field, sizeof(field), "task.webhooks[%zu].url", i);
	int r = url_parse(w->url, &u, e);
	if (r < 0) {
		snprintf(e->field, sizeof(e->field), "%s", field);
		return r;
	}
	enum url_verdict v = url_judge(&u, p->hook_hosts, p->hook_private_hosts);
	r = v == URL_PUBLIC || v == URL_ANYWHERE ? 0 : refuse_host(field, &u, v, e);
	url_finish(&u);
	return r;
}

int policy_check_git_url(const struct policy *p, const struct git_url *u, struct err *e)
{
	const char *const field = "task.source.git.url";
	if (u->scheme == GIT_SCHEME_LOCAL)
		return p->git_local
			       ? 0
			       : refuse(field,
					 "this daemon takes no repository from a directory of "
					 "this host",
					 "name it by https or ssh, or set local = yes in [git] "
					 "of dayflyd.conf",
					 e);
	if (git_url_matches_any(u, p->git_plain_hosts))
		return 0;
	if (!git_url_matches_any(u, p->git_hosts)) {
		err_set_field(e, ERR_NOT_ALLOWED, field,
			"this daemon takes no repository from %.200s", u->host);
		err_hint(e, "use a host that dayflyd.conf names, or add it to hosts in [git]");
		return -EINVAL;
	}
	if (u->scheme == GIT_SCHEME_HTTPS || u->scheme == GIT_SCHEME_SSH || git_url_is_loopback(u))
		return 0;
	err_set_field(e, ERR_NOT_ALLOWED, field,
		"with %s anybody in between could change what comes from %.200s",
		git_scheme_name(u->scheme), u->host);
	err_hint(
		e, "use https or ssh, or name the host under plain_hosts in [git] of dayflyd.conf");
	return -EINVAL;
}

static int check_git(const struct policy *p, const struct spec_git *g, struct err *e)
{
	struct git_url u;
	int r = git_url_parse(g->url, &u, e);
	if (r < 0) {
		snprintf(e->field, sizeof(e->field), "task.source.git.url");
		return r;
	}
	r = policy_check_git_url(p, &u, e);
	git_url_finish(&u);
	if (r < 0 || !g->ref)
		return r;
	r = git_ref_check(g->ref, e);
	if (r < 0)
		snprintf(e->field, sizeof(e->field), "task.source.git.ref");
	return r;
}

int policy_check(
	const struct policy *p, const struct task_spec *spec, enum policy_client who, struct err *e)
{
	int r = check_limits(p, &spec->limits, e);
	if (r < 0)
		return r;
	if (spec->network == 1 && !p->allow_host_network)
		return refuse("task.network", "this daemon does not give tasks the host's network",
			"leave \"network\" out, or set host_network = yes in [policy] of "
			"dayflyd.conf (or its --allow-host-network)",
			e);
	if (spec->user == 1 && who == POLICY_CLIENT_OTHER && !p->allow_root_user)
		return refuse("task.user", "this daemon gives the user root to root's tasks only",
			"leave \"user\" out, or set root_user = yes in [policy] of dayflyd.conf "
			"(or its --allow-root-user)",
			e);
	if (who == POLICY_CLIENT_OTHER && spec->priority > (int64_t)p->max_priority)
		return refuse("task.priority",
			"this daemon does not let you go before others that far",
			"ask for less, or set max_priority in [policy] of dayflyd.conf", e);
	bool is_host_image = !spec->image || !strcmp(spec->image, "host");
	if (is_host_image && who != POLICY_CLIENT_ROOT && !p->allow_host_image)
		return refuse("task.image", "this daemon does not give the image \"host\"",
			"name a directory as the image, or set host = yes in [images] of "
			"dayflyd.conf",
			e);
	for (size_t i = 0; r == 0 && i < spec->n_webhooks; i++)
		r = check_webhook(p, &spec->webhooks[i], i, e);
	if (r == 0 && spec->has_source)
		r = check_git(p, &spec->source.git, e);
	return r;
}
