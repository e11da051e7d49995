/* Collecting: see collect.h. */
#include "jail/collect.h"

#include "base/clock.h"
#include "base/fd.h"
#include "jail/changes.h"

#include <errno.h>
#include <string.h>

/* A jail whose main process has ended has little time: the warden's backstops. What is not counted
 * by then is not known. */
#define COUNT_NS (500 * NS_PER_MS)

/* Returns 0 or -errno: nobody is there to be told. */
static int send_list(struct jail *j, struct buf *list)
{
	struct wire_event ev;
	ssize_t r = 0;
	while (r >= 0 && buf_len(list)) {
		size_t n = buf_len(list) < WIRE_CHANGES_SIZE ? buf_len(list) : WIRE_CHANGES_SIZE;
		wire_event_init(&ev, WIRE_CHANGES, j->id);
		ev.changes.len = (uint32_t)n;
		memcpy(ev.changes.data, buf_data(list), n);
		buf_consume(list, n);
		r = fd_send(j->status_fd, &ev, sizeof(ev), NULL, 0);
	}
	return r < 0 ? (int)r : 0;
}

void collect_changes(struct jail *j, struct wire_event *gone)
{
	struct changes c;
	uint64_t left_out = 0;
	if (j->upper_fd < 0 || j->lower_fd < 0)
		return;
	changes_init(&c);
	const struct changes_walk walk = {
		.upper_fd = j->upper_fd,
		.lower_fd = j->lower_fd,
		.until_ns = clock_mono_ns() + COUNT_NS,
		.fn = changes_note,
		.owner = &c,
	};
	int r = changes_walk(&walk, &left_out);
	if (r == 0)
		r = send_list(j, &c.list);
	gone->gone.changes_errnum = -r;
	if (r == 0) {
		gone->gone.has_changes = 1;
		gone->gone.changes_added = c.added;
		gone->gone.changes_modified = c.modified;
		gone->gone.changes_deleted = c.deleted;
		gone->gone.changes_bytes = c.bytes;
		gone->gone.changes_left_out = c.left_out + left_out;
		gone->gone.changes_is_cut = c.is_list_cut;
	}
	changes_finish(&c);
}
