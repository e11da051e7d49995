/* The policy tables: see seccomp_policy.def for the lines and their meaning. */
#include "jail/seccomp_policy.h"

#include "base/cleanup.h"
#include "jail/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>

#ifndef F_SETDELEG /* Linux 6.19 */
#define F_SETDELEG 1040
#endif
#ifndef IPPROTO_ICMPV6
#define IPPROTO_ICMPV6 58
#endif

#define GROUP(text)		{ .group = (text) },
#define ALLOW(call)		{ .name = #call, .x86_64_number = -1 },
#define ALLOW_NEW(call, number) { .name = #call, .x86_64_number = (number) },
#define ALLOW_DEV(call)		{ .name = #call, .x86_64_number = -1, .verdict = { 0, EPERM } },
#define FORBID(call)		{ .name = #call, .x86_64_number = -1, .verdict = { EPERM, EPERM } },
#define ABSENT(call)		{ .name = #call, .x86_64_number = -1, .verdict = { ENOSYS, ENOSYS } },
#define CHECKED(call)		{ .name = #call, .x86_64_number = -1, .checked = true },
#define CHECK(...)
const struct policy_call policy_calls[] = {
#include "jail/seccomp_policy.def"
};
#undef GROUP
#undef ALLOW
#undef ALLOW_NEW
#undef ALLOW_DEV
#undef FORBID
#undef ABSENT
#undef CHECKED
#undef CHECK
const size_t policy_calls_count = ARRAY_SIZE(policy_calls);

#define DEV	       (1u << 0)
#define STRICT_OFFLINE (1u << 1)
#define STRICT_ONLINE  (1u << 2)
#define STRICT	       (STRICT_OFFLINE | STRICT_ONLINE)
#define ANY	       (DEV | STRICT)
#define SHARED	       POLICY_SHARED

/* In clone(2) of s390x the flags come second. */
#if defined(__s390__)
#define CLONE_FLAGS_ARG 1
#else
#define CLONE_FLAGS_ARG 0
#endif
#define CLONE_NEW_MASK                                                                             \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |             \
		CLONE_NEWPID | CLONE_NEWNET)

#define ALL	    0xffffffffu
#define MAKES_FILE  (O_CREAT | (O_TMPFILE & ~O_DIRECTORY)) /* flags with which open has a mode */
#define SOCKET_TYPE 0xfu /* the rest are SOCK_NONBLOCK and SOCK_CLOEXEC */
#define EQ(arg, value)                                                                             \
	{                                                                                          \
		POLICY_EQ, arg, ALL, value, "== " #value                                           \
	}
#define NE(arg, value)                                                                             \
	{                                                                                          \
		POLICY_NE, arg, ALL, value, "!= " #value                                           \
	}
#define TYPE_EQ(arg, value)                                                                        \
	{                                                                                          \
		POLICY_EQ, arg, SOCKET_TYPE, value, "& SOCKET_TYPE == " #value                     \
	}
#define TYPE_NE(arg, value)                                                                        \
	{                                                                                          \
		POLICY_NE, arg, SOCKET_TYPE, value, "& SOCKET_TYPE != " #value                     \
	}
#define ANY_BIT(arg, bits)                                                                         \
	{                                                                                          \
		POLICY_NE, arg, bits, 0, "& " #bits " != 0"                                        \
	}
#define NONE                                                                                       \
	{                                                                                          \
		0                                                                                  \
	}

#define GROUP(text)
#define ALLOW(call)
#define ALLOW_NEW(call, number)
#define ALLOW_DEV(call)
#define FORBID(call)
#define ABSENT(call)
#define CHECKED(call)
#define CHECK(call, when, verdict, ...) { #call, when, verdict, { __VA_ARGS__ } },
const struct policy_check policy_checks[] = {
#include "jail/seccomp_policy.def"
};
const size_t policy_checks_count = ARRAY_SIZE(policy_checks);

unsigned policy_when(enum plan_profile profile, enum plan_network network)
{
	if (profile == PLAN_PROFILE_DEV)
		return DEV;
	return network == PLAN_NETWORK_HOST ? STRICT_ONLINE : STRICT_OFFLINE;
}

static const char *when_name(unsigned when)
{
	switch (when) {
	case DEV:
		return " (dev)";
	case STRICT:
		return " (strict)";
	case STRICT_OFFLINE:
		return " (strict without a network)";
	case STRICT_ONLINE:
		return " (strict with a network)";
	default:
		return "";
	}
}

const char *policy_verdict_name(int verdict)
{
	switch (verdict) {
	case 0:
		return "allow";
	case EPERM:
		return "EPERM";
	case ENOSYS:
		return "ENOSYS";
	case EAFNOSUPPORT:
		return "EAFNOSUPPORT";
	case EPROTONOSUPPORT:
		return "EPROTONOSUPPORT";
	default:
		return "?";
	}
}

int policy_call_number(const struct policy_call *call)
{
	if (call->x86_64_number >= 0 && seccomp_arch_native() == SCMP_ARCH_X86_64)
		return call->x86_64_number;
	int nr = seccomp_syscall_resolve_name_arch(seccomp_arch_native(), call->name);
	return nr >= 0 ? nr : -1; /* below -1: libseccomp's mark for calls of other architectures */
}

static void print_checks(FILE *out, const char *call, unsigned whens)
{
	for (size_t i = 0; i < policy_checks_count; i++) {
		const struct policy_check *check = &policy_checks[i];
		if (strcmp(check->call, call) || !(check->when & whens))
			continue;
		fprintf(out, "    %-15s", policy_verdict_name(check->verdict));
		const char *between = " if";
		for (size_t j = 0; j < POLICY_CONDITIONS_MAX && check->conditions[j].op; j++) {
			fprintf(out, "%s arg%u %s", between, check->conditions[j].arg,
				check->conditions[j].text);
			between = " and";
		}
		unsigned narrowed = check->when & whens;
		fprintf(out, "%s\n", narrowed == whens ? "" : when_name(narrowed));
	}
}

int seccomp_filter_print(FILE *out, enum plan_profile profile)
{
	unsigned whens = profile == PLAN_PROFILE_DEV ? DEV : STRICT;
	fprintf(out, "profile %s: default ENOSYS; a foreign ABI kills the process\n",
		plan_profile_name(profile));
	for (size_t i = 0; i < policy_calls_count; i++) {
		const struct policy_call *call = &policy_calls[i];
		if (call->group) {
			fprintf(out, "\n# %s\n", call->group);
			continue;
		}
		const char *note = policy_call_number(call) < 0 ? " (unknown here)" : "";
		if (call->checked) {
			fprintf(out, "%-15s %s%s, the first that holds:\n", "by arguments",
				call->name, note);
			print_checks(out, call->name, whens);
		} else {
			fprintf(out, "%-15s %s%s\n", policy_verdict_name(call->verdict[profile]),
				call->name, note);
		}
	}
	fprintf(out, "\n# as well, where user agent has a directory in mode rw\n");
	for (size_t i = 0; i < policy_checks_count; i++)
		if (policy_checks[i].when & SHARED) {
			fprintf(out, "%-15s %s:\n", "by arguments", policy_checks[i].call);
			print_checks(out, policy_checks[i].call, SHARED);
		}
	return ferror(out) ? -EIO : 0;
}
