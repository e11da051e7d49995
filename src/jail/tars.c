/*
 * The tars of a request, in the warden: which descriptors they are, and the program that reads
 * them. Nothing of them is read here.
 */
#include "jail/jail.h"
#include "jail/warden.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

/*
 * A copy in memory that nobody can write to: the process that executes it has the task's ids, which
 * rootless are those of the user who may own the file.
 */
static int seal_program(const char *path, struct err *e)
{
	const int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
	struct stat st;
	auto_close int file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0 || fstat(file, &st) < 0)
		return err_set(e, ERR_UNSUPPORTED, errno, "unpack a tar: open %s", path);
	/* See keeper_seal_executable(). */
	auto_close int copy =
		memfd_create("dayfly-unpack", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
	if (copy < 0 && errno == EINVAL)
		copy = memfd_create("dayfly-unpack", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (copy < 0) {
		err_set(e, ERR_UNSUPPORTED, errno, "unpack a tar: make a program in memory");
		err_hint(e, "sysctl vm.memfd_noexec must be 0 or 1");
		return -EOPNOTSUPP;
	}
	for (off_t done = 0; done < st.st_size;) {
		ssize_t n = sendfile(copy, file, NULL, (size_t)(st.st_size - done));
		if (n <= 0)
			return err_set(e, ERR_SETUP, n < 0 ? errno : EIO, "copy %s", path);
		done += n;
	}
	if (fchmod(copy, 0555) < 0 || fcntl(copy, F_ADD_SEALS, seals) < 0)
		return err_set(e, ERR_SETUP, errno, "seal a program in memory");
	return fd_take(&copy);
}

/* What is neither is no stream of bytes with an end. */
static int check_kind(int fd, const char *field, struct err *e)
{
	struct statx sx;
	/* A filesystem that asks its server would have the warden wait for it. */
	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &sx) < 0)
		return err_set_field(e, ERR_SOURCE, field, "cannot be looked at");
	if (S_ISREG(sx.stx_mode) || S_ISFIFO(sx.stx_mode) || S_ISSOCK(sx.stx_mode))
		return 0;
	return err_set_field(
		e, ERR_BAD_VALUE, field, "is neither a regular file nor a pipe or a socket");
}

int tars_prepare(
	const struct warden *w, const struct warden_jail *j, struct jail *in, struct err *e)
{
	const struct plan *p = j->plan;
	int r = 0;
	for (size_t i = 0; r == 0 && i < p->n_tars; i++) {
		char field[48];
		snprintf(field, sizeof(field), "task.tars[%zu].fd", i);
		if (p->tars[i].fd_index < 0)
			continue;
		in->tar_fds[i] = j->sources[p->tars[i].fd_index];
		r = in->tar_fds[i] < 0 ? err_set_field(e, ERR_SOURCE, field,
						 "no descriptor came with the request")
				       : check_kind(in->tar_fds[i], field, e);
	}
	if (r == 0 && p->n_tars)
		r = in->unpack_fd = seal_program(w->unpack ? w->unpack : "dayfly-unpack", e);
	return r < 0 ? r : 0;
}
