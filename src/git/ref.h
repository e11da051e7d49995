/* Names of branches, tags and commits. */
#ifndef DAYFLY_GIT_REF_H
#define DAYFLY_GIT_REF_H

#include "base/err.h"

#include <stdbool.h>

#define GIT_COMMIT_LEN	40
#define GIT_COMMIT_SIZE (GIT_COMMIT_LEN + 1)

/* Whether git takes it as the name of a ref, as part of a refspec and not as an option. Returns 0,
 * or -EINVAL with *e saying cause and fix. */
int git_ref_check(const char *text, struct err *e);

/* All digits of a commit: in small letters to out. */
bool git_ref_is_commit(const char *text, char out[GIT_COMMIT_SIZE]);

#endif
