/* The daemon's tasks: who finds which, and what is kept. */
#include "loop.h"

#include "base/log.h"
#include "base/str.h"
#include "daemon/jobs.h"
#include "task/restore.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint64_t new_jail(void *owner)
{
	return 1;
}

static int send_record(void *owner, const struct wire_request *rq, const int *fds, size_t n_fds)
{
	return -ENOTCONN;
}

static void ignore(void *owner, struct task *t)
{
}

struct world {
	uv_loop_t loop;
	struct deadline_heap deadlines;
	struct task_host host;
	char scratch[OUTPUT_RECORD_MAX];
	struct jobs jobs;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	log_init("test", LOG_LEVEL_ERROR);
	uv_loop_init(&w->loop);
	deadline_heap_init_manual(&w->deadlines);
	static const uint64_t setup_ms = 30000;
	w->host = (struct task_host){ .loop = &w->loop,
		.setup_ms = &setup_ms,
		.deadlines = &w->deadlines,
		.scratch = w->scratch,
		.owner = w,
		.new_jail = new_jail,
		.send = send_record,
		.on_state = ignore,
		.on_input_room = ignore,
		.on_unqueue = ignore,
		.on_done = ignore };
	jobs_init(&w->jobs);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	jobs_finish(&w->jobs);
	loop_assert_empty(&w->loop);
	deadline_heap_finish(&w->deadlines);
	free(w);
	return 0;
}

static const char *the_key, *the_turn; /* of the next task */

static struct job *add(struct world *w, uid_t uid, const char *id, const char *name)
{
	struct task_spec *spec = calloc(1, sizeof(*spec));
	struct build build;
	struct task *t;
	struct err e;
	const struct build_input in = { .task_id = id, .open_files_hard = 1024, .no_cgroup = "" };
	const struct task_origin origin = {
		.id = id, .uid = uid, .take_client_fd = -1, .take_inputs_fd = -1
	};
	assert_int_equal(strv_add(&spec->argv, "true"), 0);
	spec->name = name ? strdup(name) : NULL;
	spec->idempotency_key = the_key ? strdup(the_key) : NULL;
	spec->has_concurrency = the_turn != NULL;
	spec->concurrency.key = the_turn ? strdup(the_turn) : NULL;
	assert_int_equal(plan_build(spec, &in, &build, &e), 0);
	assert_int_equal(task_create(&w->host, &origin, spec, &build, &t), 0);
	struct job *j = jobs_add(&w->jobs, t, 100);
	assert_non_null(j);
	return j;
}

static void finish(struct world *w, struct job *j, uint64_t now_ns)
{
	task_handle(j->task, EVENT_CANCEL);
	jobs_set_done(&w->jobs, j, now_ns);
}

#define ID_A "t-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ID_B "t-aaaabbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define ID_C "t-cccccccccccccccccccccccccccccccc"

static struct job *find(struct world *w, uid_t uid, const char *word, enum err_code *ret_code)
{
	struct job *j = NULL;
	struct err e = { 0 };
	int r = jobs_find(&w->jobs, uid, word, &j, &e);
	*ret_code = r < 0 ? e.code : ERR_CODE_COUNT;
	return r < 0 ? NULL : j;
}

static void a_task_is_found_by_id_prefix_and_name(void **state)
{
	struct world *w = *state;
	enum err_code code;
	struct job *a = add(w, 1, ID_A, "build"), *b = add(w, 1, ID_B, NULL),
		   *c = add(w, 1, ID_C, "test");
	assert_ptr_equal(find(w, 1, ID_A, &code), a);
	assert_ptr_equal(find(w, 1, "t-aaaab", &code), b);
	assert_ptr_equal(find(w, 1, "t-cccc", &code), c);
	assert_ptr_equal(find(w, 1, "build", &code), a);
	assert_null(find(w, 1, "t-aaaa", &code));
	assert_int_equal(code, ERR_AMBIGUOUS);
	assert_null(find(w, 1, "t-ccc", &code)); /* too short to stand for a task */
	assert_int_equal(code, ERR_NOT_FOUND);
	assert_null(find(w, 1, "", &code));
	assert_null(find(w, 1, "t-", &code));
	assert_null(find(w, 1, ID_A "a", &code));
	assert_null(find(w, 1, "t-zzzzzz", &code));
}

