/* Reading JSON when memory may be short: see json_load.h. */
#include "proto/json_load.h"

#include <malloc.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool was_short;

static void *watched_malloc(size_t size)
{
	void *p = malloc(size);
	if (!p)
		was_short = true;
	return p;
}

/* What a request holds may be secret: nothing of it stays behind on the heap. */
static void wiping_free(void *p)
{
	if (p)
		explicit_bzero(p, malloc_usable_size(p));
	free(p);
}

json_t *json_load_whole(const char *text, size_t len, size_t flags, json_error_t *why)
{
	json_error_t ignored;
	if (!why)
		why = &ignored;
	/* The same heap as jansson's own: what it has allocated before may be freed after. */
	json_set_alloc_funcs(watched_malloc, wiping_free);
	was_short = false;
	json_t *json = json_loadb(text, len, flags, why);
	if (!was_short)
		return json;
	json_decref(json);
	/* Where json_error_code() finds it. Without this it may say that a token is not valid. */
	why->text[JSON_ERROR_TEXT_LENGTH - 1] = json_error_out_of_memory;
	return NULL;
}
