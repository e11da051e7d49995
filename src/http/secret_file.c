/* Files of secrets: see secret_file.h. */
#include "http/secret_file.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static int check_file(int fd, unsigned owner, struct err *e)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return err_set(e, ERR_INTERNAL, errno, "look at it");
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_BAD_VALUE, 0, "it is not a regular file");
	if (st.st_uid != 0 && st.st_uid != owner)
		return err_set(
			e, ERR_NOT_ALLOWED, 0, "it belongs to user id %u", (unsigned)st.st_uid);
	if (st.st_mode & (S_IWGRP | S_IRWXO)) {
		err_set(e, ERR_NOT_ALLOWED, 0, "others may read or write it (mode %04o)",
			(unsigned)(st.st_mode & 07777));
		err_hint(e, "chmod 0600, and make a new secret if others may have read it");
		return -EINVAL;
	}
	return 0;
}

int secret_file_read(const char *path, unsigned owner, char out[SECRET_FILE_MAX + 1],
	size_t *ret_len, struct err *e)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	int r = fd < 0 ? err_set(e, ERR_SOURCE, errno, "open it") : check_file(fd, owner, e);
	if (r < 0)
		return r;
	ssize_t n = read(fd, out, SECRET_FILE_MAX + 1);
	if (n < 0)
		return err_set(e, ERR_INTERNAL, errno, "read it");
	if ((size_t)n > SECRET_FILE_MAX)
		return err_set(e, ERR_TOO_LARGE, 0, "it has over %d bytes", SECRET_FILE_MAX);
	out[n] = '\0';
	*ret_len = (size_t)n;
	return 0;
}