/* K2 */
static void the_tasks_of_another_uid_do_not_exist(void **state)
{
	struct world *w = *state;
	struct err unknown, foreign;
	struct job *j;
	enum err_code code;
	add(w, 1, ID_A, "build");
	struct job *own = add(w, 2, ID_B, "build");
	assert_int_equal(jobs_find(&w->jobs, 2, ID_A, &j, &foreign), -ENOENT);
	assert_int_equal(jobs_find(&w->jobs, 2, ID_C, &j, &unknown), -ENOENT);
	/* The same answer, but for the word itself. */
	assert_int_equal(foreign.code, unknown.code);
	assert_int_equal(strlen(foreign.msg), strlen(unknown.msg));
	assert_ptr_equal(find(w, 2, "build", &code), own);
	assert_ptr_equal(
		find(w, 2, "t-aaaa", &code), own); /* not ambiguous: there is only one for uid 2 */
	assert_null(find(w, 0, ID_A, &code));
	assert_null(jobs_find_active_name(&w->jobs, 3, "build"));
}

static void a_name_is_that_of_the_running_task_or_else_of_the_newest(void **state)
{
	struct world *w = *state;
	enum err_code code;
	struct job *a = add(w, 1, ID_A, "x");
	finish(w, a, 1);
	struct job *b = add(w, 1, ID_B, "x");
	assert_ptr_equal(find(w, 1, "x", &code), b);
	struct job *c = add(w, 1, ID_C, NULL);
	finish(w, b, 2);
	assert_null(jobs_find_active_name(&w->jobs, 1, "x"));
	assert_ptr_equal(find(w, 1, "x", &code), b);
	finish(w, c, 3);
}

static void finished_tasks_go_by_age_and_number_but_not_while_somebody_listens(void **state)
{
	struct world *w = *state;
	enum err_code code;
	struct list listener;
	struct job *a = add(w, 1, ID_A, NULL), *b = add(w, 1, ID_B, NULL);
	finish(w, a, 0);
	finish(w, b, 10);
	list_append(&a->streams, &listener);
	jobs_expire(&w->jobs, JOBS_KEEP_NS - 1);
	assert_int_equal(w->jobs.kept.count, 2);
	jobs_expire(&w->jobs, JOBS_KEEP_NS + 10);
	assert_int_equal(w->jobs.kept.count, 1);
	assert_null(find(w, 1, ID_B, &code));
	assert_ptr_equal(find(w, 1, ID_A, &code), a);
	list_remove(&listener);

	for (unsigned i = 0; i < JOBS_KEEP_COUNT + 5; i++) {
		char id[ID_TASK_SIZE];
		snprintf(id, sizeof(id), "t-%032x", i);
		finish(w, add(w, 1, id, NULL), JOBS_KEEP_NS);
	}
	jobs_expire(&w->jobs, JOBS_KEEP_NS);
	assert_int_equal(w->jobs.kept.count, JOBS_KEEP_COUNT);
	assert_null(find(w, 1, ID_A, &code));
	assert_null(find(w, 1, "t-00000000000000000000000000000004", &code));
	assert_non_null(find(w, 1, "t-00000000000000000000000000000005", &code));
	assert_int_equal(w->jobs.kept.spec_bytes, JOBS_KEEP_COUNT * 100);
	assert_int_equal(w->jobs.load.spec_bytes, 0);
	assert_int_equal(w->jobs.n_active, 0);
}

static void finish_many(struct world *w, uid_t uid, size_t n)
{
	static unsigned number = 1000;
	while (n--) {
		char id[ID_TASK_SIZE];
		snprintf(id, sizeof(id), "t-%032x", number++);
		finish(w, add(w, uid, id, NULL), 1);
	}
}

