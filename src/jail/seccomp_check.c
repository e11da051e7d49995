/*
 * Argument checks as classic BPF, beside libseccomp's program. libseccomp has no order
 * between the rules of one call and only one errno for what no rule matches; the policy wants "the
 * first that holds decides". Every load here is of the low half of an argument: the high half,
 * which the kernel ignores for these calls, cannot change a verdict.
 *
 * Only nr and arch are read on the way to other calls, so the kernel can still keep allowed calls
 * in its bitmap and skip the filter.
 */
#include "jail/seccomp_policy.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stddef.h>

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define LOW_HALF 0
#else
#define LOW_HALF 4
#endif

struct emitter {
	struct sock_filter *prog;
	size_t max;
	size_t len;
	bool full;
};

static size_t emit(struct emitter *em, struct sock_filter insn)
{
	if (em->len < em->max)
		em->prog[em->len] = insn;
	else
		em->full = true;
	return em->len++;
}

static void emit_load(struct emitter *em, size_t offset)
{
	emit(em, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset));
}

/* "If the accumulator is not value, go on at a place told later": returns the jump to be set. */
static size_t emit_unless_jump(struct emitter *em, uint32_t value)
{
	emit(em, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 1, 0));
	return emit(em, (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, 0));
}

static void land_here(struct emitter *em, size_t jump)
{
	if (jump < em->max)
		em->prog[jump].k = (uint32_t)(em->len - jump - 1);
}

static size_t count_conditions(const struct policy_check *check)
{
	size_t n = 0;
	while (n < POLICY_CONDITIONS_MAX && check->conditions[n].op)
		n++;
	return n;
}

static size_t condition_length(const struct policy_condition *c)
{
	return c->mask == 0xffffffffu ? 2 : 3;
}

static void emit_check(struct emitter *em, const struct policy_check *check)
{
	size_t n = count_conditions(check), rest = 1; /* the return */
	for (size_t i = 0; i < n; i++)
		rest += condition_length(&check->conditions[i]);
	for (size_t i = 0; i < n; i++) {
		const struct policy_condition *c = &check->conditions[i];
		emit_load(em, offsetof(struct seccomp_data, args[0]) + 8 * c->arg + LOW_HALF);
		if (c->mask != 0xffffffffu)
			emit(em, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, c->mask));
		rest -= condition_length(c);
		uint8_t on_equal = c->op == POLICY_EQ ? 0 : (uint8_t)rest;
		uint8_t on_other = c->op == POLICY_EQ ? (uint8_t)rest : 0;
		emit(em, (struct sock_filter)BPF_JUMP(
				 BPF_JMP | BPF_JEQ | BPF_K, c->value, on_equal, on_other));
	}
	uint32_t action =
		check->verdict ? SECCOMP_RET_ERRNO | ((uint32_t)check->verdict & SECCOMP_RET_DATA)
			       : SECCOMP_RET_ALLOW;
	emit(em, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action));
}

/* Everything about one call. Returns false if its list does not end with an unconditional verdict.
 */
static bool emit_call(struct emitter *em, const struct policy_call *call, int nr, unsigned when)
{
	bool decided = false;
	size_t over = emit_unless_jump(em, (uint32_t)nr);
	for (size_t i = 0; i < policy_checks_count && !decided; i++) {
		const struct policy_check *check = &policy_checks[i];
		if (strcmp(check->call, call->name) || !(check->when & when))
			continue;
		emit_check(em, check);
		decided = count_conditions(check) == 0;
	}
	if (!decided) /* the accumulator has an argument now */
		emit_load(em, offsetof(struct seccomp_data, nr));
	land_here(em, over);
	return decided;
}

static bool has_checks(const struct policy_call *call, unsigned when)
{
	for (size_t i = 0; call->name && i < policy_checks_count; i++)
		if ((policy_checks[i].when & when) && !strcmp(policy_checks[i].call, call->name))
			return true;
	return false;
}

bool policy_is_checked(const struct policy_call *call, unsigned when)
{
	bool is_always = call->checked && when != POLICY_SHARED;
	return (is_always || has_checks(call, when)) && policy_call_number(call) >= 0;
}

int policy_emit_checks(unsigned when, struct sock_filter *prog, size_t max, size_t *len)
{
	struct emitter em = { .prog = prog, .max = max, .len = *len };
	emit_load(&em, offsetof(struct seccomp_data, arch));
	size_t over = emit_unless_jump(&em, seccomp_arch_native());
	emit_load(&em, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < policy_calls_count; i++) {
		const struct policy_call *call = &policy_calls[i];
		int nr = policy_is_checked(call, when) ? policy_call_number(call) : -1;
		if (nr >= 0 && !emit_call(&em, call, nr, when) && when != POLICY_SHARED)
			return -EINVAL;
	}
	land_here(&em, over);
	if (em.full)
		return -ENOSPC;
	*len = em.len;
	return 0;
}
