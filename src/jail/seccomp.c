/* The filter: what libseccomp makes of the table of calls, made shorter (seccomp_compact.c), and
 * behind it the argument checks (seccomp_check.c). */
#include "jail/seccomp.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "jail/seccomp_compact.h"
#include "jail/seccomp_policy.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* In libseccomp's program: the arguments decide. No errno of the kernel's. */
#define ASK_CHECKS 4000

static void cleanup_context(scmp_filter_ctx *ctx)
{
	if (*ctx)
		seccomp_release(*ctx);
}
#define auto_context __attribute__((cleanup(cleanup_context)))

static int add_calls(scmp_filter_ctx ctx, enum plan_profile profile, unsigned when, struct err *e)
{
	for (size_t i = 0; i < policy_calls_count; i++) {
		const struct policy_call *call = &policy_calls[i];
		bool is_checked = !call->group && policy_is_checked(call, when);
		if (call->group || (!is_checked && call->verdict[profile] == ENOSYS))
			continue;
		int nr = policy_call_number(call);
		if (nr < 0 || (call->checked && !is_checked))
			continue;
		uint32_t action = SCMP_ACT_ALLOW;
		if (is_checked)
			action = SCMP_ACT_ERRNO(ASK_CHECKS);
		else if (call->verdict[profile])
			action = SCMP_ACT_ERRNO((unsigned)call->verdict[profile]);
		int r = seccomp_rule_add_exact(ctx, action, nr, 0);
		if (r < 0)
			return err_set(e, ERR_INTERNAL, -r, "seccomp rule for %s", call->name);
	}
	return 0;
}

static int set_attribute(
	scmp_filter_ctx ctx, enum scmp_filter_attr attr, uint32_t value, struct err *e)
{
	int r = seccomp_attr_set(ctx, attr, value);
	return r < 0 ? err_set(e, ERR_INTERNAL, -r, "seccomp attribute %d", (int)attr) : 0;
}

/* libseccomp's program, as a file. */
static int export_calls(enum plan_profile profile, unsigned when, int *ret_fd, struct err *e)
{
	auto_context scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	if (!ctx)
		return err_set(e, ERR_INTERNAL, ENOMEM, "seccomp_init");
	int r = set_attribute(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS, e);
	if (r == 0)
		r = add_calls(ctx, profile, when, e);
	if (r == 0)
		r = set_attribute(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2, e);
	if (r < 0)
		return r;
	auto_close int fd = memfd_create("dayfly-seccomp", MFD_CLOEXEC);
	if (fd < 0)
		return err_set(e, ERR_INTERNAL, errno, "memfd_create");
	r = seccomp_export_bpf(ctx, fd);
	if (r < 0)
		return err_set(e, ERR_INTERNAL, -r, "seccomp_export_bpf");
	*ret_fd = fd_take(&fd);
	return 0;
}

/* The instructions in fd. */
static int read_file(int fd, struct sock_filter *insns, size_t *ret_len, struct err *e)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return err_set(e, ERR_INTERNAL, errno, "stat of the exported filter");
	size_t n = (size_t)st.st_size / sizeof(*insns);
	if (n == 0 || (size_t)st.st_size % sizeof(*insns) || n > BPF_MAXINSNS)
		return err_set(e, ERR_INTERNAL, E2BIG, "the exported filter has %lld bytes",
			(long long)st.st_size);
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_set(e, ERR_INTERNAL, errno, "seek in the exported filter");
	int r = fd_read_all(fd, insns, n * sizeof(*insns));
	if (r < 0)
		return err_set(e, ERR_INTERNAL, -r, "read the exported filter");
	*ret_len = n;
	return 0;
}

/*
 * Makes a program on numbers a whole one: short, with the checks behind it, and rest behind those
 * for what they leave undecided. *ret gets a copy.
 */