static void what_one_uid_does_costs_another_no_result(void **state)
{
	struct world *w = *state;
	enum err_code code;
	const uid_t greedy = 1;
	struct job *of_other = add(w, 2, ID_A, NULL);
	finish(w, of_other, 0);
	finish_many(w, greedy, JOBS_KEEP_COUNT + 5);
	jobs_expire(&w->jobs, 1);
	assert_int_equal(w->jobs.kept.count, JOBS_KEEP_COUNT);
	assert_ptr_equal(find(w, 2, ID_A, &code), of_other);
	/* Each has its part where each would have all. */
	finish_many(w, 3, 2 * JOBS_KEEP_COUNT);
	jobs_expire(&w->jobs, 1);
	assert_int_equal(w->jobs.kept.count, JOBS_KEEP_COUNT);
	assert_int_equal(w->jobs.n_holders, 3);
	list_for_each (pos, &w->jobs.holders) {
		const struct jobs_holder *h = list_entry(pos, struct jobs_holder, link);
		assert_in_range(h->has.count, h->uid == 2 ? 1 : JOBS_KEEP_COUNT / 3,
			JOBS_KEEP_COUNT / 2 + 1);
	}
	assert_ptr_equal(find(w, 2, ID_A, &code), of_other);
	/* It grows old like any other. */
	jobs_expire(&w->jobs, JOBS_KEEP_NS + 1);
	assert_int_equal(w->jobs.kept.count, 0);
	assert_int_equal(w->jobs.n_holders, 0);
}

static void what_is_listened_to_counts_beyond_the_bounds_and_pushes_nobody_out(void **state)
{
	struct world *w = *state;
	enum err_code code;
	const uid_t greedy = 1, other = 2, none = 3;
	w->jobs.keep_count = 4;
	finish_many(w, greedy, 7);
	struct list listeners[7];
	size_t n = 0;
	list_for_each (pos, &w->jobs.done)
		list_append(&list_entry(pos, struct job, link)->streams, &listeners[n++]);
	finish(w, add(w, other, ID_A, NULL), 1);
	jobs_expire(&w->jobs, 1);
	assert_int_equal(w->jobs.kept.count, 8);
	assert_non_null(find(w, other, ID_A, &code));
	assert_int_equal(jobs_unread(&w->jobs, &greedy).count, 3);
	assert_int_equal(jobs_unread(&w->jobs, &other).count, 0);
	assert_int_equal(jobs_unread(&w->jobs, &none).count, 0);
	assert_int_equal(jobs_unread(&w->jobs, NULL).count, 4);
	/* Others have no more than their part meanwhile. */
	finish_many(w, other, 5);
	jobs_expire(&w->jobs, 1);
	assert_int_equal(w->jobs.kept.count, 7 + 2);
	for (size_t i = 0; i < n; i++)
		list_remove(&listeners[i]);
	jobs_expire(&w->jobs, 1);
	assert_int_equal(w->jobs.kept.count, 4);
	assert_int_equal(jobs_unread(&w->jobs, NULL).count, 0);
}

static void a_refused_task_leaves_no_trace(void **state)
{
	struct world *w = *state;
	enum err_code code;
	jobs_drop(&w->jobs, add(w, 1, ID_A, NULL));
	assert_null(find(w, 1, ID_A, &code));
	assert_int_equal(w->jobs.n_active, 0);
	assert_int_equal(w->jobs.n_total, 0);
	assert_int_equal(w->jobs.load.spec_bytes, 0);
	assert_true(list_empty(&w->jobs.holders));
}

static void assert_load(const struct world *w, const uid_t *uid, size_t count, size_t fds)
{
	const struct jobs_load load = jobs_load(&w->jobs, uid);
	assert_int_equal(load.count, count);
	assert_int_equal(load.spec_bytes, count * 100);
	assert_int_equal(load.fds, fds);
}

