/* The end of what a verb prints: see output.h. */
#include "cli/output.h"

#include "cli/message.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int output_failed(int r, int failure_status)
{
	if (r == -EPIPE)
		return OUTPUT_STATUS_EPIPE;
	message_error("write output: %s", strerror(-r));
	return failure_status;
}

int output_end(int failure_status)
{
	/* Of what failed before, only that it did is known by now. */
	int r = fflush(stdout) != 0 ? -errno : ferror(stdout) ? -EIO : 0;
	return r < 0 ? output_failed(r, failure_status) : 0;
}
