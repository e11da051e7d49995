/* The command line as others see it. */
#include "jail/title.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>

#include <cmocka.h>

static void the_whole_command_line_is_replaced(void **state)
{
	char area[] = "program\0--secret\0/host/path";
	char *argv[] = { area, area + 8, area + 17, NULL };
	title_init(3, argv);
	title_set("init");
	assert_string_equal(area, "init");
	for (size_t i = 4; i < sizeof(area); i++)
		assert_int_equal(area[i], 0);
}

static void a_long_title_is_cut_to_its_room(void **state)
{
	char area[] = "short\0x";
	char *argv[] = { area, area + 6, NULL };
	title_init(2, argv);
	title_set("a title that is far too long");
	assert_string_equal(area, "a title");
}

static void a_name_is_that_of_the_process_too(void **state)
{
	char area[] = "program\0--secret";
	char *argv[] = { area, area + 8, NULL };
	char name[16];
	title_init(2, argv);
	title_name("dayfly-title");
	assert_string_equal(area, "dayfly-title");
	assert_int_equal(prctl(PR_GET_NAME, name), 0);
	assert_string_equal(name, "dayfly-title");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_whole_command_line_is_replaced),
		cmocka_unit_test(a_long_title_is_cut_to_its_room),
		cmocka_unit_test(a_name_is_that_of_the_process_too),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
