/* dayfly version. */
#include "base/cleanup.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/verbs.h"

#include <dayfly/client.h>
#include <stdio.h>
#include <stdlib.h>

static const struct command command = {
	.name = "version",
	.operands = "",
	.summary = "Prints the version of this program and of the protocol that it speaks.",
	.usage_status = 2,
	.failure_status = 1,
};

int verb_version(int argc, char **argv)
{
	auto_free char **operands = NULL;
	int status = options_begin(&command, argc, argv, NULL, &operands);
	if (status >= 0)
		return status;
	printf("dayfly %s (protocol %d)\n", dayfly_version(), DAYFLY_PROTOCOL);
	return output_end(command.failure_status);
}
