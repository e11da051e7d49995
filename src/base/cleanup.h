/* Locals that clean up after themselves. Always initialise them; hand a value over with take_ptr()
 * or fd_take(). */
#ifndef DAYFLY_BASE_CLEANUP_H
#define DAYFLY_BASE_CLEANUP_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_closedir(DIR **d)
{
	if (*d)
		closedir(*d);
}

static inline void cleanup_fclose(FILE **f)
{
	if (*f)
		fclose(*f);
}

#define auto_free     __attribute__((cleanup(cleanup_free)))
#define auto_closedir __attribute__((cleanup(cleanup_closedir)))
#define auto_fclose   __attribute__((cleanup(cleanup_fclose)))

/* Moves a pointer out of a variable, which is left NULL. */
#define take_ptr(p)                                                                                \
	({                                                                                         \
		__typeof__(p) taken_ = (p);                                                        \
		(p) = NULL;                                                                        \
		taken_;                                                                            \
	})

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
