/*
 * Where results may be uploaded to by name: the targets of [uploads]. Each is put together from
 * lines "NAME KEY=VALUE ..."; several lines of one name add up. What a target signs with comes from
 * a file, from systemd or from the environment, is read once at the start, and is in no log and no
 * answer.
 */
#ifndef DAYFLY_DAEMON_UPLOAD_TARGET_H
#define DAYFLY_DAEMON_UPLOAD_TARGET_H

#include "base/err.h"
#include "daemon/upload_secret.h"
#include "http/url.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UPLOAD_TARGETS_MAX 32
#define UPLOAD_PARTS_MAX   1000
#define UPLOAD_KEY_MAX	   1024 /* of S3 */

struct upload_target {
	char *name;
	enum upload_kind kind;
	struct url url; /* S3: of the server, without a path */
	char *bucket, *region;
	char *prefix; /* before the request's own; NULL: none */
	bool is_virtual;
	bool may_be_private;
	bool wants_credentials; /* of each request: it has none of its own */
	uint64_t part_bytes, multipart_bytes;
	char *ca_file;	   /* NULL: that of [uploads] */
	char *credentials; /* a path, "environment", "none"; NULL: a credential of systemd's */
	struct upload_secret secret;
};

struct upload_targets {
	struct upload_target *list;
	size_t n;
};

/* Whether one line is good by itself. Returns 0 or -errno with *e. */
int upload_target_check_line(const char *line, struct err *e);

/* All lines (strv, may be NULL). Returns 0 or -errno with *e. */
int upload_targets_parse(char *const *lines, struct upload_targets *ret, struct err *e);
/* For each what it signs with. Returns 0 or -errno with *e. */
int upload_targets_read_secrets(struct upload_targets *ts, unsigned owner, struct err *e);
const struct upload_target *upload_targets_find(const struct upload_targets *ts, const char *name);
/* Wipes the secrets. */
void upload_targets_finish(struct upload_targets *ts);

#endif
