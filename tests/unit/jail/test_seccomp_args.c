/* The rules on arguments, each with the high half of the argument set too: the kernel ignores it,
 * so must the filter (E4). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <termios.h>

#include "base/cleanup.h"
#include "filters.h"
#include "jail/seccomp.h"

#define HIGH (1ull << 32)

static const uint64_t highs[] = { 0, HIGH, 0xffffffffull << 32, 1ull << 63 };

/* The same answer whatever the high half of the argument at `place` is. */
static void expect(const struct sock_fprog *prog, int nr, unsigned place, uint64_t a0, uint64_t a1,
	uint64_t a2, const char *answer)
{
	for (size_t i = 0; i < ARRAY_SIZE(highs); i++) {
		uint64_t args[] = { a0, a1, a2 };
		args[place] |= highs[i];
		const char *got = filter_ask(prog, nr, args[0], args[1], args[2]);
		if (strcmp(got, answer))
			fail_msg("call %d (0x%llx, 0x%llx, 0x%llx): %s, not %s", nr,
				(unsigned long long)args[0], (unsigned long long)args[1],
				(unsigned long long)args[2], got, answer);
	}
}

static void expect_socket(const struct sock_fprog *prog, uint64_t family, uint64_t type,
	uint64_t proto, const char *answer)
{
	static const uint64_t flags[] = { 0, SOCK_CLOEXEC, SOCK_NONBLOCK,
		SOCK_CLOEXEC | SOCK_NONBLOCK };
	for (unsigned place = 0; place < 3; place++)
		for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
			expect(prog, SYS_socket, place, family, type | flags[i], proto, answer);
}

static const struct sock_fprog *dev(void)
{
	return filter_get(PLAN_PROFILE_DEV, PLAN_NETWORK_NONE);
}

static const struct sock_fprog *strict(enum plan_network network)
{
	return filter_get(PLAN_PROFILE_STRICT, network);
}

static void E14_dev_has_four_families(void **state)
{
	(void)state;
	for (uint64_t family = 0; family < 70; family++) {
		const char *answer = "EAFNOSUPPORT";
		if (family == AF_UNIX || family == AF_INET || family == AF_INET6 ||
			family == AF_NETLINK)
			answer = "allow";
		expect_socket(dev(), family, SOCK_DGRAM, 0, answer);
	}
	expect_socket(dev(), 0xffffffffu, SOCK_DGRAM, 0, "EAFNOSUPPORT");
	expect_socket(dev(), 0x80000000u | AF_INET, SOCK_STREAM, 0, "EAFNOSUPPORT");
}

static void E14_strict_has_no_netlink_and_no_internet_when_offline(void **state)
{
	(void)state;
	for (uint64_t family = 0; family < 70; family++) {
		bool internet = family == AF_INET || family == AF_INET6;
		const char *offline = family == AF_UNIX ? "allow" : "EAFNOSUPPORT";
		const char *online = family == AF_UNIX || internet ? "allow" : "EAFNOSUPPORT";
		expect_socket(strict(PLAN_NETWORK_NONE), family, SOCK_DGRAM, 0, offline);
		expect_socket(strict(PLAN_NETWORK_HOST), family, SOCK_DGRAM, 0, online);
	}
}

static void E14_internet_types_and_protocols(void **state)
{
	(void)state;
	static const uint64_t families[] = { AF_INET, AF_INET6 };
	static const uint64_t protocols[] = { 0, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP,
		IPPROTO_ICMPV6 };
	const struct sock_fprog *progs[] = { dev(), strict(PLAN_NETWORK_HOST) };
	for (size_t f = 0; f < 2 * ARRAY_SIZE(progs); f++) {
		const struct sock_fprog *prog = progs[f / 2];
		uint64_t family = families[f % 2];
		for (uint64_t proto = 0; proto < 300; proto++) {
			const char *answer = "EPROTONOSUPPORT";
			for (size_t i = 0; i < ARRAY_SIZE(protocols); i++)
				if (proto == protocols[i])
					answer = "allow";
			expect_socket(prog, family, SOCK_STREAM, proto, answer);
			expect_socket(prog, family, SOCK_DGRAM, proto, answer);
			expect_socket(prog, family, SOCK_RAW, proto, "EPERM");
			expect_socket(prog, family, SOCK_SEQPACKET, proto, "EPROTONOSUPPORT");
			expect_socket(prog, family, SOCK_DCCP, proto, "EPROTONOSUPPORT");
			expect_socket(prog, family, SOCK_PACKET, proto, "EPROTONOSUPPORT");
		}
	}
}

static void E14_netlink_is_route_only(void **state)
{
	(void)state;
	for (uint64_t proto = 0; proto < 64; proto++) {
		const char *answer = proto == NETLINK_ROUTE ? "allow" : "EPROTONOSUPPORT";
		expect_socket(dev(), AF_NETLINK, SOCK_RAW, proto, answer);
		expect_socket(dev(), AF_NETLINK, SOCK_DGRAM, proto, answer);
	}
}

