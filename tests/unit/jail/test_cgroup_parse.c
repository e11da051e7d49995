/* Readers of the kernel's cgroup texts, also of texts that no kernel writes. */
#include "harness.h"

#include "jail/cgroup_parse.h"
#include "plan/plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define V2                                                                                         \
	"30 22 0:26 / /sys/fs/cgroup rw,nosuid shared:9 master:3 - cgroup2 cgroup2 "               \
	"rw,nsdelegate\n"
#define V1_MEM	"35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
#define V1_SYS	"40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
#define UNIFIED "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
#define ROOT	"22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"

TEST(the_own_cgroup_is_the_path_of_the_line_without_controllers)
{
	char path[64];
	assert_int_equal(cgroup_parse_self("0::/user.slice/a\n", path, sizeof(path)), 0);
	assert_string_equal(path, "/user.slice/a");
	assert_int_equal(cgroup_parse_self("10::/no\n4:memory:/x\n0::/\n", path, sizeof(path)), 0);
	assert_string_equal(path, "/");
	assert_int_equal(cgroup_parse_self("0::/with space: and colon", path, sizeof(path)), 0);
	assert_string_equal(path, "/with space: and colon");
	static const char *const none[] = { "", "\n", "4:memory:/x\n", "0::", "0::\n",
		"0::relative\n", "00::/x\n", " 0::/x\n", "0:name=x:/y\n", "1:0::/x\n" };
	for (size_t i = 0; i < ARRAY_SIZE(none); i++)
		assert_int_equal(cgroup_parse_self(none[i], path, sizeof(path)), -ENOENT);
	assert_int_equal(cgroup_parse_self("0::/a (deleted)\n", path, sizeof(path)), -ESTALE);
	assert_int_equal(cgroup_parse_self("0::/..\n", path, sizeof(path)), -ESTALE);
	assert_int_equal(cgroup_parse_self("0::/../b\n", path, sizeof(path)), -ESTALE);
	assert_int_equal(cgroup_parse_self("0::/..b\n", path, sizeof(path)), 0);
	assert_int_equal(cgroup_parse_self("0::/1234567\n", path, 9), 0);
	assert_int_equal(cgroup_parse_self("0::/12345678\n", path, 9), -ENAMETOOLONG);
}

TEST(the_mount_is_found_and_the_path_below_it)
{
	struct cgroup_mount m;
	assert_int_equal(cgroup_parse_mount(ROOT V1_MEM V2, "/a/b", &m), 0);
	assert_string_equal(m.point, "/sys/fs/cgroup");
	assert_string_equal(m.below, "a/b");
	assert_false(m.is_read_only);
	assert_int_equal(cgroup_parse_mount(V2, "/", &m), 0);
	assert_string_equal(m.below, "");
	assert_int_equal(cgroup_parse_mount(V2, "/a//b//", &m), 0);
	assert_string_equal(m.below, "a//b");
	assert_int_equal(cgroup_parse_mount(ROOT V1_MEM V1_SYS UNIFIED, "/", &m), 0);
	assert_string_equal(m.point, "/sys/fs/cgroup/unified");
	assert_int_equal(cgroup_parse_mount(ROOT V1_MEM V1_SYS, "/", &m), -ENOENT);
	assert_int_equal(cgroup_parse_mount("", "/", &m), -ENOENT);
}

TEST(a_mount_that_shows_a_part_shows_only_that_part)
{
	static const char part[] = "30 22 0:26 /docker/a\\040b /c\\134d rw - cgroup2 none rw\n";
	struct cgroup_mount m;
	assert_int_equal(cgroup_parse_mount(part, "/docker/a b/x", &m), 0);
	assert_string_equal(m.point, "/c\\d");
	assert_string_equal(m.below, "x");
	assert_int_equal(cgroup_parse_mount(part, "/docker/a b", &m), 0);
	assert_string_equal(m.below, "");
	assert_int_equal(cgroup_parse_mount(part, "/docker/a bc", &m), -EXDEV);
	assert_int_equal(cgroup_parse_mount(part, "/docker", &m), -EXDEV);
	assert_int_equal(cgroup_parse_mount(part, "/", &m), -EXDEV);
	/* Its root lies outside our cgroup namespace. */
	assert_int_equal(
		cgroup_parse_mount("1 2 0:1 /../x /c rw - cgroup2 c rw\n", "/", &m), -EXDEV);
}

