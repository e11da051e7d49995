/* System calls by number. Each runs in a child: a call that kills, hangs or changes the process
 * changes only the child. */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* What a child reports through shared memory. */
struct outcome {
	volatile int done;
	volatile long ret;
	volatile int error;
};

struct attempt {
	long nr;
	long args[6];
	struct outcome *outcome;
};

static struct outcome *shared_outcome(void)
{
	static struct outcome *o;
	if (!o)
		o = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	memset(o, 0, sizeof(*o));
	return o;
}

static void no_core(void)
{
	struct rlimit none = { 0, 0 };
	setrlimit(RLIMIT_CORE, &none);
}

static void do_attempt(void *arg)
{
	struct attempt *a = arg;
	struct outcome *o = a->outcome;
	no_core();
	alarm(3);
	long ret = syscall(
		a->nr, a->args[0], a->args[1], a->args[2], a->args[3], a->args[4], a->args[5]);
	int error = errno;
	if (ret == 0 && a->nr == SYS_clone)
		_exit(0); /* the child of a clone that was let through */
#ifdef SYS_fork
	if (ret == 0 && a->nr == SYS_fork)
		_exit(0);
#endif
	o->ret = ret;
	o->error = ret < 0 ? error : 0;
	o->done = 1;
	_exit(0);
}

static void out_attempt(const struct attempt *a, int status)
{
	out_begin("call");
	out_int("nr", a->nr);
	if (a->outcome->done) {
		out_int("ret", a->outcome->ret);
		out_int("errno", a->outcome->error);
	}
	out_int("signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
	out_end();
}

int cmd_call(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	struct attempt a = { .nr = (long)parse_number(argv[1]), .outcome = shared_outcome() };
	for (int i = 0; i < 6 && i + 2 < argc; i++)
		a.args[i] = (long)parse_number(argv[i + 2]);
	int status = run_child(do_attempt, &a);
	out_attempt(&a, status);
	return 0;
}

/* Calls that the sweep leaves out, and why. */
static const char *skip_reason(long nr)
{
	switch (nr) {
	case SYS_exit:
	case SYS_exit_group:
		return "ends the process";
	case SYS_rt_sigreturn:
		return "restores registers from the stack";
	case SYS_clone:
	case SYS_ioctl:
	case SYS_personality:
	case SYS_socket:
	case SYS_socketpair:
		return "decided by arguments";
	case SYS_sync:
		return "acts on the whole host";
#ifdef SYS_vfork
	case SYS_vfork:
		return "shares the stack with the caller";
#endif
#ifdef SYS_pause
	case SYS_pause:
		return "blocks";
#endif
	case SYS_vhangup:
	case SYS_reboot:
		return "too much when it works";
	default:
		return NULL;
	}
}

/* Bad pointers and descriptors everywhere: a call that is let through fails with EFAULT, EBADF or
 * EINVAL. */
static void bad_arguments(struct attempt *a)
{
	for (int i = 0; i < 6; i++)
		a->args[i] = -1;
	if (a->nr == SYS_futex) {
		a->args[0] =
			-4; /* aligned, unmapped; with an unknown operation it would be ENOSYS */
		a->args[1] = 1;
	}
	if (a->nr == SYS_msgget || a->nr == SYS_semget || a->nr == SYS_shmget) {
		a->args[0] = 1; /* a key that nobody uses, and no IPC_CREAT */
		a->args[1] = a->nr == SYS_msgget ? 0 : 1;
		a->args[2] = 0;
	}
}

int cmd_sweep(int argc, char **argv)
{
	if (argc < 3 || is_host_root())
		return 2;
	long last = (long)parse_number(argv[2]);
	for (long nr = (long)parse_number(argv[1]); nr <= last; nr++) {
		const char *reason = skip_reason(nr);
		if (reason) {
			out_begin("skip");
			out_int("nr", nr);
			out_str("reason", reason);
			out_end();
			continue;
		}
		struct attempt a = { .nr = nr, .outcome = shared_outcome() };
		bad_arguments(&a);
		int status = run_child(do_attempt, &a);
		out_attempt(&a, status);
	}
	return 0;
}

#if defined(__x86_64__)
static void do_i386(void *arg)
{
	struct attempt *a = arg;
	long ret;
	no_core();
	/* No pointers among the arguments: registers are cut to 32 bits. */
	__asm__ volatile(
		"int $0x80"
		: "=a"(ret)
		: "a"(a->nr), "b"(a->args[0]), "c"(a->args[1]), "d"(a->args[2]), "S"(0), "D"(0)
		: "memory", "r8", "r9", "r10", "r11");
	a->outcome->ret = ret;
	a->outcome->error = ret < 0 && ret > -4096 ? (int)-ret : 0;
	a->outcome->done = 1;
}
#endif

int cmd_foreign(int argc, char **argv)
{
#if defined(__x86_64__)
	if (argc < 3)
		return 2;
	struct attempt a = { .nr = (long)parse_number(argv[2]), .outcome = shared_outcome() };
	bool x32 = !strcmp(argv[1], "x32");
	if (x32)
		a.nr |= 0x40000000;
	for (int i = 0; i < 3 && i + 3 < argc; i++)
		a.args[i] = (long)parse_number(argv[i + 3]);
	int status = run_child(x32 ? do_attempt : do_i386, &a);
	out_attempt(&a, status);
#else
	out_begin("skip");
	out_str("reason", "x86_64 only");
	out_end();
#endif
	return 0;
}

int cmd_bench(int argc, char **argv)
{
	long n = argc > 1 ? (long)parse_number(argv[1]) : 1000000;
	struct timespec start, end;
	long long best = 0;
	for (int round = 0; round < 5; round++) {
		clock_gettime(CLOCK_MONOTONIC, &start);
		for (long i = 0; i < n; i++)
			syscall(SYS_getppid);
		clock_gettime(CLOCK_MONOTONIC, &end);
		long long ns =
			(end.tv_sec - start.tv_sec) * 1000000000ll + end.tv_nsec - start.tv_nsec;
		if (!best || ns < best)
			best = ns;
	}
	out_begin("bench");
	out_int("ps_per_call", best * 1000 / n);
	out_end();
	return 0;
}
