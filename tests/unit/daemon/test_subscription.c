/* Who is told of what, and what a full buffer does to that. No daemon and no socket: only the
 * buffer of a connection. */
#include "harness.h"

#include "daemon/server.h"
#include "daemon/subscription.h"

#include <stdlib.h>
#include <string.h>

#define ID_A "t-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ID_B "t-bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static struct server server;
static struct connection conn;
static struct job jobs[2];
static struct task tasks[2];
static struct task_spec specs[2];
static struct task_result results[2];
static char *labels[2][2] = { { "kind=a", NULL }, { "kind=b", NULL } };

static int setup(void **state)
{
	memset(&server, 0, sizeof(server));
	memset(&conn, 0, sizeof(conn));
	list_init(&server.kicked);
	list_init(&server.subscriptions);
	jobs_init(&server.jobs);
	conn.server = &server;
	conn.uid = 1000;
	list_init(&conn.kick_link);
	list_init(&conn.subscriptions);
	buf_init(&conn.out, CONNECTION_OUT_MAX);
	for (int i = 0; i < 2; i++) {
		memset(&jobs[i], 0, sizeof(jobs[i]));
		memset(&tasks[i], 0, sizeof(tasks[i]));
		memset(&results[i], 0, sizeof(results[i]));
		specs[i] = (struct task_spec){ .labels = labels[i] };
		tasks[i] = (struct task){ .uid = 1000, .spec = &specs[i], .result = &results[i] };
		tasks[i].state = TASK_STATE_RUNNING;
		memcpy(tasks[i].id, i ? ID_B : ID_A, ID_TASK_SIZE);
		jobs[i].task = &tasks[i];
		jobs[i].number = ++server.jobs.n_total;
		list_append(&server.jobs.active, &jobs[i].link);
	}
	return 0;
}

static int teardown(void **state)
{
	subscription_finish_all(&conn);
	assert_int_equal(conn.n_open, 0);
	assert_true(list_empty(&server.subscriptions));
	buf_finish(&conn.out);
	return 0;
}

static void subscribe(struct request rq, const struct job *only)
{
	struct err e;
	char tag[] = "e";
	rq.op = OP_EVENTS;
	rq.id = rq.id ? rq.id : tag;
	assert_int_equal(subscription_create(&conn, &rq, only, &e), 0);
}

/* How often a text stands in what waits to be sent. */
static size_t count(const char *text)
{
	size_t n = 0, len = strlen(text);
	assert_int_equal(buf_add(&conn.out, "", 1), 0);
	for (const char *p = buf_data(&conn.out); (p = strstr(p, text)); p += len)
		n++;
	conn.out.end--;
	return n;
}

static void fill_up(void)
{
	while (buf_len(&conn.out) < SUBSCRIPTION_OUT_MAX)
		assert_int_equal(buf_add_str(&conn.out, "################"), 0);
}

TEST(each_change_is_told_to_those_who_want_it)
{
	char a[] = "a", b[] = "b", c[] = "c", pair[] = "kind=a", key[] = "kind";
	subscribe((struct request){ .id = a, .label = pair }, NULL);
	subscribe((struct request){ .id = b, .label = key }, NULL);
	subscribe((struct request){ .id = c }, &jobs[1]);
	assert_int_equal(count("\"event\":\"subscribed\",\"tasks\":0"), 3);
	subscription_on_state(&server, &jobs[0]);
	subscription_on_state(&server, &jobs[1]);
	assert_int_equal(count("{\"id\":\"a\",\"event\":\"task\",\"task\":\"" ID_A "\""), 1);
	assert_int_equal(count("{\"id\":\"b\",\"event\":\"task\""), 2);
	assert_int_equal(count("{\"id\":\"c\",\"event\":\"task\",\"task\":\"" ID_B "\""), 1);
	assert_int_equal(count("\"event\":\"task\""), 4);
	assert_int_equal(count("\"state\":\"running\",\"name\":null,\"uid\":1000,\"labels\":{"
			       "\"kind\":\"b\"},\"at\":null,\"boot_us\":0}\n"),
		2);
}

TEST(k2_tasks_of_others_are_only_for_who_may_see_all)
{
	char all[] = "all";
	subscribe((struct request){ 0 }, NULL);
	subscribe((struct request){ .id = all, .all = true }, NULL);
	tasks[0].uid = 1001;
	subscription_on_state(&server, &jobs[0]);
	assert_int_equal(count("\"event\":\"task\""), 1);
	assert_int_equal(count("{\"id\":\"all\",\"event\":\"task\""), 1);
}

