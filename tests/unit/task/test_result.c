/* The result record as JSON: what is not known is null, what is known is an integer, and no text
 * can break it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "task/result.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

static void cleanup_json(json_t **j)
{
	json_decref(*j);
}
#define auto_json __attribute__((cleanup(cleanup_json)))

static void cleanup_result(struct task_result **r)
{
	result_destroy(*r);
}
#define auto_result __attribute__((cleanup(cleanup_result)))

static struct task_result *make_result(void)
{
	struct task_result *r = result_create();
	assert_non_null(r);
	snprintf(r->task, sizeof(r->task), "t-0123");
	return r;
}

/* Compares a member, given by its path, with JSON text. */
static void expect(json_t *j, const char *path, const char *text)
{
	char copy[128], *save = NULL;
	snprintf(copy, sizeof(copy), "%s", path);
	for (char *key = strtok_r(copy, ".", &save); key; key = strtok_r(NULL, ".", &save)) {
		j = json_object_get(j, key);
		if (!j)
			fail_msg("%s: there is no %s", path, key);
	}
	auto_free char *got = json_dumps(j, JSON_ENCODE_ANY | JSON_COMPACT);
	assert_non_null(got);
	if (strcmp(got, text))
		fail_msg("%s: %s, expected %s", path, got, text);
}

static void what_is_not_known_is_null(void **state)
{
	(void)state;
	auto_result struct task_result *r = make_result();
	r->verdict.outcome = OUTCOME_REJECTED;
	r->verdict.cause = CAUSE_TIMEOUT_QUEUE;
	auto_json json_t *j = result_to_json(r);
	assert_non_null(j);
	auto_free char *text = json_dumps(j, JSON_COMPACT);
	assert_string_equal(text,
		"{\"task\":\"t-0123\",\"name\":null,\"outcome\":\"rejected\",\"cause\":\"timeout_"
		"queue\","
		"\"phase\":\"queue\",\"exit\":null,\"error\":null,"
		"\"time\":{\"queued\":null,\"setup\":null,\"run\":null,\"collect\":null,"
		"\"destroy\":null,"
		"\"created\":null,\"started\":null,\"finished\":null},"
		"\"cpu\":{\"user\":null,\"sys\":null,\"source\":null},"
		"\"memory\":{\"peak\":null,\"swap_peak\":null,\"oom_kills\":null,\"source\":null},"
		"\"pids\":{\"peak\":null},\"io\":{\"read\":null,\"write\":null},"
		"\"disk\":{\"bytes\":null,\"inodes\":null,\"limit\":null,\"hit\":null},"
		"\"output\":{\"stdout\":{\"bytes\":null,\"dropped\":null,\"truncated\":null},"
		"\"stderr\":{\"bytes\":null,\"dropped\":null,\"truncated\":null}},"
		"\"changes\":{\"added\":null,\"modified\":null,\"deleted\":null,\"bytes\":null,"
		"\"left_out\":null,\"list\":null,\"truncated\":null,\"error\":null,"
		"\"archive\":null},\"artifacts\":null,"
		"\"source\":null,\"enforced\":null,\"degraded\":[],\"pool\":\"off\",\"pool_miss\":"
		"null}");
}

