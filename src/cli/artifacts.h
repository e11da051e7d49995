/* dayfly run --artifact: the files come as a tar through a pipe, and go below a directory when the
 * task is over and each of them is what the result says. */
#ifndef DAYFLY_CLI_ARTIFACTS_H
#define DAYFLY_CLI_ARTIFACTS_H

#include "base/err.h"

#include <dayfly/client.h>
#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

/* Where they go if nothing else is said. */
#define ARTIFACTS_DIR "artifacts"

struct artifacts_out {
	/* Set by the caller. */
	char **globs;		 /* --artifact GLOB[:optional]; NULL: none are wanted */
	const char *dir;	 /* --artifacts-to; NULL: ARTIFACTS_DIR */
	const char *timeout;	 /* --artifacts-timeout; NULL: the default */
	const char *upload;	 /* --upload TARGET[/PREFIX], or */
	const char *url;	 /* --upload-url; NULL: they come here */
	const char *credentials; /* --upload-credentials; NULL: none */
	bool no_wait;		 /* --no-wait-upload */

	/* Its own. */
	int tar_fd;	/* a file without a name */
	pid_t reader;	/* 0: none */
	json_t *result; /* "artifacts" of the result, or NULL */
};

/* A check for the option table. */
int artifacts_check_glob(const char *text, struct err *e);

/* Whether the options go together. Returns 0 or -EINVAL after a message. */
int artifacts_check(const struct artifacts_out *a, bool is_detached);

/* Has the task send them. Returns 0, or -errno after a message; artifacts_end() in any case. */
int artifacts_begin(struct artifacts_out *a, struct dayfly_task *t);

/* The result of the task. */
void artifacts_note(struct artifacts_out *a, struct dayfly_event *last);

struct command;
/* Where they are uploaded: waits until they are. Returns 0, or an exit status after a message. */
int artifacts_wait(const struct artifacts_out *a, const struct command *cmd,
	struct dayfly_client *c, const char *task, bool is_quiet);

/* When the task's description is freed: puts them in place, and cleans up. Returns 0, or -errno
 * after a message. */
int artifacts_end(struct artifacts_out *a, bool is_quiet);

#endif