TEST(a_writable_mount_is_preferred)
{
	static const char ro[] = "1 2 0:26 / /ro ro,nosuid - cgroup2 cgroup2 rw\n";
	static const char super_ro[] = "1 2 0:26 / /super rw - cgroup2 cgroup2 nsdelegate,ro\n";
	char text[512];
	struct cgroup_mount m;
	assert_int_equal(cgroup_parse_mount(ro, "/", &m), 0);
	assert_true(m.is_read_only);
	assert_int_equal(cgroup_parse_mount(super_ro, "/", &m), 0);
	assert_true(m.is_read_only);
	snprintf(text, sizeof(text), "%s%s%s", ro, super_ro, V2);
	assert_int_equal(cgroup_parse_mount(text, "/", &m), 0);
	assert_string_equal(m.point, "/sys/fs/cgroup");
	snprintf(text, sizeof(text), "%s%s%s", V2, UNIFIED, ro);
	assert_int_equal(cgroup_parse_mount(text, "/", &m), 0);
	assert_string_equal(m.point, "/sys/fs/cgroup");
	assert_false(m.is_read_only);
	/* "ro" as a part of another word is not read-only. */
	assert_int_equal(
		cgroup_parse_mount("1 2 0:1 / /c rw,ro2,zero - cgroup2 c rw,roo\n", "/", &m), 0);
	assert_false(m.is_read_only);
}

TEST(lines_that_are_cut_or_odd_are_no_mounts)
{
	struct cgroup_mount m;
	char text[sizeof(V2)];
	/* Up to and with the type. */
	size_t whole = (size_t)(strstr(V2, "cgroup2") - V2) + strlen("cgroup2");
	for (size_t len = 0; len < sizeof(V2); len++) {
		memcpy(text, V2, len);
		text[len] = '\0';
		assert_int_equal(cgroup_parse_mount(text, "/", &m), len < whole ? -ENOENT : 0);
	}
	static const char *const odd[] = { "- - - - - - - cgroup2", "1 2 3 / /x rw cgroup2 - x\n",
		"1 2 3 rel /x rw - cgroup2 c rw\n", "1 2 3 / rel rw - cgroup2 c rw\n",
		"1 2 3 / /x rw - cgroup2x c rw\n", "\n\n\n", "      \n", "1 2 3 / /x rw - \n" };
	for (size_t i = 0; i < ARRAY_SIZE(odd); i++)
		assert_true(cgroup_parse_mount(odd[i], "/", &m) < 0);
}

TEST(names_that_do_not_fit_are_no_mounts)
{
	char *text = malloc(8192), *path = malloc(4096);
	struct cgroup_mount m;
	memset(path, 'x', 2048);
	path[0] = '/';
	path[2048] = '\0';
	snprintf(text, 8192, "1 2 3 %s /c rw - cgroup2 c rw\n", path);
	assert_int_equal(cgroup_parse_mount(text, path, &m), -EXDEV);
	snprintf(text, 8192, "1 2 3 / %s rw - cgroup2 c rw\n", path);
	assert_int_equal(cgroup_parse_mount(text, "/", &m), -EXDEV);
	assert_int_equal(cgroup_parse_mount(V2, path, &m), -EXDEV);
	free(text);
	free(path);
}

TEST(controllers_of_version_1_are_noticed)
{
	assert_true(cgroup_parse_has_v1(ROOT V1_SYS V1_MEM UNIFIED));
	assert_true(cgroup_parse_has_v1("1 2 0:1 / /c rw - cgroup cgroup rw,cpu,cpuacct\n"));
	assert_false(cgroup_parse_has_v1(ROOT V1_SYS UNIFIED));
	assert_false(cgroup_parse_has_v1(V2));
	assert_false(cgroup_parse_has_v1("1 2 0:1 / /c rw - cgroup cgroup rw,cpuset,cpuacct\n"));
	assert_false(cgroup_parse_has_v1(""));
}

