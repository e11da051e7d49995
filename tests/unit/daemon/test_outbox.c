/* M1, M3: events that wait, without anybody to take them: the port is closed. */
#include "loop.h"

#include "daemon/outbox.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static const char secret[] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

struct stage {
	uv_loop_t loop;
	struct options options;
	struct signature_keys keys;
	struct metrics metrics;
	struct outbox outbox;
	char dir[64];
};

static char *hosts[] = { "127.0.0.1:1", NULL };

static void start(struct stage *s, bool with_dir)
{
	struct err e;
	memset(s, 0, sizeof(*s));
	uv_loop_init(&s->loop);
	assert_int_equal(signature_parse(secret, strlen(secret), &s->keys, &e), 0);
	s->options.policy.hook_private_hosts = hosts;
	s->options.hooks = (struct hook_options){ .timeout_ms = 1000,
		.deadline_ms = 60000,
		.max_count_uid = 100,
		.max_bytes_uid = 1 << 20 };
	snprintf(s->dir, sizeof(s->dir), "/tmp/dayfly-outbox-XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	assert_int_equal(outbox_init(&s->outbox, &s->loop, &s->options, &s->keys, &s->metrics,
				 with_dir ? s->dir : NULL),
		0);
}

static void restart(struct stage *s)
{
	outbox_finish(&s->outbox);
	assert_int_equal(
		outbox_init(&s->outbox, &s->loop, &s->options, &s->keys, &s->metrics, s->dir), 0);
}

static void stop(struct stage *s)
{
	char command[128];
	outbox_finish(&s->outbox);
	loop_assert_empty(&s->loop);
	snprintf(command, sizeof(command), "rm -rf %s", s->dir);
	FILE *f = popen(command, "r");
	assert_true(f && pclose(f) == 0);
}

static void add(struct stage *s, uid_t uid, const char *id)
{
	outbox_add(&s->outbox, uid, id, "http://127.0.0.1:1/hush", strdup("{}"), 2);
}

TEST(M1_what_fails_waits_for_its_next_time)
{
	struct stage s;
	start(&s, true);
	add(&s, 1000, "evt_a");
	loop_run_until(&s.loop, s.metrics.counters[METRIC_HOOK_ATTEMPTS_FAILED] == 1);
	assert_int_equal(s.outbox.count, 1);
	assert_int_equal(s.outbox.n_calls, 0);
	const struct outbox_event *ev = list_entry(s.outbox.events.next, struct outbox_event, link);
	assert_int_equal(ev->attempts, 1);
	assert_true(ev->next_ns > clock_boot_ns());
	assert_true(ev->is_stored);
	assert_null(ev->body);
	loop_run_until(&s.loop, s.metrics.counters[METRIC_HOOK_ATTEMPTS_FAILED] == 2);
	stop(&s);
}

TEST(M1_its_time_goes_on_over_a_restart)
{
	struct stage s;
	start(&s, true);
	add(&s, 1000, "evt_a");
	restart(&s);
	assert_int_equal(s.outbox.count, 1);
	assert_true(outbox_has(&s.outbox, "evt_a"));
	assert_false(outbox_has(&s.outbox, "evt_b"));
	s.options.hooks.deadline_ms = 0;
	loop_run_until(&s.loop, !s.outbox.count);
	assert_int_equal(s.metrics.counters[METRIC_HOOKS_LATE], 1);
	restart(&s);
	assert_int_equal(s.outbox.count, 0);
	stop(&s);
}

TEST(M3_events_of_each_user_are_bounded_and_counted)
{
	struct stage s;
	char id[32];
	start(&s, true);
	s.options.hooks.max_count_uid = 3;
	for (int i = 0; i < 5; i++) {
		snprintf(id, sizeof(id), "evt_%d", i);
		add(&s, 1000, id);
	}
	assert_int_equal(s.outbox.count, 3);
	assert_int_equal(s.metrics.counters[METRIC_HOOKS_FULL], 2);
	/* Another has room. */
	add(&s, 1001, "evt_x");
	assert_int_equal(s.outbox.count, 4);
	s.options.hooks.max_bytes_uid = s.outbox.bytes / 4 + 1;
	add(&s, 1001, "evt_y");
	assert_int_equal(s.outbox.count, 4);
	assert_int_equal(s.metrics.counters[METRIC_HOOKS_FULL], 3);
	restart(&s);
	assert_int_equal(s.outbox.count, 4);
	stop(&s);
}

