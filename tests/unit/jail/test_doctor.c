/* The whole probe: it answers for every check, leaves nothing, and sees a primitive that is taken
 * away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"
#include "jail/doctor.h"
#include "jail/throwaway.h"

/* Runs in a child: something is taken away, then the probe runs there. */
struct probe {
	int (*spoil)(struct err *e); /* NULL: nothing */
	int out_fd;
};

static int run_probe(void *arg, struct err *e)
{
	const struct probe *p = arg;
	int r = p->spoil ? p->spoil(e) : 0;
	if (r < 0)
		return r;
	FILE *out = fdopen(p->out_fd, "w");
	if (!out)
		return err_set(e, ERR_INTERNAL, errno, "open the output");
	return doctor_main(&(struct doctor_options){ .out = out });
}

static int map_self(pid_t pid, void *arg, struct err *e)
{
	return throwaway_map_single(pid, 0, e);
}

static char *read_output(int fd)
{
	char path[64], *text = NULL;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	assert_true(fd_read_file(AT_FDCWD, path, 1u << 20, &text) > 0);
	return text;
}

/* Returns what the probe printed; the caller's. NULL: the namespaces for it cannot be made here. */
static char *probe_in(uint64_t flags, int (*spoil)(struct err *e), int *ret_status)
{
	auto_close int out = memfd_create("out", MFD_CLOEXEC);
	struct probe p = { .spoil = spoil, .out_fd = out };
	struct throwaway t = { .flags = flags,
		.timeout_ms = 60000,
		.map = flags ? map_self : NULL,
		.fn = run_probe,
		.arg = &p };
	struct err e = { 0 };
	fflush(stdout);
	*ret_status = throwaway_run(&t, &e);
	if (*ret_status < 0)
		print_message("probe: %s\n", e.msg);
	return *ret_status < 0 ? NULL : read_output(out);
}

/* The line of a check, with its newline; "" if there is none. */
static const char *line_of(const char *text, const char *check)
{
	static char line[4096];
	char head[64];
	snprintf(head, sizeof(head), "{\"check\":\"%s\",", check);
	const char *p = strstr(text, head);
	snprintf(line, sizeof(line), "%.*s", p ? (int)strcspn(p, "\n") : 0, p ? p : "");
	return line;
}

static void expect_line(const char *text, const char *check, const char *part)
{
	const char *line = line_of(text, check);
	if (!strstr(line, part))
		fail_msg("%s: no %s in: %s", check, part, line);
}

static int count_leftovers(void)
{
	int n = 0;
	auto_closedir DIR *dir = opendir("/var/tmp");
	struct dirent *entry;
	while (dir && (entry = readdir(dir)))
		n += str_starts(entry->d_name, "dayfly-probe-");
	return n;
}

static int count_fds(void)
{
	int n = 0;
	auto_closedir DIR *dir = opendir("/proc/self/fd");
	while (dir && readdir(dir))
		n++;
	return n;
}

static void test_every_line_is_whole(void **state)
{
	int status;
	auto_free char *text = probe_in(0, NULL, &status);
	assert_non_null(text);
	assert_in_range(status, 0, 1);
	bool missing = false;
	size_t lines = 0;
	for (const char *p = text; *p; p = strchr(p, '\n') + 1, lines++) {
		auto_free char *line = strndup(p, strcspn(p, "\n"));
		assert_true(str_starts(line, "{\"check\":\""));
		assert_true(line[strlen(line) - 1] == '}');
		assert_true(strstr(line, "\"status\":\"ok\"") ||
			    strstr(line, "\"status\":\"degraded\"") ||
			    strstr(line, "\"status\":\"missing\""));
		/* What is not well says why. */
		if (!strstr(line, "\"status\":\"ok\""))
			assert_null(strstr(line, "\"why\":\"\""));
		assert_non_null(strstr(line, ",\"group\":\""));
		assert_null(strstr(line, ",\"for\":\"\""));
		missing |= strstr(line, "\"status\":\"missing\",\"needed\":true") != NULL;
	}
	assert_true(lines > 30);
	assert_int_equal(status, missing ? 1 : 0);
}

static void test_nothing_is_left(void **state)
{
	int dirs = count_leftovers(), fds = count_fds(), status;
	for (int i = 0; i < 3; i++) {
		auto_free char *text = probe_in(0, NULL, &status);
		assert_non_null(text);
	}
	/* Another probe may run at the same time; then there are briefly more. */
	for (int i = 0; i < 50 && count_leftovers() > dirs; i++)
		usleep(100000);
	assert_true(count_leftovers() <= dirs);
	assert_int_equal(count_fds(), fds);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static int forbid_namespaces(struct err *e)
{
	int r = fd_write_file(AT_FDCWD, "/proc/sys/user/max_user_namespaces", "0");
	return r < 0 ? err_set(e, ERR_SETUP, -r, "forbid user namespaces") : 0;
}

static void test_no_user_namespaces(void **state)
{
	int status;
	auto_free char *text = probe_in(CLONE_NEWUSER, forbid_namespaces, &status);
	if (!text)
		skip();
	assert_int_equal(status, 1);
	expect_line(text, "user-namespaces", "\"status\":\"missing\",\"needed\":true");
	expect_line(text, "user-namespaces", "No space left on device");
	expect_line(text, "user-namespaces", "user.max_user_namespaces=0");
	expect_line(text, "user-namespaces", "sysctl");
	expect_line(text, "proc-mount", "not tried, as user-namespaces is missing");
	/* What does not depend on it is still tried. */
	expect_line(text, "openat2", "\"status\":\"ok\"");
}

static int mount_over_proc(struct err *e)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount("/dev/null", "/proc/version", NULL, MS_BIND, NULL) < 0)
		return err_set(e, ERR_SETUP, errno, "mount over a part of /proc");
	return 0;
}