TEST(controllers_are_whole_words)
{
	assert_int_equal(
		cgroup_parse_controllers("cpuset cpu io memory hugetlb pids rdma misc\n"), 15);
	assert_int_equal(cgroup_parse_controllers("memory\n"), 1u << PLAN_CONTROLLER_MEMORY);
	assert_int_equal(cgroup_parse_controllers("pids"), 1u << PLAN_CONTROLLER_PIDS);
	assert_int_equal(cgroup_parse_controllers("cpuset cpus memoryx iox ppids"), 0);
	assert_int_equal(cgroup_parse_controllers("  \n\n cpu  \n"), 1u << PLAN_CONTROLLER_CPU);
	assert_int_equal(cgroup_parse_controllers(""), 0);
}

TEST(numbers_are_read_strictly)
{
	uint64_t v = 7;
	assert_int_equal(cgroup_parse_number("0\n", &v), 0);
	assert_int_equal(v, 0);
	assert_int_equal(cgroup_parse_number("18446744073709551615", &v), 0);
	assert_true(v == UINT64_MAX);
	assert_int_equal(cgroup_parse_number("max\n", &v), 0);
	assert_true(v == UINT64_MAX);
	static const char *const bad[] = { "", "\n", " 1", "+1", "-1", "1 ", "1x", "0x1", "maximum",
		"ma", "18446744073709551616", "99999999999999999999999" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(cgroup_parse_number(bad[i], &v), -EINVAL);
}

TEST(keys_are_whole_words_at_the_start_of_a_line)
{
	static const char text[] =
		"oom 1\nxoom_kill 9\noom_kill_x 8\noom_kill 3\noom_kill 4\nmax -\n";
	uint64_t v = 0;
	assert_int_equal(cgroup_parse_key(text, "oom_kill", &v), 0);
	assert_int_equal(v, 3);
	assert_int_equal(cgroup_parse_key(text, "oom", &v), 0);
	assert_int_equal(v, 1);
	assert_int_equal(cgroup_parse_key(text, "max", &v), -EINVAL);
	assert_int_equal(cgroup_parse_key(text, "high", &v), -ENOENT);
	assert_int_equal(cgroup_parse_key("", "x", &v), -ENOENT);
	assert_int_equal(cgroup_parse_key("x", "x", &v), -ENOENT);
	assert_int_equal(cgroup_parse_key("x ", "x", &v), -EINVAL);
}

TEST(io_is_the_sum_over_the_devices)
{
	uint64_t r = 9, w = 9;
	assert_int_equal(cgroup_parse_io("", &r, &w), 0);
	assert_int_equal(r + w, 0);
	assert_int_equal(
		cgroup_parse_io("8:0 rbytes=5 wbytes=6 rios=1\n8:16 \n7:0 wbytes=1\n", &r, &w), 0);
	assert_int_equal(r, 5);
	assert_int_equal(w, 7);
	assert_int_equal(
		cgroup_parse_io("8:0 rbytes=18446744073709551615\n8:1 rbytes=1", &r, &w), 0);
	assert_true(r == UINT64_MAX);
	assert_int_equal(cgroup_parse_io("8:0 rbytes=1x\n", &r, &w), -EINVAL);
	assert_int_equal(cgroup_parse_io("8:0 wbytes=-1\n", &r, &w), -EINVAL);
	assert_true(r == UINT64_MAX);
	assert_int_equal(cgroup_parse_io("8:0 xrbytes=1 rbytes= dbytes=3\n", &r, &w), 0);
	assert_int_equal(r, 0);
}

TEST(process_ids_are_whole_lines)
{
	const char *text = "1\n\n22\nx\n3x\n-4\n2147483647\n2147483648\n0\n5";
	static const pid_t want[] = { 1, 22, 2147483647, 0, 5 };
	pid_t pid;
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		assert_true(cgroup_parse_pid(&text, &pid));
		assert_int_equal(pid, want[i]);
	}
	assert_false(cgroup_parse_pid(&text, &pid));
	assert_false(cgroup_parse_pid(&text, &pid));
}

