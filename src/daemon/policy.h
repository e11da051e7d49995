/*
 * What the administrator allows: ceilings on limits, host network. A request that asks for more is
 * refused by name; nothing is ever lowered in silence.
 */
#ifndef DAYFLY_DAEMON_POLICY_H
#define DAYFLY_DAEMON_POLICY_H

#include "base/err.h"
#include "proto/request.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct policy {
	struct spec_limits ceiling; /* 0 in a field: no ceiling */
	bool allow_host_network;
};

enum policy_unit { POLICY_UNIT_SIZE, POLICY_UNIT_DURATION, POLICY_UNIT_CPUS, POLICY_UNIT_COUNT };

/* One entry per field of struct spec_limits. */
struct policy_field {
	const char *name;   /* as in task.limits */
	const char *option; /* of dayflyd: "max-wall" */
	enum policy_unit unit;
	size_t offset;	  /* in struct spec_limits */
	uint64_t ceiling; /* when no option says otherwise */
};
extern const struct policy_field policy_fields[];
extern const size_t policy_field_count;

void policy_init(struct policy *p);

/* Sets the ceiling of policy_fields[i] from text ("24h", "64GiB"). Returns 0 or -EINVAL. */
int policy_set(struct policy *p, size_t i, const char *text, struct err *e);

uint64_t policy_value(const struct spec_limits *limits, size_t i);

/* Returns 0, or -EINVAL with *e naming the field. */
int policy_check(const struct policy *p, const struct task_spec *spec, struct err *e);

#endif