TEST(k6_what_has_no_room_is_counted_and_told)
{
	subscribe((struct request){ 0 }, NULL);
	fill_up();
	size_t before = buf_len(&conn.out);
	for (int i = 0; i < 1000; i++)
		subscription_on_state(&server, &jobs[0]);
	assert_int_equal(buf_len(&conn.out), before);
	/* Nothing as long as it is as full as output may make it. */
	buf_consume(&conn.out, before - CONNECTION_OUT_LOW);
	assert_false(subscription_fill(&conn));
	buf_consume(&conn.out, 1);
	assert_true(subscription_fill(&conn));
	assert_int_equal(count("{\"id\":\"e\",\"event\":\"missed\",\"missed\":1000}\n"), 1);
	assert_false(subscription_fill(&conn));
	/* An event that finds room before that tells of the gap first. */
	fill_up();
	subscription_on_state(&server, &jobs[0]);
	buf_clear(&conn.out);
	subscription_on_state(&server, &jobs[1]);
	assert_memory_equal(
		buf_data(&conn.out), "{\"id\":\"e\",\"event\":\"missed\",\"missed\":1}\n", 39);
	assert_int_equal(count(ID_B), 1);
	assert_int_equal(count(ID_A), 0);
}

TEST(a_snapshot_goes_on_where_there_is_room)
{
	fill_up();
	subscribe((struct request){ .snapshot = true }, NULL);
	/* The snapshot will show what is meanwhile; an end is told at once, if there is room. */
	subscription_on_state(&server, &jobs[1]);
	assert_int_equal(count("\"event\":\"task\""), 0);
	buf_clear(&conn.out);
	tasks[0].state = TASK_STATE_DONE;
	list_remove(&jobs[0].link);
	subscription_on_state(&server, &jobs[0]);
	assert_int_equal(count(ID_A), 1);
	assert_int_equal(count("\"outcome\""), 1);
	assert_true(subscription_fill(&conn));
	assert_int_equal(count("\"snapshot\":true"), 1);
	assert_int_equal(count("\"event\":\"subscribed\",\"tasks\":1"), 1);
	/* Shown: from now on its changes are told. */
	subscription_on_state(&server, &jobs[1]);
	assert_int_equal(count(ID_B), 2);
}

TEST(that_of_one_task_ends_with_it)
{
	subscribe((struct request){ 0 }, &jobs[0]);
	tasks[0].state = TASK_STATE_DONE;
	subscription_on_state(&server, &jobs[0]);
	assert_true(subscription_fill(&conn));
	assert_int_equal(
		count("\"event\":\"result\",\"task\":\"" ID_A "\",\"result\":{\"missed\":0}}\n"),
		1);
	assert_true(list_empty(&conn.subscriptions));
}

TEST(their_number_is_bounded_and_each_has_its_own_tag)
{
	struct err e;
	char tag[2] = "a", other[] = "z";
	for (; tag[0] < 'a' + LIMIT_CONNECTION_SUBSCRIPTIONS; tag[0]++)
		subscribe((struct request){ .id = tag }, NULL);
	const struct request more = { .op = OP_EVENTS, .id = other };
	assert_true(subscription_create(&conn, &more, NULL, &e) < 0);
	assert_int_equal(e.code, ERR_BUSY);
	assert_int_equal(subscription_end(&conn, "a", &e), 0);
	assert_true(subscription_end(&conn, "a", &e) < 0);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	tag[0] = 'b';
	const struct request same = { .op = OP_EVENTS, .id = tag };
	assert_true(subscription_create(&conn, &same, NULL, &e) < 0);
	assert_int_equal(e.code, ERR_DUPLICATE);
}

TEST(a_user_with_many_connections_is_bounded_too)
{
	static struct connection others[LIMIT_SUBSCRIPTIONS_UID + 1];
	struct err e;
	char tag[] = "e";
	const struct request rq = { .op = OP_EVENTS, .id = tag };
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		others[i] = (struct connection){ .server = &server, .uid = 1000 };
		list_init(&others[i].kick_link);
		list_init(&others[i].subscriptions);
		buf_init(&others[i].out, CONNECTION_OUT_MAX);
		int r = subscription_create(&others[i], &rq, NULL, &e);
		assert_int_equal(r < 0, i == LIMIT_SUBSCRIPTIONS_UID);
	}
	assert_int_equal(e.code, ERR_BUSY);
	/* Another user is not kept from it. */
	conn.uid = 1001;
	subscribe((struct request){ 0 }, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		subscription_finish_all(&others[i]);
		buf_finish(&others[i].out);
	}
}

TEST(the_end_of_the_daemon_is_an_error)
{
	subscribe((struct request){ 0 }, NULL);
	subscription_end_all(&server);
	assert_int_equal(count("\"code\":\"shutting_down\""), 1);
	assert_true(list_empty(&conn.subscriptions));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(each_change_is_told_to_those_who_want_it),
		CASE(k2_tasks_of_others_are_only_for_who_may_see_all),
		CASE(k6_what_has_no_room_is_counted_and_told),
		CASE(a_snapshot_goes_on_where_there_is_room),
		CASE(that_of_one_task_ends_with_it),
		CASE(their_number_is_bounded_and_each_has_its_own_tag),
		CASE(a_user_with_many_connections_is_bounded_too),
		CASE(the_end_of_the_daemon_is_an_error),
	};
	return RUN_TESTS(tests);
}
