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

static void add_of(struct stage *s, uid_t uid, bool is_admins, const char *id)
{
	outbox_add(&s->outbox, uid, is_admins, id, "http://127.0.0.1:1/hush", strdup("{}"), 2);
}

static void add(struct stage *s, uid_t uid, const char *id)
{
	add_of(s, uid, false, id);
}

/* A server that says nothing, in the place of the second host. */
struct silent {
	int fd;
	char url[64], rule[32];
	char *hosts[3];
};

static void silent_start(struct silent *t, struct stage *s)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sa);
	t->fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(t->fd, (struct sockaddr *)&sa, len), 0);
	assert_int_equal(listen(t->fd, 64), 0);
	assert_int_equal(getsockname(t->fd, (struct sockaddr *)&sa, &len), 0);
	snprintf(t->url, sizeof(t->url), "http://127.0.0.1:%u/", ntohs(sa.sin_port));
	snprintf(t->rule, sizeof(t->rule), "127.0.0.1:%u", ntohs(sa.sin_port));
	t->hosts[0] = t->rule;
	t->hosts[1] = hosts[0];
	t->hosts[2] = NULL;
	s->options.policy.hook_private_hosts = t->hosts;
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
	struct silent t;
	char id[32];
	start(&s, false);
	silent_start(&t, &s);
	for (int i = 0; i < 50; i++) {
		snprintf(id, sizeof(id), "evt_%d", i);
		outbox_add(&s.outbox, (uid_t)(1000 + i), false, id, t.url, strdup("{}"), 2);
	}
	loop_run_until(&s.loop, s.outbox.n_calls == OUTBOX_CALLS_HOST_KIND);
	loop_run_ms(&s.loop, 50);
	assert_int_equal(s.outbox.n_calls, OUTBOX_CALLS_HOST_KIND);
	add(&s, 1000, "evt_x");
	loop_run_until(&s.loop, s.metrics.counters[METRIC_HOOK_ATTEMPTS_FAILED] == 1);
	assert_int_equal(s.outbox.n_calls, OUTBOX_CALLS_HOST_KIND);
	/* What the administrator is told there has places that no user takes. */
	for (int i = 50; i < 60; i++) {
		snprintf(id, sizeof(id), "evt_%d", i);
		outbox_add(&s.outbox, (uid_t)(1000 + i), true, id, t.url, strdup("{}"), 2);
	}
	loop_run_until(&s.loop, s.outbox.n_calls == OUTBOX_CALLS_HOST);
	loop_run_ms(&s.loop, 50);
	assert_int_equal(s.outbox.n_calls, OUTBOX_CALLS_HOST);
	stop(&s);
	close(t.fd);
}

TEST(M5_one_user_leaves_a_call_of_a_host_to_others)
{
	struct stage s;
	struct silent t;
	char id[32];
	start(&s, false);
	silent_start(&t, &s);
	for (int i = 0; i < 20; i++) {
		snprintf(id, sizeof(id), "evt_%d", i);
		outbox_add(&s.outbox, 1000, false, id, t.url, strdup("{}"), 2);
	}
	loop_run_until(&s.loop, s.outbox.n_calls == OUTBOX_CALLS_HOST_UID);
	loop_run_ms(&s.loop, 50);
	assert_int_equal(s.outbox.n_calls, OUTBOX_CALLS_HOST_UID);
	/* What the administrator is told of the same user's tasks is another's. */
	outbox_add(&s.outbox, 1000, true, "evt_x", t.url, strdup("{}"), 2);
	loop_run_until(&s.loop, s.outbox.n_calls == OUTBOX_CALLS_HOST_UID + 1);
	stop(&s);
	close(t.fd);
}

#define SILENT_HOSTS 6

static size_t calls_of(const struct outbox *o, bool is_admins)
{
	size_t n = 0;
	list_for_each (pos, &o->calls)
		n += list_entry(pos, struct outbox_event, call_link)->owner->is_admins == is_admins;
	return n;
}

