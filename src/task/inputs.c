/* Files and secrets of a request: see inputs.h. Runs in dayflyd. */
#include "task/inputs.h"

#include "base/fd.h"
#include "base/limits.h"
#include "proto/schema.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct secret {
	const char *field;
	int64_t place; /* of a descriptor; -1: none */
	char **data;
	size_t *len;
	long long most;
};

static int read_secret(const struct secret *s, const int *fds, size_t n_fds, struct err *e)
{
	struct stat st;
	const char *field = s->field;
	if (s->place < 0)
		return 0;
	if (*s->data)
		return err_set_field(e, ERR_BAD_VALUE, field, "it is there as text already");
	if ((uint64_t)s->place >= n_fds)
		return err_set_field(e, ERR_BAD_VALUE, field,
			"descriptor %lld was not sent: %zu came with the request",
			(long long)s->place, n_fds);
	int fd = fds[s->place];
	if (fcntl(fd, F_GET_SEALS) < 0 || fstat(fd, &st) < 0)
		return err_set_field(e, ERR_BAD_VALUE, field,
			"is not a file in memory (memfd_create): reading it might take long");
	if (st.st_size > s->most)
		return err_set_field(e, ERR_TOO_LARGE, field,
			"has %lld bytes; at most %lld are allowed", (long long)st.st_size, s->most);
	*s->data = calloc(1, (size_t)st.st_size + 1);
	if (!*s->data)
		return err_set(e, ERR_INTERNAL, ENOMEM, "read a secret");
	*s->len = (size_t)st.st_size;
	ssize_t n = pread(fd, *s->data, *s->len, 0);
	return n == (ssize_t)*s->len ? 0 : err_set_field(e, ERR_BAD_VALUE, field, "cannot be read");
}

int inputs_read(struct task_spec *spec, const int *fds, size_t n_fds, struct err *e)
{
	char field[48];
	int r = 0;
	for (size_t i = 0; r == 0 && i < spec->n_secrets; i++) {
		snprintf(field, sizeof(field), "task.secrets[%zu].fd", i);
		const struct secret s = { field, spec->secrets[i].fd, &spec->secrets[i].data,
			&spec->secrets[i].data_len, LIMIT_SECRET_BYTES };
		r = read_secret(&s, fds, n_fds, e);
	}
	struct spec_upload *u = &spec->artifacts.upload;
	const struct secret s = { "task.artifacts.upload.credentials_fd",
		spec->has_artifacts && spec->artifacts.has_upload ? u->credentials_fd : -1,
		&u->credentials, &u->credentials_len, LIMIT_UPLOAD_CREDENTIALS_BYTES };
	return r < 0 ? r : read_secret(&s, fds, n_fds, e);
}

static size_t add(char *to, char **data, size_t len)
{
	if (*data)
		memcpy(to, *data, len);
	schema_wipe(data, len);
	return len;
}

int inputs_seal(struct task_spec *spec, int *ret_fd)
{
	size_t size = 0, at = 0;
	*ret_fd = -1;
	if (!spec->n_files && !spec->n_secrets)
		return 0;
	for (size_t i = 0; i < spec->n_files; i++)
		size += spec->files[i].data_len;
	for (size_t i = 0; i < spec->n_secrets; i++)
		size += spec->secrets[i].data_len;
	char *bytes = calloc(1, size + 1);
	if (!bytes)
		return -ENOMEM;
	for (size_t i = 0; i < spec->n_files; i++)
		at += add(bytes + at, &spec->files[i].data, spec->files[i].data_len);
	for (size_t i = 0; i < spec->n_secrets; i++)
		at += add(bytes + at, &spec->secrets[i].data, spec->secrets[i].data_len);
	int fd = fd_sealed_memfd("dayfly-inputs", bytes, size);
	schema_wipe(&bytes, size);
	if (fd < 0)
		return fd;
	*ret_fd = fd;
	return 0;
}
