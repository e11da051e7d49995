/* Changes as bytes: see change_list.h. */
#include "plan/change_list.h"

#include "base/cleanup.h"
#include "base/limits.h"

#include <errno.h>
#include <string.h>

static const char *const kind_names[CHANGE_KIND_COUNT] = {
	[CHANGE_ADDED] = "added",
	[CHANGE_MODIFIED] = "modified",
	[CHANGE_DELETED] = "deleted",
};

static const char *const type_names[CHANGE_TYPE_COUNT] = {
	[CHANGE_FILE] = "file",
	[CHANGE_LINK] = "symlink",
	[CHANGE_DIRECTORY] = "directory",
	[CHANGE_SPECIAL] = "special",
};

const char *change_kind_name(enum change_kind k)
{
	return (unsigned)k < CHANGE_KIND_COUNT ? kind_names[k] : "?";
}

const char *change_type_name(enum change_type t)
{
	return (unsigned)t < CHANGE_TYPE_COUNT ? type_names[t] : "?";
}

/* kind, type, mode, bytes, the length of the path */
#define HEAD_BYTES (1 + 1 + 2 + 8 + 4)

int change_list_put(struct buf *b, const struct change_entry *c)
{
	/* All of it or nothing. */
	int r = buf_reserve(b, HEAD_BYTES + strlen(c->path));
	if (r == 0)
		r = buf_put_u8(b, (uint8_t)c->kind);
	if (r == 0)
		r = buf_put_u8(b, (uint8_t)c->type);
	if (r == 0)
		r = buf_put_u16(b, c->mode);
	if (r == 0)
		r = buf_put_u64(b, c->bytes);
	return r < 0 ? r : buf_put_str(b, c->path);
}

bool change_list_get(struct buf_reader *r, struct change_entry *ret)
{
	if (r->failed || !r->left)
		return false;
	struct change_entry c = { 0 };
	c.kind = (enum change_kind)buf_get_u8(r);
	c.type = (enum change_type)buf_get_u8(r);
	c.mode = buf_get_u16(r);
	c.bytes = buf_get_u64(r);
	auto_free char *path = buf_get_str(r, LIMIT_PATH_BYTES);
	if (!path || !path[0] || (unsigned)c.kind >= CHANGE_KIND_COUNT ||
		(unsigned)c.type >= CHANGE_TYPE_COUNT)
		r->failed = true;
	if (r->failed)
		return false;
	c.path = take_ptr(path);
	*ret = c;
	return true;
}
