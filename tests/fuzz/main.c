/*
 * Runs a fuzz target over files given as arguments, and over the files of directories: so a saved
 * corpus is an ordinary test, without libFuzzer. Each input is in memory of just its size, so that
 * a sanitizer sees a step beyond it.
 */
#include "base/cleanup.h"
#include "base/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define INPUT_MAX (8u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t count;

static int run_file(int dirfd, const char *path)
{
	auto_free char *data = NULL;
	ssize_t len = fd_read_file(dirfd, path, INPUT_MAX, &data);
	if (len < 0) {
		fprintf(stderr, "%s: %s\n", path, strerror((int)-len));
		return -1;
	}
	auto_free uint8_t *exact = malloc(len ? (size_t)len : 1);
	if (!exact)
		return -1;
	memcpy(exact, data, (size_t)len);
	LLVMFuzzerTestOneInput(exact, (size_t)len);
	count++;
	return 0;
}

static int run_path(const char *path)
{
	auto_closedir DIR *dir = opendir(path);
	if (!dir)
		return run_file(AT_FDCWD, path);
	int r = 0;
	for (struct dirent *entry; (entry = readdir(dir));)
		if (entry->d_name[0] != '.' && run_file(dirfd(dir), entry->d_name) < 0)
			r = -1;
	return r;
}

int main(int argc, char **argv)
{
	int failed = 0;
	for (int i = 1; i < argc; i++)
		failed |= run_path(argv[i]) < 0;
	printf("%zu inputs\n", count);
	return failed || !count;
}
