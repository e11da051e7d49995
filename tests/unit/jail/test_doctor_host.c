/* Readers of the system's files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "jail/doctor_priv.h"

#define LINE1 "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
#define LINE2                                                                                      \
	"30 22 0:26 / /sys/fs/cgroup rw,nosuid shared:9 master:3 - cgroup2 cgroup2 "               \
	"rw,nsdelegate\n"
#define LINE3 "41 22 0:40 /a\\040b /usr/local\\040x rw - tmpfs tmpfs rw\n"
#define LINE4 "42 22 0:41 / /usrlocal rw - cgroup cgroup rw,memory\n"

static void test_cgroup_line(void **state)
{
	char path[64];
	assert_int_equal(doctor_parse_cgroup("0::/user.slice/a\n", path, sizeof(path)), 0);
	assert_string_equal(path, "/user.slice/a");
	assert_int_equal(
		doctor_parse_cgroup("10::/no\n4:memory:/x\n0::/\n", path, sizeof(path)), 0);
	assert_string_equal(path, "/");
	assert_int_equal(doctor_parse_cgroup("0::/end", path, sizeof(path)), 0);
	assert_string_equal(path, "/end");
	assert_int_equal(doctor_parse_cgroup("4:memory:/x\n", path, sizeof(path)), -ENOENT);
	assert_int_equal(doctor_parse_cgroup("", path, sizeof(path)), -ENOENT);
	assert_int_equal(doctor_parse_cgroup("0::relative\n", path, sizeof(path)), -ENOENT);
	assert_int_equal(doctor_parse_cgroup("0::/longer than that\n", path, 8), -ENAMETOOLONG);
}

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

static void test_mount_line(void **state)
{
	struct doctor_mount m;
	assert_int_equal(doctor_parse_mount(LINE2, &m), 0);
	assert_string_equal(m.root, "/");
	assert_string_equal(m.point, "/sys/fs/cgroup");
	assert_string_equal(m.fs, "cgroup2");
	assert_int_equal(doctor_parse_mount(LINE3, &m), 0);
	assert_string_equal(m.root, "/a b");
	assert_string_equal(m.point, "/usr/local x");
	/* Cut anywhere, it never is a mount with a type of another line. */
	for (size_t len = 0; len < strlen(LINE1) - 25; len++) {
		char cut[sizeof(LINE1 LINE2)];
		snprintf(cut, sizeof(cut), "%.*s\n%s", (int)len, LINE1, LINE2);
		assert_int_equal(doctor_parse_mount(cut, &m), -EINVAL);
	}
	assert_int_equal(doctor_parse_mount("", &m), -EINVAL);
}

static void test_find_mount(void **state)
{
	struct doctor_mount m;
	char point[64];
	assert_int_equal(doctor_find_mount(LINE1 LINE4 LINE2, "cgroup2", &m), 0);
	assert_string_equal(m.point, "/sys/fs/cgroup");
	assert_int_equal(doctor_find_mount(LINE1 LINE4, "cgroup2", &m), -ENOENT);
	assert_int_equal(doctor_find_below(LINE1 LINE4 LINE3, "/usr", point, sizeof(point)), 0);
	assert_string_equal(point, "/usr/local x");
	assert_int_equal(doctor_find_below(LINE1 LINE4, "/usr", point, sizeof(point)), -ENOENT);
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
		cmocka_unit_test(test_cgroup_line),
		cmocka_unit_test(test_os_release),
		cmocka_unit_test(test_mount_line),
		cmocka_unit_test(test_find_mount),
		cmocka_unit_test(test_sysctl),
		cmocka_unit_test(test_package),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
