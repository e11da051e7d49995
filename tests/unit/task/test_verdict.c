/*
 * Verdicts: the cases that people meet by name, then every combination of facts against the rules
 * of verdict.h written down a second time, as a list of conditions.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "task/verdict.h"

#include <signal.h>
#include <stdint.h>

#define CODE(n)	  ((n) << 8)
#define SIGNAL(n) (n)
#define CORE(n)	  ((n) | 0x80)

/* A task that ran and whose main process left with this status. */
static struct verdict_facts ran(int status)
{
	return (struct verdict_facts){
		.started = true,
		.has_status = true,
		.status = status,
		.exited_mono_ns = 1000,
		.jail_gone = true,
	};
}

static void expect(
	const struct verdict_facts *f, enum outcome outcome, enum cause cause, enum phase phase)
{
	struct verdict v = verdict_decide(f);
	assert_string_equal(outcome_name(v.outcome), outcome_name(outcome));
	assert_string_equal(cause_name(v.cause), cause_name(cause));
	assert_string_equal(phase_name(v.phase), phase_name(phase));
}

static struct verdict_facts killed(enum kill_reason reason, enum task_state state, int status)
{
	struct verdict_facts f = { 0 };
	if (state == TASK_STATE_RUNNING)
		f = ran(status);
	f.exited_mono_ns = f.has_status ? 3000 : 0;
	assert_true(verdict_record_kill(&f, reason, state, 2000));
	return f;
}

/* I9 */
static void every_exit_code_is_told_as_it_is(void **state)
{
	(void)state;
	for (int code = 0; code < 256; code++) {
		struct verdict_facts f = ran(CODE(code));
		expect(&f, code ? OUTCOME_FAILED : OUTCOME_OK, CAUSE_EXIT, PHASE_RUN);
		struct verdict v = verdict_decide(&f);
		assert_true(v.exit.has_code);
		assert_false(v.exit.has_signal);
		assert_false(v.exit.core);
		assert_int_equal(v.exit.code, code);
	}
}

/* I9 */
static void every_signal_is_told_as_it_is(void **state)
{
	(void)state;
	for (int signo = 1; signo < 65; signo++) {
		for (int core = 0; core < 2; core++) {
			struct verdict_facts f = ran(core ? CORE(signo) : SIGNAL(signo));
			if (signo == SIGSYS)
				expect(&f, OUTCOME_KILLED, CAUSE_SECCOMP, PHASE_RUN);
			else
				expect(&f, OUTCOME_FAILED, CAUSE_SIGNAL, PHASE_RUN);
			struct verdict v = verdict_decide(&f);
			assert_true(v.exit.has_signal);
			assert_false(v.exit.has_code);
			assert_int_equal(v.exit.signal, signo);
			assert_int_equal(v.exit.core, core);
		}
	}
}

static void out_of_memory_is_claimed_only_with_a_kill_that_the_kernel_counted(void **state)
{
	(void)state;
	struct verdict_facts f = ran(SIGNAL(SIGKILL));
	expect(&f, OUTCOME_FAILED, CAUSE_SIGNAL, PHASE_RUN);
	f.oom_kills = 1;
	expect(&f, OUTCOME_KILLED, CAUSE_OOM, PHASE_RUN);
	/* A child was killed; the main process went on and ended by itself, even with 137. */
	f.status = CODE(137);
	expect(&f, OUTCOME_FAILED, CAUSE_EXIT, PHASE_RUN);
	f.status = CODE(0);
	expect(&f, OUTCOME_OK, CAUSE_EXIT, PHASE_RUN);
	f.status = SIGNAL(SIGTERM);
	expect(&f, OUTCOME_FAILED, CAUSE_SIGNAL, PHASE_RUN);
	/* Our own SIGKILL. */
	f = killed(KILL_REASON_WALL, TASK_STATE_RUNNING, SIGNAL(SIGKILL));
	f.oom_kills = 1;
	expect(&f, OUTCOME_KILLED, CAUSE_TIMEOUT_WALL, PHASE_RUN);
}

static void a_cpu_limit_is_blamed_only_where_one_was_used_up(void **state)
{
	(void)state;
	struct verdict_facts f = ran(SIGNAL(SIGXCPU));
	expect(&f, OUTCOME_FAILED, CAUSE_SIGNAL, PHASE_RUN);
	f.used_soft_cpu = true;
	expect(&f, OUTCOME_KILLED, CAUSE_TIMEOUT_CPU, PHASE_RUN);
	f.status = SIGNAL(SIGKILL);
	expect(&f, OUTCOME_FAILED, CAUSE_SIGNAL, PHASE_RUN);
	f.used_hard_cpu = true;
	expect(&f, OUTCOME_KILLED, CAUSE_TIMEOUT_CPU, PHASE_RUN);
	f.status = SIGNAL(SIGTERM);
	expect(&f, OUTCOME_FAILED, CAUSE_SIGNAL, PHASE_RUN);
}

