/* The daemon's tasks: see jobs.h. */
#include "daemon/jobs.h"

#include "base/clock.h"
#include "base/id.h"
#include "base/str.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void jobs_init(struct jobs *js)
{
	memset(js, 0, sizeof(*js));
	for (size_t i = 0; i < JOBS_BUCKETS; i++)
		list_init(&js->buckets[i]);
	list_init(&js->active);
	list_init(&js->done);
	list_init(&js->holders);
	jobs_index_init(js);
	js->keep_count = JOBS_KEEP_COUNT;
}

static int hex_digit(char c)
{
	return c >= 'a' ? c - 'a' + 10 : c - '0';
}

/* By the first byte of the id: a prefix of 6 characters ("t-" and four digits) leads to the same
 * bucket. */
static struct list *bucket_of(struct jobs *js, const char *id)
{
	return &js->buckets[(hex_digit(id[2]) * 16 + hex_digit(id[3])) % JOBS_BUCKETS];
}

static struct job *new_job(struct jobs *js, struct task *take_task)
{
	struct job *j = calloc(1, sizeof(*j));
	if (!j) {
		task_destroy(take_task);
		return NULL;
	}
	j->task = take_task;
	j->task->owner = j;
	j->told_position = SIZE_MAX;
	list_init(&j->link);
	list_init(&j->conn_link);
	list_init(&j->leave_link);
	list_init(&j->streams);
	list_init(&j->feeds);
	list_init(&j->acks);
	list_init(&j->usage.link);
	list_append(bucket_of(js, j->task->id), &j->bucket);
	jobs_index_add(js, j);
	return j;
}

/* What it makes us hold while it is not done. */
static size_t held_fds(const struct job *j)
{
	return JOBS_HOLD_FDS + j->task->n_sources + (j->task->inputs_fd >= 0);
}

struct job *jobs_add(struct jobs *js, struct task *take_task, size_t spec_bytes)
{
	struct job *j = new_job(js, take_task);
	if (!j)
		return NULL;
	j->spec_bytes = spec_bytes;
	j->held_fds = held_fds(j);
	if (jobs_load_add(js, j) < 0) {
		jobs_destroy_job(j);
		return NULL;
	}
	list_append(&js->active, &j->link);
	js->n_active++;
	j->number = ++js->n_total;
	j->state_real_ns = clock_real_ns();
	j->state_boot_ns = clock_boot_ns();
	return j;
}

struct job *jobs_add_recovered(
	struct jobs *js, struct task *take_task, bool argv_is_cut, uint64_t done_at_ns)
{
	struct job *j = new_job(js, take_task);
	if (!j)
		return NULL;
	j->is_accepted = j->has_run_stream = true;
	j->is_recovered = true;
	j->argv_is_cut = argv_is_cut;
	j->done_at_ns = done_at_ns;
	list_append(&js->done, &j->link);
	return j;
}

void jobs_note_started(struct jobs *js, struct job *j)
{
	if (task_is_done(j->task))
		return;
	jobs_load_set_fds(js, j, held_fds(j));
	if (j->task->jail)
		jobs_index_set_jail(js, j);
}

void jobs_set_done(struct jobs *js, struct job *j, uint64_t now_ns)
{
	list_remove(&j->link);
	list_remove(&j->conn_link);
	list_remove(&j->leave_link);
	list_append(&js->done, &j->link);
	j->done_at_ns = now_ns;
	j->log_bytes = output_log_bytes(j->task->log);
	js->n_active--;
	jobs_index_set_done(j);
	jobs_keep(js, j);
}

void jobs_destroy_job(struct job *j)
{
	journal_forget(&j->accept_wait);
	syncer_forget(&j->promise_wait);
	list_remove(&j->bucket);
	list_remove(&j->link);
	list_remove(&j->conn_link);
	list_remove(&j->leave_link);
	list_remove(&j->usage.link);
	jobs_index_remove(j);
	task_destroy(j->task);
	free(j);
}

void jobs_drop(struct jobs *js, struct job *j)
{
	js->n_active--;
	js->n_total--;
	jobs_load_remove(js, j);
	jobs_destroy_job(j);
}

void jobs_finish(struct jobs *js)
{
	list_for_each_safe (pos, &js->active)
		jobs_destroy_job(list_entry(pos, struct job, link));
	list_for_each_safe (pos, &js->done)
		jobs_destroy_job(list_entry(pos, struct job, link));
	list_for_each_safe (pos, &js->holders)
		free(list_entry(pos, struct jobs_holder, link));
	js->n_active = js->n_holders = 0;
	js->kept = (struct jobs_kept){ 0 };
	js->load = (struct jobs_load){ 0 };
}

/* Returns how many of the uid's tasks begin with the word; an exact match is the only one. */
static size_t find_prefix(struct jobs *js, uid_t uid, const char *word, struct job **ret)
{
	size_t n = 0;
	if (!id_is_task_prefix(word) || strlen(word) < JOBS_PREFIX_MIN)
		return 0;
	struct list *bucket = bucket_of(js, word);
	list_for_each (pos, bucket) {
		struct job *j = list_entry(pos, struct job, bucket);
		if (j->task->uid != uid || !str_starts(j->task->id, word))
			continue;
		*ret = j;
		n++;
	}
	return n;
}

int jobs_find(struct jobs *js, uid_t uid, const char *word, struct job **ret, struct err *e)
{
	size_t n = find_prefix(js, uid, word, ret);
	if (n == 1)
		return 0;
	struct job *j = jobs_find_name(js, uid, word);
	if (j) {
		*ret = j;
		return 0;
	}
	if (n > 1)
		return err_set_field(
			e, ERR_AMBIGUOUS, "task", "%zu tasks begin with \"%s\"", n, word);
	err_set_field(e, ERR_NOT_FOUND, "task", "there is no task \"%s\"", word);
	err_hint(e,
		"your tasks, and of those that are done the ones that are kept: dayfly ps --all");
	return -ENOENT;
}

bool jobs_has_label(char *const *v, const char *label)
{
	bool is_pair = strchr(label, '=') != NULL;
	for (; v && *v; v++) {
		size_t key_len = strcspn(*v, "=");
		if (is_pair ? !strcmp(*v, label)
			    : strlen(label) == key_len && !strncmp(*v, label, key_len))
			return true;
	}
	return false;
}
