/* Between git_source.c, which has the tasks, and git_source_work.c, which has the jails. */
#ifndef DAYFLY_DAEMON_GIT_SOURCE_PRIV_H
#define DAYFLY_DAEMON_GIT_SOURCE_PRIV_H

#include "daemon/git_source.h"
#include "git/modules.h"
#include "git/ref.h"

enum git_work_state {
	GIT_WORK_WAITING,  /* for its turn */
	GIT_WORK_FETCHING, /* its jail is there */
	GIT_WORK_CHECKING_OUT,
	GIT_WORK_OVER, /* nobody waits for it; its jail is dying */
};

struct git_secrets {
	char *credentials;
	size_t credentials_len;
	char *ssh_key;
	size_t ssh_key_len;
	char *known_hosts;
	size_t known_hosts_len;
	char *ca;
	size_t ca_len;
};

struct git_work {
	struct list link; /* git_sources.works */
	struct list uses; /* git_use.link */
	struct git_sources *sources;
	enum git_work_state state;
	uid_t uid;
	char key[GIT_KEY_SIZE];
	int history; /* enum git_history */
	bool wants_modules;
	struct git_url url;
	char *ref; /* of a commit: its digits in small letters */
	struct git_secrets secrets;
	bool is_bound;		 /* git_jail_ask.is_bound */
	int client_fd, agent_fd; /* -1: none */
	int mirror_fd, tree_fd;	 /* of the tree that is being checked out */
	struct git_item *mirror;
	uint64_t had_bytes; /* the mirror, before the first fetch */
	struct git_jail *jail;
	struct git_metered metered;
	bool is_over_bound, is_odd; /* it wrote more than it may, or what nobody can look through */
	char commit[GIT_COMMIT_SIZE]; /* once it is known */
	struct git_modules modules;   /* of the commit */
	size_t n_fetched;	      /* so many of them are in the mirror */
	bool fetched;
	uint64_t started_ns, step_ns; /* CLOCK_BOOTTIME */
	uint64_t fetch_us, checkout_us;
};

/* Of its tree. */
static inline int git_work_kind(const struct git_work *w)
{
	return git_store_kind(w->history, w->wants_modules);
}

/* Begins what may be begun. */
void git_works_pump(struct git_sources *g);
/* Nobody waits for it any more. */
void git_work_abandon(struct git_work *w);

void git_work_ready(struct git_work *w);
void git_work_failed(struct git_work *w, const struct err *e);
void git_work_destroy(struct git_work *w);
void git_sources_note_ref(struct git_sources *g, const struct git_work *w);
/* It has written more than it may. */
void git_work_on_over(struct git_metered *m);
void git_secrets_wipe(struct git_secrets *s);

#endif