static void each_kill_reason_has_its_outcome_and_cause(void **state)
{
	(void)state;
	static const struct {
		enum kill_reason reason;
		enum task_state state;
		enum outcome outcome;
		enum cause cause;
		enum phase phase;
	} cases[] = {
		{ KILL_REASON_WALL, TASK_STATE_RUNNING, OUTCOME_KILLED, CAUSE_TIMEOUT_WALL,
			PHASE_RUN },
		{ KILL_REASON_QUEUE, TASK_STATE_QUEUED, OUTCOME_REJECTED, CAUSE_TIMEOUT_QUEUE,
			PHASE_QUEUE },
		{ KILL_REASON_SETUP, TASK_STATE_STARTING, OUTCOME_ERROR, CAUSE_SETUP, PHASE_SETUP },
		{ KILL_REASON_CANCEL, TASK_STATE_QUEUED, OUTCOME_CANCELLED, CAUSE_CANCEL,
			PHASE_QUEUE },
		{ KILL_REASON_CANCEL, TASK_STATE_STARTING, OUTCOME_CANCELLED, CAUSE_CANCEL,
			PHASE_SETUP },
		{ KILL_REASON_CANCEL, TASK_STATE_RUNNING, OUTCOME_CANCELLED, CAUSE_CANCEL,
			PHASE_RUN },
		{ KILL_REASON_CLIENT_GONE, TASK_STATE_QUEUED, OUTCOME_CANCELLED, CAUSE_CLIENT_GONE,
			PHASE_QUEUE },
		{ KILL_REASON_CLIENT_GONE, TASK_STATE_RUNNING, OUTCOME_CANCELLED, CAUSE_CLIENT_GONE,
			PHASE_RUN },
		{ KILL_REASON_OUTPUT_LIMIT, TASK_STATE_RUNNING, OUTCOME_KILLED, CAUSE_OUTPUT_LIMIT,
			PHASE_RUN },
		{ KILL_REASON_SHUTDOWN, TASK_STATE_QUEUED, OUTCOME_REJECTED, CAUSE_SHUTDOWN,
			PHASE_QUEUE },
		{ KILL_REASON_SHUTDOWN, TASK_STATE_STARTING, OUTCOME_KILLED, CAUSE_SHUTDOWN,
			PHASE_SETUP },
		{ KILL_REASON_SHUTDOWN, TASK_STATE_RUNNING, OUTCOME_KILLED, CAUSE_SHUTDOWN,
			PHASE_RUN },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		/* However the main process left: by our SIGKILL, or by obeying SIGTERM in good
		 * order. */
		const int statuses[] = { SIGNAL(SIGKILL), SIGNAL(SIGTERM), CODE(0), CODE(3) };
		for (size_t j = 0; j < ARRAY_SIZE(statuses); j++) {
			struct verdict_facts f =
				killed(cases[i].reason, cases[i].state, statuses[j]);
			expect(&f, cases[i].outcome, cases[i].cause, cases[i].phase);
			f.setup_failed = cases[i].state == TASK_STATE_STARTING;
			f.warden_lost = true;
			expect(&f, cases[i].outcome, cases[i].cause, cases[i].phase);
		}
	}
}

static void the_first_kill_decision_stands(void **state)
{
	(void)state;
	struct verdict_facts f = { 0 };
	assert_false(verdict_record_kill(&f, KILL_REASON_NONE, TASK_STATE_RUNNING, 1));
	assert_true(verdict_record_kill(&f, KILL_REASON_WALL, TASK_STATE_RUNNING, 5));
	assert_false(verdict_record_kill(&f, KILL_REASON_CANCEL, TASK_STATE_STOPPING, 9));
	assert_int_equal(f.kill_reason, KILL_REASON_WALL);
	assert_int_equal(f.kill_state, TASK_STATE_RUNNING);
	assert_int_equal(f.kill_mono_ns, 5);
}

