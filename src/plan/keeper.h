/*
 * What dayflyd says to the keeper, the small process that outlives it (dayfly-warden --keeper,
 * descriptor 3: one end of a SOCK_SEQPACKET pair). One record is one message, in host byte order.
 *
 *   WORKER   with one descriptor, an end of a SOCK_SEQPACKET pair: fork a warden that serves it.
 *            The answer is the warden's pid as an int32, or a negative errno.
 *   UNLINK   names what must be unlinked when dayflyd has died: the path of the socket, the device
 *            and inode of the socket file, and whether its directory was made by dayflyd and goes
 *            with it when it is empty. No answer. Replaces an earlier one.
 *   PROBE    with one descriptor, the write end of a pipe: try what this host can do and write the
 *            findings there, as `dayfly-warden --probe` prints them; path is that of the program.
 *            No answer but the pipe's end of file.
 *
 * When the pair closes the keeper unlinks the socket if it is still the same file, removes the
 * directory if asked and empty, and exits.
 */
#ifndef DAYFLY_PLAN_KEEPER_H
#define DAYFLY_PLAN_KEEPER_H

#include <stdint.h>

#define KEEPER_FD      3
#define KEEPER_VERSION 1

enum keeper_type { KEEPER_WORKER = 1, KEEPER_UNLINK, KEEPER_PROBE };

struct keeper_request {
	uint32_t version;
	uint32_t type;
	uint64_t dev, ino;
	uint32_t remove_dir;
	uint32_t reserved;
	char path[4096];
};

#endif
