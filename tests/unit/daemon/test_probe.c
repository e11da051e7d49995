/* Reading what the probe of the host says. */
#include "harness.h"

#include <stdio.h>
#include <string.h>

#include "daemon/probe.h"

#define GOOD                                                                                       \
	"{\"check\":\"a\",\"status\":\"ok\",\"needed\":true,\"group\":\"host\",\"for\":\"x\","     \
	"\"why\":\"\","                                                                            \
	"\"fix\":\"\"}\n"

TEST(lines_of_findings_become_a_list)
{
	json_t *list = probe_parse(GOOD GOOD);
	assert_int_equal(json_array_size(list), 2);
	assert_string_equal(
		json_string_value(json_object_get(json_array_get(list, 1), "check")), "a");
	json_decref(list);
}

TEST(a_part_of_them_is_no_list)
{
	/* As from a probe that was killed in the midst of a line. */
	for (size_t len = 0; len < strlen(GOOD); len++) {
		char text[512];
		snprintf(text, sizeof(text), "%s%.*s", len ? GOOD : "", (int)len, GOOD);
		assert_null(probe_parse(text));
	}
}

TEST(anything_else_is_no_list)
{
	static const char *const texts[] = { "", "\n", "nonsense\n", "[]\n", "{}\n", "null\n",
		GOOD "\n" GOOD,
		"{\"check\":\"a\",\"status\":\"ok\",\"group\":\"\",\"for\":\"\",\"why\":\"\","
		"\"fix\":\"\"}\n",
		"{\"check\":1,\"status\":\"ok\",\"needed\":true,\"group\":\"\",\"for\":\"\","
		"\"why\":\"\",\"fix\":\"\"}\n" };
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_null(probe_parse(texts[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_of_findings_become_a_list),
		cmocka_unit_test(a_part_of_them_is_no_list),
		cmocka_unit_test(anything_else_is_no_list),
	};
	return RUN_TESTS(tests);
}