static void what_tasks_hold_is_counted_by_uid_until_they_are_done(void **state)
{
	struct world *w = *state;
	const uid_t one = 1, two = 2, none = 3;
	struct job *a = add(w, one, ID_A, NULL), *b = add(w, one, ID_B, NULL),
		   *c = add(w, two, ID_C, NULL);
	assert_load(w, &one, 2, 2 * JOBS_HOLD_FDS);
	assert_load(w, &two, 1, JOBS_HOLD_FDS);
	assert_load(w, &none, 0, 0);
	assert_load(w, NULL, 3, 3 * JOBS_HOLD_FDS);
	jobs_load_set_fds(&w->jobs, a, 18);
	assert_load(w, &one, 2, 18 + JOBS_HOLD_FDS);
	/* The warden has its descriptors. */
	jobs_note_started(&w->jobs, a);
	assert_load(w, &one, 2, 2 * JOBS_HOLD_FDS);
	jobs_drop(&w->jobs, b);
	assert_load(w, &one, 1, JOBS_HOLD_FDS);
	finish(w, a, 1);
	assert_load(w, &one, 0, 0);
	assert_int_equal(w->jobs.n_holders, 1);
	finish(w, c, 1);
	assert_load(w, NULL, 0, 0);
	assert_int_equal(w->jobs.n_holders, 2);
}

static struct job *add_with_key(struct world *w, uid_t uid, const char *id, const char *key)
{
	the_key = key;
	struct job *j = add(w, uid, id, NULL);
	the_key = NULL;
	return j;
}

static void an_idempotency_key_is_found_as_long_as_its_task_is_known(void **state)
{
	struct world *w = *state;
	struct job *a = add_with_key(w, 1, ID_A, "k"), *b = add_with_key(w, 2, ID_B, "k");
	assert_ptr_equal(jobs_find_key(&w->jobs, 1, "k"), a);
	assert_ptr_equal(jobs_find_key(&w->jobs, 2, "k"), b);
	assert_null(jobs_find_key(&w->jobs, 1, "K"));
	finish(w, a, 1);
	assert_ptr_equal(jobs_find_key(&w->jobs, 1, "k"), a);
	jobs_drop(&w->jobs, b);
	assert_null(jobs_find_key(&w->jobs, 2, "k"));
	jobs_expire(&w->jobs, JOBS_KEEP_NS + 1);
	assert_null(jobs_find_key(&w->jobs, 1, "k"));
}

static void a_jail_is_found_from_its_start_to_its_task_s_end(void **state)
{
	struct world *w = *state;
	struct job *a = add(w, 1, ID_A, NULL), *b = add(w, 1, ID_B, NULL);
	assert_null(jobs_find_jail(&w->jobs, 0));
	a->task->jail = 7;
	b->task->jail = 7 + JOBS_INDEX_BUCKETS;
	jobs_note_started(&w->jobs, b);
	jobs_note_started(&w->jobs, a);
	assert_ptr_equal(jobs_find_jail(&w->jobs, 7), a);
	assert_ptr_equal(jobs_find_jail(&w->jobs, 7 + JOBS_INDEX_BUCKETS), b);
	jobs_set_done(&w->jobs, a, 1);
	assert_null(jobs_find_jail(&w->jobs, 7));
	b->task->jail = 0;
}

static unsigned n_rivals;

static void end_rival(struct job *rival, const struct job *of)
{
	struct world *w = of->task->host->owner;
	n_rivals++;
	finish(w, rival, 1);
}

static void those_with_the_concurrency_key_of_one_are_its_rivals_until_they_are_done(void **state)
{
	struct world *w = *state;
	the_turn = "deploy";
	add(w, 1, ID_A, NULL);
	add(w, 1, ID_B, NULL);
	add(w, 2, "t-dddddddddddddddddddddddddddddddd", NULL);
	struct job *newest = add(w, 1, ID_C, NULL);
	the_turn = "other";
	struct job *other = add(w, 1, "t-eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee", NULL);
	the_turn = NULL;
	add(w, 1, "t-ffffffffffffffffffffffffffffffff", NULL);
	n_rivals = 0;
	jobs_each_rival(&w->jobs, other, end_rival);
	assert_int_equal(n_rivals, 0);
	jobs_each_rival(&w->jobs, newest, end_rival);
	assert_int_equal(n_rivals, 2);
	jobs_each_rival(&w->jobs, newest, end_rival);
	assert_int_equal(n_rivals, 2);
	assert_int_equal(w->jobs.n_active, 4);
}