static int finish_program(struct sock_filter *insns, size_t len, unsigned when, uint32_t rest,
	struct sock_fprog *ret, struct err *e)
{
	seccomp_compact(insns, &len, seccomp_arch_native());
	for (size_t i = 0; i < len; i++)
		if (insns[i].code == (BPF_RET | BPF_K) && insns[i].k == SCMP_ACT_ERRNO(ASK_CHECKS))
			insns[i] = (struct sock_filter)BPF_STMT(
				BPF_JMP | BPF_JA, (uint32_t)(len - i - 1));
	int r = policy_emit_checks(when, insns, BPF_MAXINSNS - 1, &len);
	if (r < 0)
		return err_set(e, ERR_INTERNAL, -r, "seccomp argument checks");
	insns[len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, rest);
	ret->filter = malloc(len * sizeof(*insns));
	if (!ret->filter)
		return err_set(e, ERR_INTERNAL, ENOMEM, "seccomp filter");
	memcpy(ret->filter, insns, len * sizeof(*insns));
	ret->len = (unsigned short)len;
	return 0;
}

static struct sock_filter *new_program(struct err *e)
{
	struct sock_filter *insns = calloc(BPF_MAXINSNS, sizeof(*insns));
	if (!insns)
		err_set(e, ERR_INTERNAL, ENOMEM, "seccomp filter");
	return insns;
}

int seccomp_filter_compile(
	enum plan_profile profile, enum plan_network network, struct sock_fprog *ret, struct err *e)
{
	unsigned when = policy_when(profile, network);
	auto_close int fd = -1;
	auto_free struct sock_filter *insns = new_program(e);
	size_t len = 0;
	int r = insns ? export_calls(profile, when, &fd, e) : -ENOMEM;
	if (r == 0)
		r = read_file(fd, insns, &len, e);
	return r < 0 ? r : finish_program(insns, len, when, SCMP_ACT_ERRNO(ENOSYS), ret, e);
}

int seccomp_filter_compile_shared(struct sock_fprog *ret, struct err *e)
{
	auto_free struct sock_filter *insns = new_program(e);
	size_t len = 0;
	if (!insns)
		return -ENOMEM;
	/* Another architecture is the first filter's affair. */
	insns[len++] = (struct sock_filter)BPF_STMT(
		BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
	insns[len++] = (struct sock_filter)BPF_JUMP(
		BPF_JMP | BPF_JEQ | BPF_K, seccomp_arch_native(), 1, 0);
	insns[len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	insns[len++] = (struct sock_filter)BPF_STMT(
		BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < policy_calls_count; i++) {
		const struct policy_call *call = &policy_calls[i];
		if (call->group || !policy_is_checked(call, POLICY_SHARED))
			continue;
		insns[len++] = (struct sock_filter)BPF_JUMP(
			BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)policy_call_number(call), 0, 1);
		insns[len++] =
			(struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SCMP_ACT_ERRNO(ASK_CHECKS));
	}
	insns[len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	return finish_program(insns, len, POLICY_SHARED, SECCOMP_RET_ALLOW, ret, e);
}

void seccomp_filter_finish(struct sock_fprog *prog)
{
	free(prog->filter);
	*prog = (struct sock_fprog){ 0 };
}

int seccomp_filter_load(const struct sock_fprog *prog)
{
	if (!prog->filter || prog->len == 0)
		return -EINVAL;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, prog) < 0 ? -errno : 0;
}

#define X32_BIT 0x40000000u

void seccomp_call_name(uint32_t arch, uint32_t number, char *out, size_t size)
{
	bool is_x32 = arch == SCMP_ARCH_X86_64 && (number & X32_BIT);
	/* libseccomp numbers an x32 call as the kernel does, with the bit. */
	auto_free char *name =
		seccomp_syscall_resolve_num_arch(is_x32 ? SCMP_ARCH_X32 : arch, (int)number);
	const char *abi = is_x32		     ? "x32"
			  : arch == SCMP_ARCH_X86    ? "i386"
			  : arch == SCMP_ARCH_X86_64 ? "x86-64"
						     : "a foreign ABI";
	if (name)
		snprintf(out, size, "%s (%s)", name, abi);
	else
		snprintf(out, size, "number %u (%s)", is_x32 ? number & ~X32_BIT : number, abi);
}
