/*
 * The filter's answer to every system call number is written down in seccomp_dev.golden and
 * seccomp_strict.golden: a change of the policy is a change of these files. DAYFLY_REGENERATE=1
 * writes them anew.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "bpf.h"
#include "filters.h"
#include "jail/seccomp.h"
#include "jail/seccomp_policy.h"

#include <fcntl.h>

#define LAST_NUMBER 600

static void add_native(struct buf *out, const struct sock_fprog *prog)
{
	for (int nr = 0; nr <= LAST_NUMBER; nr++) {
		const char *answer = filter_ask_abi(prog, AUDIT_ARCH_X86_64, (uint32_t)nr);
		auto_free char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86_64, nr);
		buf_printf(
			out, "x86_64 %d %s%s%s\n", nr, answer, name ? " # " : "", name ? name : "");
	}
}

/* Runs of the same answer on one line. */
static void add_foreign(struct buf *out, const struct sock_fprog *prog, const char *abi,
	uint32_t arch, uint32_t bit)
{
	int first = 0;
	for (int nr = 1; nr <= LAST_NUMBER + 1; nr++) {
		const char *answer = filter_ask_abi(prog, arch, (uint32_t)first | bit);
		if (nr <= LAST_NUMBER &&
			!strcmp(answer, filter_ask_abi(prog, arch, (uint32_t)nr | bit)))
			continue;
		buf_printf(out, "%s %d-%d %s\n", abi, first, nr - 1, answer);
		first = nr;
	}
}

static void render(struct buf *out, enum plan_profile profile, enum plan_network network)
{
	const struct sock_fprog *prog = filter_get(profile, network);
	buf_printf(out,
		"# The answer of profile %s to every call number, all arguments zero. Text after # "
		"does not count.\n"
		"# Made by tests/unit/jail/test_seccomp.c with DAYFLY_REGENERATE=1.\n",
		plan_profile_name(profile));
	add_native(out, prog);
	add_foreign(out, prog, "x32", AUDIT_ARCH_X86_64, X32_BIT);
	add_foreign(out, prog, "i386", AUDIT_ARCH_I386, 0);
	buf_add(out, "", 1);
}

/* Drops comments and the blanks before them: names depend on the libseccomp at hand. */
static void strip_comments(char *text)
{
	char *to = text;
	for (char *from = text; *from;) {
		size_t line = strcspn(from, "\n"), keep = strcspn(from, "#\n");
		while (keep > 0 && from[keep - 1] == ' ')
			keep--;
		memmove(to, from, keep);
		to += keep;
		from += line;
		if (*from == '\n')
			from++;
		if (keep > 0)
			*to++ = '\n';
	}
	*to = '\0';
}

/* Both texts are stripped. Names the first line that differs. */
static void assert_same_lines(char *expected, char *actual)
{
	char *e_next, *a_next;
	for (char *e = expected, *a = actual; *e || *a; e = e_next, a = a_next) {
		size_t e_len = strcspn(e, "\n"), a_len = strcspn(a, "\n");
		if (e_len != a_len || memcmp(e, a, e_len))
			fail_msg("golden says \"%.*s\", the filter \"%.*s\"", (int)e_len, e,
				(int)a_len, a);
		e_next = e + e_len + (e[e_len] == '\n');
		a_next = a + a_len + (a[a_len] == '\n');
	}
}

#ifndef DAYFLY_TEST_SOURCE
#define DAYFLY_TEST_SOURCE "."
#endif

static void golden_path(char *out, size_t size, enum plan_profile profile)
{
	snprintf(out, size, "%s/tests/unit/jail/seccomp_%s.golden", DAYFLY_TEST_SOURCE,
		plan_profile_name(profile));
}

