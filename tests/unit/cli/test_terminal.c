#include "harness.h"

#include "cli/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <string.h>
#include <unistd.h>

TEST(raw_mode_is_put_back)
{
	int master, slave;
	struct termios before, now;
	struct terminal t;
	assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
	assert_int_equal(tcgetattr(slave, &before), 0);
	terminal_init(&t, slave);
	terminal_restore(&t);
	assert_int_equal(terminal_enter_raw(&t), 0);
	assert_int_equal(terminal_enter_raw(&t), 0);
	assert_int_equal(tcgetattr(slave, &now), 0);
	assert_false(now.c_lflag & (ICANON | ECHO | ISIG));
	assert_false(now.c_oflag & OPOST);
	/* Somebody else changed it while we were stopped. */
	assert_int_equal(tcsetattr(slave, TCSANOW, &before), 0);
	terminal_reenter(&t);
	assert_int_equal(tcgetattr(slave, &now), 0);
	assert_false(now.c_lflag & ICANON);
	terminal_restore(&t);
	assert_int_equal(tcgetattr(slave, &now), 0);
	assert_int_equal(now.c_lflag, before.c_lflag);
	assert_int_equal(now.c_oflag, before.c_oflag);
	assert_int_equal(now.c_iflag, before.c_iflag);
	assert_false(t.is_raw);
	close(master);
	close(slave);
}

TEST(what_is_no_terminal_is_left_alone)
{
	struct terminal t;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	terminal_init(&t, null);
	assert_int_equal(terminal_enter_raw(&t), -ENOTTY);
	assert_false(t.is_raw);
	terminal_restore(&t);
	terminal_reenter(&t);
	close(null);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(raw_mode_is_put_back),
		cmocka_unit_test(what_is_no_terminal_is_left_alone),
	};
	return RUN_TESTS(tests);
}
