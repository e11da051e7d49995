/* M6, M7: what a connection made for somebody else never leads to, however it is written. */
#include "harness.h"

#include "http/addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

static bool is_denied(const char *text)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	if (inet_pton(AF_INET, text, &in.sin_addr) == 1)
		return addr_is_denied((struct sockaddr *)&in, sizeof(in));
	assert_int_equal(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
	return addr_is_denied((struct sockaddr *)&in6, sizeof(in6));
}

static void check(const char *const *texts, bool wanted)
{
	for (; *texts; texts++)
		if (is_denied(*texts) != wanted)
			fail_msg("%s is %s", *texts, wanted ? "let through" : "denied");
}

TEST(M6_every_range_that_is_not_public_is_denied_from_its_first_to_its_last)
{
	static const char *const denied[] = { "0.0.0.0", "0.255.255.255", "10.0.0.0",
		"10.255.255.255", "100.64.0.0", "100.127.255.255", "127.0.0.0", "127.0.0.1",
		"127.255.255.255", "169.254.0.0", "169.254.255.255", "172.16.0.0", "172.31.255.255",
		"192.0.0.0", "192.0.0.255", "192.0.2.0", "192.0.2.255", "192.88.99.0",
		"192.88.99.255", "192.168.0.0", "192.168.255.255", "198.18.0.0", "198.19.255.255",
		"198.51.100.0", "198.51.100.255", "203.0.113.0", "203.0.113.255", "224.0.0.0",
		"239.255.255.255", "240.0.0.0", "255.255.255.254", "255.255.255.255", NULL };
	check(denied, true);
}

TEST(what_lies_beside_them_is_let_through)
{
	static const char *const allowed[] = { "1.0.0.0", "1.1.1.1", "8.8.8.8", "9.255.255.255",
		"11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
		"168.63.129.15", "168.63.129.17", "169.253.255.255", "169.255.0.0",
		"172.15.255.255", "172.32.0.0", "191.255.255.255", "192.0.1.0", "192.0.3.0",
		"192.88.98.255", "192.88.100.0", "192.167.255.255", "192.169.0.0", "198.17.255.255",
		"198.20.0.0", "198.51.99.255", "198.51.101.0", "203.0.112.255", "203.0.114.0",
		"223.255.255.255", NULL };
	check(allowed, false);
}

TEST(M4_metadata_services_are_denied)
{
	static const char *const denied[] = { "169.254.169.254", "169.254.170.2", "169.254.169.253",
		"100.100.100.200", "192.0.0.192", "168.63.129.16", "fd00:ec2::254", "fd20:ce::254",
		"fe80::a9fe:a9fe", NULL };
	check(denied, true);
}

TEST(M6_of_IPv6_only_public_unicast_is_let_through)
{
	static const char *const denied[] = { "::", "::1", "::2", "::7f00:1", "::10.0.0.1",
		"::8.8.8.8", "100::1", "fc00::1", "fdff::1", "fe80::1", "febf::1", "fec0::1",
		"ff02::1", "ff0e::1", "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2",
		"2001:2::1", "2001:10::1", "2001:20::1", "2001:1ff::1", "2001:db8::1",
		"2001:db8:ffff::1", "3fff::1", "3fff:fff::1", "4000::1", "5f00::1", "1fff::1",
		"64:ff9b:1::1", "64:ff9b::1:0:0", "::ffff:0:8.8.8.8", NULL };
	static const char *const allowed[] = { "2001:200::1", "2001:4860:4860::8888", "2001:db7::1",
		"2001:db9::1", "2606:4700:4700::1111", "2a00:1450:4001::1", "3ffe::1",
		"3fff:1000::1", "2003::1", "2000::1", NULL };
	check(denied, true);
	check(allowed, false);
}

TEST(M6_other_ways_to_write_an_IPv4_address_are_judged_by_it)
{
	static const char *const denied[] = { "::ffff:127.0.0.1", "::ffff:10.0.0.1",
		"::ffff:0.0.0.0", "::ffff:169.254.169.254", "::ffff:a9fe:a9fe",
		"64:ff9b::127.0.0.1", "64:ff9b::169.254.169.254", "64:ff9b::10.1.2.3",
		"2002:7f00:1::", "2002:7f00:1::1", "2002:a9fe:a9fe::1", "2002:c0a8:1::1",
		"2002:0a00:1::1", "2a00:1450::5efe:10.0.0.1", "2a00:1450::200:5efe:127.0.0.1",
		NULL };
	static const char *const allowed[] = { "::ffff:8.8.8.8", "64:ff9b::8.8.8.8",
		"2002:808:808::1", "2a00:1450::5efe:8.8.8.8", NULL };
	check(denied, true);
	check(allowed, false);
}

TEST(what_is_no_address_of_the_internet_is_denied)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = "/run/x" };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x08080808) };
	assert_true(addr_is_denied((struct sockaddr *)&un, sizeof(un)));
	assert_false(addr_is_denied((struct sockaddr *)&in, sizeof(in)));
	/* Cut off. */
	assert_true(addr_is_denied((struct sockaddr *)&in, sizeof(in) - 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			M6_every_range_that_is_not_public_is_denied_from_its_first_to_its_last),
		cmocka_unit_test(what_lies_beside_them_is_let_through),
		cmocka_unit_test(M4_metadata_services_are_denied),
		cmocka_unit_test(M6_of_IPv6_only_public_unicast_is_let_through),
		cmocka_unit_test(M6_other_ways_to_write_an_IPv4_address_are_judged_by_it),
		cmocka_unit_test(what_is_no_address_of_the_internet_is_denied),
	};
	return RUN_TESTS(tests);
}
