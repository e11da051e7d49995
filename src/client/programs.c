/* Where the other programs of dayfly are: see programs.h. */
#include "client/programs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int program_find(const char *name, const char *relative, const char *installed, char ret[PATH_MAX])
{
	char dir[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", dir, sizeof(dir) - 1);
	dir[n > 0 ? n : 0] = '\0';
	char *slash = strrchr(dir, '/');
	if (slash) {
		*slash = '\0';
		if (snprintf(ret, PATH_MAX, "%s/%s", dir, name) < PATH_MAX &&
			access(ret, X_OK) == 0)
			return 0;
		if (snprintf(ret, PATH_MAX, "%s/%s/%s", dir, relative, name) < PATH_MAX &&
			access(ret, X_OK) == 0)
			return 0;
	}
	if (snprintf(ret, PATH_MAX, "%s/%s", installed, name) < PATH_MAX && access(ret, X_OK) == 0)
		return 0;
	return -ENOENT;
}
