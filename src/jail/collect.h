/* What is taken out of a dead jail. Runs in its init, when every other process is gone. */
#ifndef DAYFLY_JAIL_COLLECT_H
#define DAYFLY_JAIL_COLLECT_H

#include "jail/jail.h"
#include "plan/wire.h"

/* Tells the warden what the task changed in its cow workspace, if it has one: the list at once, the
 * sums in *gone. */
void collect_changes(struct jail *j, struct wire_event *gone);

/* Likewise of the files that are to be kept. Afterwards jail init has no more rights than the task
 * had. */
void collect_artifacts(struct jail *j, struct wire_event *gone);

#endif