/* Each reader on one text, in memory of just its size. */
static void read_all(const char *text)
{
	size_t size = strlen(text) + 1;
	char *exact = malloc(size), path[32];
	struct cgroup_mount m;
	uint64_t a, b;
	pid_t pid;
	assert_non_null(exact);
	memcpy(exact, text, size);
	if (cgroup_parse_self(exact, path, sizeof(path)) == 0) {
		assert_int_equal(path[0], '/');
		assert_true(strlen(path) < sizeof(path));
	}
	if (cgroup_parse_mount(exact, "/a/b", &m) == 0) {
		assert_int_equal(m.point[0], '/');
		assert_int_not_equal(m.below[0], '/');
	}
	cgroup_parse_has_v1(exact);
	assert_int_equal(cgroup_parse_controllers(exact) & ~15u, 0);
	cgroup_parse_number(exact, &a);
	cgroup_parse_key(exact, "oom_kill", &a);
	cgroup_parse_key(exact, "populated", &a);
	cgroup_parse_io(exact, &a, &b);
	for (const char *p = exact; cgroup_parse_pid(&p, &pid);)
		assert_true(pid >= 0);
	free(exact);
}

TEST(no_text_leads_a_reader_astray)
{
	static const char *const texts[] = { ROOT V1_MEM V2, "4:memory:/x\n0::/a/b (deleted)\n",
		"populated 1\nfrozen 0\n", "low 0\noom 1\noom_kill 18446744073709551615\n",
		"8:0 rbytes=1 wbytes=2\n253:0 rbytes=18446744073709551615\n", "1\n22\n333\n",
		"cpuset cpu io memory pids\n",
		"30 22 0:26 /\\040\\777\\1 /x\\04 rw - cgroup2 c ro\n" };
	static const char alphabet[] = "0123456789 :/=-\\\n\t.,abcmxyz()\x01\xff";
	srandom(1);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		for (int round = 0; round < 4000; round++) {
			char text[512];
			snprintf(text, sizeof(text), "%s", texts[i]);
			size_t len = strlen(text);
			for (int n = (int)(random() % 6); n > 0; n--)
				text[(size_t)random() % len] =
					alphabet[(size_t)random() % (sizeof(alphabet) - 1)];
			if (round % 3 == 0)
				text[(size_t)random() % len] = '\0';
			read_all(text);
		}
	}
}

TEST(devices_are_whole_lines)
{
	const char *text = "8:0\n\nx\n8\n8:\n:0\n8:0 x\n-1:0\n259:12";
	char device[CGROUP_DEVICE_SIZE];
	assert_true(cgroup_parse_device(&text, device));
	assert_string_equal(device, "8:0");
	assert_true(cgroup_parse_device(&text, device));
	assert_string_equal(device, "259:12");
	assert_false(cgroup_parse_device(&text, device));
	text = "000000000000000000008:000000000000000000008\n";
	assert_false(cgroup_parse_device(&text, device));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_own_cgroup_is_the_path_of_the_line_without_controllers),
		cmocka_unit_test(the_mount_is_found_and_the_path_below_it),
		cmocka_unit_test(a_mount_that_shows_a_part_shows_only_that_part),
		cmocka_unit_test(a_writable_mount_is_preferred),
		cmocka_unit_test(lines_that_are_cut_or_odd_are_no_mounts),
		cmocka_unit_test(names_that_do_not_fit_are_no_mounts),
		cmocka_unit_test(controllers_of_version_1_are_noticed),
		cmocka_unit_test(controllers_are_whole_words),
		cmocka_unit_test(numbers_are_read_strictly),
		cmocka_unit_test(keys_are_whole_words_at_the_start_of_a_line),
		cmocka_unit_test(io_is_the_sum_over_the_devices),
		cmocka_unit_test(process_ids_are_whole_lines),
		cmocka_unit_test(devices_are_whole_lines),
		cmocka_unit_test(no_text_leads_a_reader_astray),
	};
	return RUN_TESTS(tests);
}
