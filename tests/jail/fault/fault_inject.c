/*
 * The tests' version of src/jail/fault.c. DAYFLY_FAULT in the warden's environment is a file that holds "STEP fail" (the step reports EIO),
 * "STEP kill" (jail init or the task dies at that step), "STEP stall" (it never ends) or nothing.
 */
#include "base/fd.h"
#include "jail/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Opened before the root changes; read afresh at every step. */
static int fault_fd = -2;

int fault_check(const char *step, struct err *e)
{
	char text[128] = "", want[64] = "", how[32] = "";
	if (fault_fd == -2) {
		const char *path = getenv("DAYFLY_FAULT");
		fault_fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	}
	if (fault_fd < 0 || pread(fault_fd, text, sizeof(text) - 1, 0) <= 0)
		return 0;
	if (sscanf(text, "%63s %31s", want, how) != 2 || strcmp(want, step) != 0)
		return 0;
	if (!strcmp(how, "kill"))
		_exit(99);
	if (!strcmp(how, "stall"))
		pause();
	return err_set(e, ERR_SETUP, EIO, "injected fault");
}
