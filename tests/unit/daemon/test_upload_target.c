/* Targets: their lines, and what they sign with (M9). */
#include "harness.h"

#include "base/cleanup.h"
#include "base/str.h"
#include "daemon/upload_target.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int parse(const char *a, const char *b, struct upload_targets *ret, struct err *e)
{
	char *const lines[] = { (char *)a, (char *)b, NULL };
	return upload_targets_parse(lines, ret, e);
}

TEST(lines_of_one_name_add_up)
{
	struct upload_targets ts;
	struct err e;
	assert_int_equal(
		parse("builds type=s3 endpoint=https://s3.example.com bucket=ci-results",
			"builds   region=eu-central-1 prefix=x/ style=virtual part_size=8MiB "
			"multipart_above=32MiB credentials=/etc/dayfly/builds",
			&ts, &e),
		0);
	const struct upload_target *t = upload_targets_find(&ts, "builds");
	assert_non_null(t);
	assert_int_equal(t->kind, UPLOAD_S3);
	assert_string_equal(t->url.host, "s3.example.com");
	assert_string_equal(t->bucket, "ci-results");
	assert_string_equal(t->region, "eu-central-1");
	assert_true(t->is_virtual);
	assert_int_equal(t->part_bytes, 8 << 20);
	assert_int_equal(t->multipart_bytes, 32 << 20);
	assert_null(upload_targets_find(&ts, "build"));
	upload_targets_finish(&ts);
	assert_int_equal(
		parse("web endpoint=http://10.0.0.1:8080/in/ private=yes", NULL, &ts, &e), 0);
	assert_int_equal(ts.list[0].kind, UPLOAD_HTTP);
	assert_true(ts.list[0].may_be_private);
	upload_targets_finish(&ts);
}

TEST(what_is_no_target_is_refused_with_its_cause)
{
	static const char *const bad[] = { "", "/x endpoint=https://a", "b", "b type=s3",
		"b endpoint=https://a type=ftp", "b endpoint=ftp://a", "b endpoint=http://a",
		"b endpoint=https://a?x=1", "b endpoint=https://u:p@a",
		"b endpoint=https://a bucket=abc", "b type=s3 endpoint=https://a",
		"b type=s3 endpoint=https://a/b bucket=abc",
		"b type=s3 endpoint=https://a bucket=a/b", "b endpoint=https://a regoin=x",
		"b endpoint=https://a region=", "b endpoint=https://a credentials=x",
		"b endpoint=https://a style=x", "b endpoint=https://a private=maybe",
		"b endpoint=https://a part_size=1MiB", "b endpoint=https://a multipart_above=6GiB",
		"b endpoint=https://a ca_file=x" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct upload_targets ts;
		struct err e = { 0 };
		assert_true(parse(bad[i], NULL, &ts, &e) < 0);
		assert_true(e.msg[0]);
	}
	struct err e;
	assert_true(upload_target_check_line("b endpoint=https://a regoin=x", &e) < 0);
	assert_non_null(strstr(e.hint, "region"));
}

static void write_file(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static int read_secret(const char *line, struct upload_targets *ts, struct err *e)
{
	assert_int_equal(parse(line, NULL, ts, e), 0);
	return upload_targets_read_secrets(ts, getuid(), e);
}

#define S3 "b type=s3 endpoint=https://a bucket=abc "

TEST(M9_credentials_come_from_a_file_of_ones_own)
{
	struct upload_targets ts;
	struct err e;
	char line[200];
	static const char path[] = "/tmp/dayfly-test-credentials";
	snprintf(line, sizeof(line), S3 "credentials=%s", path);
	write_file(path,
		"# AWS\n[default]\naws_access_key_id = AKIA1\n"
		"aws_secret_access_key=s3cr3t/+=\r\naws_session_token = tok\n",
		0600);
	assert_int_equal(read_secret(line, &ts, &e), 0);
	assert_string_equal(ts.list[0].secret.id, "AKIA1");
	assert_string_equal(ts.list[0].secret.key, "s3cr3t/+=");
	assert_string_equal(ts.list[0].secret.token, "tok");
	upload_targets_finish(&ts);
	/* Others may read it. */
	chmod(path, 0644);
	assert_true(read_secret(line, &ts, &e) < 0);
	assert_int_equal(e.code, ERR_NOT_ALLOWED);
	upload_targets_finish(&ts);
	static const char *const bad[] = { "", "aws_access_key_id = A\n",
		"aws_access_key_id = A\naws_access_key_id = B\naws_secret_access_key = s3cr3t\n",
		"authorization = s3cr3t\n", "s3cr3t\n", "aws_secret_access_key = s3cr3t\x01\n",
		"aws_secret_access_key =\n" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		write_file(path, bad[i], 0600);
		assert_true(read_secret(line, &ts, &e) < 0);
		assert_null(strstr(e.msg, "s3cr3t"));
		upload_targets_finish(&ts);
	}
	snprintf(line, sizeof(line), "b endpoint=https://a credentials=%s", path);
	write_file(path, "authorization = Bearer s3cr3t\n", 0600);
	assert_int_equal(read_secret(line, &ts, &e), 0);
	assert_string_equal(ts.list[0].secret.authorization, "Bearer s3cr3t");
	upload_targets_finish(&ts);
	unlink(path);
}

TEST(M9_or_from_systemd_or_from_the_environment)
{
	struct upload_targets ts;
	struct err e;
	unsetenv("CREDENTIALS_DIRECTORY");
	assert_true(read_secret(S3, &ts, &e) < 0);
	assert_non_null(strstr(e.hint, "LoadCredential"));
	upload_targets_finish(&ts);
	setenv("CREDENTIALS_DIRECTORY", "/tmp", 1);
	write_file("/tmp/upload_b", "aws_access_key_id = A\naws_secret_access_key = K\n", 0600);
	assert_int_equal(read_secret(S3, &ts, &e), 0);
	assert_string_equal(ts.list[0].secret.id, "A");
	upload_targets_finish(&ts);
	unlink("/tmp/upload_b");
	unsetenv("CREDENTIALS_DIRECTORY");
	setenv("AWS_ACCESS_KEY_ID", "E", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "F", 1);
	/* Only where the target says so. */
	assert_true(read_secret(S3, &ts, &e) < 0);
	upload_targets_finish(&ts);
	assert_int_equal(read_secret(S3 "credentials=environment", &ts, &e), 0);
	assert_string_equal(ts.list[0].secret.id, "E");
	assert_null(ts.list[0].secret.token);
	upload_targets_finish(&ts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_of_one_name_add_up),
		cmocka_unit_test(what_is_no_target_is_refused_with_its_cause),
		cmocka_unit_test(M9_credentials_come_from_a_file_of_ones_own),
		cmocka_unit_test(M9_or_from_systemd_or_from_the_environment),
	};
	return RUN_TESTS(tests);
}
