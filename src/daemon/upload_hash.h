/* SHA-256 of a part of a file, by one of libuv's workers: the loop would wait too long. */
#ifndef DAYFLY_DAEMON_UPLOAD_HASH_H
#define DAYFLY_DAEMON_UPLOAD_HASH_H

#include <stdint.h>
#include <uv.h>

struct upload_hash;

/* hex: 64 characters, or NULL where it could not be read to its end. */
typedef void (*upload_hash_fn)(void *owner, const char *hex);

/* Borrows the descriptor for now. Returns 0 or -errno; then fn comes once, from the loop. */
int upload_hash_start(uv_loop_t *loop, int fd, uint64_t offset, uint64_t len, upload_hash_fn fn,
	void *owner, struct upload_hash **ret);
/* No callback comes. NULL is allowed; *h becomes NULL. */
void upload_hash_cancel(struct upload_hash **h);

#endif
