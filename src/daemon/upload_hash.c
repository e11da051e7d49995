/* Hashes of parts: see upload_hash.h. */
#include "daemon/upload_hash.h"

#include "base/fd.h"
#include "http/sigv4.h"

#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PIECE (64u << 10)

struct upload_hash {
	uv_work_t work;
	int fd;
	uint64_t offset, len;
	upload_hash_fn fn; /* NULL: nobody waits any more */
	void *owner;
	atomic_bool is_cancelled;
	char hex[SIGV4_HASH_SIZE]; /* "": it failed */
};

/* In a worker. */
static void run(uv_work_t *work)
{
	struct upload_hash *h = work->data;
	uint8_t digest[SHA256_DIGEST_SIZE];
	struct sha256_ctx sha;
	uint8_t *piece = malloc(PIECE);
	sha256_init(&sha);
	uint64_t done = 0;
	while (piece && done < h->len && !h->is_cancelled) {
		size_t want = h->len - done < PIECE ? (size_t)(h->len - done) : PIECE;
		ssize_t n = pread(h->fd, piece, want, (off_t)(h->offset + done));
		if (n <= 0)
			break;
		sha256_update(&sha, (size_t)n, piece);
		done += (uint64_t)n;
	}
	sha256_digest(&sha, sizeof(digest), digest);
	for (size_t i = 0; piece && done == h->len && i < sizeof(digest); i++)
		snprintf(h->hex + 2 * i, 3, "%02x", digest[i]);
	free(piece);
}

static void on_done(uv_work_t *work, int status)
{
	struct upload_hash *h = work->data;
	if (h->fn)
		h->fn(h->owner, status == 0 && h->hex[0] ? h->hex : NULL);
	fd_close(&h->fd);
	free(h);
}

int upload_hash_start(uv_loop_t *loop, int fd, uint64_t offset, uint64_t len, upload_hash_fn fn,
	void *owner, struct upload_hash **ret)
{
	struct upload_hash *h = calloc(1, sizeof(*h));
	if (!h)
		return -ENOMEM;
	*h = (struct upload_hash){ .offset = offset, .len = len, .fn = fn, .owner = owner };
	h->work.data = h;
	h->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	int r = h->fd < 0 ? -errno : uv_queue_work(loop, &h->work, run, on_done);
	if (r < 0) {
		fd_close(&h->fd);
		free(h);
		return r;
	}
	*ret = h;
	return 0;
}

void upload_hash_cancel(struct upload_hash **h)
{
	if (!*h)
		return;
	(*h)->fn = NULL;
	(*h)->is_cancelled = true;
	uv_cancel((uv_req_t *)&(*h)->work);
	*h = NULL;
}
