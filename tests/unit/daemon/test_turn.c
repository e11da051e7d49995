/* How long a turn of the loop works. */
#include "loop.h"

#include "daemon/turn.h"

TEST(what_the_loop_slept_does_not_count)
{
	struct metrics m = { 0 };
	struct turn t = { 0 };
	const struct metric_histogram *h = &m.times[METRIC_TIME_TURN];
	turn_note(&t, 5000000000, 4000000000, &m);
	assert_int_equal(h->count, 0);
	turn_note(&t, 6000000000, 4999000000, &m);
	assert_int_equal(h->count, 1);
	assert_int_equal(h->sum_us, 1000);
	turn_note(&t, 6000005000, 4999000000, &m);
	assert_int_equal(h->count, 2);
	assert_int_equal(h->sum_us, 1005);
	/* The two clocks are not read at the same moment. */
	turn_note(&t, 6000006000, 4999002000, &m);
	assert_int_equal(h->count, 3);
	assert_int_equal(h->sum_us, 1005);
}

struct owner {
	struct turn turn;
	struct metrics metrics;
	uv_poll_t poll;
	uv_timer_t timer;
	int fds[2];
};

static void on_prepare(uv_prepare_t *handle)
{
	struct owner *o = handle->data;
	turn_end(&o->turn, handle->loop, &o->metrics);
}

/* Works for 20 ms within the loop's wait, where libuv calls what descriptors are watched for. */
static void on_readable(uv_poll_t *handle, int status, int events)
{
	struct owner *o = handle->data;
	uint64_t until = uv_hrtime() + 20000000;
	while (uv_hrtime() < until)
		;
	uv_close((uv_handle_t *)&o->poll, NULL);
}

static void on_timer(uv_timer_t *handle)
{
	struct owner *o = handle->data;
	assert_int_equal(write(o->fds[1], "x", 1), 1);
}

TEST(the_callbacks_of_descriptors_count_and_the_wait_for_them_does_not)
{
	struct owner o = { 0 };
	uv_loop_t loop;
	uv_prepare_t prepare;
	assert_int_equal(pipe(o.fds), 0);
	assert_int_equal(uv_loop_init(&loop), 0);
	turn_init(&o.turn, &loop);
	uv_prepare_init(&loop, &prepare);
	prepare.data = o.poll.data = o.timer.data = &o;
	uv_prepare_start(&prepare, on_prepare);
	uv_unref((uv_handle_t *)&prepare);
	uv_poll_init(&loop, &o.poll, o.fds[0]);
	uv_poll_start(&o.poll, UV_READABLE, on_readable);
	uv_timer_init(&loop, &o.timer);
	uint64_t began = uv_hrtime();
	uv_timer_start(&o.timer, on_timer, 300, 0);
	uv_run(&loop, UV_RUN_DEFAULT);
	/* What comes behind the last callback is told at the next wait. */
	turn_end(&o.turn, &loop, &o.metrics);
	uint64_t took_us = (uv_hrtime() - began) / 1000;
	const struct metric_histogram *h = &o.metrics.times[METRIC_TIME_TURN];
	assert_true(h->count >= 2);
	assert_true(h->sum_us >= 20000);
	/* It slept at least most of the 300 ms, however slow the machine. */
	assert_true(h->sum_us <= took_us - 250000);
	uv_close((uv_handle_t *)&prepare, NULL);
	uv_close((uv_handle_t *)&o.timer, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	close(o.fds[0]);
	close(o.fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_loop_slept_does_not_count),
		cmocka_unit_test(the_callbacks_of_descriptors_count_and_the_wait_for_them_does_not),
	};
	return RUN_TESTS(tests);
}
