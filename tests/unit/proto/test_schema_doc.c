#include "proto/request_helper.h"

#include "base/fd.h"
#include "proto/schema.h"

#include <fcntl.h>

#define BEGIN "<!-- schema:begin -->\n"
#define END   "<!-- schema:end -->"

static char *printed(void)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	assert_non_null(f);
	schema_print_markdown(f);
	fclose(f);
	return text;
}

TEST(every_field_operation_and_error_code_is_printed)
{
	auto_free char *text = printed();
	char wanted[128];
	for (int op = 0; op < OP_COUNT; op++) {
		snprintf(wanted, sizeof(wanted), "### `%s`\n", op_name(op));
		assert_non_null(strstr(text, wanted));
	}
	for (int code = 0; code < ERR_CODE_COUNT; code++) {
		snprintf(wanted, sizeof(wanted), "| `%s` | ", err_code_name(code));
		assert_non_null(strstr(text, wanted));
	}
	const struct schema_object *objects[] = { &schema_request, &schema_task, &schema_workspace,
		&schema_mount, &schema_limits };
	for (size_t o = 0; o < ARRAY_SIZE(objects); o++) {
		for (size_t i = 0; i < objects[o]->n_fields; i++) {
			snprintf(wanted, sizeof(wanted), "| `%s` | ", objects[o]->fields[i].name);
			assert_non_null(strstr(text, wanted));
		}
	}
}

TEST(every_row_of_a_table_has_its_five_or_two_cells)
{
	auto_free char *text = printed();
	for (char *line = text, *next; (next = strchr(line, '\n')); line = next + 1) {
		*next = '\0';
		if (line[0] != '|')
			continue;
		size_t bars = 0;
		for (char *p = line; *p; p++)
			bars += *p == '|';
		assert_true(bars == 6 || bars == 3);
	}
}

TEST(the_document_has_the_tables_of_this_build)
{
	auto_free char *text = printed();
	auto_free char *doc = NULL;
	if (fd_read_file(AT_FDCWD, DAYFLY_TEST_SOURCE "/docs/protocol.md", 1 << 20, &doc) < 0)
		fail_msg("docs/protocol.md cannot be read");
	char *begin = strstr(doc, BEGIN), *end = strstr(doc, END);
	assert_non_null(begin);
	assert_non_null(end);
	begin += strlen(BEGIN);
	*end = '\0';
	for (size_t i = 0, line = 1; text[i] || begin[i]; i++) {
		if (text[i] != begin[i])
			fail_msg("docs/protocol.md differs in line %zu of its tables; this program "
				 "prints them with --print",
				line);
		line += text[i] == '\n';
	}
}

static char *document(void)
{
	char *doc = NULL;
	if (fd_read_file(AT_FDCWD, DAYFLY_TEST_SOURCE "/docs/protocol.md", 1 << 20, &doc) < 0)
		fail_msg("docs/protocol.md cannot be read");
	return doc;
}

/* Calls fn for each line of the document's fenced blocks with this heading. */
static void each_line(const char *fence, void (*fn)(const char *line, void *arg), void *arg)
{
	auto_free char *doc = document();
	bool is_inside = false;
	for (char *line = doc, *next; (next = strchr(line, '\n')); line = next + 1) {
		*next = '\0';
		if (!strncmp(line, "```", 3))
			is_inside = !strcmp(line, fence);
		else if (is_inside)
			fn(line, arg);
	}
}

static void check_request(const char *line, void *arg)
{
	bool *seen = arg;
	auto_request struct request *rq = parse_good(line);
	seen[rq->op] = true;
}

TEST(the_document_shows_a_good_request_of_every_operation)
{
	bool seen[OP_COUNT] = { false };
	each_line("```json request", check_request, seen);
	for (int op = 0; op < OP_COUNT; op++)
		assert_true(seen[op]);
}

/* The last request of a session, and the error that it gives by itself. */
struct session {
	char id[32];
	char events_id[32]; /* of the last subscription, which goes on */
	bool is_refused;
	struct err error;
	size_t n_requests, n_answers;
};

static void check_sent(const char *line, struct session *s)
{
	struct request *rq = NULL;
	char *id = NULL;
	s->is_refused = request_parse(line, strlen(line), &rq, &id, &s->error) < 0;
	snprintf(s->id, sizeof(s->id), "%s", rq ? rq->id : id);
	if (rq && rq->op == OP_EVENTS)
		snprintf(s->events_id, sizeof(s->events_id), "%s", rq->id);
	free(id);
	request_destroy(rq);
	s->n_requests++;
}

static void check_member(const json_t *error, const char *key, const char *wanted)
{
	const char *shown = json_string_value(json_object_get(error, key));
	if (shown)
		assert_string_equal(shown, wanted);
}

static void check_answer(const char *line, struct session *s)
{
	static const char *const events[] = { "accepted", "state", "output", "result", "error",
		"task", "subscribed", "missed", "upload", "artifact", "artifact_data" };
	json_t *answer = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
	if (!answer)
		fail_msg("not JSON: %s", line);
	const char *event = json_string_value(json_object_get(answer, "event"));
	size_t i = 0;
	while (i < ARRAY_SIZE(events) && strcmp(event, events[i]))
		i++;
	assert_true(i < ARRAY_SIZE(events));
	const char *id = json_string_value(json_object_get(answer, "id"));
	bool is_of_events = !strcmp(id, s->events_id);
	assert_true(is_of_events || !strcmp(id, s->id));
	const json_t *error = json_object_get(answer, "error");
	if (error) {
		const char *code = json_string_value(json_object_get(error, "code"));
		int n = 0;
		while (n < ERR_CODE_COUNT && strcmp(err_code_name(n), code) != 0)
			n++;
		assert_int_not_equal(n, ERR_CODE_COUNT);
	}
	if (s->is_refused && !is_of_events) {
		assert_string_equal(event, "error");
		check_member(error, "code", err_code_name(s->error.code));
		check_member(error, "field", s->error.field);
		check_member(error, "message", s->error.msg);
		check_member(error, "hint", s->error.hint);
	}
	json_decref(answer);
	s->n_answers++;
}

static void check_session_line(const char *line, void *arg)
{
	if (line[0] == '>')
		check_sent(line + 2, arg);
	else
		check_answer(line + 2, arg);
}

TEST(the_sessions_in_the_document_are_requests_and_answers_of_this_build)
{
	struct session s = { .n_requests = 0 };
	each_line("```session", check_session_line, &s);
	assert_true(s.n_requests >= 10);
	assert_true(s.n_answers >= s.n_requests);
}

/* With --print: only the tables, to be put between the marks of the document. */
int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "--print")) {
		schema_print_markdown(stdout);
		return 0;
	}
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_field_operation_and_error_code_is_printed),
		cmocka_unit_test(every_row_of_a_table_has_its_five_or_two_cells),
		cmocka_unit_test(the_document_has_the_tables_of_this_build),
		cmocka_unit_test(the_document_shows_a_good_request_of_every_operation),
		cmocka_unit_test(
			the_sessions_in_the_document_are_requests_and_answers_of_this_build),
	};
	return RUN_TESTS(tests);
}
