/*
 * Webhooks: at each turn in a task's life, who is to be told of it (the addresses of its request
 * and the administrator's), put into the outbox. Who was promised to be told of the end is told
 * also if this daemon dies before it: the promise is a record beside the events, and the next
 * daemon keeps it.
 */
#ifndef DAYFLY_DAEMON_WEBHOOKS_H
#define DAYFLY_DAEMON_WEBHOOKS_H

#include "base/err.h"
#include "daemon/options.h"
#include "daemon/outbox.h"
#include "http/signature.h"
#include "proto/request.h"

#include <jansson.h>
#include <sys/types.h>

struct job;
struct server;

struct webhooks {
	struct outbox outbox;
	char source[300]; /* "dayfly://HOST" */
	struct list over; /* promise.link: kept, but by events that are not all on the disk yet */
};

/* What they are signed with, by the settings: before root's rights are given up. None at all is no
 * failure, unless the administrator has endpoints. Returns 0 or -errno. */
int webhooks_read_keys(
	const struct options *o, uid_t owner, struct signature_keys *ret, struct err *e);

/* After recovery_start(): what an earlier daemon had promised is told. Returns 0 or -errno. */
int webhooks_start(struct server *s);
void webhooks_finish(struct server *s);
/* From time to time: what could not be written is tried again. */
void webhooks_tick(struct server *s);

/* Whether a request's can be: what policy_check() does not know. Returns 0 or -errno with *e. */
int webhooks_check(const struct server *s, const struct task_spec *spec, struct err *e);

/*
 * It will be accepted. Whoever is to be told of its end is promised to be, by a record that is on
 * the disk when the outbox's syncer has come so far. Returns whether there is one.
 */
bool webhooks_promise(struct server *s, const struct job *j);
/* It was not accepted after all. */
void webhooks_take_back(struct server *s, const struct job *j);
/* It is accepted for good; then each state that it has come into. */
void webhooks_on_accepted(struct server *s, struct job *j);
void webhooks_on_state(struct server *s, struct job *j);

/* {"secrets","outbox","waiting","bytes","fault"} */
json_t *webhooks_to_json(const struct server *s);

#endif
