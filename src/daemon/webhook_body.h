/* What is told of a task over HTTP: a CloudEvent (1.0, structured JSON). Pure. No command, no
 * environment and no file names are in it: whoever may see those can ask the daemon. */
#ifndef DAYFLY_DAEMON_WEBHOOK_BODY_H
#define DAYFLY_DAEMON_WEBHOOK_BODY_H

#include "daemon/outbox.h"
#include "proto/request.h"

#include <jansson.h>
#include <stdint.h>
#include <sys/types.h>

/* Longer ones lose details. */
#define WEBHOOK_BODY_MAX (32u << 10)

struct webhook_facts {
	enum webhook_event event; /* one */
	const char *task, *name;  /* name NULL: none */
	char *const *labels;	  /* "key=value" (strv) */
	uid_t uid;
	uint64_t at_ns, created_ns, started_ns; /* CLOCK_REALTIME; 0: never */
	const json_t *result;			/* finished: as the protocol has it */
};

const char *webhook_event_name(enum webhook_event event);

/* "evt_ID_finished_0": the same for the same event of the same task and the nth of its addresses,
 * also by another daemon. */
void webhook_id(const char *task, enum webhook_event event, size_t nth, char out[OUTBOX_ID_SIZE]);

/* The text, on the heap, or NULL. source: who tells it. */
char *webhook_body(const struct webhook_facts *f, const char *id, const char *source);

#endif
