/*
 * The state table: every pair is decided, the rules that hold for all of them, docs/task-states.md,
 * and random lives of tasks that must all end with exactly one result. With UPDATE=1 in the
 * environment the tables in the document are written anew.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "task/state.h"
#include "task/verdict.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>

#define DOCUMENT    DAYFLY_TEST_SOURCE "/docs/task-states.md"
#define TABLE_BEGIN "<!-- The tables below are printed from src/task/state.c. -->\n"

#define ACTIONS_SIGNAL (ACTION_SIGNAL_TERM | ACTION_KILL_JAIL)
#define ACTIONS_ARM                                                                                \
	(ACTION_ARM_SETUP | ACTION_ARM_RUN | ACTION_ARM_GRACE | ACTION_ARM_KILL |                  \
		ACTION_ARM_COLLECT)

#define for_each_pair(s, ev)                                                                       \
	for (enum task_state s = 0; s < TASK_STATE_COUNT; s++)                                     \
		for (enum task_event ev = 0; ev < TASK_EVENT_COUNT; ev++)

/* ---- rules ---- */

static void every_name_is_set_and_unique(void **state)
{
	(void)state;
	for (int i = 0; i < TASK_STATE_COUNT; i++)
		assert_non_null(task_state_name((enum task_state)i));
	for (int i = 0; i < TASK_EVENT_COUNT; i++) {
		assert_non_null(task_event_name((enum task_event)i));
		for (int j = 0; j < i; j++)
			assert_string_not_equal(task_event_name((enum task_event)i),
				task_event_name((enum task_event)j));
	}
	for (unsigned i = 0; i < ACTION_BITS; i++)
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(task_action_name(i), task_action_name(j));
	assert_string_equal(task_state_name(TASK_STATE_COUNT), "unknown");
	assert_string_equal(task_event_name(TASK_EVENT_COUNT), "unknown");
	assert_string_equal(task_action_name(ACTION_BITS), "unknown");
}

static void every_move_in_the_table_is_legal_and_every_legal_move_is_in_it(void **state)
{
	(void)state;
	bool used[TASK_STATE_COUNT][TASK_STATE_COUNT] = { 0 };
	for_each_pair(s, ev)
	{
		struct state_decision d = state_decide(s, ev);
		if (d.next == s)
			continue;
		assert_true(state_move_is_legal(s, d.next));
		used[s][d.next] = true;
	}
	for (enum task_state s = 0; s < TASK_STATE_COUNT; s++)
		for (enum task_state to = 0; to < TASK_STATE_COUNT; to++)
			assert_int_equal(used[s][to], state_move_is_legal(s, to));
	assert_false(state_move_is_legal(TASK_STATE_COUNT, TASK_STATE_DONE));
}

static void tasks_only_move_forward(void **state)
{
	(void)state;
	for_each_pair(s, ev) assert_true(state_decide(s, ev).next >= s);
}

static void an_unexpected_event_changes_nothing(void **state)
{
	(void)state;
	for_each_pair(s, ev)
	{
		struct state_decision d = state_decide(s, ev);
		assert_int_equal(d.actions >> ACTION_BITS, 0);
		if (!(d.actions & ACTION_UNEXPECTED))
			continue;
		assert_int_equal(d.actions, ACTION_UNEXPECTED);
		assert_int_equal(d.next, s);
	}
}

static void a_task_finishes_when_and_only_when_it_becomes_done(void **state)
{
	(void)state;
	for_each_pair(s, ev)
	{
		struct state_decision d = state_decide(s, ev);
		bool becomes_done = d.next == TASK_STATE_DONE && s != TASK_STATE_DONE;
		assert_int_equal((d.actions & ACTION_FINISH) != 0, becomes_done);
		if (s == TASK_STATE_DONE)
			assert_int_equal(d.actions & ~(uint32_t)ACTION_UNEXPECTED, 0);
	}
}

/* The cause comes from this record: it must be there before any signal, and only the first decision
 * counts. */
