/* Files and secrets of a request: see inputs.h. Runs in dayflyd. */
#include "task/inputs.h"

#include "base/fd.h"
#include "proto/schema.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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
