/*
 * Objects and lists of JSON, part by part. The first part that there is no memory for makes NULL of
 * the whole, and everything after it does nothing: an answer never lacks a part of itself.
 */
#ifndef DAYFLY_DAEMON_JSON_BUILD_H
#define DAYFLY_DAEMON_JSON_BUILD_H

#include "base/clock.h"
#include "base/str.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline void json_build_put(json_t **object, const char *key, json_t *take_value)
{
	/* A NULL on either side is refused; the value is taken all the same. */
	if (json_object_set_new(*object, key, take_value) == 0)
		return;
	json_decref(*object);
	*object = NULL;
}

static inline void json_build_add(json_t **list, json_t *take_value)
{
	if (json_array_append_new(*list, take_value) == 0)
		return;
	json_decref(*list);
	*list = NULL;
}

/* Text of a client is UTF-8 by the rules of its request; a byte that is not makes null, not a
 * failure. */
static inline json_t *json_build_text(const char *s)
{
	return s && str_is_utf8(s, strlen(s)) ? json_string(s) : json_null();
}

/* A moment of the real clock; null for 0. */
static inline json_t *json_build_stamp(uint64_t real_ns)
{
	char stamp[CLOCK_RFC3339_SIZE];
	if (!real_ns)
		return json_null();
	clock_format_rfc3339(real_ns, stamp);
	return json_string(stamp);
}

#endif
