/*
 * One request of an upload: its method, address and headers, signed where it is for S3. Pure, but
 * for the time that is given.
 */
#ifndef DAYFLY_DAEMON_UPLOAD_REQUEST_H
#define DAYFLY_DAEMON_UPLOAD_REQUEST_H

#include "base/err.h"
#include "daemon/upload_target.h"

#include <stddef.h>
#include <stdint.h>

/* Where in an address of a request's the path of the file goes. */
#define UPLOAD_PATH_MARK "{path}"

enum upload_step {
	UPLOAD_STEP_PUT,      /* all of it at once */
	UPLOAD_STEP_INITIATE, /* S3: begins a multipart upload */
	UPLOAD_STEP_PART,
	UPLOAD_STEP_COMPLETE,
	UPLOAD_STEP_ABORT,
};

struct upload_request {
	const char *method;
	char *url;	/* for no log */
	char **headers; /* strv; hold secrets */
};

struct upload_step_args {
	enum upload_step step;
	const char *key;       /* behind the target's place */
	const char *upload_id; /* PART, COMPLETE, ABORT */
	size_t part;	       /* from 1 on */
	const char *hash;      /* of the body, in hex */
	int64_t now_s;
};

/* Returns 0 or -ENOMEM. The caller calls upload_request_finish() in both cases. */
int upload_request_make(const struct upload_target *t, const struct upload_step_args *a,
	struct upload_request *ret);
/* To an address of a request, with the credentials that came with it. Returns 0 or -ENOMEM. */
int upload_request_authorize(const struct upload_secret *s, struct upload_request *ret);
void upload_request_finish(struct upload_request *r);

/*
 * Prefix of the target, of the request, and the path, as one key; in the prefixes "{task}" and
 * "{uid}" are replaced. Nothing may be empty, "." or ".." between slashes. On the heap; NULL with
 * *e.
 */
char *upload_key(const char *target_prefix, const char *prefix, const char *path, const char *task,
	unsigned uid, struct err *e);
/* Whether a request's prefix can be one. Returns 0 or -errno with *e. */
int upload_prefix_check(const char *prefix, struct err *e);

/* An address with {path} in it filled in. On the heap; NULL: no memory. */
char *upload_url(const char *url, const char *path);

#endif
