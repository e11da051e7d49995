/*
 * What a tar is made of, for jail init, which writes those of changes, and the CLI, which reads
 * them: the header of POSIX ustar as GNU tar uses it (tar(5)), and the names of whiteouts as in
 * layers of OCI images.
 */
#ifndef DAYFLY_BASE_TAR_H
#define DAYFLY_BASE_TAR_H

#include <stddef.h>
#include <stdint.h>

#define TAR_BLOCK     512
#define TAR_NAME_SIZE 100
/* Before the name of what was deleted. */
#define TAR_WHITEOUT ".wh."

struct tar_header {
	char name[TAR_NAME_SIZE], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8];
	char type, link[TAR_NAME_SIZE], magic[8], uname[32], gname[32], devmajor[8], devminor[8];
	char unused[167];
};
_Static_assert(sizeof(struct tar_header) == TAR_BLOCK, "a header is a block");

/* Into a field of a header. */
void tar_set_number(char *field, size_t size, uint64_t value);
/* Its type, the size of what follows, magic and checksum; all else is there. */
void tar_finish_header(struct tar_header *h, char type, uint64_t size);

#endif
