/* SHA-256: the examples of the standard, and what sha256sum says. */
#include "harness.h"

#include "base/sha256.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void check(const char *data, size_t len, size_t piece, const char *want)
{
	struct sha256 s;
	uint8_t digest[SHA256_SIZE];
	char hex[SHA256_HEX_SIZE];
	sha256_init(&s);
	for (size_t at = 0; at < len; at += piece)
		sha256_update(&s, data + at, len - at < piece ? len - at : piece);
	sha256_finish(&s, digest);
	sha256_to_hex(digest, hex);
	assert_string_equal(hex, want);
}

TEST(examples_of_the_standard)
{
	check("", 0, 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	check("abc", 3, 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	check("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56, 56,
		"248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
	check("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
	      "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
		112, 7, "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
	char *million = malloc(1000000);
	assert_non_null(million);
	memset(million, 'a', 1000000);
	check(million, 1000000, 4099,
		"cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
	free(million);
}

/* Every length around the ends of blocks, in pieces of many sizes. */
TEST(digests_are_those_of_sha256sum)
{
	char path[] = "/tmp/dayfly-sha256-XXXXXX", command[128], want[SHA256_HEX_SIZE];
	char data[300];
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)(i * 7 + 13);
	snprintf(command, sizeof(command), "sha256sum %s", path);
	for (size_t len = 50; len < sizeof(data); len += 5) {
		assert_int_equal(ftruncate(fd, 0), 0);
		assert_int_equal(pwrite(fd, data, len, 0), len);
		FILE *p = popen(command, "r");
		assert_non_null(p);
		assert_int_equal(fread(want, 1, sizeof(want) - 1, p), sizeof(want) - 1);
		want[sizeof(want) - 1] = '\0';
		assert_int_equal(pclose(p), 0);
		for (size_t piece = 1; piece <= len; piece += 31)
			check(data, len, piece, want);
	}
	close(fd);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(examples_of_the_standard),
		cmocka_unit_test(digests_are_those_of_sha256sum),
	};
	return RUN_TESTS(tests);
}
