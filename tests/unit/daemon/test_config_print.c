/* The printed forms of the table; docs/configuration.md and etc/dayflyd.conf are what this build
 * prints. */
#include "daemon/config_helper.h"

#include "base/fd.h"

#include <fcntl.h>
#include <stdlib.h>

#define BEGIN "<!-- settings:begin -->\n"
#define END   "<!-- settings:end -->"

static char *printed(void (*print)(FILE *out))
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	assert_non_null(f);
	print(f);
	fclose(f);
	return text;
}

static void read_document(const char *path, char **ret)
{
	if (fd_read_file(AT_FDCWD, path, 1 << 20, ret) < 0)
		fail_msg("%s cannot be read", path);
}

static void assert_same(const char *name, const char *is, const char *wanted, const char *option)
{
	for (size_t i = 0, line = 1; is[i] || wanted[i]; i++) {
		if (is[i] != wanted[i])
			fail_msg("%s differs in line %zu of what this program prints with %s", name,
				line, option);
		line += is[i] == '\n';
	}
}

TEST(the_document_has_the_tables_of_this_build)
{
	auto_free char *text = printed(config_print_markdown);
	auto_free char *doc = NULL;
	read_document(DAYFLY_TEST_SOURCE "/docs/configuration.md", &doc);
	char *from = strstr(doc, BEGIN), *to = strstr(doc, END);
	assert_non_null(from);
	assert_non_null(to);
	*to = '\0';
	assert_same("docs/configuration.md", from + strlen(BEGIN), text, "--print-tables");
}

TEST(the_sample_is_that_of_this_build)
{
	auto_free char *text = printed(config_print_sample);
	auto_free char *sample = NULL;
	read_document(DAYFLY_TEST_SOURCE "/etc/dayflyd.conf", &sample);
	assert_same("etc/dayflyd.conf", sample, text, "--print-sample");
}

/* Without the # before the keys. */
TEST(the_sample_with_every_line_taken_in_is_the_defaults)
{
	auto_free char *text = printed(config_print_sample);
	struct options defaults, o;
	begin(&defaults);
	begin(&o);
	for (char *p = text; (p = strchr(p, '\n')); p++)
		if (p[1] == '#' && p[2] != ' ')
			p[1] = ' ';
	read_text(&o, text);
	assert_int_equal(o.faults.n, 0);
	for (size_t i = 0; i < config_key_count; i++) {
		assert_true(config_is_equal(&defaults, &o, i));
		assert_int_equal(o.origins[i].kind, CONFIG_FROM_FILE);
	}
	options_finish(&defaults);
	options_finish(&o);
}

TEST(what_is_printed_is_a_configuration_with_the_same_values)
{
	struct options o, again;
	char *text = NULL;
	size_t len;
	begin(&o);
	begin(&again);
	read_text(&o, "[access]\nusers = 1\nusers = 2\n[workspaces]\nroots =\n[ceilings]\n"
		      "memory = 1.5GiB\n[daemon]\nlog_level = debug\n");
	assert_int_equal(o.faults.n, 0);
	FILE *f = open_memstream(&text, &len);
	assert_non_null(f);
	config_print(&o, f);
	fclose(f);
	assert_non_null(strstr(text, "# test.conf:5\nroots =\n"));
	assert_non_null(strstr(text, "# default\nmax_tasks = 64\n"));
	read_text(&again, text);
	assert_int_equal(again.faults.n, 0);
	for (size_t i = 0; i < config_key_count; i++)
		assert_true(config_is_equal(&o, &again, i));
	free(text);
	options_finish(&o);
	options_finish(&again);
}

TEST(json_has_every_setting_with_its_origin)
{
	struct options o;
	begin(&o);
	read_text(&o, "[access]\nusers = 1\nusers = 2\n[ceilings]\nwall = 2h\n");
	json_t *list = config_to_json(&o);
	assert_int_equal(json_array_size(list), config_key_count);
	auto_free char *users = json_dumps(json_array_get(list, key("access", "users")), 0);
	auto_free char *wall = json_dumps(json_array_get(list, key("ceilings", "wall")), 0);
	assert_string_equal(users, "{\"key\": \"access.users\", \"value\": [\"1\", \"2\"], "
				   "\"origin\": \"test.conf:3\", \"live\": true}");
	assert_string_equal(wall, "{\"key\": \"ceilings.wall\", \"value\": \"2h\", "
				  "\"origin\": \"test.conf:5\", \"live\": true}");
	json_decref(list);
	options_finish(&o);
}

/* --print-tables: what stands between the marks of the document; --print-sample: etc/dayflyd.conf.
 */
int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "--print-tables")) {
		config_print_markdown(stdout);
		return 0;
	}
	if (argc > 1 && !strcmp(argv[1], "--print-sample")) {
		config_print_sample(stdout);
		return 0;
	}
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_document_has_the_tables_of_this_build),
		cmocka_unit_test(the_sample_is_that_of_this_build),
		cmocka_unit_test(the_sample_with_every_line_taken_in_is_the_defaults),
		cmocka_unit_test(what_is_printed_is_a_configuration_with_the_same_values),
		cmocka_unit_test(json_has_every_setting_with_its_origin),
	};
	return RUN_TESTS(tests);
}
