/* A file in memory for each test to write a tar to. */
#ifndef DAYFLY_TESTS_UNIT_CLI_TAR_FILE_H
#define DAYFLY_TESTS_UNIT_CLI_TAR_FILE_H

#include <sys/mman.h>
#include <unistd.h>

static int fd;

static int start(void **state)
{
	fd = memfd_create("tar", MFD_CLOEXEC);
	return fd < 0;
}

static int finish(void **state)
{
	return close(fd);
}

#endif
