/*
 * Tasks that wait: those who follow them hear how many are before them and about how long it takes,
 * soon after they came, and then about once a second where it has changed by more than a tenth;
 * less often where so many wait that telling them takes long.
 */
#ifndef DAYFLY_DAEMON_WAITING_H
#define DAYFLY_DAEMON_WAITING_H

#include <stdbool.h>
#include <stdint.h>

struct server;
struct alarm;

struct waiting {
	struct server *server;
	struct alarm *alarm;
	bool is_armed;
	bool has_new;	  /* somebody has not heard anything yet */
	bool is_for_new;  /* this time only those are told */
	uint64_t all_ns;  /* CLOCK_BOOTTIME: when everybody is told again */
	uint64_t done_ns; /* the end of the last time */
	uint64_t cost_ns; /* which took so long */
};

/* Borrows the server. Returns 0 or -errno; call waiting_finish() in both cases. */
int waiting_init(struct waiting *w, struct server *s);
void waiting_finish(struct waiting *w);

/* A task was put into the queue. */
void waiting_note(struct waiting *w);

/* At the end of a turn. */
void waiting_check(struct waiting *w);

#endif
