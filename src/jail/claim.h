/* What the warden tells a parked jail init, and what that does with it. */
#ifndef DAYFLY_JAIL_CLAIM_H
#define DAYFLY_JAIL_CLAIM_H

#include "jail/jail.h"

/*
 * From the warden: the plan, sealed, as dayflyd sent it, the three of stdio, and what else *in
 * has that was made for this request: sources, degraded controls, the working directory. Borrows
 * all descriptors. Returns 0 or -errno.
 */
int claim_send(int status_fd, int plan_fd, const struct jail *in);

/* In jail init: waits for it. Ends the process when the warden is gone. Returns 0 or -errno with
 * *e. */
int claim_wait(struct jail *j, struct err *e);

#endif
