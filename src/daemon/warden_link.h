/*
 * The connection to the warden, on the loop: sends records in order (a bounded queue where the
 * socket is full), takes what comes back, and when the warden dies gets a new one from the keeper.
 *
 *   up ──end of file──▶ down ──pause──▶ asked ──HELLO──▶ up
 *                        ▲                 └──end of file, silence──▶ down
 */
#ifndef DAYFLY_DAEMON_WARDEN_LINK_H
#define DAYFLY_DAEMON_WARDEN_LINK_H

#include "base/err.h"
#include "base/list.h"
#include "daemon/keeper.h"
#include "daemon/startup.h"
#include "plan/wire.h"
#include "task/watch.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum warden_link_state { WARDEN_LINK_DOWN, WARDEN_LINK_ASKED, WARDEN_LINK_UP };

struct warden_link_hooks {
	/* Any record but HELLO. The callee takes *fd by fd_take(), or leaves it to be closed. */
	void (*on_event)(void *owner, const struct wire_event *ev, int *fd);
	/* All its jails are gone. */
	void (*on_lost)(void *owner);
	/* A new one is there. */
	void (*on_up)(void *owner);
	/* There is no way to get another one. */
	void (*on_dead)(void *owner, const struct err *e);
};

struct warden_link {
	uv_loop_t *loop;
	const struct warden_link_hooks *hooks;
	void *owner;
	enum warden_link_state state;
	struct startup *start; /* keeper, program, socket; borrowed */
	struct watch *keeper_watch;
	int fd;
	int32_t pid; /* as the keeper told it; 0: unknown */
	struct watch *watch;
	struct alarm *retry;
	struct wire_event hello; /* of the newest warden */
	struct list out;	 /* struct pending */
	size_t n_out;
	unsigned n_failures; /* in a row */
	uint64_t up_since_ns;
	uint64_t next_jail;
	bool is_dead;	 /* there will be no other warden */
	bool is_closing; /* nobody is told anything any more */
};

/* Takes the first warden's connection over from startup. Returns 0 or -errno. */
int warden_link_init(struct warden_link *l, uv_loop_t *loop, struct startup *start,
	const struct warden_link_hooks *hooks, void *owner);
void warden_link_finish(struct warden_link *l);

bool warden_link_is_up(const struct warden_link *l);
uint64_t warden_link_new_jail(struct warden_link *l);

/* Borrows the descriptors: what it has to keep it has copies of. Returns 0, -ENOTCONN (no warden),
 * -ENOBUFS (queue full) or another -errno. */
int warden_link_send(
	struct warden_link *l, const struct wire_request *rq, const int *fds, size_t n_fds);

#endif
