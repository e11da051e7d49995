/*
 * Objects and lists of JSON, part by part. The first part that there is no memory for makes NULL of
 * the whole, and everything after it does nothing: an answer never lacks a part of itself.
 */
#ifndef DAYFLY_DAEMON_JSON_BUILD_H
#define DAYFLY_DAEMON_JSON_BUILD_H

#include <jansson.h>
#include <stddef.h>

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

#endif