/* Many events for each of many hosts that say nothing. */
static void add_to_many(struct stage *s, struct silent *to, bool is_admins, size_t n_users)
{
	static unsigned number;
	char id[32];
	for (size_t i = 0; i < SILENT_HOSTS; i++)
		for (size_t k = 0; k < 20; k++) {
			snprintf(id, sizeof(id), "evt_m%u", number++);
			outbox_add(&s->outbox, (uid_t)(1000 + k % n_users), is_admins, id,
				to[i].url, strdup("{}"), 2);
		}
}

static void share_calls(bool is_admins)
{
	struct stage s;
	struct silent hosts_of[SILENT_HOSTS];
	char *rules[SILENT_HOSTS + 1] = { NULL };
	start(&s, false);
	s.options.hooks.timeout_ms = 60000;
	for (size_t i = 0; i < SILENT_HOSTS; i++) {
		silent_start(&hosts_of[i], &s);
		rules[i] = hosts_of[i].rule;
	}
	s.options.policy.hook_private_hosts = rules;
	/* One user has not all places that there are for users. */
	add_to_many(&s, hosts_of, is_admins, 1);
	loop_run_until(&s.loop, s.outbox.n_calls == OUTBOX_CALLS_UID);
	loop_run_ms(&s.loop, 30);
	assert_int_equal(s.outbox.n_calls, OUTBOX_CALLS_UID);
	/* Nor have all of them the places of the administrator, and the other way around. */
	add_to_many(&s, hosts_of, is_admins, 10);
	loop_run_until(&s.loop, s.outbox.n_calls == OUTBOX_CALLS_KIND);
	loop_run_ms(&s.loop, 30);
	assert_int_equal(s.outbox.n_calls, OUTBOX_CALLS_KIND);
	add_to_many(&s, hosts_of, !is_admins, 10);
	loop_run_until(&s.loop, s.outbox.n_calls == OUTBOX_CALLS);
	assert_int_equal(calls_of(&s.outbox, is_admins), OUTBOX_CALLS_KIND);
	stop(&s);
	for (size_t i = 0; i < SILENT_HOSTS; i++)
		close(hosts_of[i].fd);
}

TEST(M5_users_leave_calls_to_the_administrator)
{
	share_calls(false);
}

TEST(M5_and_the_administrator_to_users)
{
	share_calls(true);
}

TEST(M1_what_fails_goes_to_the_end)
{
	struct stage s;
	struct silent t;
	start(&s, false);
	silent_start(&t, &s);
	add(&s, 1000, "evt_a");
	outbox_add(&s.outbox, 1000, false, "evt_b", t.url, strdup("{}"), 2);
	loop_run_until(&s.loop, s.metrics.counters[METRIC_HOOK_ATTEMPTS_FAILED] == 1);
	assert_string_equal(
		list_entry(s.outbox.events.next, struct outbox_event, link)->id, "evt_b");
	assert_string_equal(
		list_entry(s.outbox.events.prev, struct outbox_event, link)->id, "evt_a");
	stop(&s);
	close(t.fd);
}

TEST(M3_a_user_takes_no_room_of_the_administrators)
{
	struct stage s;
	start(&s, true);
	s.options.hooks.max_count_uid = 1;
	add(&s, 1000, "evt_a");
	add(&s, 1000, "evt_b");
	add_of(&s, 1000, true, "evt_c");
	add_of(&s, 1000, true, "evt_d");
	assert_true(outbox_has(&s.outbox, "evt_a"));
	assert_true(outbox_has(&s.outbox, "evt_c"));
	assert_int_equal(s.outbox.count, 2);
	assert_int_equal(s.metrics.counters[METRIC_HOOKS_FULL], 2);
	/* The next daemon knows whose they are. */
	restart(&s);
	assert_int_equal(s.outbox.count, 2);
	assert_int_equal(s.outbox.users_count, 1);
	add(&s, 1000, "evt_b");
	add_of(&s, 1000, true, "evt_d");
	assert_int_equal(s.outbox.count, 2);
	stop(&s);
}