TEST(M5_one_host_that_says_nothing_leaves_room_for_others)
{
	struct stage s;
	struct sockaddr_in sa = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sa);
	char id[32], url[64], rule[32];
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
	assert_int_equal(listen(fd, 64), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", ntohs(sa.sin_port));
	snprintf(rule, sizeof(rule), "127.0.0.1:%u", ntohs(sa.sin_port));
	char *both[] = { rule, hosts[0], NULL };
	start(&s, false);
	s.options.policy.hook_private_hosts = both;
	for (int i = 0; i < 50; i++) {
		snprintf(id, sizeof(id), "evt_%d", i);
		outbox_add(&s.outbox, (uid_t)(1000 + i), id, url, strdup("{}"), 2);
	}
	loop_run_until(&s.loop, s.outbox.n_calls == OUTBOX_CALLS_HOST);
	loop_run_ms(&s.loop, 50);
	assert_int_equal(s.outbox.n_calls, OUTBOX_CALLS_HOST);
	add(&s, 1000, "evt_x");
	loop_run_until(&s.loop, s.metrics.counters[METRIC_HOOK_ATTEMPTS_FAILED] == 1);
	assert_int_equal(s.outbox.n_calls, OUTBOX_CALLS_HOST);
	stop(&s);
	close(fd);
}

TEST(M7_what_is_not_allowed_any_more_is_given_up)
{
	struct stage s;
	start(&s, true);
	s.options.policy.hook_private_hosts = NULL;
	add(&s, 1000, "evt_a");
	loop_run_until(&s.loop, !s.outbox.count);
	assert_int_equal(s.metrics.counters[METRIC_HOOKS_REFUSED], 1);
	assert_int_equal(s.metrics.counters[METRIC_HOOK_ATTEMPTS_FAILED], 0);
	stop(&s);
}

TEST(M3_a_record_that_is_gone_is_told_and_nothing_else_suffers)
{
	struct stage s;
	start(&s, true);
	add(&s, 1000, "evt_a");
	assert_int_equal(outbox_store_remove(&s.outbox.store, "evt_a.event"), 0);
	add(&s, 1000, "evt_b");
	loop_run_until(&s.loop, s.metrics.counters[METRIC_HOOK_ATTEMPTS_FAILED] == 1);
	assert_int_equal(s.metrics.counters[METRIC_HOOKS_LOST], 1);
	assert_false(outbox_has(&s.outbox, "evt_a"));
	assert_true(outbox_has(&s.outbox, "evt_b"));
	stop(&s);
}

TEST(without_a_directory_it_waits_in_memory)
{
	struct stage s;
	start(&s, false);
	add(&s, 1000, "evt_a");
	assert_int_equal(s.outbox.n_unstored, 1);
	outbox_tick(&s.outbox);
	assert_int_equal(s.outbox.fault, 0);
	loop_run_until(&s.loop, s.metrics.counters[METRIC_HOOK_ATTEMPTS_FAILED] == 1);
	stop(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(M1_what_fails_waits_for_its_next_time),
		cmocka_unit_test(M1_its_time_goes_on_over_a_restart),
		cmocka_unit_test(M3_events_of_each_user_are_bounded_and_counted),
		cmocka_unit_test(M5_one_host_that_says_nothing_leaves_room_for_others),
		cmocka_unit_test(M7_what_is_not_allowed_any_more_is_given_up),
		cmocka_unit_test(M3_a_record_that_is_gone_is_told_and_nothing_else_suffers),
		cmocka_unit_test(without_a_directory_it_waits_in_memory),
	};
	return RUN_TESTS(tests);
}
