/* A list of artifacts as it comes from a jail: cut off at the first byte that is none, and what is
 * taken gives the same bytes again. */
#include "base/limits.h"
#include "plan/artifact_list.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf_reader r = { .p = data, .left = size };
	struct artifact_item a;
	struct buf b;
	buf_init(&b, 0);
	while (artifact_list_get(&r, &a)) {
		if (strlen(a.path) > LIMIT_PATH_BYTES || artifact_list_put(&b, &a) < 0)
			abort();
		free(a.path);
	}
	if (buf_len(&b) > size || memcmp(buf_data(&b) ? buf_data(&b) : "", data, buf_len(&b)))
		abort();
	buf_finish(&b);
	return 0;
}
