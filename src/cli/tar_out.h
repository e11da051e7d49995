/*
 * Writing a tar for a jail to unpack: files, links and directories, of nobody in particular and of
 * no time. The format is GNU tar's (base/tar.h).
 */
#ifndef DAYFLY_CLI_TAR_OUT_H
#define DAYFLY_CLI_TAR_OUT_H

#include "cli/place.h"

#include <stddef.h>

/* Each adds an entry at the end of to, a file of ours, and returns 0 or -errno, after which the tar
 * is of no use. path: relative. */
int tar_out_file(int to, const char *path, const struct place_content *c);
int tar_out_bytes(int to, const char *path, const void *data, size_t len);
int tar_out_link(int to, const char *path, const char *link);
int tar_out_directory(int to, const char *path);

/* After the last one. */
int tar_out_end(int to);

#endif
