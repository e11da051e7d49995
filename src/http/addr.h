/*
 * Which addresses dayflyd never connects to on somebody's behalf: its own host, the networks behind
 * it, the metadata services of clouds, and every way to write one of those as another address.
 * Pure. Asked at each connect, by the address that is connected to: what a name resolved to earlier
 * says nothing.
 */
#ifndef DAYFLY_HTTP_ADDR_H
#define DAYFLY_HTTP_ADDR_H

#include <stdbool.h>
#include <sys/socket.h>

/* Only addresses that are known to be of the public Internet are not denied. Another family is. */
bool addr_is_denied(const struct sockaddr *sa, socklen_t len);

#endif
