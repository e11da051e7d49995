#include "harness.h"

#include "base/clock.h"
#include "base/fd.h"
#include "client/canned.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

static struct dayfly_client *c;
static int peer;
static struct dayfly_error e;

static int begin(void **state)
{
	c = canned_client(&peer);
	return 0;
}

static int end(void **state)
{
	dayfly_client_free(c);
	fd_close(&peer);
	return 0;
}

TEST(next_gives_events_in_order_and_then_waits)
{
	struct dayfly_event *ev = NULL;
	assert_int_equal(dayfly_next(c, 0, &ev, &e), 0);
	canned_say(peer, "{\"id\":\"1\",\"event\":\"state\",\"state\":\"running\"}\n{\"id\":\"1\","
			 "\"event\":\"state\",\"sta");
	assert_int_equal(dayfly_next(c, -1, &ev, &e), 1);
	assert_string_equal(dayfly_event_state(ev), "running");
	dayfly_event_free(ev);
	uint64_t start = clock_mono_ns();
	assert_int_equal(dayfly_next(c, 50, &ev, &e), 0);
	assert_true(clock_mono_ns() - start >= 49 * NS_PER_MS);
	canned_say(peer, "te\":\"done\"}\n");
	assert_int_equal(dayfly_next(c, 0, &ev, &e), 1);
	assert_string_equal(dayfly_event_state(ev), "done");
	dayfly_event_free(ev);
}

TEST(what_the_daemon_said_before_it_closed_still_comes)
{
	struct dayfly_event *ev = NULL;
	canned_say(peer, "{\"id\":null,\"event\":\"error\",\"error\":{\"code\":\"busy\","
			 "\"message\":\"full\"}}\n");
	fd_close(&peer);
	/* Nobody takes this any more, which is not told here. */
	assert_int_equal(dayfly_ping(c, NULL, &e), 0);
	assert_int_equal(dayfly_next(c, -1, &ev, &e), 1);
	assert_int_equal(dayfly_event_type(ev), DAYFLY_EVENT_ERROR);
	dayfly_event_free(ev);
	assert_int_equal(dayfly_next(c, -1, &ev, &e), -ECONNRESET);
	assert_string_equal(e.code, "connect_failed");
	assert_int_equal(e.errnum, ECONNRESET);
	assert_int_equal(dayfly_next(c, -1, &ev, &e), -ECONNRESET);
	assert_int_equal(dayfly_ping(c, NULL, &e), -EPIPE);
}

TEST(a_daemon_that_closes_inside_an_event_is_noticed)
{
	struct dayfly_event *ev = NULL;
	canned_say(
		peer, "{\"event\":\"output\",\"stream\":\"stdout\",\"seq\":1,\"bytes\":100}\nabc");
	fd_close(&peer);
	assert_int_equal(dayfly_next(c, -1, &ev, &e), -ECONNRESET);
	assert_null(ev);
}

TEST(nonsense_ends_the_connection)
{
	struct dayfly_event *ev = NULL;
	canned_say(peer, "HTTP/1.1 400 Bad Request\r\n\r\n{\"event\":\"state\"}\n");
	assert_int_equal(dayfly_next(c, -1, &ev, &e), -EPROTO);
	assert_string_equal(e.code, "protocol_error");
	assert_int_equal(dayfly_next(c, -1, &ev, &e), -ECONNRESET);
}