static void a_finished_task_tells_everything_that_was_measured(void **state)
{
	(void)state;
	auto_result struct task_result *r = make_result();
	r->name = strdup("build");
	r->verdict = (struct verdict){ .phase = PHASE_RUN, .exit = { .has_code = true } };
	r->created_ns = 1700000000123456789u;
	r->started_ns = r->created_ns + 1000000;
	r->finished_ns = r->created_ns + 2000000;
	r->queued_us = known(0);
	r->run_us = known(8200000);
	r->collect_us = known(12);
	r->destroy_us = known(34);
	r->disk_limit = known(1u << 30);
	r->profile = PLAN_PROFILE_STRICT;
	struct wire_event ev;
	wire_event_init(&ev, WIRE_STARTED, 1);
	ev.started.pool = WIRE_POOL_MISS;
	ev.started.pool_why = WIRE_POOL_WHY_TAKEN;
	ev.started.setup_ns = 1500999;
	ev.started.enforced = 1ull << CONTROL_PID_NS | 1ull << CONTROL_SECCOMP;
	ev.started.n_degraded = 2;
	snprintf(ev.started.degraded[0], WIRE_DEGRADED_SIZE,
		"landlock_scope: ABI 4: needs Linux 6.12");
	snprintf(ev.started.degraded[1], WIRE_DEGRADED_SIZE, "no colon");
	result_set_started(r, &ev);
	wire_event_init(&ev, WIRE_GONE, 1);
	ev.gone.has_disk = ev.gone.has_changes = 1;
	ev.gone.user_us = 7;
	ev.gone.max_rss_bytes = 1u << 20;
	ev.gone.disk_bytes = 4096;
	ev.gone.disk_is_full = 1;
	ev.gone.changes_added = 3;
	result_set_gone(r, &ev);

	auto_json json_t *j = result_to_json(r);
	assert_non_null(j);
	expect(j, "name", "\"build\"");
	expect(j, "outcome", "\"ok\"");
	expect(j, "cause", "\"exit\"");
	expect(j, "exit", "{\"code\":0,\"signal\":null,\"core\":false}");
	expect(j, "time",
		"{\"queued\":0,\"setup\":1500,\"run\":8200000,\"collect\":12,\"destroy\":34,"
		"\"created\":\"2023-11-14T22:13:20.123456Z\",\"started\":\"2023-11-14T22:13:20."
		"124456Z\","
		"\"finished\":\"2023-11-14T22:13:20.125456Z\"}");
	expect(j, "cpu", "{\"user\":7,\"sys\":0,\"source\":\"rusage\"}");
	expect(j, "memory",
		"{\"peak\":1048576,\"swap_peak\":null,\"oom_kills\":null,\"source\":\"rusage\"}");
	expect(j, "disk", "{\"bytes\":4096,\"inodes\":0,\"limit\":1073741824,\"hit\":true}");
	expect(j, "changes.added", "3");
	expect(j, "changes.list", "[]");
	expect(j, "enforced", "{\"pid_namespace\":true,\"seccomp\":\"strict\"}");
	expect(j, "degraded",
		"[{\"control\":\"landlock_scope\",\"why\":\"ABI 4: needs Linux 6.12\"},"
		"{\"control\":null,\"why\":\"no colon\"}]");
	expect(j, "pool", "\"miss\"");
	expect(j, "pool_miss", "\"taken\"");
}

static void a_signal_is_told_without_a_code(void **state)
{
	(void)state;
	auto_result struct task_result *r = make_result();
	r->verdict.exit = (struct task_exit){ .has_signal = true, .signal = 11, .core = true };
	auto_json json_t *j = result_to_json(r);
	expect(j, "exit", "{\"code\":null,\"signal\":11,\"core\":true}");
}

static void counters_that_were_not_taken_stay_null(void **state)
{
	(void)state;
	auto_result struct task_result *r = make_result();
	struct wire_event ev;
	wire_event_init(&ev, WIRE_GONE, 1);
	result_set_gone(r, &ev);
	auto_json json_t *j = result_to_json(r);
	expect(j, "cpu", "{\"user\":null,\"sys\":null,\"source\":null}");
	expect(j, "memory.peak", "null");
	expect(j, "disk.bytes", "null");
	expect(j, "changes.added", "null");
}

static void a_cgroup_counts_better_than_rusage(void **state)
{
	(void)state;
	auto_result struct task_result *r = make_result();
	struct wire_event ev;
	wire_event_init(&ev, WIRE_GONE, 1);
	ev.gone.max_rss_bytes = 1000;
	ev.gone.user_us = 1;
	ev.gone.usage = (struct wire_usage){
		.known = WIRE_KNOWN_MEMORY_PEAK | WIRE_KNOWN_OOM_KILLS | WIRE_KNOWN_CPU |
			 WIRE_KNOWN_PIDS_PEAK,
		.memory_peak = 5000,
		.swap_peak = 99, /* not known */
		.oom_kills = 2,
		.user_us = 10,
		.sys_us = 20,
		.pids_peak = 3,
	};
	result_set_gone(r, &ev);
	auto_json json_t *j = result_to_json(r);
	expect(j, "cpu", "{\"user\":10,\"sys\":20,\"source\":\"cgroup\"}");
	expect(j, "memory",
		"{\"peak\":5000,\"swap_peak\":null,\"oom_kills\":2,\"source\":\"cgroup\"}");
	expect(j, "pids", "{\"peak\":3}");
	expect(j, "io", "{\"read\":null,\"write\":null}");
}

static void output_counts_come_from_the_log(void **state)
{
	(void)state;
	auto_result struct task_result *r = make_result();
	struct output_log *log = NULL;
	assert_int_equal(output_log_create(NULL, NULL, 0, 4, &log), 0);
	output_log_append(log, OUTPUT_STDOUT, "123456", 6, NULL);
	output_log_append(log, OUTPUT_STDERR, "1", 1, NULL);
	result_set_output(r, log);
	output_log_destroy(log);
	auto_json json_t *j = result_to_json(r);
	expect(j, "output.stdout", "{\"bytes\":6,\"dropped\":2,\"truncated\":true}");
	expect(j, "output.stderr", "{\"bytes\":1,\"dropped\":0,\"truncated\":false}");
}

