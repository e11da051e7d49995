/* Audit records of processes that a filter has killed. The forms are those of Linux 6.1 and 6.18.
 */
#include "harness.h"

#include "jail/kernel_log.h"
#include "jail/seccomp.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define HEAD "5,126,2288608678,-;audit: type=1326 audit(1795789785.395:126): "
#define IDS  "auid=4294967295 uid=1879114728 gid=1879114728 ses=4294967295 pid=14805 "

static bool parse(const char *record, struct kernel_log_call *c)
{
	memset(c, 0, sizeof(*c));
	return kernel_log_parse(record, c);
}

TEST(a_record_tells_whose_process_made_which_call)
{
	struct kernel_log_call c;
	assert_true(parse(HEAD IDS "comm=\"x32\" exe=\"/opt/x32\" sig=31 arch=40000003 syscall=20 "
				   "compat=1 ip=0x559afc0b8134 code=0x80000000\n",
		&c));
	assert_int_equal(c.uid, 1879114728);
	assert_int_equal(c.arch, 0x40000003);
	assert_int_equal(c.number, 20);
	/* With a security label between the ids and the names. */
	assert_true(parse(HEAD IDS "subj=unconfined comm=\"a\" exe=\"/a\" sig=31 arch=c000003e "
				   "syscall=1073741863 compat=0 ip=0x1 code=0x80000000\n",
		&c));
	assert_int_equal(c.number, 1073741863);
}

TEST(other_records_tell_nothing)
{
	static const char *const others[] = { "", ";", "5,1,1,-;audit: type=1400 audit(1:1): uid=1",
		HEAD IDS, "6,1,1,-;audit: type=1326 uid=1 comm=x sig=31 arch=40000003 syscall=-1",
		/* another signal */
		HEAD IDS "comm=\"a\" exe=\"/a\" sig=11 arch=c000003e syscall=1 compat=0",
		/* a line that a process wrote to /dev/kmsg: it has another beginning */
		"12,1,1,-;audit: type=1326 audit(1:1): uid=1 comm=\"a\" sig=31 arch=40000003 "
		"syscall=20",
		HEAD "auid=1 uid=99999999999 gid=1 comm=\"a\" sig=31 arch=40000003 syscall=20" };
	struct kernel_log_call c;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_false(parse(others[i], &c));
}

TEST(a_call_is_found_once_and_by_its_owner_only)
{
	struct kernel_log l = { .fd = -1 };
	struct kernel_log_call c;
	int fds[2];
	static const char record[] = HEAD IDS "comm=\"a\" exe=\"/a\" sig=31 arch=40000003 "
					      "syscall=20 compat=1\n";
	assert_false(kernel_log_find(&l, 0, UINT32_MAX, &c));
	/* A pipe with one record and its end stands for the log. */
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], record, strlen(record)), (ssize_t)strlen(record));
	close(fds[1]);
	l.fd = fds[0];
	assert_false(kernel_log_find(&l, 1879048192 + 2 * 65536, 65536, &c));
	assert_true(kernel_log_find(&l, 1879048192 + 65536, 65536, &c));
	assert_int_equal(c.number, 20);
	assert_false(kernel_log_find(&l, 1879048192 + 65536, 65536, &c));
	kernel_log_close(&l);
}

TEST(calls_have_names)
{
	char text[64];
	seccomp_call_name(0x40000003, 20, text, sizeof(text));
	assert_string_equal(text, "getpid (i386)");
	seccomp_call_name(0xc000003e, 0x40000000 + 39, text, sizeof(text));
	assert_string_equal(text, "getpid (x32)");
	seccomp_call_name(0x40000003, 99999, text, sizeof(text));
	assert_string_equal(text, "number 99999 (i386)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_tells_whose_process_made_which_call),
		cmocka_unit_test(other_records_tell_nothing),
		cmocka_unit_test(a_call_is_found_once_and_by_its_owner_only),
		cmocka_unit_test(calls_have_names),
	};
	return RUN_TESTS(tests);
}
