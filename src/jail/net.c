/* Host name and the loopback device of the jail's own network namespace. */
#include "jail/steps.h"

#include "base/fd.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

int step_hostname(struct jail *j, struct err *e)
{
	if (sethostname(PLAN_HOSTNAME, strlen(PLAN_HOSTNAME)) < 0)
		return err_set(e, ERR_SETUP, errno, "set the host name");
	jail_enforce(j, CONTROL_UTS_NS);
	return 0;
}

int step_loopback(struct jail *j, struct err *e)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	auto_close int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return err_set(e, ERR_SETUP, errno, "open a socket in the network namespace");
	if (ioctl(sock, SIOCSIFFLAGS, &ifr) < 0)
		return err_set(e, ERR_SETUP, errno, "bring up the loopback device");
	jail_enforce(j, CONTROL_NET_NS);
	return 0;
}