/* I9: timeout against exit. */
static void a_task_that_had_ended_before_the_decision_was_not_killed(void **state)
{
	(void)state;
	struct verdict_facts f = ran(CODE(0));
	verdict_record_kill(&f, KILL_REASON_WALL, TASK_STATE_RUNNING, f.exited_mono_ns + 1);
	expect(&f, OUTCOME_OK, CAUSE_EXIT, PHASE_RUN);
	f = ran(SIGNAL(SIGSEGV));
	verdict_record_kill(&f, KILL_REASON_CANCEL, TASK_STATE_RUNNING, f.exited_mono_ns + 1);
	expect(&f, OUTCOME_FAILED, CAUSE_SIGNAL, PHASE_RUN);
	f = ran(CODE(0));
	verdict_record_kill(&f, KILL_REASON_WALL, TASK_STATE_RUNNING, f.exited_mono_ns);
	expect(&f, OUTCOME_KILLED, CAUSE_TIMEOUT_WALL, PHASE_RUN);
	/* When it ended is not known: the record counts. */
	f.exited_mono_ns = 0;
	expect(&f, OUTCOME_KILLED, CAUSE_TIMEOUT_WALL, PHASE_RUN);
}

static void a_killed_task_still_tells_how_its_main_process_left(void **state)
{
	(void)state;
	struct verdict_facts f = killed(KILL_REASON_CANCEL, TASK_STATE_RUNNING, CODE(130));
	struct verdict v = verdict_decide(&f);
	assert_true(v.exit.has_code);
	assert_int_equal(v.exit.code, 130);
}

static void a_failed_exec_has_no_exit_code(void **state)
{
	(void)state;
	struct verdict_facts f = ran(CODE(127));
	f.exec_failed = true;
	expect(&f, OUTCOME_FAILED, CAUSE_EXEC, PHASE_EXEC);
	struct verdict v = verdict_decide(&f);
	assert_false(v.exit.has_code);
	assert_false(v.exit.has_signal);
	f.exec_failed = false;
	f.setup_failed = true;
	expect(&f, OUTCOME_ERROR, CAUSE_SETUP, PHASE_SETUP);
	assert_false(verdict_decide(&f).exit.has_code);
}

static void a_lost_warden_counts_only_if_the_end_is_not_known_otherwise(void **state)
{
	(void)state;
	struct verdict_facts f = { .warden_lost = true };
	expect(&f, OUTCOME_LOST, CAUSE_WARDEN_LOST, PHASE_SETUP);
	f.started = true;
	expect(&f, OUTCOME_LOST, CAUSE_WARDEN_LOST, PHASE_RUN);
	f = ran(CODE(0));
	f.warden_lost = true;
	f.jail_gone = false;
	expect(&f, OUTCOME_OK, CAUSE_EXIT, PHASE_RUN);
	f.daemon_crash = true;
	expect(&f, OUTCOME_LOST, CAUSE_DAEMON_CRASH, PHASE_RUN);
}

/* I9: init killed. */
static void a_jail_that_vanished_is_an_error_and_no_exit(void **state)
{
	(void)state;
	struct verdict_facts f = { .jail_gone = true };
	expect(&f, OUTCOME_ERROR, CAUSE_SETUP, PHASE_SETUP);
	f.started = true;
	expect(&f, OUTCOME_ERROR, CAUSE_INTERNAL, PHASE_RUN);
	assert_false(verdict_decide(&f).exit.has_code);
}

static void each_killing_event_has_a_reason_and_no_other(void **state)
{
	(void)state;
	unsigned seen = 0;
	for (enum task_event ev = 0; ev < TASK_EVENT_COUNT; ev++) {
		enum kill_reason reason = kill_reason_from_event(ev);
		if (reason == KILL_REASON_NONE)
			continue;
		assert_false(seen & 1u << reason);
		seen |= 1u << reason;
	}
	assert_int_equal(seen, (1u << KILL_REASON_COUNT) - 2);
	assert_int_equal(kill_reason_from_event(TASK_EVENT_COUNT), KILL_REASON_NONE);
}

