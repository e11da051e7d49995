/* Readers of the system's files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "jail/doctor_priv.h"

#define LINE1 "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
#define LINE2                                                                                      \
	"30 22 0:26 / /sys/fs/cgroup rw,nosuid shared:9 master:3 - cgroup2 cgroup2 "               \
	"rw,nsdelegate\n"
#define LINE3 "41 22 0:40 /a\\040b /usr/local\\040x rw - tmpfs tmpfs rw\n"
#define LINE4 "42 22 0:41 / /usrlocal rw - cgroup cgroup rw,memory\n"

static void test_os_release(void **state)
{
	static const char text[] =
		"NAME=\"Debian GNU/Linux\"\nID=debian\nVERSION_ID='12'\nID_LIKE=\"a b\"\nX=\"\n";
	char v[32];
	assert_int_equal(doctor_parse_os_release(text, "ID", v, sizeof(v)), 0);
	assert_string_equal(v, "debian");
	assert_int_equal(doctor_parse_os_release(text, "VERSION_ID", v, sizeof(v)), 0);
	assert_string_equal(v, "12");
	assert_int_equal(doctor_parse_os_release(text, "ID_LIKE", v, sizeof(v)), 0);
	assert_string_equal(v, "a b");
	assert_int_equal(doctor_parse_os_release(text, "X", v, sizeof(v)), 0);
	assert_string_equal(v, "\"");
	assert_int_equal(doctor_parse_os_release(text, "I", v, sizeof(v)), -ENOENT);
	assert_int_equal(doctor_parse_os_release(text, "NAME", v, 4), -ENOENT);
}

static void test_list_below(void **state)
{
	char points[128];
	assert_int_equal(
		doctor_list_below(LINE1 LINE4 LINE3, "/usr", NULL, points, sizeof(points)), 1);
	assert_string_equal(points, "/usr/local x");
	/* Neither the directory itself nor a name that only begins like it. */
	assert_int_equal(doctor_list_below(LINE1 LINE4, "/usr", NULL, points, sizeof(points)), 0);
	assert_string_equal(points, "");
	assert_int_equal(
		doctor_list_below(LINE2, "/sys/fs/cgroup", NULL, points, sizeof(points)), 0);
	assert_int_equal(
		doctor_list_below(LINE1 LINE2 LINE3, "/", NULL, points, sizeof(points)), 2);
	assert_string_equal(points, "/sys/fs/cgroup, /usr/local x");
	assert_int_equal(doctor_list_below(LINE2 LINE2 LINE2 LINE2 LINE2 LINE2, "/sys", NULL,
				 points, sizeof(points)),
		6);
	assert_non_null(strstr(points, " and 2 more"));
	char few[8];
	assert_int_equal(doctor_list_below(LINE2 LINE3, "/", NULL, few, sizeof(few)), 2);
	assert_string_equal(few, "/sys/fs");
	static const char *const but_one[] = { "/elsewhere", "/sys/fs/cgroup", NULL };
	assert_int_equal(doctor_list_below(LINE2, "/sys", NULL, points, sizeof(points)), 1);
	assert_int_equal(doctor_list_below(LINE2, "/sys", but_one, points, sizeof(points)), 0);
	assert_int_equal(doctor_list_below("", "/", NULL, points, sizeof(points)), 0);
	assert_int_equal(doctor_list_below("1 2 3\n\n", "/", NULL, points, sizeof(points)), 0);
}

static void test_filesystem(void **state)
{
	static const char over[] = "50 22 0:50 / / rw - overlay overlay rw\n";
	char fs[16], text[1024];
	doctor_filesystem(LINE1 LINE2 LINE3, "/usr/local x/y", fs, sizeof(fs));
	assert_string_equal(fs, "tmpfs");
	doctor_filesystem(LINE1 LINE2 LINE3, "/usr/local", fs, sizeof(fs));
	assert_string_equal(fs, "ext4");
	doctor_filesystem(LINE1 LINE2 LINE3, "/sys/fs/cgroup", fs, sizeof(fs));
	assert_string_equal(fs, "cgroup2");
	doctor_filesystem(LINE1 LINE2 LINE3, "/", fs, sizeof(fs));
	assert_string_equal(fs, "ext4");
	/* The later of two is on top. */
	snprintf(text, sizeof(text), "%s%s", LINE1, over);
	doctor_filesystem(text, "/home", fs, sizeof(fs));
	assert_string_equal(fs, "overlay");
	doctor_filesystem(LINE2, "/home", fs, sizeof(fs));
	assert_string_equal(fs, "");
}

static void test_fix_of_a_sysctl(void **state)
{
	struct doctor_finding f = { 0 };
	doctor_fix_sysctl(&f, "user.max_user_namespaces", "15000");
	assert_string_equal(f.fix,
		"echo 'user.max_user_namespaces = 15000' | sudo tee "
		"/etc/sysctl.d/90-dayfly-max_user_namespaces.conf && sudo sysctl --system");
}

static void test_sysctl(void **state)
{
	assert_true(doctor_sysctl("kernel/pid_max", -5) > 0);
	assert_int_equal(doctor_sysctl("kernel/no_such_sysctl", -5), -5);
	assert_int_equal(doctor_sysctl("kernel/ostype", -5), -5);
}

static void test_package(void **state)
{
	assert_non_null(strstr(doctor_newuidmap_package("debian"), "uidmap"));
	assert_null(doctor_newuidmap_package(""));
	assert_null(doctor_newuidmap_package("deb"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_os_release),
		cmocka_unit_test(test_list_below),
		cmocka_unit_test(test_filesystem),
		cmocka_unit_test(test_fix_of_a_sysctl),
		cmocka_unit_test(test_sysctl),
		cmocka_unit_test(test_package),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