static void a_kill_is_recorded_before_the_first_signal_and_only_once(void **state)
{
	(void)state;
	assert_true(
		ACTION_RECORD_KILL < ACTION_SIGNAL_TERM && ACTION_RECORD_KILL < ACTION_KILL_JAIL);
	for_each_pair(s, ev)
	{
		struct state_decision d = state_decide(s, ev);
		if (d.actions & ACTION_RECORD_KILL)
			assert_int_not_equal(kill_reason_from_event(ev), KILL_REASON_NONE);
		if ((d.actions & ACTIONS_SIGNAL) && s < TASK_STATE_STOPPING)
			assert_true(d.actions & ACTION_RECORD_KILL);
		if (s >= TASK_STATE_STOPPING)
			assert_false(d.actions & ACTION_RECORD_KILL);
	}
}

/* I7: in each state, and twice. */
static void cancel_is_never_unexpected_and_the_second_one_does_nothing(void **state)
{
	(void)state;
	for (enum task_state s = 0; s < TASK_STATE_COUNT; s++) {
		struct state_decision first = state_decide(s, EVENT_CANCEL);
		assert_false(first.actions & ACTION_UNEXPECTED);
		struct state_decision second = state_decide(first.next, EVENT_CANCEL);
		assert_int_equal(second.next, first.next);
		assert_int_equal(second.actions, 0);
	}
}

static void what_comes_from_outside_is_never_unexpected(void **state)
{
	(void)state;
	const enum task_event outside[] = { EVENT_CANCEL, EVENT_CLIENT_GONE, EVENT_SHUTDOWN,
		EVENT_WARDEN_LOST };
	for (size_t i = 0; i < ARRAY_SIZE(outside); i++)
		for (enum task_state s = 0; s < TASK_STATE_COUNT; s++)
			assert_false(state_decide(s, outside[i]).actions & ACTION_UNEXPECTED);
}

/* Promise 5: no state with a jail may wait for ever. */
static void every_state_with_a_jail_has_a_deadline(void **state)
{
	(void)state;
	for_each_pair(s, ev)
	{
		struct state_decision d = state_decide(s, ev);
		if (d.next == s || d.next == TASK_STATE_DONE)
			continue;
		uint32_t armed = d.actions & ACTIONS_ARM;
		assert_true(armed != 0);
		assert_int_equal(armed & (armed - 1), 0);
	}
}

/* ---- the document ---- */

static void print_actions(struct buf *out, uint32_t actions)
{
	const char *sep = "";
	for (unsigned bit = 0; bit < ACTION_BITS; bit++) {
		if (!(actions & 1u << bit))
			continue;
		buf_printf(out, "%s%s", sep, task_action_name(bit));
		sep = ", ";
	}
}

static void print_list(struct buf *out, enum task_state s, uint32_t actions, const char *title)
{
	const char *sep = "";
	buf_printf(out, "\n%s: ", title);
	for (enum task_event ev = 0; ev < TASK_EVENT_COUNT; ev++) {
		struct state_decision d = state_decide(s, ev);
		if (d.next != s || d.actions != actions)
			continue;
		buf_printf(out, "%s%s", sep, task_event_name(ev));
		sep = ", ";
	}
	buf_add_str(out, *sep ? ".\n" : "none.\n");
}

static void print_tables(struct buf *out)
{
	for (enum task_state s = 0; s < TASK_STATE_COUNT; s++) {
		buf_printf(out, "\n### %s\n\n", task_state_name(s));
		bool has_rows = false;
		for (enum task_event ev = 0; ev < TASK_EVENT_COUNT; ev++) {
			struct state_decision d = state_decide(s, ev);
			if (d.next == s && !(d.actions & ~(uint32_t)ACTION_UNEXPECTED))
				continue;
			if (!has_rows)
				buf_add_str(out, "| event | next | actions |\n|---|---|---|\n");
			has_rows = true;
			buf_printf(
				out, "| %s | %s | ", task_event_name(ev), task_state_name(d.next));
			print_actions(out, d.actions);
			buf_add_str(out, " |\n");
		}
		if (!has_rows)
			buf_add_str(out, "The end.\n");
		print_list(out, s, 0, "Ignored by design");
		print_list(out, s, ACTION_UNEXPECTED, "Unexpected");
	}
}

