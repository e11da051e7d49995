/*
 * Reading JSON when memory may be short. jansson (2.14) takes no notice when its buffer for a token
 * cannot grow: it leaves the byte out and goes on, and what it returns is another text than the one
 * that was sent. Here that is a failure.
 *
 * dayflyd's only, and of one thread: jansson's allocator, which all of a process shares, is
 * replaced by one that notices. The library must not do that to its host.
 */
#ifndef DAYFLY_PROTO_JSON_LOAD_H
#define DAYFLY_PROTO_JSON_LOAD_H

#include <jansson.h>
#include <stddef.h>

/* As json_loadb(). Whenever memory was short the result is NULL, and why (which may be NULL) says
 * json_error_out_of_memory. */
json_t *json_load_whole(const char *text, size_t len, size_t flags, json_error_t *why);

#endif