static void check_golden(enum plan_profile profile)
{
	if (seccomp_arch_native() != SCMP_ARCH_X86_64)
		skip();
	char path[512];
	golden_path(path, sizeof(path), profile);
	struct buf actual;
	buf_init(&actual, 0);
	render(&actual, profile, PLAN_NETWORK_NONE);
	if (getenv("DAYFLY_REGENERATE")) {
		auto_fclose FILE *f = fopen(path, "we");
		assert_non_null(f);
		assert_true(fputs(buf_data(&actual), f) >= 0);
	} else {
		auto_free char *expected = NULL;
		if (fd_read_file(AT_FDCWD, path, 1 << 20, &expected) < 0)
			fail_msg("cannot read %s; run in the source tree", path);
		strip_comments(expected);
		strip_comments(buf_data(&actual));
		assert_same_lines(expected, buf_data(&actual));
	}
	buf_finish(&actual);
}

static void E1_every_number_of_dev_is_as_written_down(void **state)
{
	(void)state;
	check_golden(PLAN_PROFILE_DEV);
}

static void E1_every_number_of_strict_is_as_written_down(void **state)
{
	(void)state;
	check_golden(PLAN_PROFILE_STRICT);
}

static void network_changes_no_number(void **state)
{
	(void)state;
	for (int profile = 0; profile < PLAN_PROFILE_COUNT; profile++) {
		struct buf none, host;
		buf_init(&none, 0);
		buf_init(&host, 0);
		render(&none, (enum plan_profile)profile, PLAN_NETWORK_NONE);
		render(&host, (enum plan_profile)profile, PLAN_NETWORK_HOST);
		assert_same_lines(buf_data(&none), buf_data(&host));
		buf_finish(&none);
		buf_finish(&host);
	}
}

static void E2_E3_every_foreign_call_kills(void **state)
{
	(void)state;
	if (seccomp_arch_native() != SCMP_ARCH_X86_64)
		skip();
	static const uint32_t foreign[] = { AUDIT_ARCH_I386, AUDIT_ARCH_ARM, AUDIT_ARCH_AARCH64,
		0 };
	for (int profile = 0; profile < PLAN_PROFILE_COUNT; profile++) {
		const struct sock_fprog *prog =
			filter_get((enum plan_profile)profile, PLAN_NETWORK_HOST);
		for (uint32_t nr = 0; nr < 1024; nr++) {
			for (size_t i = 0; i < ARRAY_SIZE(foreign); i++)
				assert_string_equal(
					filter_ask_abi(prog, foreign[i], nr), "kill_process");
			assert_string_equal(filter_ask_abi(prog, AUDIT_ARCH_X86_64, nr | X32_BIT),
				"kill_process");
			assert_string_equal(
				filter_ask_abi(prog, AUDIT_ARCH_X86_64, nr | 0x80000000u),
				"kill_process");
		}
	}
}

static void E21_future_calls_are_not_implemented(void **state)
{
	(void)state;
	for (int profile = 0; profile < PLAN_PROFILE_COUNT; profile++) {
		const struct sock_fprog *prog =
			filter_get((enum plan_profile)profile, PLAN_NETWORK_HOST);
		for (int nr = 463; nr < 5000; nr++)
			assert_string_equal(filter_ask(prog, nr, 0, 0, 0), "ENOSYS");
	}
}

static void E18_the_way_to_a_verdict_is_short(void **state)
{
	(void)state;
	if (seccomp_arch_native() != SCMP_ARCH_X86_64)
		skip();
	const struct sock_fprog *prog = filter_get(PLAN_PROFILE_DEV, PLAN_NETWORK_NONE);
	for (int nr = 0; nr <= LAST_NUMBER; nr++) {
		struct seccomp_data data = { .nr = nr, .arch = AUDIT_ARCH_X86_64 };
		size_t steps = 0;
		assert_int_not_equal(bpf_run(prog, &data, &steps), BPF_BROKEN);
		if (steps > 48)
			fail_msg("call %d takes %zu instructions", nr, steps);
	}
}

