/*
 * Fault injection for the tests: whether this step is to fail now. The warden that is installed
 * links fault.c, which always says no; the tests link their own version, which reads DAYFLY_FAULT.
 */
#ifndef DAYFLY_JAIL_FAULT_H
#define DAYFLY_JAIL_FAULT_H

#include "base/err.h"

/* Returns 0, or -errno with *e set, as the step itself would. May also end the process. */
int fault_check(const char *step, struct err *e);

#endif
