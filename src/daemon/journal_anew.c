/* A journal that is made anew: see journal_anew.h. */
#include "daemon/journal_anew.h"

#include "daemon/journal_reader.h"

#include <errno.h>

static int fill_from_image(struct journal_out *out, void *arg)
{
	const struct journal_image *m = arg;
	int r = 0;
	list_for_each (pos, &m->tasks) {
		r = journal_put_task(&out->block, list_entry(pos, struct journal_task, link));
		if (r == 0)
			r = journal_out_pass(out);
		if (r < 0)
			break;
	}
	return r;
}

int journal_anew_write(const struct journal_file *f, const struct journal_image *m)
{
	return journal_file_make(f, fill_from_image, (void *)m);
}

struct copy {
	struct journal_reader reader;
	const struct journal_image *index;
	size_t n_accepted;
};

/* How far a task has come is one record, not each that there was. */
static int copy_record(struct copy *c, struct journal_out *out, const struct journal_view *v)
{
	enum journal_type type;
	const struct journal_task *t = journal_image_task_of(c->index, v->record, &type);
	if (!t || type == JOURNAL_STATE)
		return 0;
	int r = buf_add(&out->block, v->bytes, v->len);
	if (r == 0 && type == JOURNAL_ACCEPT) {
		c->n_accepted++;
		r = journal_put_progress(&out->block, t);
	}
	return r < 0 ? r : journal_out_pass(out);
}

static int fill_from_file(struct journal_out *out, void *arg)
{
	struct copy *c = arg;
	struct journal_view view;
	int r;
	while ((r = journal_reader_next(&c->reader, &view)) == JOURNAL_MORE) {
		r = copy_record(c, out, &view);
		if (r < 0)
			return r;
	}
	if (r < 0)
		return r;
	/* It is not what was read for the index. */
	return r == JOURNAL_WHOLE && c->n_accepted == c->index->n_tasks ? 0 : -EIO;
}

int journal_anew_copy(
	const struct journal_file *f, int from_fd, uint64_t end, const struct journal_image *index)
{
	struct copy c = { .index = index };
	int r = journal_reader_init(&c.reader, from_fd, end);
	if (r == 0)
		r = journal_file_make(f, fill_from_file, &c);
	journal_reader_finish(&c.reader);
	return r;
}
