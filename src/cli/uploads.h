/* Watching uploads: on a terminal a line with a bar once it takes longer than a second, elsewhere a
 * line at the end. */
#ifndef DAYFLY_CLI_UPLOADS_H
#define DAYFLY_CLI_UPLOADS_H

#include "cli/options.h"

#include <dayfly/client.h>
#include <stdbool.h>

/*
 * Waits until all uploads of the task are over, and says of each that failed why. Returns 0, or the
 * command's failure status.
 */
int uploads_wait(
	const struct command *cmd, struct dayfly_client *c, const char *task, bool is_quiet);

#endif