TEST(await_keeps_the_events_of_others)
{
	struct dayfly_event *ev = NULL;
	uint64_t first, second;
	assert_int_equal(dayfly_ping(c, &first, &e), 0);
	assert_int_equal(dayfly_info(c, &second, &e), 0);
	canned_say(peer, "{\"id\":\"9\",\"event\":\"state\",\"state\":\"queued\"}\n"
			 "{\"id\":\"1\",\"event\":\"result\",\"result\":{\"a\":1}}\n"
			 "{\"id\":\"2\",\"event\":\"state\",\"state\":\"running\"}\n"
			 "{\"id\":\"2\",\"event\":\"result\",\"result\":{\"a\":2}}\n");
	assert_int_equal(dayfly_await(c, second, 1000, &ev, &e), 1);
	assert_string_equal(dayfly_event_result_json(ev), "{\"a\":2}");
	dayfly_event_free(ev);
	assert_int_equal(dayfly_await(c, first, 1000, &ev, &e), 1);
	assert_string_equal(dayfly_event_result_json(ev), "{\"a\":1}");
	dayfly_event_free(ev);
	static const uint64_t requests[] = { 9, 2 };
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(dayfly_next(c, 0, &ev, &e), 1);
		assert_int_equal(dayfly_event_request(ev), requests[i]);
		dayfly_event_free(ev);
	}
	assert_int_equal(dayfly_next(c, 0, &ev, &e), 0);
	assert_int_equal(dayfly_await(c, 77, 10, &ev, &e), 0);
}

TEST(await_turns_an_error_event_into_an_error)
{
	struct dayfly_event *ev = NULL;
	uint64_t request;
	assert_int_equal(dayfly_inspect(c, "x", &request, &e), 0);
	canned_say(peer, "{\"id\":\"1\",\"event\":\"error\",\"error\":{\"code\":\"not_found\","
			 "\"message\":\"no\",\"errno\":2}}\n");
	assert_int_equal(dayfly_await(c, request, -1, &ev, &e), -ENOENT);
	assert_string_equal(e.code, "not_found");
	assert_int_equal(dayfly_inspect(c, "x", &request, &e), 0);
	canned_say(peer, "{\"id\":\"2\",\"event\":\"error\",\"error\":{}}\n");
	assert_int_equal(dayfly_await(c, request, -1, &ev, NULL), -EREMOTEIO);
	assert_null(ev);
}

TEST(a_refused_connection_ends_what_is_awaited)
{
	struct dayfly_event *ev = NULL;
	uint64_t request;
	assert_int_equal(dayfly_ping(c, &request, &e), 0);
	canned_say(peer, "{\"id\":null,\"event\":\"error\",\"error\":{\"code\":\"not_allowed\","
			 "\"message\":\"no\"}}\n");
	assert_int_equal(dayfly_await(c, request, -1, &ev, &e), -EREMOTEIO);
	assert_string_equal(e.code, "not_allowed");
}

TEST(requests_wait_for_a_daemon_that_does_not_read)
{
	static char data[DAYFLY_INPUT_MAX], sink[1 << 20];
	struct dayfly_event *ev;
	int r = 0, n = 0;
	for (; r == 0 && n < 1000; n++)
		r = dayfly_input(c, "x", data, sizeof(data), 0, NULL, &e);
	assert_int_equal(r, -EAGAIN);
	assert_string_equal(e.code, "busy");
	assert_true(dayfly_client_poll_events(c) & POLLOUT);
	/* It wakes up. */
	size_t got = 0;
	for (int i = 0; i < 10000 && (dayfly_client_poll_events(c) & POLLOUT); i++) {
		ssize_t len = recv(peer, sink, sizeof(sink), MSG_DONTWAIT);
		got += len > 0 ? (size_t)len : 0;
		assert_int_equal(dayfly_next(c, 0, &ev, &e), 0);
	}
	ssize_t len;
	while ((len = recv(peer, sink, sizeof(sink), MSG_DONTWAIT)) > 0)
		got += (size_t)len;
	assert_true(got > (size_t)(n - 1) * sizeof(data));
	assert_int_equal(dayfly_client_poll_events(c), POLLIN);
}

#define CONNECTED(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CONNECTED(next_gives_events_in_order_and_then_waits),
		CONNECTED(what_the_daemon_said_before_it_closed_still_comes),
		CONNECTED(a_daemon_that_closes_inside_an_event_is_noticed),
		CONNECTED(nonsense_ends_the_connection),
		CONNECTED(await_keeps_the_events_of_others),
		CONNECTED(await_turns_an_error_event_into_an_error),
		CONNECTED(a_refused_connection_ends_what_is_awaited),
		CONNECTED(requests_wait_for_a_daemon_that_does_not_read),
	};
	return RUN_TESTS(tests);
}