static void E15_socketpair_is_unix_only(void **state)
{
	(void)state;
	const struct sock_fprog *progs[] = { dev(), strict(PLAN_NETWORK_NONE),
		strict(PLAN_NETWORK_HOST) };
	for (size_t i = 0; i < ARRAY_SIZE(progs); i++)
		for (uint64_t family = 0; family < 70; family++)
			expect(progs[i], SYS_socketpair, 0, family, SOCK_STREAM, 0,
				family == AF_UNIX ? "allow" : "EAFNOSUPPORT");
}

static void D2_clone_makes_no_namespace(void **state)
{
	(void)state;
	static const uint64_t namespaces[] = { CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS,
		CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET };
	const uint64_t thread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
				CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID |
				CLONE_CHILD_CLEARTID;
	const uint64_t plain[] = { SIGCHLD, thread, CLONE_VM | CLONE_VFORK | SIGCHLD,
		CLONE_PIDFD | SIGCHLD, CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD,
		CLONE_PTRACE, CLONE_UNTRACED, CLONE_IO, CLONE_PARENT };
	for (int p = 0; p < PLAN_PROFILE_COUNT; p++) {
		const struct sock_fprog *prog = filter_get((enum plan_profile)p, PLAN_NETWORK_NONE);
		for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
			expect(prog, SYS_clone, 0, plain[i], 0, 0, "allow");
		for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++)
			for (size_t j = 0; j < ARRAY_SIZE(plain); j++)
				expect(prog, SYS_clone, 0, namespaces[i] | plain[j], 0, 0, "EPERM");
	}
}

static void E5_clone3_is_not_implemented(void **state)
{
	(void)state;
	for (int p = 0; p < PLAN_PROFILE_COUNT; p++) {
		const struct sock_fprog *prog = filter_get((enum plan_profile)p, PLAN_NETWORK_HOST);
		assert_string_equal(filter_ask(prog, SYS_clone3, 0, 0, 0), "ENOSYS");
		assert_string_equal(filter_ask(prog, SYS_clone3, ~0ull, ~0ull, ~0ull), "ENOSYS");
	}
}

static void E23_terminal_injection_is_refused(void **state)
{
	(void)state;
	static const uint64_t refused[] = { TIOCSTI, TIOCLINUX, TIOCSETD };
	for (int p = 0; p < PLAN_PROFILE_COUNT; p++) {
		const struct sock_fprog *prog = filter_get((enum plan_profile)p, PLAN_NETWORK_NONE);
		for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
			expect(prog, SYS_ioctl, 1, 0, refused[i], 0, "EPERM");
		for (uint64_t cmd = 0x5400; cmd < 0x5480; cmd++)
			if (cmd != TIOCSTI && cmd != TIOCLINUX && cmd != TIOCSETD)
				expect(prog, SYS_ioctl, 1, 0, cmd, 0, "allow");
		expect(prog, SYS_ioctl, 1, TIOCSTI, TCGETS, TIOCSTI, "allow");
		expect(prog, SYS_ioctl, 1, 0, 0x80000000u | TIOCSTI, 0, "allow");
	}
}

static bool among(uint64_t value, const uint64_t *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] == value)
			return true;
	return false;
}

static void A13_no_lease_is_taken(void **state)
{
	(void)state;
	for (int p = 0; p < PLAN_PROFILE_COUNT; p++) {
		const struct sock_fprog *prog = filter_get((enum plan_profile)p, PLAN_NETWORK_NONE);
		expect(prog, SYS_fcntl, 1, 3, F_SETLEASE, F_WRLCK, "EPERM");
		expect(prog, SYS_fcntl, 1, 3, 1040 /* F_SETDELEG */, 0, "EPERM");
		static const int others[] = { F_DUPFD, F_GETFD, F_SETFD, F_SETFL, F_SETLK,
			F_GETLEASE, F_SETPIPE_SZ, F_ADD_SEALS, F_OFD_SETLKW };
		for (size_t i = 0; i < ARRAY_SIZE(others); i++)
			expect(prog, SYS_fcntl, 1, 3, (uint64_t)others[i], 0, "allow");
	}
}

static void E13_personality_is_a_list(void **state)
{
	(void)state;
	static const uint64_t good[] = { 0, 8, 0x20000, 0x20008, 0xffffffffu, 0x40000 };
	uint64_t asked[64 + ARRAY_SIZE(good) + 32];
	size_t n = 0;
	for (uint64_t i = 0; i < 64; i++)
		asked[n++] = i;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		asked[n++] = good[i];
	for (unsigned bit = 0; bit < 31; bit++)
		asked[n++] = 1ull << bit;
	asked[n++] = 0x0400000 | 0x40000; /* READ_IMPLIES_EXEC beside an allowed one */
	for (size_t i = 0; i < n; i++) {
		bool in_dev = among(asked[i], good, ARRAY_SIZE(good));
		bool in_strict = among(asked[i], good, ARRAY_SIZE(good) - 1);
		expect(dev(), SYS_personality, 0, asked[i], 0, 0, in_dev ? "allow" : "EPERM");
		expect(strict(PLAN_NETWORK_NONE), SYS_personality, 0, asked[i], 0, 0,
			in_strict ? "allow" : "EPERM");
	}
}

