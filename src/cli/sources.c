/* What --workspace and --mount say: see sources.h. */
#include "cli/sources.h"

#include "base/cleanup.h"
#include "base/str.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const char *const mode_names[] = {
	[DAYFLY_MODE_COW] = "cow",
	[DAYFLY_MODE_RO] = "ro",
	[DAYFLY_MODE_RW] = "rw",
};

void source_arg_finish(struct source_arg *s)
{
	free(s->path);
	free(s->target);
	*s = (struct source_arg){ 0 };
}

static bool find_mode(const char *name, enum dayfly_mode *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(mode_names); i++) {
		if (!strcmp(name, mode_names[i])) {
			*ret = (enum dayfly_mode)i;
			return true;
		}
	}
	return false;
}

/*
 * Cuts ":MODE" off the end of `text`. A last part that is no path (no slash in it) and no mode is
 * taken for a typing error.
 */
static int cut_mode(char *text, enum dayfly_mode *mode, struct err *e)
{
	char *colon = strrchr(text, ':');
	if (!colon || strchr(colon, '/'))
		return 0;
	if (!find_mode(colon + 1, mode)) {
		const char *near = str_nearest(colon + 1, mode_names, ARRAY_SIZE(mode_names));
		err_set(e, ERR_BAD_VALUE, 0, "\"%s\" is not a mode: cow, ro or rw", colon + 1);
		if (near)
			err_hint(e, "did you mean %s?", near);
		else
			err_hint(e,
				"for a name with a colon in it, write the mode behind it: %s:ro",
				text);
		return -EINVAL;
	}
	*colon = '\0';
	return 0;
}

static int parse(const char *text, bool has_target, struct source_arg *ret, struct err *e)
{
	auto_free char *path = strdup(text);
	char *target = NULL;
	if (!path)
		return err_set(e, ERR_INTERNAL, ENOMEM, "read options");
	int r = cut_mode(path, &ret->mode, e);
	if (r < 0)
		return r;
	/* The last ":/" parts the two: a target is absolute. */
	for (char *p = path; has_target && (p = strstr(p, ":/")); p++)
		target = p;
	if (target)
		*target++ = '\0';
	if (!*path)
		return err_set(e, ERR_BAD_VALUE, 0, "\"%s\" names no directory", text);
	if (target && !(ret->target = strdup(target)))
		return err_set(e, ERR_INTERNAL, ENOMEM, "read options");
	ret->path = take_ptr(path);
	return 0;
}

int source_parse_workspace(const char *text, struct source_arg *ret, struct err *e)
{
	*ret = (struct source_arg){ .mode = DAYFLY_MODE_COW };
	return parse(text, false, ret, e);
}

int source_parse_mount(const char *text, struct source_arg *ret, struct err *e)
{
	*ret = (struct source_arg){ .mode = DAYFLY_MODE_RO };
	return parse(text, true, ret, e);
}

int source_check_workspace(const char *text, struct err *e)
{
	struct source_arg s;
	int r = source_parse_workspace(text, &s, e);
	source_arg_finish(&s);
	return r;
}

int source_check_mount(const char *text, struct err *e)
{
	struct source_arg s;
	int r = source_parse_mount(text, &s, e);
	source_arg_finish(&s);
	return r;
}
