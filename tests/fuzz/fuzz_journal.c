/* A journal of any bytes: what is good ends within it; read again up to there it is whole and says
 * the same, also to an index; and what it says can be written and read. */
#include "base/fd.h"
#include "daemon/journal_reader.h"

#include <stdlib.h>
#include <sys/mman.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int read_bytes(struct journal_image *m, const void *data, size_t size, uint64_t *ret_good)
{
	uint32_t version;
	int fd = memfd_create("journal", MFD_CLOEXEC);
	if (fd < 0 || fd_write_at(fd, data, size, 0) < 0)
		abort();
	int r = journal_read(fd, size, m, ret_good, &version);
	fd_close(&fd);
	return r;
}

static size_t count(const void *data, size_t size, bool is_index)
{
	struct journal_image m;
	uint64_t good;
	journal_image_init(&m);
	m.is_index = is_index;
	if (read_bytes(&m, data, size, &good) != JOURNAL_WHOLE || good != size)
		abort();
	size_t n = m.n_tasks;
	journal_image_finish(&m);
	return n;
}

static void check_written(const struct journal_image *m)
{
	struct buf again;
	buf_init(&again, 0);
	int r = journal_put_head(&again);
	list_for_each (pos, &m->tasks)
		if (r == 0)
			r = journal_put_task(&again, list_entry(pos, struct journal_task, link));
	if (r < 0 || count(buf_data(&again), buf_len(&again), false) != m->n_tasks)
		abort();
	buf_finish(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct journal_image m;
	uint64_t good = 0;
	journal_image_init(&m);
	read_bytes(&m, data, size, &good);
	if (good > size)
		abort();
	if (good && (count(data, good, false) != m.n_tasks || count(data, good, true) != m.n_tasks))
		abort();
	check_written(&m);
	journal_image_prune(&m, UINT64_MAX, 0, 0);
	journal_image_finish(&m);
	return 0;
}