static void the_limits_of_process_1_are_not_to_be_set(void **state)
{
	(void)state;
	static const struct {
		uint64_t pid;
		const char *answer;
	} asked[] = { { 0, "allow" }, { 2, "allow" }, { 1, "EPERM" }, { 0xf00000001ull, "EPERM" } };
	for (size_t i = 0; i < ARRAY_SIZE(asked); i++) {
		expect(dev(), SYS_prlimit64, 0, asked[i].pid, 0, 0, asked[i].answer);
		expect(strict(PLAN_NETWORK_NONE), SYS_prlimit64, 0, asked[i].pid, 0, 0,
			asked[i].answer);
		expect(strict(PLAN_NETWORK_HOST), SYS_prlimit64, 0, asked[i].pid, 0, 0,
			asked[i].answer);
	}
}

static void other_arguments_do_not_matter(void **state)
{
	(void)state;
	static const int calls[] = { SYS_read, SYS_mmap, SYS_fcntl, SYS_prctl, SYS_mount,
		SYS_unshare, SYS_userfaultfd, SYS_seccomp };
	for (int p = 0; p < PLAN_PROFILE_COUNT; p++) {
		const struct sock_fprog *prog = filter_get((enum plan_profile)p, PLAN_NETWORK_NONE);
		for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
			const char *answer = filter_ask(prog, calls[i], 0, 0, 0);
			assert_string_equal(
				filter_ask(prog, calls[i], ~0ull, ~0ull, ~0ull), answer);
			assert_string_equal(filter_ask(prog, calls[i], HIGH, HIGH, HIGH), answer);
		}
	}
}

static void F4_no_set_user_id_file_is_made_in_a_shared_directory(void **state)
{
	(void)state;
	enum { CREATE = O_CREAT | O_WRONLY, TEMPORARY = O_TMPFILE | O_RDWR };
	struct sock_fprog prog = { 0 };
	struct err e = { 0 };
	assert_int_equal(seccomp_filter_compile_shared(&prog, &e), 0);
	static const uint64_t refused[] = { 04755, 06755, 04000, 0104755 },
			      allowed[] = { 0755, 02755, 01777, 0, 03777 };
	for (int bad = 0; bad < 2; bad++) {
		const uint64_t *modes = bad ? refused : allowed;
		for (size_t i = 0; i < (bad ? ARRAY_SIZE(refused) : ARRAY_SIZE(allowed)); i++) {
			const char *answer = bad ? "EPERM" : "allow";
			expect(&prog, SYS_fchmod, 1, 3, modes[i], 0, answer);
			expect(&prog, SYS_fchmodat, 2, 3, 0, modes[i], answer);
			expect(&prog, 452 /* fchmodat2 */, 2, 3, 0, modes[i], answer);
			expect(&prog, SYS_mknodat, 2, 3, 0, modes[i], answer);
#ifdef SYS_open
			expect(&prog, SYS_chmod, 1, 0, modes[i], 0, answer);
			expect(&prog, SYS_creat, 1, 0, modes[i], 0, answer);
			expect(&prog, SYS_mknod, 1, 0, modes[i], 0, answer);
			expect(&prog, SYS_open, 2, 0, CREATE, modes[i], answer);
			expect(&prog, SYS_open, 2, 0, TEMPORARY, modes[i], answer);
			/* A mode that the kernel does not look at may be anything. */
			expect(&prog, SYS_open, 2, 0, O_RDWR | O_DIRECTORY, modes[i], "allow");
#endif
		}
	}
	expect(&prog, SYS_openat2, 1, 3, 0, 0, "ENOSYS");
	expect(&prog, SYS_read, 1, 04755, 04755, 04755, "allow");
	expect(&prog, SYS_mount, 1, 04755, 04755, 04755, "allow"); /* the other filter's affair */
	seccomp_filter_finish(&prog);
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
		cmocka_unit_test(E14_dev_has_four_families),
		cmocka_unit_test(E14_strict_has_no_netlink_and_no_internet_when_offline),
		cmocka_unit_test(E14_internet_types_and_protocols),
		cmocka_unit_test(E14_netlink_is_route_only),
		cmocka_unit_test(E15_socketpair_is_unix_only),
		cmocka_unit_test(D2_clone_makes_no_namespace),
		cmocka_unit_test(E5_clone3_is_not_implemented),
		cmocka_unit_test(E23_terminal_injection_is_refused),
		cmocka_unit_test(A13_no_lease_is_taken),
		cmocka_unit_test(E13_personality_is_a_list),
		cmocka_unit_test(the_limits_of_process_1_are_not_to_be_set),
		cmocka_unit_test(other_arguments_do_not_matter),
		cmocka_unit_test(F4_no_set_user_id_file_is_made_in_a_shared_directory),
	};
	return cmocka_run_group_tests_name("seccomp arguments", tests, NULL, finish);
}
