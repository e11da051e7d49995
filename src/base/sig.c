/* Signals: see sig.h. */
#include "base/sig.h"

#include <signal.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

void sig_reset(void)
{
	/* The kernel's struct sigaction, all zero: SIG_DFL. */
	struct {
		void *handler;
		unsigned long flags;
		void *restorer;
		unsigned long mask;
	} action = { .handler = NULL };
	for (int s = 1; s < NSIG; s++)
		syscall(SYS_rt_sigaction, s, &action, NULL, sizeof(action.mask));
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}
