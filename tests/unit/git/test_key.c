/* Names of folders: known answers of SHA-256. */
#include "harness.h"

#include "git/key.h"

TEST(it_is_the_sha256_of_the_text)
{
	char key[GIT_KEY_SIZE];
	git_key_make("abc", key);
	assert_string_equal(
		key, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	git_key_make("", key);
	assert_string_equal(
		key, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_the_sha256_of_the_text),
	};
	return RUN_TESTS(tests);
}