static void names_are_those_of_the_protocol(void **state)
{
	(void)state;
	static const char *const outcomes[] = { "ok", "failed", "killed", "cancelled", "rejected",
		"error", "lost" };
	static const char *const causes[] = { "exit", "signal", "oom", "timeout_wall",
		"timeout_cpu", "timeout_idle", "timeout_queue", "output_limit", "disk_limit",
		"artifacts", "seccomp", "cancel", "client_gone", "shutdown", "exec", "setup",
		"internal", "daemon_crash", "warden_lost" };
	static const char *const phases[] = { "queue", "setup", "exec", "run", "collect" };
	static const char *const reasons[] = { "none", "wall", "queue", "setup", "cancel",
		"client_gone", "output_limit", "shutdown", "idle", "cpu_time" };
	assert_int_equal(ARRAY_SIZE(outcomes), OUTCOME_COUNT);
	assert_int_equal(ARRAY_SIZE(causes), CAUSE_COUNT);
	assert_int_equal(ARRAY_SIZE(phases), PHASE_COUNT);
	assert_int_equal(ARRAY_SIZE(reasons), KILL_REASON_COUNT);
	for (int i = 0; i < OUTCOME_COUNT; i++)
		assert_string_equal(outcome_name((enum outcome)i), outcomes[i]);
	for (int i = 0; i < CAUSE_COUNT; i++)
		assert_string_equal(cause_name((enum cause)i), causes[i]);
	for (int i = 0; i < PHASE_COUNT; i++)
		assert_string_equal(phase_name((enum phase)i), phases[i]);
	for (int i = 0; i < KILL_REASON_COUNT; i++)
		assert_string_equal(kill_reason_name((enum kill_reason)i), reasons[i]);
	assert_string_equal(outcome_name(OUTCOME_COUNT), "unknown");
	assert_string_equal(cause_name(CAUSE_COUNT), "unknown");
	assert_string_equal(phase_name(PHASE_COUNT), "unknown");
	assert_string_equal(kill_reason_name(KILL_REASON_COUNT), "unknown");
}

/* ---- every combination ---- */

struct answer {
	enum outcome outcome;
	enum cause cause;
};

static struct answer answer_to_kill(const struct verdict_facts *f)
{
	switch (f->kill_reason) {
	case KILL_REASON_WALL:
		return (struct answer){ OUTCOME_KILLED, CAUSE_TIMEOUT_WALL };
	case KILL_REASON_QUEUE:
		return (struct answer){ OUTCOME_REJECTED, CAUSE_TIMEOUT_QUEUE };
	case KILL_REASON_SETUP:
		return (struct answer){ OUTCOME_ERROR, CAUSE_SETUP };
	case KILL_REASON_CANCEL:
		return (struct answer){ OUTCOME_CANCELLED, CAUSE_CANCEL };
	case KILL_REASON_CLIENT_GONE:
		return (struct answer){ OUTCOME_CANCELLED, CAUSE_CLIENT_GONE };
	case KILL_REASON_OUTPUT_LIMIT:
		return (struct answer){ OUTCOME_KILLED, CAUSE_OUTPUT_LIMIT };
	case KILL_REASON_IDLE:
		return (struct answer){ OUTCOME_KILLED, CAUSE_TIMEOUT_IDLE };
	case KILL_REASON_CPU_TIME:
		return (struct answer){ OUTCOME_KILLED, CAUSE_TIMEOUT_CPU };
	default:
		return (struct answer){ f->kill_state == TASK_STATE_QUEUED ? OUTCOME_REJECTED
									   : OUTCOME_KILLED,
			CAUSE_SHUTDOWN };
	}
}

/* The list in verdict.h, from the top. */
static struct answer expected_answer(const struct verdict_facts *f)
{
	bool is_kill = f->kill_reason != KILL_REASON_NONE &&
		       !(f->has_status && f->exited_mono_ns && f->exited_mono_ns < f->kill_mono_ns);
	bool ran_it = f->has_status;
	int signo = f->status & 0x7f;
	const struct {
		bool fits;
		struct answer answer;
	} rules[] = {
		{ f->daemon_crash, { OUTCOME_LOST, CAUSE_DAEMON_CRASH } },
		{ is_kill, answer_to_kill(f) },
		{ f->exec_failed, { OUTCOME_FAILED, CAUSE_EXEC } },
		{ f->setup_failed, { OUTCOME_ERROR, CAUSE_SETUP } },
		{ ran_it && signo == SIGKILL && f->oom_kills, { OUTCOME_KILLED, CAUSE_OOM } },
		{ ran_it && signo == SIGSYS, { OUTCOME_KILLED, CAUSE_SECCOMP } },
		{ ran_it && signo == SIGXCPU && f->used_soft_cpu,
			{ OUTCOME_KILLED, CAUSE_TIMEOUT_CPU } },
		{ ran_it && signo == SIGKILL && f->used_hard_cpu,
			{ OUTCOME_KILLED, CAUSE_TIMEOUT_CPU } },
		{ ran_it && f->status && f->disk_is_full, { OUTCOME_FAILED, CAUSE_DISK_LIMIT } },
		{ ran_it && signo, { OUTCOME_FAILED, CAUSE_SIGNAL } },
		{ ran_it && f->status == 0, { OUTCOME_OK, CAUSE_EXIT } },
		{ ran_it, { OUTCOME_FAILED, CAUSE_EXIT } },
		{ f->warden_lost, { OUTCOME_LOST, CAUSE_WARDEN_LOST } },
		{ !f->started, { OUTCOME_ERROR, CAUSE_SETUP } },
		{ true, { OUTCOME_ERROR, CAUSE_INTERNAL } },
	};
	size_t i = 0;
	while (!rules[i].fits)
		i++;
	return rules[i].answer;
}

