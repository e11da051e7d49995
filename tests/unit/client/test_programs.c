#include "harness.h"

#include "client/programs.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* The running program stands in for the one that looks. */
static void own_name(char path[PATH_MAX], char **name)
{
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);
	assert_true(n > 0);
	path[n] = '\0';
	*name = strrchr(path, '/') + 1;
}

TEST(a_program_beside_the_running_one_comes_first)
{
	char self[PATH_MAX], found[PATH_MAX], *name;
	own_name(self, &name);
	assert_int_equal(program_find(name, "../nowhere", "/nowhere", found), 0);
	assert_string_equal(found, self);
}

TEST(then_come_the_relative_and_the_installed_place)
{
	char self[PATH_MAX], found[PATH_MAX], relative[PATH_MAX], *name;
	own_name(self, &name);
	assert_int_equal(program_find("sh", "../nowhere", "/bin", found), 0);
	assert_string_equal(found, "/bin/sh");
	/* From the program's directory up to the root, whatever its depth. */
	strncpy(relative, "../../../../../../../../../../../../../../../../../bin",
		sizeof(relative));
	assert_int_equal(program_find("sh", relative, "/nowhere", found), 0);
	assert_non_null(strstr(found, "../bin/sh"));
}

TEST(a_program_that_is_nowhere_is_not_found)
{
	char found[PATH_MAX];
	assert_int_equal(program_find("no-such-program", "..", "/bin", found), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_program_beside_the_running_one_comes_first),
		cmocka_unit_test(then_come_the_relative_and_the_installed_place),
		cmocka_unit_test(a_program_that_is_nowhere_is_not_found),
	};
	return RUN_TESTS(tests);
}