/* In the first filter. */
static bool has_check(const char *call)
{
	for (size_t i = 0; i < policy_checks_count; i++)
		if (!(policy_checks[i].when & POLICY_SHARED) &&
			!strcmp(policy_checks[i].call, call))
			return true;
	return false;
}

static const struct policy_call *find_call(const char *name)
{
	for (size_t i = 0; i < policy_calls_count; i++)
		if (policy_calls[i].name && !strcmp(policy_calls[i].name, name))
			return &policy_calls[i];
	return NULL;
}

static void the_table_names_each_call_once(void **state)
{
	(void)state;
	for (size_t i = 0; i < policy_calls_count; i++) {
		const struct policy_call *call = &policy_calls[i];
		if (call->group)
			continue;
		if (find_call(call->name) != call)
			fail_msg("%s is there twice", call->name);
		assert_int_equal(call->checked, has_check(call->name));
		if (call->x86_64_number < 0)
			continue;
		int known = seccomp_syscall_resolve_name_arch(SCMP_ARCH_X86_64, call->name);
		if (known >= 0 && known != call->x86_64_number)
			fail_msg("%s is %d, not %d", call->name, known, call->x86_64_number);
	}
	for (size_t i = 0; i < policy_checks_count; i++) {
		const struct policy_call *call = find_call(policy_checks[i].call);
		assert_non_null(call);
		assert_int_equal(call->checked, !(policy_checks[i].when & POLICY_SHARED));
	}
}

/* A word that libseccomp does not know at all is a typing error, unless it is newer than
 * libseccomp. */
static void the_table_has_no_misspelt_call(void **state)
{
	(void)state;
	static const char *const newer[] = { "listmount", "statmount", "open_tree_attr" };
	for (size_t i = 0; i < policy_calls_count; i++) {
		const struct policy_call *call = &policy_calls[i];
		if (call->group || call->x86_64_number >= 0)
			continue;
		bool may_be_unknown = false;
		for (size_t j = 0; j < ARRAY_SIZE(newer); j++)
			may_be_unknown |= !strcmp(newer[j], call->name);
		if (!may_be_unknown && seccomp_syscall_resolve_name(call->name) == __NR_SCMP_ERROR)
			fail_msg("libseccomp does not know %s", call->name);
	}
}

static void the_policy_prints(void **state)
{
	(void)state;
	for (int profile = 0; profile < PLAN_PROFILE_COUNT; profile++) {
		auto_free char *text = NULL;
		size_t len = 0;
		auto_fclose FILE *out = open_memstream(&text, &len);
		assert_non_null(out);
		assert_int_equal(seccomp_filter_print(out, (enum plan_profile)profile), 0);
		fflush(out);
		assert_non_null(strstr(text, "allow           read\n"));
		assert_non_null(strstr(text, "EPERM           mount\n"));
		assert_non_null(strstr(text, "EPERM           if arg1 == TIOCSTI\n"));
		assert_non_null(strstr(text, "ENOSYS          clone3\n"));
		assert_non_null(
			strstr(text, profile == PLAN_PROFILE_DEV ? "allow           ptrace\n"
								 : "EPERM           ptrace\n"));
	}
}

static int finish(void **state)
{
	(void)state;
	filter_finish_all();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(E1_every_number_of_dev_is_as_written_down),
		cmocka_unit_test(E1_every_number_of_strict_is_as_written_down),
		cmocka_unit_test(network_changes_no_number),
		cmocka_unit_test(E2_E3_every_foreign_call_kills),
		cmocka_unit_test(E21_future_calls_are_not_implemented),
		cmocka_unit_test(E18_the_way_to_a_verdict_is_short),
		cmocka_unit_test(the_table_names_each_call_once),
		cmocka_unit_test(the_table_has_no_misspelt_call),
		cmocka_unit_test(the_policy_prints),
	};
	return cmocka_run_group_tests_name("seccomp", tests, NULL, finish);
}
