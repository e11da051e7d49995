/*
 * Calls that dayfly does not make, turned into compile errors. Forced into every file by the
 * Makefile. Each has a bounded, checked or descriptor-safe replacement in base/.
 */
#ifndef DAYFLY_BASE_BANNED_H
#define DAYFLY_BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* alloca, and what the fortified headers of some compilers define as macros. */
#undef alloca
#undef sprintf
#undef vsprintf
#define DAYFLY_BANNED(name) sorry_##name##_is_a_banned_function
#define strcpy(x, y)	    DAYFLY_BANNED(strcpy)
#define strcat(x, y)	    DAYFLY_BANNED(strcat)
#define sprintf(...)	    DAYFLY_BANNED(sprintf)
#define vsprintf(...)	    DAYFLY_BANNED(vsprintf)
#define strtok(x, y)	    DAYFLY_BANNED(strtok)
#define gets(x)		    DAYFLY_BANNED(gets)
#define alloca(x)	    DAYFLY_BANNED(alloca)
#define atoi(x)		    DAYFLY_BANNED(atoi)
#define atol(x)		    DAYFLY_BANNED(atol)
#define system(x)	    DAYFLY_BANNED(system)

#endif
