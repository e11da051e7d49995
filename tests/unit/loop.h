/* Tests that need the loop: run it until something is true, and at the end prove that no handle is
 * left on it. */
#ifndef TESTS_UNIT_LOOP_H
#define TESTS_UNIT_LOOP_H

#include "harness.h"

#include "base/clock.h"

#include <unistd.h>
#include <uv.h>

#define LOOP_PATIENCE_NS (10 * NS_PER_S)

/* Runs the loop until the condition holds; fails the test if it does not within ten seconds. */
#define loop_run_until(loop, condition)                                                            \
	do {                                                                                       \
		uint64_t end_ = clock_mono_ns() + LOOP_PATIENCE_NS;                                \
		while (!(condition)) {                                                             \
			assert_true(clock_mono_ns() < end_);                                       \
			if (!uv_run(loop, UV_RUN_NOWAIT))                                          \
				usleep(200);                                                       \
		}                                                                                  \
	} while (0)

static inline void loop_run_ms(uv_loop_t *loop, unsigned ms)
{
	uint64_t end = clock_mono_ns() + ms * NS_PER_MS;
	do {
		uv_run(loop, UV_RUN_NOWAIT);
		usleep(200);
	} while (clock_mono_ns() < end);
}

/* A leaked handle keeps the loop from closing. */
static inline void loop_assert_empty(uv_loop_t *loop)
{
	uv_run(loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(loop), 0);
}

#endif
