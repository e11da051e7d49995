/* What an entry of a tar may be: the rules, without the archive. */
#ifndef DAYFLY_UNPACK_ENTRY_H
#define DAYFLY_UNPACK_ENTRY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct entry {
	const char *path;
	const char *hardlink; /* NULL: it is none */
	mode_t type;	      /* S_IFREG, ... */
	int64_t size;	      /* with its holes */
};

/* What is left of the caps. */
struct entry_room {
	uint64_t bytes, entries;
};

/* Whether it names the directory that everything is unpacked into. */
bool entry_is_top(const struct entry *en);

/* Takes the entry's share of the room. Returns NULL, or why the archive is refused. */
const char *entry_refusal(const struct entry *en, struct entry_room *room);

#endif
