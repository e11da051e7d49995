/* Descriptors and timers on the loop. */
#include "loop.h"

#include "base/fd.h"
#include "task/watch.h"

#include <sys/resource.h>
#include <sys/socket.h>

struct seen {
	int n, events;
	struct watch *watch;
	struct alarm *alarm;
};

static void on_event(void *owner, int events)
{
	struct seen *s = owner;
	s->n++;
	s->events = events;
	watch_set(s->watch, 0);
}

static void on_event_destroy(void *owner, int events)
{
	struct seen *s = owner;
	s->n++;
	watch_destroy(&s->watch);
}

static void on_alarm(void *owner)
{
	((struct seen *)owner)->n++;
}

TEST(a_watch_tells_what_it_is_asked_for)
{
	uv_loop_t loop;
	struct seen s = { 0 };
	int p[2];
	uv_loop_init(&loop);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p), 0);
	assert_int_equal(watch_create(&loop, p[0], on_event, &s, &s.watch), 0);
	assert_int_equal(write(p[1], "x", 1), 1);
	loop_run_ms(&loop, 5);
	assert_int_equal(s.n, 0); /* not asked yet */
	watch_set(s.watch, WATCH_READ);
	loop_run_until(&loop, s.n == 1);
	assert_int_equal(s.events, WATCH_READ);
	watch_set(s.watch, WATCH_WRITE);
	loop_run_until(&loop, s.n == 2);
	assert_int_equal(s.events, WATCH_WRITE);
	watch_destroy(&s.watch);
	assert_null(s.watch);
	fd_close_many(p, 2);
	loop_assert_empty(&loop);
}

TEST(a_hang_up_is_told_to_a_watch_that_waits_for_nothing_else_and_a_half_close_is_not)
{
	uv_loop_t loop;
	struct seen s = { 0 };
	int p[2];
	uv_loop_init(&loop);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p), 0);
	assert_int_equal(watch_create(&loop, p[0], on_event, &s, &s.watch), 0);
	watch_set(s.watch, WATCH_HANGUP);
	assert_int_equal(shutdown(p[1], SHUT_WR), 0);
	loop_run_ms(&loop, 10);
	assert_int_equal(s.n, 0);
	fd_close(&p[1]);
	loop_run_until(&loop, s.n == 1);
	assert_int_equal(s.events, WATCH_HANGUP);
	watch_destroy(&s.watch);
	fd_close(&p[0]);
	loop_assert_empty(&loop);
}

TEST(a_watch_may_be_destroyed_in_its_own_callback)
{
	uv_loop_t loop;
	struct seen s = { 0 };
	int p[2];
	uv_loop_init(&loop);
	assert_int_equal(fd_pipe(p), 0);
	assert_int_equal(watch_create(&loop, p[0], on_event_destroy, &s, &s.watch), 0);
	watch_set(s.watch, WATCH_READ);
	assert_int_equal(write(p[1], "x", 1), 1);
	loop_run_until(&loop, s.n == 1);
	loop_run_ms(&loop, 5);
	assert_int_equal(s.n, 1);
	fd_close_many(p, 2);
	loop_assert_empty(&loop);
}

TEST(an_alarm_rings_once_and_not_after_it_was_stopped_or_destroyed)
{
	uv_loop_t loop;
	struct seen s = { 0 };
	uv_loop_init(&loop);
	assert_int_equal(alarm_create(&loop, on_alarm, &s, &s.alarm), 0);
	alarm_set(s.alarm, 2);
	alarm_set(s.alarm, 1);
	loop_run_until(&loop, s.n == 1);
	loop_run_ms(&loop, 10);
	assert_int_equal(s.n, 1);
	alarm_set(s.alarm, 1);
	alarm_stop(s.alarm);
	loop_run_ms(&loop, 5);
	alarm_set(s.alarm, 1);
	alarm_destroy(&s.alarm);
	loop_run_ms(&loop, 5);
	assert_int_equal(s.n, 1);
	assert_null(s.alarm);
	loop_assert_empty(&loop);
}

TEST(J8_room_for_descriptors_is_there_before_it_is_needed)
{
	uv_loop_t loop;
	struct rlimit limit;
	uv_loop_init(&loop);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(watch_reserve(&loop, 200), 0);
	assert_true(loop.nwatchers >= 200);
	/* More than there can be is not asked for. */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 300, limit.rlim_max }), 0);
	assert_int_equal(watch_reserve(&loop, 1u << 20), 0);
	assert_true(loop.nwatchers >= 300 && loop.nwatchers < 4096);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	loop_assert_empty(&loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_watch_tells_what_it_is_asked_for),
		cmocka_unit_test(
			a_hang_up_is_told_to_a_watch_that_waits_for_nothing_else_and_a_half_close_is_not),
		cmocka_unit_test(a_watch_may_be_destroyed_in_its_own_callback),
		cmocka_unit_test(J8_room_for_descriptors_is_there_before_it_is_needed),
		cmocka_unit_test(an_alarm_rings_once_and_not_after_it_was_stopped_or_destroyed),
	};
	return RUN_TESTS(tests);
}