static void the_document_shows_the_table(void **state)
{
	(void)state;
	auto_free char *text = NULL;
	assert_true(fd_read_file(AT_FDCWD, DOCUMENT, 1 << 20, &text) > 0);
	char *begin = strstr(text, TABLE_BEGIN);
	assert_non_null(begin);
	begin += strlen(TABLE_BEGIN);
	struct buf tables;
	buf_init(&tables, 0);
	print_tables(&tables);
	assert_int_equal(buf_add(&tables, "", 1), 0);
	if (getenv("UPDATE")) {
		auto_fclose FILE *f = fopen(DOCUMENT, "we");
		assert_non_null(f);
		fprintf(f, "%.*s%s", (int)(begin - text), text, buf_data(&tables));
	} else {
		assert_string_equal(begin, buf_data(&tables));
	}
	buf_finish(&tables);
}

/* The first code block of the document and the list of short cuts are drawn by hand. */
static void the_document_names_every_state_event_and_action(void **state)
{
	(void)state;
	auto_free char *text = NULL;
	assert_true(fd_read_file(AT_FDCWD, DOCUMENT, 1 << 20, &text) > 0);
	char *end = strstr(text, TABLE_BEGIN);
	assert_non_null(end);
	*end = '\0';
	char word[64];
	for (enum task_state s = 0; s < TASK_STATE_COUNT; s++) {
		snprintf(word, sizeof(word), "`%s`", task_state_name(s));
		assert_non_null(strstr(text, word));
	}
	for (enum task_event ev = 0; ev < TASK_EVENT_COUNT; ev++) {
		snprintf(word, sizeof(word), "`%s`", task_event_name(ev));
		if (!strstr(text, word))
			fail_msg("docs/task-states.md does not explain %s", word);
	}
	for (unsigned bit = 0; bit < ACTION_BITS; bit++) {
		snprintf(word, sizeof(word), "`%s`", task_action_name(bit));
		if (!strstr(text, word))
			fail_msg("docs/task-states.md does not explain %s", word);
	}
}

/* ---- random lives ---- */

/* A task with a well-behaved warden and clock; people do what they like. */
struct life {
	enum task_state state;
	enum task_event armed; /* what the deadline fires; TASK_EVENT_COUNT: nothing */
	bool has_jail, is_killed, has_started, has_exited, is_gone, is_drained;
	unsigned finished, recorded;
};

static void live(struct life *l, enum task_event ev);

static void arm_from(struct life *l, uint32_t actions)
{
	static const enum task_event fires[ACTION_BITS] = {
		[8] = EVENT_DEADLINE_SETUP,
		[9] = EVENT_DEADLINE_WALL,
		[10] = EVENT_GRACE_OVER,
		[11] = EVENT_KILL_OVER,
		[12] = EVENT_COLLECT_OVER,
	};
	assert_int_equal(ACTION_ARM_SETUP, 1 << 8);
	assert_int_equal(ACTION_ARM_COLLECT, 1 << 12);
	for (unsigned bit = 8; bit <= 12; bit++)
		if (actions & 1u << bit)
			l->armed = fires[bit];
}

static void live(struct life *l, enum task_event ev)
{
	struct state_decision d = state_decide(l->state, ev);
	if (d.actions & ACTION_UNEXPECTED)
		fail_msg("%s while %s", task_event_name(ev), task_state_name(l->state));
	l->state = d.next;
	arm_from(l, d.actions);
	if (d.actions & ACTION_RECORD_KILL)
		l->recorded++;
	if (d.actions & (ACTION_RECORD_GONE | ACTION_RECORD_LOST))
		l->is_gone = true;
	if (d.actions & ACTION_KILL_JAIL)
		l->is_killed = true;
	if ((d.actions & ACTION_CLOSE_STREAMS) && l->is_gone)
		l->is_drained = true;
	if (d.actions & ACTION_START_JAIL)
		l->has_jail = true;
	if ((d.actions & ACTION_CHECK_COLLECTED) && l->is_gone && l->is_drained)
		live(l, EVENT_COLLECTED);
	if (d.actions & ACTION_FINISH) {
		l->finished++;
		l->armed = TASK_EVENT_COUNT;
	}
}

