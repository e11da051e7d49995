/* Whether a request's files may be uploaded to where it wants: see uploads.h. */
#include "base/cleanup.h"
#include "daemon/uploads_priv.h"
#include "http/url.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int refuse_host(struct err *e, const struct url *url, bool needs_tls)
{
	err_set(e, ERR_NOT_ALLOWED, 0,
		needs_tls ? "%s may be reached only with TLS"
			  : "%s is no host that uploads may go to",
		url->origin);
	err_hint(e, needs_tls
			    ? "use https, or name the host under private_hosts in [uploads] of "
			      "dayflyd.conf"
			    : "use a host that dayflyd.conf names, or add it to hosts in [uploads] "
			      "of dayflyd.conf");
	return -EINVAL;
}

/* Whether the policy lets a request's address be. */
static int judge(const struct uploads *u, const struct url *url, bool *ret_private, struct err *e)
{
	const struct policy *p = &u->options->policy;
	enum url_verdict v = url_judge(url, p->upload_hosts, p->upload_private_hosts);
	if (v != URL_PUBLIC && v != URL_ANYWHERE)
		return refuse_host(e, url, v == URL_NEEDS_TLS);
	*ret_private = v == URL_ANYWHERE;
	return 0;
}

int upload_judge_url(const struct uploads *u, const char *text, bool *ret_private, struct err *e)
{
	struct url url;
	int r = url_parse(text, &url, e);
	if (r < 0)
		return r;
	r = judge(u, &url, ret_private, e);
	url_finish(&url);
	return r;
}

static int check_url(const struct uploads *u, const char *text, struct err *e)
{
	bool is_private;
	auto_free char *sample = upload_url(text, "a");
	if (!sample)
		return err_set(e, ERR_INTERNAL, ENOMEM, "look at an address");
	/* A path that could be the host would choose where it goes. */
	const char *mark = strstr(text, UPLOAD_PATH_MARK), *scheme = strstr(text, "://");
	const char *slash = scheme ? strchr(scheme + 3, '/') : NULL;
	if (mark && (!slash || mark < slash)) {
		err_set(e, ERR_BAD_VALUE, 0, UPLOAD_PATH_MARK " does not stand in its path");
		err_hint(e, "write it as https://HOST/DIR/" UPLOAD_PATH_MARK);
		return -EINVAL;
	}
	return upload_judge_url(u, sample, &is_private, e);
}

int uploads_check(const struct uploads *u, const struct spec_upload *spec, struct err *e)
{
	const char *field = spec->url			   ? "task.artifacts.upload.url"
			    : spec->prefix && spec->target ? "task.artifacts.upload.prefix"
							   : "task.artifacts.upload.target";
	int r = 0;
	if (!spec->target == !spec->url) {
		err_set_field(e, ERR_BAD_VALUE, "task.artifacts.upload",
			"has %s of \"target\" and \"url\"", spec->url ? "both" : "none");
		err_hint(e, "name a target of dayflyd.conf, or give an address");
		return -EINVAL;
	}
	if (!u->spool_dir || !u->store.path) {
		err_set_field(e, ERR_UNSUPPORTED,
			spec->url ? "task.artifacts.upload.url" : "task.artifacts.upload.target",
			"this daemon has no directory to keep files in until they are sent");
		err_hint(e, "start dayflyd with state_dir in [daemon] of dayflyd.conf");
		return -EINVAL;
	}
	if (spec->target && !upload_targets_find(u->targets, spec->target)) {
		err_set(e, ERR_NOT_ALLOWED, 0, "there is no target \"%.64s\"", spec->target);
		err_hint(e, "name one of target in [uploads] of dayflyd.conf (dayfly info)");
		r = -EINVAL;
		field = "task.artifacts.upload.target";
	} else if (spec->url && spec->prefix) {
		err_set(e, ERR_BAD_VALUE, 0, "is for a target");
		err_hint(e, "put it into the address, before " UPLOAD_PATH_MARK);
		r = -EINVAL;
		field = "task.artifacts.upload.prefix";
	} else if (spec->url) {
		r = check_url(u, spec->url, e);
	} else if (spec->prefix) {
		r = upload_prefix_check(spec->prefix, e);
	}
	if (r < 0)
		snprintf(e->field, sizeof(e->field), "%s", field);
	return r;
}

/* ---- credentials of a request ---- */

static bool may_bring(const struct uploads *u, const struct url *url)
{
	return url_rules_match(u->options->policy.upload_credential_hosts, url);
}

bool upload_judge_credentials(const struct uploads *u, const char *target, const char *text)
{
	const struct upload_target *t = target ? upload_targets_find(u->targets, target) : NULL;
	struct url url;
	if (t)
		return may_bring(u, &t->url);
	if (!text || url_parse(text, &url, NULL) < 0)
		return false;
	bool may = may_bring(u, &url);
	url_finish(&url);
	return may;
}

int uploads_check_credentials(
	const struct uploads *u, const struct spec_upload *spec, struct err *e)
{
	const struct upload_target *t =
		spec->target ? upload_targets_find(u->targets, spec->target) : NULL;
	const char *field = spec->credentials_fd >= 0 ? "task.artifacts.upload.credentials_fd"
						      : "task.artifacts.upload.credentials";
	struct upload_secret secret;
	if (!spec->credentials && (!t || !t->wants_credentials))
		return 0;
	if (!spec->credentials) {
		err_set_field(e, ERR_BAD_VALUE, field,
			"the target \"%s\" has no credentials of its own", t->name);
		err_hint(e, "give them with the request (dayfly run --upload-credentials FILE)");
		return -EINVAL;
	}
	auto_free char *sample = spec->url ? upload_url(spec->url, "a") : NULL;
	if (!upload_judge_credentials(u, spec->target, sample)) {
		err_set_field(e, ERR_NOT_ALLOWED, field,
			"a request may not bring credentials for this host");
		err_hint(e, "use a target that has its own, or name the host under "
			    "credential_hosts in [uploads] of dayflyd.conf");
		return -EINVAL;
	}
	int r = upload_secret_parse(
		t ? t->kind : UPLOAD_HTTP, spec->credentials, spec->credentials_len, &secret, e);
	if (r < 0)
		snprintf(e->field, sizeof(e->field), "%s", field);
	else
		upload_secret_wipe(&secret);
	return r;
}
