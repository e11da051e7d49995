/*
 * SIGHUP: the configuration is read again and, if all of it is good, taken over. Faults leave
 * everything as it was. Tasks that were accepted keep what they were accepted with; clients stay
 * connected.
 */
#ifndef DAYFLY_DAEMON_RELOAD_H
#define DAYFLY_DAEMON_RELOAD_H

#include "sched/queue.h"

struct options;
struct server;

void reload_config(struct server *s);

/* The queue's caps as the settings have them. */
struct sched_caps reload_sched_caps(const struct options *o);

#endif