/* What can happen next; returns TASK_EVENT_COUNT when this pick is not possible now. */
static enum task_event pick(struct life *l, unsigned r)
{
	bool can_speak = l->has_jail && !l->is_gone;
	switch (r % 16) {
	case 0:
	case 1:
		return l->state == TASK_STATE_QUEUED ? EVENT_SLOT_FREE : TASK_EVENT_COUNT;
	case 2:
	case 3:
		if (!can_speak || l->has_started || l->has_exited)
			return TASK_EVENT_COUNT;
		l->has_started = true;
		return EVENT_WARDEN_STARTED;
	case 4:
	case 5:
		if (!can_speak || l->has_exited)
			return TASK_EVENT_COUNT;
		l->has_exited = true;
		return l->has_started && r & 64 ? EVENT_MAIN_EXITED : EVENT_WARDEN_FAILED;
	case 6:
	case 7:
		if (!can_speak || !(l->has_exited || l->is_killed))
			return TASK_EVENT_COUNT;
		return EVENT_JAIL_GONE;
	case 8:
		if (!l->has_jail || l->is_drained)
			return TASK_EVENT_COUNT;
		l->is_drained = true;
		return EVENT_STREAMS_DRAINED;
	case 9:
		return EVENT_CANCEL;
	case 10:
		return EVENT_CLIENT_GONE;
	case 11:
		return EVENT_SHUTDOWN;
	case 12:
		return can_speak && !l->is_drained ? EVENT_OUTPUT_LIMIT : TASK_EVENT_COUNT;
	case 13:
		return EVENT_WARDEN_LOST;
	case 14:
		if (l->state != TASK_STATE_STARTING || l->is_killed)
			return TASK_EVENT_COUNT;
		/* Sending the plan failed, at once. */
		if (l->has_started || l->has_exited || l->is_drained)
			return TASK_EVENT_COUNT;
		l->is_gone = l->is_drained = true;
		return EVENT_START_FAILED;
	default:
		return l->armed;
	}
}

static void every_life_ends_with_exactly_one_result(void **state)
{
	(void)state;
	srandom(1);
	for (int run = 0; run < 200000; run++) {
		struct life l = { .armed = EVENT_DEADLINE_QUEUE };
		/* Some lives see people and accidents, all see their warden and their clock. */
		bool is_quiet = run % 2;
		for (int step = 0; step < 400; step++) {
			unsigned r = (unsigned)random();
			if (is_quiet && r % 16 >= 9 && r % 16 <= 14)
				continue;
			enum task_event ev = pick(&l, r);
			if (ev < TASK_EVENT_COUNT)
				live(&l, ev);
		}
		if (l.finished != 1 || l.state != TASK_STATE_DONE)
			fail_msg("life %d: %u results, %s", run, l.finished,
				task_state_name(l.state));
		assert_true(l.recorded <= 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_name_is_set_and_unique),
		cmocka_unit_test(every_move_in_the_table_is_legal_and_every_legal_move_is_in_it),
		cmocka_unit_test(tasks_only_move_forward),
		cmocka_unit_test(an_unexpected_event_changes_nothing),
		cmocka_unit_test(a_task_finishes_when_and_only_when_it_becomes_done),
		cmocka_unit_test(a_kill_is_recorded_before_the_first_signal_and_only_once),
		cmocka_unit_test(cancel_is_never_unexpected_and_the_second_one_does_nothing),
		cmocka_unit_test(what_comes_from_outside_is_never_unexpected),
		cmocka_unit_test(every_state_with_a_jail_has_a_deadline),
		cmocka_unit_test(the_document_shows_the_table),
		cmocka_unit_test(the_document_names_every_state_event_and_action),
		cmocka_unit_test(every_life_ends_with_exactly_one_result),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
