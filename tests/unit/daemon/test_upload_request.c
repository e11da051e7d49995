/* What is asked of a server: keys, addresses, signed headers. */
#include "harness.h"

#include "base/str.h"
#include "daemon/upload_request.h"
#include "http/sigv4.h"

#include <stdlib.h>
#include <string.h>

/* Of no bytes at all. */
#define EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

#define TASK "t-0123456789abcdef0123456789abcdef"

static void assert_key(const char *a, const char *b, const char *path, const char *expected)
{
	struct err e = { 0 };
	auto_free char *key = upload_key(a, b, path, TASK, 1000, &e);
	if (expected) {
		assert_string_equal(key, expected);
	} else {
		assert_null(key);
		assert_true(e.msg[0]);
	}
}

TEST(a_key_is_put_together)
{
	char longest[1100];
	assert_key(NULL, NULL, "a/b", TASK "/a/b");
	assert_key("{uid}/", "x-{task}-", "b", "1000/x-" TASK "-b");
	assert_key("", "", "\xc3\xa9 {task}", "\xc3\xa9 {task}");
	assert_key("", "", "../b", NULL);
	assert_key("a/", "/b/", "c", NULL);
	assert_key("", "", "\xff", NULL);
	memset(longest, 'a', sizeof(longest));
	longest[1025] = '\0';
	assert_key("", "", longest, NULL);
	longest[1024] = '\0';
	assert_key("", "", longest, longest);
}

TEST(a_prefix_of_a_request_stays_below_that_of_the_target)
{
	static const char *const bad[] = { "/a", "..", "a/../b/", "a//b", "./", "a\nb" };
	struct err e;
	assert_int_equal(upload_prefix_check("builds/{task}/", &e), 0);
	assert_int_equal(upload_prefix_check("", &e), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_true(upload_prefix_check(bad[i], &e) < 0);
}

TEST(a_path_is_encoded_into_an_address)
{
	auto_free char *url = upload_url("https://h/d/{path}?sig=1", "a b/c?d");
	assert_string_equal(url, "https://h/d/a%20b/c%3Fd?sig=1");
	auto_free char *whole = upload_url("https://h/d?sig=1", "a");
	assert_string_equal(whole, "https://h/d?sig=1");
}

static struct upload_targets one(const char *line)
{
	struct upload_targets ts;
	struct err e;
	char *const lines[] = { (char *)line, NULL };
	assert_int_equal(upload_targets_parse(lines, &ts, &e), 0);
	return ts;
}

static bool has(char *const *headers, const char *start)
{
	for (; headers && *headers; headers++)
		if (str_starts(*headers, start))
			return true;
	return false;
}

static void assert_request(struct upload_target *t, struct upload_step_args a, const char *method,
	const char *url, const char *host)
{
	struct upload_request r;
	a.now_s = 1369353600;
	a.hash = EMPTY_SHA256;
	assert_int_equal(upload_request_make(t, &a, &r), 0);
	assert_string_equal(r.method, method);
	assert_string_equal(r.url, url);
	assert_true(has(r.headers, host));
	assert_true(has(r.headers, "x-amz-content-sha256: " EMPTY_SHA256));
	assert_true(has(r.headers, "x-amz-date: 20130524T000000Z"));
	assert_true(has(r.headers, "x-amz-security-token: TOKEN"));
	assert_true(has(r.headers,
		"Authorization: AWS4-HMAC-SHA256 Credential=ID/20130524/us-east-1/s3/aws4_request, "
		"SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token, "
		"Signature="));
	upload_request_finish(&r);
}

TEST(each_step_of_S3_has_its_request)
{
	struct upload_targets ts =
		one("b type=s3 endpoint=http://127.0.0.1:4568 private=yes bucket=abc");
	struct upload_target *t = &ts.list[0];
	t->secret.id = strdup("ID");
	t->secret.key = strdup("KEY");
	t->secret.token = strdup("TOKEN");
	static const char host[] = "host: 127.0.0.1:4568";
	static const char base[] = "http://127.0.0.1:4568/abc/a%20b%2B";
	char url[200];
	struct upload_step_args a = { .key = "a b+", .upload_id = "x/y", .part = 7 };
	assert_request(t, a, "PUT", base, host);
	a.step = UPLOAD_STEP_INITIATE;
	snprintf(url, sizeof(url), "%s?uploads=", base);
	assert_request(t, a, "POST", url, host);
	a.step = UPLOAD_STEP_PART;
	snprintf(url, sizeof(url), "%s?partNumber=7&uploadId=x%%2Fy", base);
	assert_request(t, a, "PUT", url, host);
	a.step = UPLOAD_STEP_COMPLETE;
	snprintf(url, sizeof(url), "%s?uploadId=x%%2Fy", base);
	assert_request(t, a, "POST", url, host);
	a.step = UPLOAD_STEP_ABORT;
	assert_request(t, a, "DELETE", url, host);
	/* The bucket as part of the host; no port where it is the usual. */
	struct upload_targets v =
		one("b type=s3 endpoint=https://s3.example.com bucket=abc style=virtual");
	v.list[0].secret = t->secret;
	t->secret = (struct upload_secret){ 0 };
	a.step = UPLOAD_STEP_PUT;
	assert_request(&v.list[0], a, "PUT", "https://abc.s3.example.com/a%20b%2B",
		"host: abc.s3.example.com");
	upload_targets_finish(&ts);
	upload_targets_finish(&v);
}

TEST(plain_HTTP_has_a_header_at_most)
{
	struct upload_targets ts = one("w endpoint=https://h.example/in");
	const struct upload_step_args a = { .key = "x/a b" };
	struct upload_request r;
	assert_int_equal(upload_request_make(&ts.list[0], &a, &r), 0);
	assert_string_equal(r.url, "https://h.example/in/x/a%20b");
	assert_null(r.headers);
	upload_request_finish(&r);
	ts.list[0].secret.authorization = strdup("Bearer x");
	assert_int_equal(upload_request_make(&ts.list[0], &a, &r), 0);
	assert_true(has(r.headers, "Authorization: Bearer x"));
	upload_request_finish(&r);
	upload_targets_finish(&ts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_is_put_together),
		cmocka_unit_test(a_prefix_of_a_request_stays_below_that_of_the_target),
		cmocka_unit_test(a_path_is_encoded_into_an_address),
		cmocka_unit_test(each_step_of_S3_has_its_request),
		cmocka_unit_test(plain_HTTP_has_a_header_at_most),
	};
	return RUN_TESTS(tests);
}
