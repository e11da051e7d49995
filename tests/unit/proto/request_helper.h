/* Parsing requests in tests: from a format, with the error kept. */
#ifndef TESTS_UNIT_PROTO_REQUEST_HELPER_H
#define TESTS_UNIT_PROTO_REQUEST_HELPER_H

#include "harness.h"

#include "proto/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline void cleanup_request(struct request **rq)
{
	request_destroy(*rq);
}
#define auto_request __attribute__((cleanup(cleanup_request)))

/* A request that must be good; the caller's. */
static inline struct request *parse_good(const char *line)
{
	struct request *rq = NULL;
	char *id = NULL;
	struct err e = { 0 };
	if (request_parse(line, strlen(line), &rq, &id, &e) < 0)
		fail_msg("%.200s: %s: %s", line, e.field, e.msg);
	assert_null(id);
	assert_non_null(rq);
	assert_non_null(rq->id);
	return rq;
}

/* A request that must be refused, in a buffer of just its size, so that a read beyond is seen. */
static inline struct err parse_bad(const char *line, size_t len)
{
	struct request *rq = NULL;
	char *id = NULL;
	struct err e = { 0 };
	auto_free char *copy = malloc(len ? len : 1);
	assert_non_null(copy);
	memcpy(copy, line, len);
	if (request_parse(copy, len, &rq, &id, &e) == 0)
		fail_msg("accepted: %.*s", (int)(len < 200 ? len : 200), line);
	assert_null(rq);
	assert_true(e.msg[0]);
	free(id);
	char *again = NULL;
	assert_true(request_parse(copy, len, &rq, &again, NULL) < 0);
	free(again);
	return e;
}

/* field and code that the refusal must name; field NULL: any. */
static inline struct err assert_refused(const char *line, enum err_code code, const char *field)
{
	struct err e = parse_bad(line, strlen(line));
	if (e.code != code || (field && strcmp(e.field, field)))
		fail_msg("%.200s: %s at \"%s\" (%s), not %s at \"%s\"", line, err_code_name(e.code),
			e.field, e.msg, err_code_name(code), field ? field : "");
	return e;
}

/* The same for `"member":value` inside a run's task. */
static inline struct err assert_task_refused(
	const char *members, enum err_code code, const char *field)
{
	char line[4096];
	snprintf(line, sizeof(line),
		"{\"op\":\"run\",\"id\":\"1\",\"task\":{\"argv\":[\"true\"],%s}}", members);
	return assert_refused(line, code, field);
}

static inline struct request *parse_task(const char *members)
{
	char line[4096];
	snprintf(line, sizeof(line),
		"{\"op\":\"run\",\"id\":\"1\",\"task\":{\"argv\":[\"true\"]%s%s}}",
		*members ? "," : "", members);
	return parse_good(line);
}

#endif
