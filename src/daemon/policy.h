/*
 * What the administrator allows: ceilings on limits, host network, root inside the jail, the host
 * image, hosts that are told of tasks, repositories. A request that asks for more is refused by
 * name; nothing is ever lowered in silence. Directories are judged by the warden, by what was
 * really opened: jail/launch_sources.c.
 */
#ifndef DAYFLY_DAEMON_POLICY_H
#define DAYFLY_DAEMON_POLICY_H

#include "base/err.h"
#include "proto/request.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct git_url;

struct policy {
	struct spec_limits ceiling;  /* 0 in a field: no ceiling */
	struct spec_limits defaults; /* 0 in a field: no limit */
	bool allow_host_network;
	uint64_t max_priority; /* 0: none above the usual */
	bool allow_root_user;
	bool allow_host_image;
	char **image_roots;	/* directories whose contents may be images (strv) */
	char **workspace_roots; /* likewise for workspaces and mounts */
	/* Whom webhooks may be sent to: at public addresses with TLS; at any (rules of http/url.h,
	 * strv). */
	char **hook_hosts, **hook_private_hosts;
	/* Likewise the addresses of uploads. */
	char **upload_hosts, **upload_private_hosts;
	/* For which of them, and of targets, a request may bring credentials. */
	char **upload_credential_hosts;
	/* Which repositories may be a source: rules of git/url.h, strv. */
	char **git_hosts, **git_plain_hosts;
	bool git_local;
};

enum policy_unit { POLICY_UNIT_SIZE, POLICY_UNIT_DURATION, POLICY_UNIT_CPUS, POLICY_UNIT_COUNT };

/* One entry per field of struct spec_limits, from limits.def. */
struct policy_field {
	const char *name;   /* as in task.limits, [ceilings] and [defaults] */
	const char *option; /* of dayflyd: "max-wall" */
	enum policy_unit unit;
	size_t offset; /* in struct spec_limits */
};
extern const struct policy_field policy_fields[];
extern const size_t policy_field_count;

uint64_t policy_value(const struct spec_limits *limits, size_t i);

/* Who asks. */
enum policy_client {
	POLICY_CLIENT_ROOT,  /* uid 0: bound by ceilings and the host network only */
	POLICY_CLIENT_OWNER, /* of a daemon without root's rights: a client like its user */
	POLICY_CLIENT_OTHER, /* of a daemon in root mode */
};

/* Whether repositories may be fetched from there. Returns 0, or -EINVAL with *e. */
int policy_check_git_url(const struct policy *p, const struct git_url *u, struct err *e);

/* Returns 0, or -EINVAL with *e naming the field. */
int policy_check(const struct policy *p, const struct task_spec *spec, enum policy_client who,
	struct err *e);

#endif
