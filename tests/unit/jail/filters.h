/* What the seccomp tests share: programs for every profile and network, and questions to them. */
#ifndef DAYFLY_TESTS_UNIT_JAIL_FILTERS_H
#define DAYFLY_TESTS_UNIT_JAIL_FILTERS_H

#include "plan/plan.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <stdint.h>

#define X32_BIT 0x40000000u

/* Compiled once, kept until the end. Fails the test if it cannot be compiled. */
const struct sock_fprog *filter_get(enum plan_profile profile, enum plan_network network);
void filter_finish_all(void);

/* The action's name for a call: of any ABI with no arguments, or of the native one with three. */
const char *filter_ask_abi(const struct sock_fprog *prog, uint32_t arch, uint32_t nr);
const char *filter_ask(
	const struct sock_fprog *prog, int nr, uint64_t a0, uint64_t a1, uint64_t a2);

#endif
