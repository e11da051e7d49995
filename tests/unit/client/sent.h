/* What a task is sent as. */
#ifndef DAYFLY_TESTS_UNIT_CLIENT_SENT_H
#define DAYFLY_TESTS_UNIT_CLIENT_SENT_H

#include "harness.h"

#include "client/client_priv.h"

static int fds[LIMIT_REQUEST_FDS];
static size_t n_fds;

/* Whether the task, as it is sent, is this JSON. */
static void expect(const struct dayfly_task *t, const char *json)
{
	json_t *want = json_loads(json, 0, NULL), *got = NULL;
	struct dayfly_error e;
	assert_int_equal(task_to_json(t, &got, fds, &n_fds, &e), 0);
	if (!json_equal(want, got)) {
		char *text = json_dumps(got, 0);
		fail_msg("made %s, not %s", text, json);
	}
	json_decref(want);
	json_decref(got);
}

#endif
