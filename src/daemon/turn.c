/* The time that a turn of the loop takes: see turn.h. */
#include "daemon/turn.h"

void turn_init(struct turn *t, uv_loop_t *loop)
{
	*t = (struct turn){ 0 };
	uv_loop_configure(loop, UV_METRICS_IDLE_TIME);
}

void turn_note(struct turn *t, uint64_t now_ns, uint64_t idle_ns, struct metrics *m)
{
	uint64_t whole = now_ns - t->at_ns, slept = idle_ns - t->idle_ns;
	if (t->at_ns)
		metrics_time(m, METRIC_TIME_TURN, whole > slept ? (whole - slept) / 1000 : 0);
	t->at_ns = now_ns;
	t->idle_ns = idle_ns;
}

void turn_end(struct turn *t, uv_loop_t *loop, struct metrics *m)
{
	turn_note(t, uv_hrtime(), uv_metrics_idle_time(loop), m);
}
