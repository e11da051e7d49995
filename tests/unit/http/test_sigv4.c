/* The published examples of AWS: those of the S3 API reference ("Authenticating Requests:
 * Authorization Header") and of the signature's test suite (service "service"). */
#include "harness.h"

#include "base/cleanup.h"
#include "http/sigv4.h"

#include <stdlib.h>
#include <string.h>

/* 2013-05-24T00:00:00Z and 2015-08-30T12:36:00Z */
#define S3_TIME	   1369353600
#define SUITE_TIME 1440938160

/* Of no bytes at all. */
#define EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static const struct sigv4_key s3_key = { "AKIAIOSFODNN7EXAMPLE",
	"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1", "s3" };
static const struct sigv4_key suite_key = { "AKIDEXAMPLE",
	"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "us-east-1", "service" };

static void assert_signed(const struct sigv4_request *r, const struct sigv4_key *k, int64_t at_s,
	const char *names, const char *signature)
{
	char end[400];
	auto_free char *text = sigv4_sign(r, k, at_s);
	assert_non_null(text);
	snprintf(end, sizeof(end), "/aws4_request, SignedHeaders=%s, Signature=%s", names,
		signature);
	assert_non_null(strstr(text, end));
	assert_string_equal(strstr(text, end) + strlen(end), "");
	snprintf(end, sizeof(end), "AWS4-HMAC-SHA256 Credential=%s/", k->id);
	assert_ptr_equal(strstr(text, end), text);
}

TEST(a_GET_of_S3_with_a_range)
{
	const struct sigv4_pair headers[] = {
		{ "host", "examplebucket.s3.amazonaws.com" },
		{ "range", "bytes=0-9" },
		{ "x-amz-content-sha256", EMPTY_SHA256 },
		{ "x-amz-date", "20130524T000000Z" },
	};
	const struct sigv4_request r = { "GET", "/test.txt", "", headers, 4, EMPTY_SHA256 };
	assert_signed(&r, &s3_key, S3_TIME, "host;range;x-amz-content-sha256;x-amz-date",
		"f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

TEST(a_PUT_of_S3_with_a_dollar_in_its_key)
{
	char hash[SIGV4_HASH_SIZE];
	sigv4_hash("Welcome to Amazon S3.", 21, hash);
	auto_free char *path = sigv4_path("/test$file.text");
	assert_string_equal(path, "/test%24file.text");
	/* In no order: they are sorted. */
	const struct sigv4_pair headers[] = {
		{ "x-amz-storage-class", "REDUCED_REDUNDANCY" },
		{ "x-amz-date", "20130524T000000Z" },
		{ "host", "examplebucket.s3.amazonaws.com" },
		{ "x-amz-content-sha256", hash },
		{ "date", "Fri, 24 May 2013 00:00:00 GMT" },
	};
	const struct sigv4_request r = { "PUT", path, "", headers, 5, hash };
	assert_signed(&r, &s3_key, S3_TIME,
		"date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
		"98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
}

static void assert_s3_query(
	const struct sigv4_pair *pairs, size_t n, const char *text, const char *signature)
{
	auto_free char *query = sigv4_query(pairs, n);
	assert_string_equal(query, text);
	const struct sigv4_pair headers[] = {
		{ "host", "examplebucket.s3.amazonaws.com" },
		{ "x-amz-content-sha256", EMPTY_SHA256 },
		{ "x-amz-date", "20130524T000000Z" },
	};
	const struct sigv4_request r = { "GET", "/", query, headers, 3, EMPTY_SHA256 };
	assert_signed(&r, &s3_key, S3_TIME, "host;x-amz-content-sha256;x-amz-date", signature);
}

TEST(queries_of_S3_without_a_value_and_unsorted)
{
	const struct sigv4_pair lifecycle = { "lifecycle", "" };
	assert_s3_query(&lifecycle, 1,
		"lifecycle=", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
	const struct sigv4_pair list[] = { { "prefix", "J" }, { "max-keys", "2" } };
	assert_s3_query(list, 2, "max-keys=2&prefix=J",
		"34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

static void assert_suite(const char *method, const char *path, const char *query,
	const struct sigv4_pair *more, size_t n_more, const char *names, const char *signature)
{
	struct sigv4_pair headers[8] = { { "host", "example.amazonaws.com" },
		{ "x-amz-date", "20150830T123600Z" } };
	for (size_t i = 0; i < n_more; i++)
		headers[2 + i] = more[i];
	const struct sigv4_request r = { method, path, query, headers, 2 + n_more, EMPTY_SHA256 };
	assert_signed(&r, &suite_key, SUITE_TIME, names, signature);
}

TEST(the_test_suite_of_the_signature)
{
	assert_suite("GET", "/", "", NULL, 0, "host;x-amz-date",
		"5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
	assert_suite("POST", "/", "", NULL, 0, "host;x-amz-date",
		"5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b");
	const struct sigv4_pair pairs[] = { { "Param2", "value2" }, { "Param1", "value1" } };
	auto_free char *query = sigv4_query(pairs, 2);
	assert_suite("GET", "/", query, NULL, 0, "host;x-amz-date",
		"b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500");
	auto_free char *utf8 = sigv4_path("/\xe1\x88\xb4");
	assert_string_equal(utf8, "/%E1%88%B4");
	assert_suite("GET", utf8, "", NULL, 0, "host;x-amz-date",
		"8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85");
	const struct sigv4_pair values[] = { { "my-header1", "value2" }, { "my-header1", "value2" },
		{ "my-header1", "value1" } };
	assert_suite("GET", "/", "", values, 3, "host;my-header1;x-amz-date",
		"c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea");
	const struct sigv4_pair spaces[] = { { "my-header1", "   value1" },
		{ "my-header2", " \"a   b   c\"  " } };
	assert_suite("GET", "/", "", spaces, 2, "host;my-header1;my-header2;x-amz-date",
		"acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736");
}

TEST(what_is_not_plain_in_a_key_is_encoded_once)
{
	auto_free char *path = sigv4_path("/a:b=c+d@e!f g/h%20i~j*k'l(m)");
	assert_string_equal(path, "/a%3Ab%3Dc%2Bd%40e%21f%20g/h%2520i~j%2Ak%27l%28m%29");
	const struct sigv4_pair pairs[] = { { "uploadId", "a/b+c==&d" }, { "partNumber", "10" },
		{ "a-b", "2" }, { "a", "3" }, { "a", "1" } };
	auto_free char *query = sigv4_query(pairs, 5);
	assert_string_equal(query, "a=1&a=3&a-b=2&partNumber=10&uploadId=a%2Fb%2Bc%3D%3D%26d");
}

TEST(more_than_there_is_room_for_is_refused)
{
	struct sigv4_pair pairs[SIGV4_PAIRS_MAX + 1];
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
		pairs[i] = (struct sigv4_pair){ "a", "b" };
	assert_null(sigv4_query(pairs, ARRAY_SIZE(pairs)));
	const struct sigv4_request r = { "GET", "/", "", pairs, ARRAY_SIZE(pairs), EMPTY_SHA256 };
	assert_null(sigv4_sign(&r, &s3_key, S3_TIME));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_GET_of_S3_with_a_range),
		cmocka_unit_test(a_PUT_of_S3_with_a_dollar_in_its_key),
		cmocka_unit_test(queries_of_S3_without_a_value_and_unsorted),
		cmocka_unit_test(the_test_suite_of_the_signature),
		cmocka_unit_test(what_is_not_plain_in_a_key_is_encoded_once),
		cmocka_unit_test(more_than_there_is_room_for_is_refused),
	};
	return RUN_TESTS(tests);
}
