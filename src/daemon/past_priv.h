/* What past.c and past_ask.c share. */
#ifndef DAYFLY_DAEMON_PAST_PRIV_H
#define DAYFLY_DAEMON_PAST_PRIV_H

#include "daemon/past.h"

/* A hook of the history. */
void past_on_answer(void *owner, struct history_query *q);

#endif