static void test_masked_proc(void **state)
{
	int status;
	auto_free char *text = probe_in(CLONE_NEWUSER | CLONE_NEWNS, mount_over_proc, &status);
	if (!text)
		skip();
	assert_int_equal(status, 1);
	expect_line(text, "user-namespaces", "\"status\":\"ok\"");
	expect_line(text, "proc-mount", "\"status\":\"missing\",\"needed\":true");
	expect_line(text, "proc-mount", "mounted over parts of it: ");
	expect_line(text, "proc-mount", "/proc/version");
}

static int mount_below_etc(struct err *e)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount("/dev/null", "/etc/passwd", NULL, MS_BIND, NULL) < 0)
		return err_set(e, ERR_SETUP, errno, "mount below /etc");
	return 0;
}

static void test_mount_below_etc(void **state)
{
	int status;
	auto_free char *text = probe_in(CLONE_NEWUSER | CLONE_NEWNS, mount_below_etc, &status);
	if (!text)
		skip();
	expect_line(text, "overlay-etc", "\"status\":\"degraded\",\"needed\":false");
	expect_line(text, "overlay-etc", "/etc will be a copy");
}

static int set_no_new_privs(struct err *e)
{
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? err_set(e, ERR_SETUP, errno, "prctl")
							  : 0;
}

static void test_no_new_privs(void **state)
{
	int status;
	auto_free char *text = probe_in(CLONE_NEWUSER, set_no_new_privs, &status);
	if (!text)
		skip();
	expect_line(text, "no-new-privs-unset", "\"status\":\"degraded\"");
	expect_line(text, "no-new-privs-unset", "newuidmap");
}

static int read_nothing(void *arg, struct err *e)
{
	int fds[2];
	signal(SIGPIPE, SIG_IGN);
	if (fd_pipe(fds) < 0)
		return err_set(e, ERR_INTERNAL, errno, "make a pipe");
	fd_close(&fds[0]);
	FILE *out = fdopen(fds[1], "w");
	int status = doctor_main(&(struct doctor_options){ .out = out });
	return status == 1 && ferror(out) ? 0 : -EIO;
}

static void test_it_ends_when_nobody_reads(void **state)
{
	struct throwaway t = { .timeout_ms = 60000, .fn = read_nothing };
	assert_int_equal(throwaway_run(&t, NULL), 0);
}

static void test_the_document_has_no_other_check(void **state)
{
	auto_free char *doc = NULL, *names = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&names, &size);
	fputc('\n', f);
	doctor_print_names(f);
	fclose(f);
	assert_true(
		fd_read_file(AT_FDCWD, DAYFLY_TEST_SOURCE "/docs/doctor.md", 1u << 20, &doc) > 0);
	const char *row = strstr(doc, "## The checks");
	assert_non_null(row);
	int rows = 0;
	while ((row = strstr(row, "\n| `"))) {
		char name[80];
		snprintf(name, sizeof(name), "\n%.*s\n", (int)strcspn(row + 4, "`"), row + 4);
		if (!strstr(names, name))
			fail_msg("docs/doctor.md has a row %s that is no check", name + 1);
		row++;
		rows++;
	}
	assert_true(rows > 30);
}

static void test_document_names_every_check(void **state)
{
	auto_free char *doc = NULL, *names = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&names, &size);
	doctor_print_names(f);
	fclose(f);
	assert_true(
		fd_read_file(AT_FDCWD, DAYFLY_TEST_SOURCE "/docs/doctor.md", 1u << 20, &doc) > 0);
	for (const char *p = names; *p; p = strchr(p, '\n') + 1) {
		char cell[80];
		snprintf(cell, sizeof(cell), "\n| `%.*s` |", (int)strcspn(p, "\n"), p);
		if (!strstr(doc, cell))
			fail_msg("docs/doctor.md has no row %s", cell + 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_line_is_whole),
		cmocka_unit_test(test_nothing_is_left),
		cmocka_unit_test(test_no_user_namespaces),
		cmocka_unit_test(test_masked_proc),
		cmocka_unit_test(test_mount_below_etc),
		cmocka_unit_test(test_no_new_privs),
		cmocka_unit_test(test_it_ends_when_nobody_reads),
		cmocka_unit_test(test_the_document_has_no_other_check),
		cmocka_unit_test(test_document_names_every_check),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