static void add_many(struct stage *s, uid_t uid, bool is_admins, size_t n)
{
	char id[64];
	for (size_t i = 0; i < n; i++) {
		snprintf(id, sizeof(id), "evt_%u_%d_%zu", (unsigned)uid, is_admins, i);
		add_of(s, uid, is_admins, id);
	}
}

TEST(M3_where_all_is_full_who_has_most_loses_his_newest)
{
	struct stage s;
	start(&s, false);
	s.options.hooks.max_count_uid = OUTBOX_COUNT_MAX;
	s.options.hooks.max_bytes_uid = OUTBOX_BYTES_MAX;
	add_many(&s, 1000, false, OUTBOX_COUNT_USERS - 1);
	add_many(&s, 1001, false, 2);
	assert_int_equal(s.outbox.count, OUTBOX_COUNT_USERS);
	assert_int_equal(s.metrics.counters[METRIC_HOOKS_FULL], 1);
	assert_true(outbox_has(&s.outbox, "evt_1001_0_1"));
	assert_true(outbox_has(&s.outbox, "evt_1000_0_4093"));
	assert_false(outbox_has(&s.outbox, "evt_1000_0_4094"));
	/* His own newest is the new one. */
	add(&s, 1000, "evt_x");
	assert_false(outbox_has(&s.outbox, "evt_x"));
	assert_int_equal(s.outbox.count, OUTBOX_COUNT_USERS);
	/* The other half is the administrator's. */
	add_many(&s, 1000, true, OUTBOX_COUNT_MAX - OUTBOX_COUNT_USERS);
	assert_int_equal(s.outbox.count, OUTBOX_COUNT_MAX);
	assert_int_equal(s.outbox.users_count, OUTBOX_COUNT_USERS);
	assert_int_equal(s.metrics.counters[METRIC_HOOKS_FULL], 2);
	add_of(&s, 1001, true, "evt_y");
	assert_true(outbox_has(&s.outbox, "evt_y"));
	assert_int_equal(s.outbox.count, OUTBOX_COUNT_MAX);
	stop(&s);
}

TEST(M3_many_bytes_are_too_much_as_well)
{
	struct stage s;
	const size_t len = 1 << 20;
	start(&s, false);
	s.options.hooks.max_bytes_uid = OUTBOX_BYTES_MAX;
	for (unsigned i = 0; i < 20; i++) {
		char id[32];
		snprintf(id, sizeof(id), "evt_%u", i);
		outbox_add(&s.outbox, 1000 + i % 4, false, id, "http://127.0.0.1:1/",
			calloc(1, len + 1), len);
	}
	assert_true(s.outbox.users_bytes <= OUTBOX_BYTES_USERS);
	assert_int_equal(s.outbox.count, OUTBOX_BYTES_USERS / len - 1);
	assert_int_equal(s.outbox.bytes, s.outbox.users_bytes);
	stop(&s);
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
		cmocka_unit_test(M5_one_user_leaves_a_call_of_a_host_to_others),
		cmocka_unit_test(M5_users_leave_calls_to_the_administrator),
		cmocka_unit_test(M5_and_the_administrator_to_users),
		cmocka_unit_test(M1_what_fails_goes_to_the_end),
		cmocka_unit_test(M3_a_user_takes_no_room_of_the_administrators),
		cmocka_unit_test(M3_where_all_is_full_who_has_most_loses_his_newest),
		cmocka_unit_test(M3_many_bytes_are_too_much_as_well),
		cmocka_unit_test(M7_what_is_not_allowed_any_more_is_given_up),
		cmocka_unit_test(M3_a_record_that_is_gone_is_told_and_nothing_else_suffers),
		cmocka_unit_test(without_a_directory_it_waits_in_memory),
	};
	return RUN_TESTS(tests);
}
