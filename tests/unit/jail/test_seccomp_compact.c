/* A shorter filter says the same. */
#include "harness.h"

#include "base/cleanup.h"
#include "bpf.h"
#include "jail/seccomp_compact.h"

#include <linux/audit.h>
#include <stdlib.h>
#include <string.h>

#define ARCH  AUDIT_ARCH_X86_64
#define ALLOW SECCOMP_RET_ALLOW
#define ERROR (SECCOMP_RET_ERRNO | 38)
#define MAX   600

#define LOAD_ARCH                                                                                  \
	(struct sock_filter) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch))
#define LOAD_NR                                                                                    \
	(struct sock_filter) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))
#define JUMP(op, k, jt, jf) (struct sock_filter) BPF_JUMP(BPF_JMP | op | BPF_K, k, jt, jf)
#define RETURN(v)	    (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, v)

static uint32_t verdict_of(const struct sock_filter *prog, size_t len, uint32_t arch, uint32_t nr)
{
	const struct sock_fprog p = { .len = (unsigned short)len,
		.filter = (struct sock_filter *)prog };
	const struct seccomp_data data = { .nr = (int)nr, .arch = arch };
	return bpf_run(&p, &data, NULL);
}

/* One test after the other: n numbers with a verdict each, the rest is another. */
static size_t make_linear(
	struct sock_filter *prog, const uint32_t *numbers, const uint32_t *verdicts, size_t n)
{
	size_t len = 0;
	prog[len++] = LOAD_ARCH;
	prog[len++] = JUMP(BPF_JEQ, ARCH, 1, 0);
	prog[len++] = RETURN(SECCOMP_RET_KILL_PROCESS);
	prog[len++] = LOAD_NR;
	prog[len++] = JUMP(BPF_JGE, 0x40000000, 0, 1);
	prog[len++] = RETURN(SECCOMP_RET_KILL_PROCESS);
	for (size_t i = 0; i < n; i++) {
		prog[len++] = JUMP(BPF_JEQ, numbers[i], 0, 1);
		prog[len++] = RETURN(verdicts[i]);
	}
	prog[len++] = RETURN(ERROR);
	return len;
}

static void check_same(const struct sock_filter *a, size_t a_len, const struct sock_filter *b,
	size_t b_len, uint32_t nr)
{
	assert_int_equal(verdict_of(a, a_len, ARCH, nr), verdict_of(b, b_len, ARCH, nr));
	assert_int_equal(verdict_of(a, a_len, AUDIT_ARCH_I386, nr),
		verdict_of(b, b_len, AUDIT_ARCH_I386, nr));
}

TEST(neighbours_with_one_verdict_become_one_range)
{
	struct sock_filter prog[MAX], before[MAX];
	uint32_t numbers[200], verdicts[200];
	for (uint32_t i = 0; i < 200; i++) {
		numbers[i] = i;
		verdicts[i] = i == 100 ? SECCOMP_RET_ERRNO | 1 : ALLOW;
	}
	size_t len = make_linear(prog, numbers, verdicts, 200), old = len;
	memcpy(before, prog, sizeof(prog));
	assert_true(seccomp_compact(prog, &len, ARCH));
	/* Head, four edges, four verdicts. */
	assert_int_equal(len, 3 + 4 + 4);
	for (uint32_t nr = 0; nr < 1000; nr++)
		check_same(before, old, prog, len, nr);
	const uint32_t edges[] = { 0x3fffffff, 0x40000000, 0x40000001, 0x7fffffff, 0x80000000,
		UINT32_MAX };
	for (size_t i = 0; i < ARRAY_SIZE(edges); i++)
		check_same(before, old, prog, len, edges[i]);
}

TEST(any_program_on_numbers_keeps_its_meaning)
{
	srandom(7);
	for (int round = 0; round < 300; round++) {
		struct sock_filter prog[MAX], before[MAX];
		uint32_t numbers[100], verdicts[100];
		size_t n = (size_t)random() % 100;
		for (size_t i = 0; i < n; i++) {
			numbers[i] = (uint32_t)random() % 300;
			verdicts[i] = random() % 3 ? ALLOW : SECCOMP_RET_ERRNO | (random() % 3);
		}
		size_t len = make_linear(prog, numbers, verdicts, n), old = len;
		memcpy(before, prog, sizeof(prog));
		seccomp_compact(prog, &len, ARCH);
		assert_true(len <= old);
		for (uint32_t nr = 0; nr < 320; nr++)
			check_same(before, old, prog, len, nr);
		check_same(before, old, prog, len, 0x40000000);
		check_same(before, old, prog, len, UINT32_MAX);
	}
}

static void leaves_as_it_is(const struct sock_filter *prog, size_t len)
{
	struct sock_filter copy[MAX];
	size_t n = len;
	memcpy(copy, prog, len * sizeof(*prog));
	assert_false(seccomp_compact(copy, &n, ARCH));
	assert_int_equal(n, len);
	assert_memory_equal(copy, prog, len * sizeof(*prog));
}

TEST(what_it_does_not_know_is_left_as_it_is)
{
	uint32_t numbers[50], verdicts[50];
	struct sock_filter prog[MAX];
	for (uint32_t i = 0; i < 50; i++) {
		numbers[i] = i;
		verdicts[i] = ALLOW;
	}
	size_t len = make_linear(prog, numbers, verdicts, 50);
	/* The control. */
	struct sock_filter copy[MAX];
	size_t n = len;
	memcpy(copy, prog, sizeof(prog));
	assert_true(seccomp_compact(copy, &n, ARCH));

	leaves_as_it_is(prog, 0);
	leaves_as_it_is(prog, 3);
	/* Runs off its end. */
	leaves_as_it_is(prog, len - 1);
	/* Another machine's. */
	prog[1].k = AUDIT_ARCH_AARCH64;
	leaves_as_it_is(prog, len);
	prog[1].k = ARCH;
	/* Looks at an argument. */
	prog[6] = (struct sock_filter)BPF_STMT(
		BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0]));
	leaves_as_it_is(prog, len);
	/* Other architectures do not have one verdict. */
	len = make_linear(prog, numbers, verdicts, 50);
	prog[2] = LOAD_NR;
	leaves_as_it_is(prog, len);
}

TEST(one_that_gets_no_shorter_is_left_as_it_is)
{
	struct sock_filter prog[MAX];
	const uint32_t numbers[] = { 7 }, verdicts[] = { ALLOW };
	size_t len = make_linear(prog, numbers, verdicts, 1);
	/* Short jumps cannot reach over so many ranges. */
	uint32_t many[280], their[280];
	assert_int_equal(len, 9);
	leaves_as_it_is(prog, len);
	for (uint32_t i = 0; i < ARRAY_SIZE(many); i++) {
		many[i] = 2 * i;
		their[i] = ALLOW;
	}
	len = make_linear(prog, many, their, ARRAY_SIZE(many));
	leaves_as_it_is(prog, len);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(neighbours_with_one_verdict_become_one_range),
		cmocka_unit_test(any_program_on_numbers_keeps_its_meaning),
		cmocka_unit_test(what_it_does_not_know_is_left_as_it_is),
		cmocka_unit_test(one_that_gets_no_shorter_is_left_as_it_is),
	};
	return RUN_TESTS(tests);
}
