/*
 * What a tar of changes is made of, for jail init, which writes it, and the CLI, which reads it:
 * the header of POSIX ustar as GNU tar uses it (tar(5)), and the names of whiteouts as in layers of
 * OCI images.
 */
#ifndef DAYFLY_BASE_TAR_H
#define DAYFLY_BASE_TAR_H

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

#endif
