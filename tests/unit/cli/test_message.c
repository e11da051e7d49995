#include "harness.h"

#include "cli/message.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static char text[4096];
static int saved, scratch;

static void begin(void)
{
	scratch = memfd_create("test", MFD_CLOEXEC);
	saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	dup2(scratch, STDERR_FILENO);
}

static void end(void)
{
	dup2(saved, STDERR_FILENO);
	ssize_t n = pread(scratch, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	close(saved);
	close(scratch);
}

TEST(a_message_is_one_line_whatever_is_in_it)
{
	begin();
	message_error("bad \"%s\"", "a\nb\033[0m");
	end();
	assert_string_equal(text, "dayfly: bad \"a\\x0ab\\x1b[0m\"\n");
}

TEST(a_long_message_is_cut)
{
	char big[9000];
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	begin();
	message_error("%s", big);
	end();
	assert_true(strlen(text) < 2048);
	assert_string_equal(text + strlen(text) - 4, "...\n");
}

TEST(details_stand_below)
{
	begin();
	message_detail("fix", "do this\nor that");
	message_detail("fix", "why: because\nfix: do it");
	message_detail("fix", "");
	end();
	assert_string_equal(text, "  fix: do this\n  fix: or that\n  why: because\n  fix: do it\n");
}

TEST(a_raw_terminal_needs_carriage_returns)
{
	begin();
	message_set_raw(true);
	message_plain("x");
	message_set_raw(false);
	message_plain("y");
	end();
	assert_string_equal(text, "x\r\ny\n");
}

TEST(an_error_without_a_text_has_its_code)
{
	const struct dayfly_error e = { .code = "busy", .field = "task.unheard" };
	begin();
	message_report(NULL, &e);
	end();
	assert_string_equal(text, "dayfly: task.unheard: busy\n");
}

TEST(colour_is_for_terminals)
{
	assert_false(message_wants_colour(stderr) && !isatty(STDERR_FILENO));
	setenv("NO_COLOR", "1", 1);
	assert_false(message_wants_colour(stderr));
	unsetenv("NO_COLOR");
}

TEST(the_environment_says_what_can_be_shown)
{
	setenv("LC_ALL", "", 1);
	setenv("LC_CTYPE", "", 1);
	setenv("LANG", "en_US.UTF-8", 1);
	assert_true(message_is_utf8());
	setenv("LC_CTYPE", "C", 1);
	assert_false(message_is_utf8());
	setenv("LC_ALL", "C.utf8", 1);
	assert_true(message_is_utf8());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_is_one_line_whatever_is_in_it),
		cmocka_unit_test(a_long_message_is_cut),
		cmocka_unit_test(details_stand_below),
		cmocka_unit_test(a_raw_terminal_needs_carriage_returns),
		cmocka_unit_test(an_error_without_a_text_has_its_code),
		cmocka_unit_test(colour_is_for_terminals),
		cmocka_unit_test(the_environment_says_what_can_be_shown),
	};
	return RUN_TESTS(tests);
}
