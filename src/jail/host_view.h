/* What the image `host` is made of, and whether that is still the same. Runs in the warden. */
#ifndef DAYFLY_JAIL_HOST_VIEW_H
#define DAYFLY_JAIL_HOST_VIEW_H

#include <stdint.h>

/* Directories and links of the host's root that it shows, where they are there; NULL at the end. */
extern const char *const host_view_names[];

/* A number that is another one when one of them is another: replaced, mounted over, come or gone.
 */
uint64_t host_view_sum(void);

#endif
