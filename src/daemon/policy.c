/* The administrator's ceilings: see policy.h. */
#include "daemon/policy.h"

#include "base/cleanup.h"
#include "base/units.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define HOUR_MS (3600 * 1000ull)

/* clang-format off */
const struct policy_field policy_fields[] = {
	{ "wall",       "max-wall",       POLICY_UNIT_DURATION, offsetof(struct spec_limits, wall_ms),      24 * HOUR_MS },
	{ "grace",      "max-grace",      POLICY_UNIT_DURATION, offsetof(struct spec_limits, grace_ms),     HOUR_MS },
	{ "queue",      "max-queue-time", POLICY_UNIT_DURATION, offsetof(struct spec_limits, queue_ms),     24 * HOUR_MS },
	{ "memory",     "max-memory",     POLICY_UNIT_SIZE,     offsetof(struct spec_limits, memory_bytes), 0 },
	{ "cpus",       "max-cpus",       POLICY_UNIT_CPUS,     offsetof(struct spec_limits, cpu_millis),   0 },
	{ "pids",       "max-pids",       POLICY_UNIT_COUNT,    offsetof(struct spec_limits, pids),         65536 },
	{ "disk",       "max-disk",       POLICY_UNIT_SIZE,     offsetof(struct spec_limits, disk_bytes),   64ull << 30 },
	{ "inodes",     "max-inodes",     POLICY_UNIT_COUNT,    offsetof(struct spec_limits, disk_inodes),  16 << 20 },
	{ "output",     "max-output",     POLICY_UNIT_SIZE,     offsetof(struct spec_limits, output_bytes), 1ull << 30 },
	{ "open_files", "max-open-files", POLICY_UNIT_COUNT,    offsetof(struct spec_limits, open_files),   1 << 20 },
	{ "file_size",  "max-file-size",  POLICY_UNIT_SIZE,     offsetof(struct spec_limits, file_bytes),   0 },
	{ "core",       "max-core",       POLICY_UNIT_SIZE,     offsetof(struct spec_limits, core_bytes),   64ull << 30 },
};
/* clang-format on */
const size_t policy_field_count = ARRAY_SIZE(policy_fields);

static uint64_t *field_value(struct spec_limits *limits, size_t i)
{
	return (uint64_t *)((char *)limits + policy_fields[i].offset);
}

uint64_t policy_value(const struct spec_limits *limits, size_t i)
{
	return *(const uint64_t *)((const char *)limits + policy_fields[i].offset);
}

void policy_init(struct policy *p)
{
	memset(p, 0, sizeof(*p));
	for (size_t i = 0; i < policy_field_count; i++)
		*field_value(&p->ceiling, i) = policy_fields[i].ceiling;
}

int policy_set(struct policy *p, size_t i, const char *text, struct err *e)
{
	uint64_t v = 0;
	int r;
	switch (policy_fields[i].unit) {
	case POLICY_UNIT_SIZE:
		r = units_parse_size(text, &v);
		break;
	case POLICY_UNIT_DURATION:
		r = units_parse_duration(text, &v);
		break;
	case POLICY_UNIT_CPUS:
		r = units_parse_cpus(text, &v);
		break;
	default:
		r = units_parse_uint(text, UINT32_MAX, &v);
		break;
	}
	if (r < 0 || v == 0)
		return err_set(e, ERR_BAD_VALUE, 0, "--%s: \"%s\" is no such value",
			policy_fields[i].option, text);
	*field_value(&p->ceiling, i) = v;
	return 0;
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

int policy_check(const struct policy *p, const struct task_spec *spec, struct err *e)
{
	for (size_t i = 0; i < policy_field_count; i++) {
		uint64_t asked = policy_value(&spec->limits, i), max = policy_value(&p->ceiling, i);
		if (!asked || !max || asked <= max)
			continue;
		char field[64], text[UNITS_TEXT_SIZE];
		snprintf(field, sizeof(field), "task.limits.%s", policy_fields[i].name);
		format_value(i, max, text);
		err_set_field(e, ERR_NOT_ALLOWED, field, "this daemon allows at most %s", text);
		err_hint(e, "ask for less, or start dayflyd with a higher --%s",
			policy_fields[i].option);
		return -EINVAL;
	}
	if (spec->network == 1 && !p->allow_host_network) {
		err_set_field(e, ERR_NOT_ALLOWED, "task.network",
			"this daemon does not give tasks the host's network");
		err_hint(e, "leave \"network\" out, or start dayflyd with --allow-host-network");
		return -EINVAL;
	}
	return 0;
}