/* More than there are buckets. */
static void each_of_many_names_is_found(void **state)
{
	struct world *w = *state;
	static struct job *jobs[3 * JOBS_INDEX_BUCKETS];
	char text[ID_TASK_SIZE];
	for (size_t i = 0; i < ARRAY_SIZE(jobs); i++) {
		char id[ID_TASK_SIZE];
		snprintf(id, sizeof(id), "t-%032zx", i);
		snprintf(text, sizeof(text), "n%zu", i);
		jobs[i] = add(w, (uid_t)(i % 3), id, text);
	}
	for (size_t i = 0; i < ARRAY_SIZE(jobs); i++) {
		snprintf(text, sizeof(text), "n%zu", i);
		for (uid_t uid = 0; uid < 3; uid++)
			assert_ptr_equal(jobs_find_active_name(&w->jobs, uid, text),
				uid == i % 3 ? jobs[i] : NULL);
	}
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

static struct job *recover(struct world *w, uid_t uid, const char *id, uint64_t at_ns)
{
	struct task_result *result = result_create();
	struct task_spec *spec = calloc(1, sizeof(*spec));
	memcpy(result->task, id, ID_TASK_SIZE);
	spec->name = strdup("old");
	struct task *t = task_restore(&w->host, uid, spec, result);
	assert_non_null(t);
	return jobs_add_recovered(&w->jobs, t, true, at_ns);
}

static void tasks_of_an_earlier_daemon_are_found_and_grow_old_but_take_no_place(void **state)
{
	struct world *w = *state;
	enum err_code code;
	struct job *j = recover(w, 1, ID_A, 5);
	assert_ptr_equal(find(w, 1, ID_A, &code), j);
	assert_ptr_equal(find(w, 1, "old", &code), j);
	assert_null(find(w, 2, ID_A, &code));
	assert_int_equal(code, ERR_NOT_FOUND);
	w->jobs.keep_count = 0;
	finish(w, add(w, 1, ID_B, NULL), 6);
	jobs_expire(&w->jobs, 7);
	assert_null(find(w, 1, ID_B, &code));
	assert_ptr_equal(find(w, 1, ID_A, &code), j);
	jobs_expire(&w->jobs, 5 + JOBS_KEEP_NS);
	assert_null(find(w, 1, ID_A, &code));
	assert_int_equal(w->jobs.kept.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_WORLD(a_task_is_found_by_id_prefix_and_name),
		IN_WORLD(the_tasks_of_another_uid_do_not_exist),
		IN_WORLD(a_name_is_that_of_the_running_task_or_else_of_the_newest),
		IN_WORLD(finished_tasks_go_by_age_and_number_but_not_while_somebody_listens),
		IN_WORLD(what_one_uid_does_costs_another_no_result),
		IN_WORLD(what_is_listened_to_counts_beyond_the_bounds_and_pushes_nobody_out),
		IN_WORLD(a_refused_task_leaves_no_trace),
		IN_WORLD(what_tasks_hold_is_counted_by_uid_until_they_are_done),
		IN_WORLD(an_idempotency_key_is_found_as_long_as_its_task_is_known),
		IN_WORLD(a_jail_is_found_from_its_start_to_its_task_s_end),
		IN_WORLD(those_with_the_concurrency_key_of_one_are_its_rivals_until_they_are_done),
		IN_WORLD(each_of_many_names_is_found),
		IN_WORLD(tasks_of_an_earlier_daemon_are_found_and_grow_old_but_take_no_place),
	};
	return RUN_TESTS(tests);
}
