/*
 * The system call policy as tables, made from seccomp_policy.def. For seccomp*.c and their tests
 * only. A verdict is 0 for "allow" or the errno that the call fails with.
 */
#ifndef DAYFLY_JAIL_SECCOMP_POLICY_H
#define DAYFLY_JAIL_SECCOMP_POLICY_H

#include "plan/plan.h"

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct policy_call {
	const char *group; /* a heading: the other members are not used */
	const char *name;
	int x86_64_number; /* -1: libseccomp knows the name */
	bool checked;	   /* decided by policy_checks */
	int verdict[PLAN_PROFILE_COUNT];
};

enum policy_op { POLICY_EQ = 1, POLICY_NE }; /* 0: no condition */

struct policy_condition {
	enum policy_op op;
	unsigned arg;
	uint32_t mask;
	uint32_t value;
	const char *text;
};

#define POLICY_CONDITIONS_MAX 5

struct policy_check {
	const char *call;
	unsigned when; /* bits, see policy_when */
	int verdict;
	struct policy_condition conditions[POLICY_CONDITIONS_MAX];
};

extern const struct policy_call policy_calls[];
extern const size_t policy_calls_count;
extern const struct policy_check policy_checks[];
extern const size_t policy_checks_count;

/* In policy_check.when: the second filter, for tasks that write into a directory of the client's.
 */
#define POLICY_SHARED (1u << 3)

/* The bit of this combination in policy_check.when. */
unsigned policy_when(enum plan_profile profile, enum plan_network network);

/* "allow", "EPERM", ... */
const char *policy_verdict_name(int verdict);

/* The number of a call on the machine that this was built for, or -1. */
int policy_call_number(const struct policy_call *call);

/* seccomp_check.c: whether arguments decide about a call of this machine. */
bool policy_is_checked(const struct policy_call *call, unsigned when);

/*
 * Appends to prog[*len] (room for max) the instructions that decide the checked calls of the native
 * architecture and let everything else fall through to what comes after them. With POLICY_SHARED
 * also a call that its checks do not decide falls through.
 * Returns 0, -ENOSPC or -EINVAL (a table error).
 */
int policy_emit_checks(unsigned when, struct sock_filter *prog, size_t max, size_t *len);

#endif
