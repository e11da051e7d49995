/* The version of these headers. The library's own: dayfly_version(). */
#ifndef DAYFLY_VERSION_H
#define DAYFLY_VERSION_H

#define DAYFLY_VERSION_MAJOR 0
#define DAYFLY_VERSION_MINOR 1
#define DAYFLY_VERSION_PATCH 0
#define DAYFLY_VERSION_TEXT  "0.1.0"

/* The protocol spoken with the daemon. */
#define DAYFLY_PROTOCOL 1

#endif
