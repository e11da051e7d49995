/*
 * The tests' version of src/jail/fault.c. DAYFLY_FAULT in the warden's environment is a file that
 * holds "STEP fail" (the step reports EIO), "STEP kill" (jail init or the task dies at that step),
 * "STEP stall" (it never ends, and "stalled" is written behind, where the file may be written) or
 * nothing.
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

/* Opened before the root changes; read at every step, until the step that closes it. */
static int fault_fd = -2;
static char text[128];

static void read_text(void)
{
	char now[sizeof(text)] = "";
	if (fault_fd == -2) {
		const char *path = getenv("DAYFLY_FAULT");
		fault_fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
		if (path && fault_fd < 0)
			fault_fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	if (fault_fd >= 0 && pread(fault_fd, now, sizeof(now) - 1, 0) >= 0)
		memcpy(text, now, sizeof(text));
}

int fault_check(const char *step, struct err *e)
{
	char want[64] = "", how[32] = "";
	read_text();
	if (sscanf(text, "%63s %31s", want, how) != 2 || strcmp(want, step) != 0)
		return 0;
	if (!strcmp(how, "kill"))
		_exit(99);
	if (!strcmp(how, "stall")) {
		/* Not behind close-fds. */
		if (pwrite(fault_fd, " stalled", 8, (off_t)strlen(text)) > 0)
			fault_fd = -1;
		pause();
	}
	return err_set(e, ERR_SETUP, EIO, "injected fault");
}
