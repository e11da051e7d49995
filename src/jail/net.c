/* Host name and the loopback device of the jail's own network namespace. */
#include "jail/steps.h"

#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define HELPER_STACK_BYTES (64 << 10)

int step_hostname(struct jail *j, struct err *e)
{
	if (sethostname(PLAN_HOSTNAME, strlen(PLAN_HOSTNAME)) < 0)
		return err_set(e, ERR_SETUP, errno, "set the host name");
	jail_enforce(j, CONTROL_UTS_NS);
	return 0;
}

/*
 * Returns 0 or an errno. Plain system calls: the helper shares errno with jail init, which reads
 * its own at the same time. They write it only when they fail, and then the jail is not made
 * anyway.
 */
static int bring_up(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	long sock = syscall(SYS_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return errno;
	int errnum = syscall(SYS_ioctl, sock, SIOCSIFFLAGS, &ifr) < 0 ? errno : 0;
	syscall(SYS_close, sock);
	return errnum;
}

/* The helper, which shares jail init's memory: it touches nothing but its own stack and the answer.
 */
static int helper_main(void *arg)
{
	struct jail *j = arg;
	j->loopback_errnum = bring_up();
	return 0;
}

void net_begin(struct jail *j)
{
	static _Alignas(16) char stack[HELPER_STACK_BYTES];
	if (j->plan->network != PLAN_NETWORK_NONE)
		return;
	j->loopback_errnum = ECANCELED;
	j->loopback_pid = clone(helper_main, stack + sizeof(stack), CLONE_VM | SIGCHLD, j);
}

int step_loopback(struct jail *j, struct err *e)
{
	if (j->loopback_pid > 0) {
		while (waitpid(j->loopback_pid, NULL, 0) < 0 && errno == EINTR)
			;
	} else {
		j->loopback_errnum = bring_up();
	}
	if (j->loopback_errnum)
		return err_set(e, ERR_SETUP, j->loopback_errnum, "bring up the loopback device");
	jail_enforce(j, CONTROL_NET_NS);
	return 0;
}
