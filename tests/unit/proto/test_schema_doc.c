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
			fail_msg("docs/protocol.md differs in line %zu of its tables; print them "
				 "with dayflyd --print-protocol",
				line);
		line += text[i] == '\n';
	}
}

/* Collects the requests of the document: fenced blocks of "json request", one request a line. */
TEST(every_request_in_the_document_is_accepted)
{
	auto_free char *doc = NULL;
	size_t count = 0;
	assert_true(
		fd_read_file(AT_FDCWD, DAYFLY_TEST_SOURCE "/docs/protocol.md", 1 << 20, &doc) > 0);
	bool is_inside = false;
	for (char *line = doc, *next; (next = strchr(line, '\n')); line = next + 1) {
		*next = '\0';
		if (!strncmp(line, "```", 3)) {
			is_inside = !strcmp(line, "```json request");
		} else if (is_inside) {
			request_destroy(parse_good(line));
			count++;
		}
	}
	assert_true(count >= OP_COUNT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_field_operation_and_error_code_is_printed),
		cmocka_unit_test(every_row_of_a_table_has_its_five_or_two_cells),
		cmocka_unit_test(the_document_has_the_tables_of_this_build),
		cmocka_unit_test(every_request_in_the_document_is_accepted),
	};
	return RUN_TESTS(tests);
}
