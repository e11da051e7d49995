#include "harness.h"

#include "base/base64.h"

#include <errno.h>
#include <string.h>

static const struct {
	const char *plain, *text;
} pairs[] = {
	{ "", "" },
	{ "f", "Zg==" },
	{ "fo", "Zm8=" },
	{ "foo", "Zm9v" },
	{ "foob", "Zm9vYg==" },
	{ "fooba", "Zm9vYmE=" },
	{ "foobar", "Zm9vYmFy" },
	{ "\xfb\xff\xbf", "+/+/" },
};

TEST(the_vectors_of_the_standard_hold_in_both_directions)
{
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		char text[16], plain[16];
		size_t len = strlen(pairs[i].plain), decoded;
		base64_encode(pairs[i].plain, len, text);
		assert_int_equal(base64_encoded_size(len), strlen(pairs[i].text));
		assert_memory_equal(text, pairs[i].text, strlen(pairs[i].text));
		assert_int_equal(base64_decode(text, strlen(pairs[i].text), plain, &decoded), 0);
		assert_int_equal(decoded, len);
		assert_memory_equal(plain, pairs[i].plain, len);
	}
}

TEST(every_byte_at_every_place_survives)
{
	for (size_t len = 1; len <= 6; len++) {
		for (unsigned v = 0; v < 256; v++) {
			uint8_t in[6], out[6];
			char text[8];
			size_t decoded;
			for (size_t i = 0; i < len; i++)
				in[i] = (uint8_t)(v + i * 37);
			base64_encode(in, len, text);
			assert_int_equal(
				base64_decode(text, base64_encoded_size(len), out, &decoded), 0);
			assert_int_equal(decoded, len);
			assert_memory_equal(in, out, len);
		}
	}
}

TEST(what_is_not_strict_base64_is_refused)
{
	static const char *const bad[] = { "Z", "Zg", "Zg=", "Zm9",
		"====", "Z===", "=Zg=", "Zg==Zg==", "Zm=v", "Zg= ", "Zm9v\n", "Zm 9v", "Zm-_",
		"Zh==", "Zm9=", "Zg==\n\n\n\n", "\xc3\xa9zz" };
	char out[16];
	size_t len = 99;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(base64_decode(bad[i], strlen(bad[i]), out, &len), -EINVAL);
	assert_int_equal(base64_decode("Zg\0=", 4, out, &len), -EINVAL);
	assert_int_equal(len, 99);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_vectors_of_the_standard_hold_in_both_directions),
		cmocka_unit_test(every_byte_at_every_place_survives),
		cmocka_unit_test(what_is_not_strict_base64_is_refused),
	};
	return RUN_TESTS(tests);
}
