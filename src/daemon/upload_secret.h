/*
 * What an upload is signed with: read from text in the manner of the files of AWS's own tools,
 * whether that came with a request, from a file or from the environment. It is in no log and no
 * answer.
 */
#ifndef DAYFLY_DAEMON_UPLOAD_SECRET_H
#define DAYFLY_DAEMON_UPLOAD_SECRET_H

#include "base/err.h"

#include <stddef.h>

enum upload_kind { UPLOAD_HTTP, UPLOAD_S3 };

struct upload_secret {
	char *id, *key, *token; /* of S3; token may be NULL */
	char *authorization;	/* of HTTP: the value of the header; NULL: none */
};

/* Lines of a file of credentials, all that are needed to sign. Returns 0 or -errno with *e, which
 * holds nothing of the text. */
int upload_secret_parse(enum upload_kind kind, const char *text, size_t len,
	struct upload_secret *ret, struct err *e);

/* What of it is in a file of owner's or root's (http/secret_file.h); likewise. */
int upload_secret_read_file(enum upload_kind kind, const char *path, unsigned owner,
	struct upload_secret *ret, struct err *e);

/* What of it is in our environment, as AWS's tools have it: UPLOAD_S3 only. Returns 0 or -errno
 * with *e. */
int upload_secret_read_environment(struct upload_secret *ret, struct err *e);

void upload_secret_wipe(struct upload_secret *s);

#endif
