/* Artifacts as bytes: see artifact_list.h. */
#include "plan/artifact_list.h"

#include "base/beneath.h"
#include "base/cleanup.h"
#include "base/limits.h"

#include <string.h>

static const char *const texts[ARTIFACT_ERROR_COUNT] = {
	[ARTIFACT_NOT_REGULAR] = "not a regular file",
	[ARTIFACT_UNREADABLE] = "the task may not read it",
	[ARTIFACT_TOO_LARGE] = "too large",
	[ARTIFACT_CHANGED] = "it changed while it was read",
};

const char *artifact_error_text(enum artifact_error e)
{
	return (unsigned)e < ARTIFACT_ERROR_COUNT ? texts[e] : "?";
}

/* error, mode, bytes, offset, the digest, the length of the path */
#define HEAD_BYTES (1 + 2 + 8 + 8 + SHA256_SIZE + 4)

int artifact_list_put(struct buf *b, const struct artifact_item *a)
{
	/* All of it or nothing. */
	int r = buf_reserve(b, HEAD_BYTES + strlen(a->path));
	if (r == 0)
		r = buf_put_u8(b, (uint8_t)a->error);
	if (r == 0)
		r = buf_put_u16(b, a->mode);
	if (r == 0)
		r = buf_put_u64(b, a->bytes);
	if (r == 0)
		r = buf_put_u64(b, a->offset);
	if (r == 0)
		r = buf_add(b, a->sha256, sizeof(a->sha256));
	return r < 0 ? r : buf_put_str(b, a->path);
}

static void get_digest(struct buf_reader *r, uint8_t digest[SHA256_SIZE])
{
	for (size_t i = 0; i < SHA256_SIZE; i++)
		digest[i] = buf_get_u8(r);
}

bool artifact_list_get(struct buf_reader *r, struct artifact_item *ret)
{
	if (r->failed || !r->left)
		return false;
	struct artifact_item a = { 0 };
	a.error = (enum artifact_error)buf_get_u8(r);
	a.mode = buf_get_u16(r);
	a.bytes = buf_get_u64(r);
	a.offset = buf_get_u64(r);
	get_digest(r, a.sha256);
	auto_free char *path = buf_get_str(r, LIMIT_PATH_BYTES);
	if (!path || !beneath_path_is_clean(artifact_path_in_tar(path)) ||
		(unsigned)a.error >= ARTIFACT_ERROR_COUNT)
		r->failed = true;
	if (r->failed)
		return false;
	a.path = take_ptr(path);
	*ret = a;
	return true;
}

const char *artifact_path_in_tar(const char *path)
{
	return path + (path[0] == '/');
}
