/* A journal of any bytes: what is good ends within it; read again up to there it is whole and says
 * the same; and what it says can be written and read. */
#include "daemon/journal_record.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t count(const void *data, size_t size, int want)
{
	struct journal_image m;
	size_t good, n;
	uint32_t version;
	journal_image_init(&m);
	int r = journal_read(&m, data, size, &good, &version);
	if (r != want || good != size)
		abort();
	n = m.n_tasks;
	journal_image_finish(&m);
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct journal_image m;
	struct buf again;
	size_t good = 0;
	uint32_t version;
	journal_image_init(&m);
	buf_init(&again, 0);
	journal_read(&m, data, size, &good, &version);
	if (good > size)
		abort();
	if (good && count(data, good, JOURNAL_WHOLE) != m.n_tasks)
		abort();
	if (journal_put_image(&again, &m) < 0)
		abort();
	if (count(buf_data(&again), buf_len(&again), JOURNAL_WHOLE) != m.n_tasks)
		abort();
	journal_image_prune(&m, UINT64_MAX, 0, 0);
	buf_finish(&again);
	journal_image_finish(&m);
	return 0;
}
