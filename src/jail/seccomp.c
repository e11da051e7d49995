/* The filter: argument checks (seccomp_check.c), then what libseccomp makes of the table of calls.
 */
#include "jail/seccomp.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "jail/seccomp_policy.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static void cleanup_context(scmp_filter_ctx *ctx)
{
	if (*ctx)
		seccomp_release(*ctx);
}
#define SHARED_INSNS_MAX 256

#define auto_context __attribute__((cleanup(cleanup_context)))

static int add_calls(scmp_filter_ctx ctx, enum plan_profile profile, struct err *e)
{
	for (size_t i = 0; i < policy_calls_count; i++) {
		const struct policy_call *call = &policy_calls[i];
		if (call->group || call->checked || call->verdict[profile] == ENOSYS)
			continue;
		int nr = policy_call_number(call);
		if (nr < 0)
			continue;
		uint32_t action = SCMP_ACT_ALLOW;
		if (call->verdict[profile])
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
static int export_calls(enum plan_profile profile, int *ret_fd, struct err *e)
{
	auto_context scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	if (!ctx)
		return err_set(e, ERR_INTERNAL, ENOMEM, "seccomp_init");
	int r = set_attribute(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS, e);
	if (r == 0)
		r = add_calls(ctx, profile, e);
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

/* Appends the instructions in fd. */
static int append_file(int fd, struct sock_filter *insns, size_t *len, struct err *e)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return err_set(e, ERR_INTERNAL, errno, "stat of the exported filter");
	size_t n = (size_t)st.st_size / sizeof(*insns);
	if (n == 0 || (size_t)st.st_size % sizeof(*insns) || n > BPF_MAXINSNS - *len)
		return err_set(e, ERR_INTERNAL, E2BIG, "the exported filter has %lld bytes",
			(long long)st.st_size);
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_set(e, ERR_INTERNAL, errno, "seek in the exported filter");
	int r = fd_read_all(fd, insns + *len, n * sizeof(*insns));
	if (r < 0)
		return err_set(e, ERR_INTERNAL, -r, "read the exported filter");
	*len += n;
	return 0;
}

int seccomp_filter_compile(
	enum plan_profile profile, enum plan_network network, struct sock_fprog *ret, struct err *e)
{
	auto_close int fd = -1;
	int r = export_calls(profile, &fd, e);
	if (r < 0)
		return r;
	auto_free struct sock_filter *insns = calloc(BPF_MAXINSNS, sizeof(*insns));
	if (!insns)
		return err_set(e, ERR_INTERNAL, ENOMEM, "seccomp filter");
	size_t len = 0;
	r = policy_emit_checks(policy_when(profile, network), insns, BPF_MAXINSNS, &len);
	if (r < 0)
		return err_set(e, ERR_INTERNAL, -r, "seccomp argument checks");
	r = append_file(fd, insns, &len, e);
	if (r < 0)
		return r;
	struct sock_filter *fitted = realloc(insns, len * sizeof(*insns));
	if (fitted)
		insns = fitted;
	ret->len = (unsigned short)len;
	ret->filter = take_ptr(insns);
	return 0;
}

int seccomp_filter_compile_shared(struct sock_fprog *ret, struct err *e)
{
	auto_free struct sock_filter *insns = calloc(SHARED_INSNS_MAX, sizeof(*insns));
	size_t len = 0;
	int r = insns ? policy_emit_checks(POLICY_SHARED, insns, SHARED_INSNS_MAX - 1, &len)
		      : -ENOMEM;
	if (r < 0)
		return err_set(e, ERR_INTERNAL, -r, "seccomp filter for shared directories");
	insns[len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, (uint32_t)SECCOMP_RET_ALLOW);
	ret->len = (unsigned short)len;
	ret->filter = take_ptr(insns);
	return 0;
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
