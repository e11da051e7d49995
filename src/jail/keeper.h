/* The keeper: outlives dayflyd to start wardens for it and to clean up its names. Messages:
 * plan/keeper.h. */
#ifndef DAYFLY_JAIL_KEEPER_H
#define DAYFLY_JAIL_KEEPER_H

#include "jail/warden.h"

/* Serves KEEPER_FD until it closes. Returns an exit status. */
int keeper_main(const struct warden_options *options);

/*
 * Executes this program again from a sealed copy in memory, so that a jail whose task reaches our
 * executable through a /proc/PID/exe link finds bytes that nobody can change. Returns only if that
 * is not possible (-errno) or already so (0).
 */
int keeper_seal_executable(char **argv);

#endif
