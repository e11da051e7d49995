#include "filters.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "bpf.h"
#include "jail/seccomp.h"

#if defined(__x86_64__)
#define NATIVE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE AUDIT_ARCH_AARCH64
#else
#define NATIVE 0
#endif

static struct sock_fprog filters[PLAN_PROFILE_COUNT][PLAN_NETWORK_COUNT];

const struct sock_fprog *filter_get(enum plan_profile profile, enum plan_network network)
{
	struct sock_fprog *prog = &filters[profile][network];
	if (!prog->filter) {
		struct err e = { 0 };
		int r = seccomp_filter_compile(profile, network, prog, &e);
		if (r < 0)
			fail_msg("seccomp_filter_compile: %s", e.msg);
	}
	return prog;
}

void filter_finish_all(void)
{
	for (int p = 0; p < PLAN_PROFILE_COUNT; p++)
		for (int n = 0; n < PLAN_NETWORK_COUNT; n++)
			seccomp_filter_finish(&filters[p][n]);
}

const char *filter_ask_abi(const struct sock_fprog *prog, uint32_t arch, uint32_t nr)
{
	struct seccomp_data data = { .nr = (int)nr, .arch = arch };
	return bpf_action_name(bpf_run(prog, &data, NULL));
}

const char *filter_ask(const struct sock_fprog *prog, int nr, uint64_t a0, uint64_t a1, uint64_t a2)
{
	struct seccomp_data data = { .nr = nr, .arch = NATIVE, .args = { a0, a1, a2 } };
	return bpf_action_name(bpf_run(prog, &data, NULL));
}
