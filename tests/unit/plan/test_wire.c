#include "harness.h"

#include "plan/plan.h"
#include "plan/wire.h"

#include <errno.h>
#include <string.h>

TEST(a_new_request_passes_and_is_otherwise_zero)
{
	struct wire_request rq;
	memset(&rq, 0x55, sizeof(rq));
	wire_request_init(&rq, WIRE_SIGNAL, 7);
	assert_int_equal(wire_request_check(&rq, sizeof(rq)), 0);
	assert_int_equal(rq.jail, 7);
	assert_int_equal(rq.value, 0);
	assert_int_equal(rq.max_age_s, 0);
}

TEST(requests_of_other_length_version_or_type_are_refused)
{
	struct wire_request rq;
	wire_request_init(&rq, WIRE_START, 1);
	assert_int_equal(wire_request_check(&rq, sizeof(rq) - 1), -EPROTO);
	assert_int_equal(wire_request_check(&rq, 0), -EPROTO);
	rq.version++;
	assert_int_equal(wire_request_check(&rq, sizeof(rq)), -EPROTO);
	static const uint32_t types[] = { 0, WIRE_ASK + 1, WIRE_HELLO, WIRE_GONE, UINT32_MAX };
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		wire_request_init(&rq, (enum wire_type)types[i], 1);
		assert_int_equal(wire_request_check(&rq, sizeof(rq)), -EPROTO);
	}
}

TEST(every_event_type_passes_when_fresh)
{
	static const enum wire_type types[] = { WIRE_HELLO, WIRE_STARTED, WIRE_TTY, WIRE_EXITED,
		WIRE_FAILED, WIRE_GONE, WIRE_NOW };
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		struct wire_event ev;
		memset(&ev, 0x55, sizeof(ev));
		wire_event_init(&ev, types[i], 3);
		assert_int_equal(wire_event_check(&ev, sizeof(ev)), 0);
		assert_int_equal(ev.jail, 3);
		assert_int_equal(wire_event_check(&ev, sizeof(ev) - 1), -EPROTO);
		ev.version = 0;
		assert_int_equal(wire_event_check(&ev, sizeof(ev)), -EPROTO);
	}
}

TEST(events_of_other_types_are_refused)
{
	static const uint32_t types[] = { 0, WIRE_START, WIRE_KILL, WIRE_GONE + 1, UINT32_MAX };
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		struct wire_event ev;
		wire_event_init(&ev, (enum wire_type)types[i], 1);
		assert_int_equal(wire_event_check(&ev, sizeof(ev)), -EPROTO);
	}
}

TEST(texts_in_events_always_end)
{
	struct wire_event ev;
	wire_event_init(&ev, WIRE_HELLO, 0);
	memset(ev.hello.info, 'x', sizeof(ev.hello.info));
	assert_int_equal(wire_event_check(&ev, sizeof(ev)), 0);
	assert_int_equal(strlen(ev.hello.info), WIRE_INFO_SIZE - 1);

	wire_event_init(&ev, WIRE_STARTED, 0);
	memset(ev.started.degraded, 'x', sizeof(ev.started.degraded));
	assert_int_equal(wire_event_check(&ev, sizeof(ev)), 0);
	for (size_t i = 0; i < WIRE_DEGRADED_MAX; i++)
		assert_int_equal(strlen(ev.started.degraded[i]), WIRE_DEGRADED_SIZE - 1);

	wire_event_init(&ev, WIRE_POOLED, 0);
	memset(ev.pooled.path, 'x', sizeof(ev.pooled.path));
	assert_int_equal(wire_event_check(&ev, sizeof(ev)), 0);
	assert_int_equal(strlen(ev.pooled.path), WIRE_WHY_SIZE - 1);

	wire_event_init(&ev, WIRE_FAILED, 0);
	memset(&ev.failed.err, 'x', sizeof(ev.failed.err));
	ev.failed.err.code = ERR_SETUP;
	assert_int_equal(wire_event_check(&ev, sizeof(ev)), 0);
	assert_int_equal(strlen(ev.failed.err.field), sizeof(ev.failed.err.field) - 1);
	assert_int_equal(strlen(ev.failed.err.step), sizeof(ev.failed.err.step) - 1);
	assert_int_equal(strlen(ev.failed.err.msg), sizeof(ev.failed.err.msg) - 1);
	assert_int_equal(strlen(ev.failed.err.hint), sizeof(ev.failed.err.hint) - 1);
}

TEST(numbers_out_of_range_are_refused)
{
	struct wire_event ev;
	wire_event_init(&ev, WIRE_HELLO, 0);
	ev.hello.mode = WARDEN_MODE_SINGLE + 1;
	assert_int_equal(wire_event_check(&ev, sizeof(ev)), -EPROTO);
	wire_event_init(&ev, WIRE_STARTED, 0);
	ev.started.n_degraded = WIRE_DEGRADED_MAX + 1;
	assert_int_equal(wire_event_check(&ev, sizeof(ev)), -EPROTO);
	wire_event_init(&ev, WIRE_STARTED, 0);
	ev.started.pool_why = WIRE_POOL_WHY_COUNT;
	assert_int_equal(wire_event_check(&ev, sizeof(ev)), -EPROTO);
	wire_event_init(&ev, WIRE_POOLED, 0);
	ev.pooled.number = WIRE_POOL_KINDS_MAX;
	assert_int_equal(wire_event_check(&ev, sizeof(ev)), -EPROTO);
	wire_event_init(&ev, WIRE_POOLED, 0);
	ev.pooled.network = PLAN_NETWORK_COUNT;
	assert_int_equal(wire_event_check(&ev, sizeof(ev)), -EPROTO);
	wire_event_init(&ev, WIRE_FAILED, 0);
	ev.failed.err.code = ERR_CODE_COUNT;
	assert_int_equal(wire_event_check(&ev, sizeof(ev)), -EPROTO);
}

TEST(modes_have_names)
{
	assert_string_equal(warden_mode_name(WARDEN_MODE_ROOT), "root");
	assert_string_equal(warden_mode_name(WARDEN_MODE_SUBUID), "rootless-subuid");
	assert_string_equal(warden_mode_name(WARDEN_MODE_SINGLE), "rootless");
	assert_string_equal(warden_mode_name((enum warden_mode)9), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_request_passes_and_is_otherwise_zero),
		cmocka_unit_test(requests_of_other_length_version_or_type_are_refused),
		cmocka_unit_test(every_event_type_passes_when_fresh),
		cmocka_unit_test(events_of_other_types_are_refused),
		cmocka_unit_test(texts_in_events_always_end),
		cmocka_unit_test(numbers_out_of_range_are_refused),
		cmocka_unit_test(modes_have_names),
	};
	return RUN_TESTS(tests);
}
