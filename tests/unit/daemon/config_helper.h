/* Settings for tests: the defaults, with a text read over them. */
#ifndef TESTS_UNIT_DAEMON_CONFIG_HELPER_H
#define TESTS_UNIT_DAEMON_CONFIG_HELPER_H

#include "harness.h"

#include "daemon/config.h"
#include "daemon/options.h"

#include <errno.h>
#include <string.h>

static inline void begin(struct options *o)
{
	memset(o, 0, sizeof(*o));
	assert_int_equal(config_init(o), 0);
}

static inline void read_text(struct options *o, const char *text)
{
	config_read_text(o, "test.conf", text, strlen(text), &o->faults);
}

static inline size_t key(const char *section, const char *name)
{
	size_t i = config_find(section, name);
	assert_true(i < config_key_count);
	return i;
}

static inline void assert_value(
	const struct options *o, const char *section, const char *name, const char *wanted)
{
	auto_free char *text = config_format(o, key(section, name), 0);
	assert_non_null(text);
	assert_string_equal(text, wanted);
}

/* The one fault that there is, in whole. */
static inline void assert_fault(const struct options *o, const char *text, const char *fix)
{
	char told[512];
	assert_int_equal(o->faults.n, 1);
	config_fault_text(&o->faults.list[0], told, sizeof(told));
	assert_string_equal(told, text);
	if (!strstr(o->faults.list[0].err.hint, fix))
		fail_msg("\"%s\" does not hold \"%s\"", o->faults.list[0].err.hint, fix);
}

#endif