static void an_error_shows_only_the_members_that_are_set(void **state)
{
	(void)state;
	auto_result struct task_result *r = make_result();
	struct err e;
	err_set(&e, ERR_SETUP, EPERM, "mount proc");
	snprintf(e.step, sizeof(e.step), "proc");
	result_set_error(r, &e);
	auto_json json_t *j = result_to_json(r);
	expect(j, "error",
		"{\"code\":\"setup_failed\",\"message\":\"mount proc: Operation not permitted\","
		"\"errno\":1,\"step\":\"proc\"}");
	err_set_field(&e, ERR_UNENFORCEABLE, "task.limits.memory", "no cgroup");
	err_hint(&e, "list it under best_effort");
	auto_json json_t *k = result_error_to_json(&e);
	expect(k, "code", "\"limit_unenforceable\"");
	expect(k, "field", "\"task.limits.memory\"");
	expect(k, "hint", "\"list it under best_effort\"");
	assert_null(json_object_get(k, "errno"));
	assert_null(json_object_get(k, "step"));
	err_set(&e, ERR_BUSY, 0, "it waited 1s for its turn");
	e.depth = 3;
	e.retry_ms = 200;
	auto_json json_t *busy = result_error_to_json(&e);
	expect(busy, "depth", "3");
	expect(busy, "retry_after_ms", "200");
	assert_null(json_object_get(busy, "field"));
}

/* J19: a path of any bytes, and a message cut inside a character. */
static void bytes_that_are_no_text_are_escaped(void **state)
{
	(void)state;
	auto_result struct task_result *r = make_result();
	struct err e;
	err_set(&e, ERR_EXEC, 0, "open /a\xff\x1b[0m\nb");
	result_set_error(r, &e);
	r->has_enforced = true;
	r->n_degraded = 1;
	snprintf(r->degraded[0], WIRE_DEGRADED_SIZE, "x\xc3: y\xc3");
	auto_json json_t *j = result_to_json(r);
	assert_non_null(j);
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(j, "error"), "message")),
		"open /a\\xff\x1b[0m\nb");
	expect(j, "degraded", "[{\"control\":\"x\\\\xc3\",\"why\":\"y\\\\xc3\"}]");
	expect(j, "enforced", "{}");
}

static void numbers_beyond_json_integers_stop_at_the_largest(void **state)
{
	(void)state;
	auto_result struct task_result *r = make_result();
	r->memory_peak = known(UINT64_MAX);
	struct wire_event ev;
	wire_event_init(&ev, WIRE_STARTED, 1);
	ev.started.n_degraded = UINT32_MAX;
	result_set_started(r, &ev);
	assert_int_equal(r->n_degraded, WIRE_DEGRADED_MAX);
	auto_json json_t *j = result_to_json(r);
	expect(j, "memory.peak", "9223372036854775807");
}

/* Every allocation of a conversion fails once: the answer is NULL, and nothing leaks or crashes. */
static long allocations_left;

static void *failing_malloc(size_t size)
{
	return allocations_left-- > 0 ? malloc(size) : NULL;
}

static void without_memory_there_is_no_object_and_no_leak(void **state)
{
	(void)state;
	auto_result struct task_result *r = make_result();
	r->has_error = r->has_enforced = true;
	r->enforced = (1ull << CONTROL_COUNT) - 1;
	r->n_degraded = 1;
	snprintf(r->degraded[0], WIRE_DEGRADED_SIZE, "a: b");
	r->memory_peak = known(1);
	json_set_alloc_funcs(failing_malloc, free);
	bool done = false;
	for (long n = 0; !done && n < 10000; n++) {
		allocations_left = n;
		json_t *j = result_to_json(r);
		done = j != NULL;
		json_decref(j);
	}
	json_set_alloc_funcs(malloc, free);
	assert_true(done);
	result_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_known_is_null),
		cmocka_unit_test(a_finished_task_tells_everything_that_was_measured),
		cmocka_unit_test(a_signal_is_told_without_a_code),
		cmocka_unit_test(counters_that_were_not_taken_stay_null),
		cmocka_unit_test(a_cgroup_counts_better_than_rusage),
		cmocka_unit_test(output_counts_come_from_the_log),
		cmocka_unit_test(an_error_shows_only_the_members_that_are_set),
		cmocka_unit_test(bytes_that_are_no_text_are_escaped),
		cmocka_unit_test(numbers_beyond_json_integers_stop_at_the_largest),
		cmocka_unit_test(without_memory_there_is_no_object_and_no_leak),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
