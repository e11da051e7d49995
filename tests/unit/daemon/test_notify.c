/* What a service manager hears: a datagram socket plays its part. */
#include "loop.h"

#include "base/fd.h"
#include "daemon/notify.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

static char dir[64], path[96];
static int manager = -1;

static int setup(void **state)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	snprintf(dir, sizeof(dir), "/tmp/dayfly-test-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/notify", dir);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(manager, (struct sockaddr *)&addr, sizeof(addr)), 0);
	setenv("NOTIFY_SOCKET", path, 1);
	unsetenv("SYSTEMD_EXEC_PID");
	return 0;
}

static int teardown(void **state)
{
	fd_close(&manager);
	unlink(path);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	unsetenv("SYSTEMD_EXEC_PID");
	return rmdir(dir);
}

/* The next message; "" when there is none. */
static const char *heard(void)
{
	static char text[512];
	ssize_t n = recv(manager, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void end(struct notify *n, uv_loop_t *loop)
{
	notify_finish(n);
	loop_assert_empty(loop);
}

static void set_watchdog(long usec, long pid)
{
	char text[24];
	snprintf(text, sizeof(text), "%ld", usec);
	setenv("WATCHDOG_USEC", text, 1);
	snprintf(text, sizeof(text), "%ld", pid);
	setenv("WATCHDOG_PID", text, 1);
}

TEST(C5_the_socket_of_a_service_that_we_are_only_a_part_of_is_not_used)
{
	struct notify n;
	struct err e;
	char text[24];
	snprintf(text, sizeof(text), "%d", (int)getppid());
	setenv("SYSTEMD_EXEC_PID", text, 1);
	set_watchdog(100000, getpid());
	assert_int_equal(notify_init(&n, &e), 0);
	assert_false(n.is_wanted);
	assert_int_equal(n.watchdog_ms, 0);
	assert_null(getenv("NOTIFY_SOCKET"));
	notify_ready(&n);
	assert_string_equal(heard(), "");
}

TEST(without_a_manager_every_call_is_without_effect)
{
	uv_loop_t loop;
	struct notify n;
	struct err e;
	unsetenv("NOTIFY_SOCKET");
	uv_loop_init(&loop);
	assert_int_equal(notify_init(&n, &e), 0);
	assert_false(n.is_wanted);
	assert_int_equal(notify_start(&n, &loop), 0);
	notify_ready(&n);
	notify_counts(&n, 1, 1);
	notify_reloading(&n);
	notify_reloaded(&n);
	notify_stopping(&n);
	end(&n, &loop);
}

#ifdef DAYFLY_LIBSYSTEMD

static void begin(struct notify *n, uv_loop_t *loop)
{
	struct err e;
	uv_loop_init(loop);
	assert_int_equal(notify_init(n, &e), 0);
	assert_true(n->is_wanted);
	assert_int_equal(notify_start(n, loop), 0);
}

TEST(ready_comes_with_the_status)
{
	uv_loop_t loop;
	struct notify n;
	begin(&n, &loop);
	assert_string_equal(heard(), "");
	notify_counts(&n, 2, 1);
	loop_run_ms(&loop, 5);
	assert_string_equal(heard(), "");
	notify_ready(&n);
	assert_string_equal(heard(), "READY=1\nSTATUS=2 running, 1 waiting");
	end(&n, &loop);
}

TEST(counts_are_told_when_they_change_and_not_too_often)
{
	uv_loop_t loop;
	struct notify n;
	const char *text = "";
	begin(&n, &loop);
	notify_ready(&n);
	heard();
	uint64_t ready_ns = clock_mono_ns();
	for (size_t i = 1; i <= 50; i++) {
		notify_counts(&n, i, 0);
		loop_run_ms(&loop, 1);
	}
	notify_counts(&n, 7, 3);
	/* All those changes are one message, a second after the one before: the last of them.
	 * Where they took longer than that, one for each second. */
	unsigned n_told = 0;
	do {
		loop_run_until(&loop, *(text = heard()));
		n_told++;
	} while (strcmp(text, "STATUS=7 running, 3 waiting"));
	assert_true(clock_mono_ns() - ready_ns >= n_told * (NOTIFY_STATUS_MS - 50) * NS_PER_MS);
	notify_counts(&n, 7, 3);
	loop_run_ms(&loop, 20);
	assert_string_equal(heard(), "");
	end(&n, &loop);
}

TEST(a_reload_is_announced_with_its_time)
{
	uv_loop_t loop;
	struct notify n;
	unsigned long long usec = 0;
	begin(&n, &loop);
	notify_ready(&n);
	heard();
	notify_reloading(&n);
	assert_int_equal(sscanf(heard(), "RELOADING=1\nMONOTONIC_USEC=%llu", &usec), 1);
	assert_true(usec > 0 && usec <= clock_mono_ns() / NS_PER_US);
	notify_reloaded(&n);
	assert_string_equal(heard(), "READY=1\nSTATUS=0 running, 0 waiting");
	end(&n, &loop);
}

TEST(stopping_is_told_once_and_more_time_is_asked_for)
{
	uv_loop_t loop;
	struct notify n;
	begin(&n, &loop);
	notify_ready(&n);
	heard();
	notify_stopping(&n);
	notify_stopping(&n);
	assert_string_equal(heard(), "STOPPING=1\nSTATUS=Stopping: 0 running, 0 waiting");
	assert_string_equal(heard(), "EXTEND_TIMEOUT_USEC=10000000");
	assert_string_equal(heard(), "");
	const char *text = "";
	loop_run_until(&loop, *(text = heard()));
	assert_string_equal(text, "EXTEND_TIMEOUT_USEC=10000000");
	end(&n, &loop);
}

TEST(the_watchdog_is_fed_at_twice_its_pace_as_long_as_the_loop_turns)
{
	uv_loop_t loop;
	struct notify n;
	set_watchdog(100000, getpid());
	uint64_t start_ns = clock_mono_ns();
	begin(&n, &loop);
	assert_int_equal(n.watchdog_ms, 100);
	assert_null(getenv("WATCHDOG_USEC"));
	assert_null(getenv("WATCHDOG_PID"));
	assert_string_equal(heard(), "WATCHDOG=1");
	const char *text = "";
	for (int i = 0; i < 3; i++) {
		loop_run_until(&loop, *(text = heard()));
		assert_string_equal(text, "WATCHDOG=1");
	}
	assert_true(clock_mono_ns() - start_ns >= 3 * 45 * NS_PER_MS);
	/* A loop that does not turn is silent. */
	usleep(150000);
	assert_string_equal(heard(), "");
	end(&n, &loop);
}

/* Its queue is full: net.unix.max_dgram_qlen. */
static unsigned fill_queue(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	unsigned n = 0;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	while (sendto(fd, "x", 1, 0, (struct sockaddr *)&addr, sizeof(addr)) == 1)
		n++;
	assert_int_equal(errno, EAGAIN);
	fd_close(&fd);
	return n;
}

static void empty_queue(unsigned n)
{
	while (n--)
		assert_string_equal(heard(), "x");
}

TEST(a_manager_that_does_not_read_stops_nothing_and_hears_what_matters_later)
{
	uv_loop_t loop;
	struct notify n;
	const char *text = "";
	set_watchdog(100000, getpid());
	begin(&n, &loop);
	heard();
	alarm(10); /* who waits for the manager does not live on */
	unsigned filled = fill_queue();
	notify_ready(&n);
	notify_reloading(&n);
	notify_reloaded(&n);
	notify_counts(&n, 3, 2);
	loop_run_ms(&loop, 300);
	alarm(0);
	empty_queue(filled);
	static const char *const wanted[] = { "READY=1\nSTATUS=0 running, 0 waiting",
		"RELOADING=1\nMONOTONIC_USEC=", "READY=1\nSTATUS=0 running, 0 waiting" };
	for (size_t i = 0; i < 3;) {
		loop_run_until(&loop, *(text = heard()));
		if (!strcmp(text, "WATCHDOG=1"))
			continue;
		assert_memory_equal(text, wanted[i], strlen(wanted[i]));
		i++;
	}
	/* What comes again anyway is not sent late, but the counts are told in the end. */
	do
		loop_run_until(&loop, *(text = heard()));
	while (!strcmp(text, "WATCHDOG=1"));
	assert_string_equal(text, "STATUS=3 running, 2 waiting");
	end(&n, &loop);
}

TEST(words_for_a_manager_that_never_reads_are_bounded)
{
	uv_loop_t loop;
	struct notify n;
	begin(&n, &loop);
	alarm(10);
	fill_queue();
	notify_ready(&n);
	for (int i = 0; i < 100; i++) {
		notify_reloading(&n);
		notify_reloaded(&n);
	}
	notify_stopping(&n);
	loop_run_ms(&loop, 50);
	alarm(0);
	end(&n, &loop);
}

TEST(the_watchdog_of_another_process_is_not_fed)
{
	uv_loop_t loop;
	struct notify n;
	set_watchdog(100000, getppid());
	begin(&n, &loop);
	assert_int_equal(n.watchdog_ms, 0);
	loop_run_ms(&loop, 70);
	assert_string_equal(heard(), "");
	end(&n, &loop);
}

TEST(C5_control_the_socket_of_our_own_service_is_used)
{
	struct notify n;
	struct err e;
	char text[24];
	snprintf(text, sizeof(text), "%d", (int)getpid());
	setenv("SYSTEMD_EXEC_PID", text, 1);
	assert_int_equal(notify_init(&n, &e), 0);
	assert_true(n.is_wanted);
	notify_ready(&n);
	assert_string_equal(heard(), "READY=1\nSTATUS=0 running, 0 waiting");
	notify_finish(&n);
}

#else

TEST(a_build_without_libsystemd_says_that_it_cannot_notify)
{
	struct notify n;
	struct err e;
	assert_int_equal(notify_init(&n, &e), -ENOSYS);
	assert_non_null(strstr(e.msg, "without libsystemd"));
	assert_non_null(strstr(e.hint, "Type=exec"));
}

#endif

#define WITH_MANAGER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_MANAGER(C5_the_socket_of_a_service_that_we_are_only_a_part_of_is_not_used),
		WITH_MANAGER(without_a_manager_every_call_is_without_effect),
#ifdef DAYFLY_LIBSYSTEMD
		WITH_MANAGER(ready_comes_with_the_status),
		WITH_MANAGER(counts_are_told_when_they_change_and_not_too_often),
		WITH_MANAGER(a_reload_is_announced_with_its_time),
		WITH_MANAGER(stopping_is_told_once_and_more_time_is_asked_for),
		WITH_MANAGER(the_watchdog_is_fed_at_twice_its_pace_as_long_as_the_loop_turns),
		WITH_MANAGER(
			a_manager_that_does_not_read_stops_nothing_and_hears_what_matters_later),
		WITH_MANAGER(words_for_a_manager_that_never_reads_are_bounded),
		WITH_MANAGER(the_watchdog_of_another_process_is_not_fed),
		WITH_MANAGER(C5_control_the_socket_of_our_own_service_is_used),
#else
		WITH_MANAGER(a_build_without_libsystemd_says_that_it_cannot_notify),
#endif
	};
	return RUN_TESTS(tests);
}