static void check_one(const struct verdict_facts *f, unsigned long *n)
{
	struct answer a = expected_answer(f);
	struct verdict v = verdict_decide(f);
	bool has_exit = f->has_status && !f->exec_failed && !f->setup_failed;
	if (v.outcome != a.outcome || v.cause != a.cause)
		fail_msg("%s/%s, expected %s/%s", outcome_name(v.outcome), cause_name(v.cause),
			outcome_name(a.outcome), cause_name(a.cause));
	assert_true((unsigned)v.phase < PHASE_COUNT);
	assert_int_equal(v.exit.has_code || v.exit.has_signal, has_exit);
	assert_false(v.exit.has_code && v.exit.has_signal);
	/* Success is said only of a task that ran and left with 0. */
	if (v.outcome == OUTCOME_OK)
		assert_true(v.exit.has_code && v.exit.code == 0);
	(*n)++;
}

static void check_kills(struct verdict_facts f, unsigned long *n)
{
	check_one(&f, n);
	for (int reason = 1; reason < KILL_REASON_COUNT; reason++)
		for (int s = 0; s <= TASK_STATE_RUNNING; s++)
			for (uint64_t at = 0; at < 3; at++) {
				struct verdict_facts k = f;
				verdict_record_kill(
					&k, (enum kill_reason)reason, (enum task_state)s, 5);
				k.exited_mono_ns = at * 4;
				check_one(&k, n);
			}
}

static void every_combination_of_facts_follows_the_rules(void **state)
{
	(void)state;
	static const int statuses[] = { CODE(0), CODE(1), CODE(124), CODE(137), CODE(159),
		SIGNAL(SIGTERM), SIGNAL(SIGKILL), SIGNAL(SIGSYS), CORE(SIGSYS), SIGNAL(SIGXCPU),
		CORE(SIGSEGV) };
	unsigned long n = 0;
	for (unsigned bits = 0; bits < 1u << 11; bits++) {
		struct verdict_facts f = {
			.started = bits & 1,
			.exec_failed = bits & 2,
			.setup_failed = bits & 4,
			.has_status = bits & 8,
			.jail_gone = bits & 16,
			.warden_lost = bits & 32,
			.daemon_crash = bits & 64,
			.used_soft_cpu = bits & 128,
			.oom_kills = bits & 256,
			.disk_is_full = bits & 512,
			.used_hard_cpu = bits & 1024,
		};
		for (size_t i = 0; i < (f.has_status ? ARRAY_SIZE(statuses) : 1); i++) {
			f.status = f.has_status ? statuses[i] : 0;
			check_kills(f, &n);
		}
	}
	assert_true(n > 100000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_exit_code_is_told_as_it_is),
		cmocka_unit_test(every_signal_is_told_as_it_is),
		cmocka_unit_test(out_of_memory_is_claimed_only_with_a_kill_that_the_kernel_counted),
		cmocka_unit_test(a_cpu_limit_is_blamed_only_where_one_was_used_up),
		cmocka_unit_test(each_kill_reason_has_its_outcome_and_cause),
		cmocka_unit_test(the_first_kill_decision_stands),
		cmocka_unit_test(a_task_that_had_ended_before_the_decision_was_not_killed),
		cmocka_unit_test(a_killed_task_still_tells_how_its_main_process_left),
		cmocka_unit_test(a_failed_exec_has_no_exit_code),
		cmocka_unit_test(a_lost_warden_counts_only_if_the_end_is_not_known_otherwise),
		cmocka_unit_test(a_jail_that_vanished_is_an_error_and_no_exit),
		cmocka_unit_test(each_killing_event_has_a_reason_and_no_other),
		cmocka_unit_test(names_are_those_of_the_protocol),
		cmocka_unit_test(every_combination_of_facts_follows_the_rules),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
