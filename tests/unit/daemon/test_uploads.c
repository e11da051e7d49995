/* Uploads against a server in a thread of this test's, which answers as it is told: M1 to M5, M9.
 */
#include "loop.h"

#include "base/fd.h"
#include "base/str.h"
#include "daemon/uploads.h"
#include "daemon/uploads_priv.h"
#include "http/sigv4.h"
#include "task/spool_file.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define TASK "t-0123456789abcdef0123456789abcdef"
#define MIB  (1u << 20)
#define PARTS                                                                                      \
	"<InitiateMultipartUploadResult><UploadId>up-1</UploadId></InitiateMultipartUploadResult>"
#define DONE "<CompleteMultipartUploadResult></CompleteMultipartUploadResult>"
#define OK   "HTTP/1.1 200 OK\r\nETag: \"e\"\r\nContent-Length: 0\r\n\r\n"

/* ---- the server ---- */

struct seen {
	char line[200]; /* "PUT /x?y" */
	char hash[SIGV4_HASH_SIZE];
	uint64_t len;
	bool is_signed, is_asked; /* asked whether the body may come */
};

static struct {
	int fd;
	unsigned port;
	pthread_t thread;
	struct seen seen[64];
	atomic_size_t n;
	bool is_mute; /* when it is asked */
	/* What the nth request is answered, or NULL for what it deserves. */
	const char *(*answer)(size_t nth, const struct seen *s);
} server;

static const char *usual(const struct seen *s)
{
	static char text[400];
	const char *body = strstr(s->line, "?uploads=")	 ? PARTS
			   : str_starts(s->line, "POST") ? DONE
							 : NULL;
	if (!body)
		return OK;
	snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
		strlen(body), body);
	return text;
}

static void serve_one(int fd)
{
	static char head[16384], body[8 * MIB];
	size_t n = 0, got = 0;
	char *end = NULL;
	struct seen *s = &server.seen[server.n < 63 ? server.n : 63];
	while (!end && n < sizeof(head) - 1) {
		ssize_t r = read(fd, head + n, sizeof(head) - 1 - n);
		if (r <= 0)
			return;
		n += (size_t)r;
		head[n] = '\0';
		end = strstr(head, "\r\n\r\n");
	}
	if (!end)
		return;
	const char *length = strcasestr(head, "content-length: ");
	s->len = length ? strtoull(length + 16, NULL, 10) : 0;
	snprintf(s->line, sizeof(s->line), "%.*s", (int)(strstr(head, " HTTP/") - head), head);
	s->is_signed = strstr(head, "x-amz-content-sha256: ") && strstr(head, "AWS4-HMAC-SHA256");
	s->is_asked = strcasestr(head, "expect: 100-continue") != NULL;
	if (s->is_asked && !server.is_mute)
		(void)!write(fd, "HTTP/1.1 100 Continue\r\n\r\n", 25);
	got = n - (size_t)(end + 4 - head);
	memcpy(body, end + 4, got);
	while (got < s->len) {
		ssize_t r = read(fd, body + got, sizeof(body) - got);
		if (r <= 0)
			return;
		got += (size_t)r;
	}
	sigv4_hash(body, got, s->hash);
	const char *text = server.answer ? server.answer(server.n, s) : NULL;
	text = text ? text : usual(s);
	server.n++;
	(void)!write(fd, text, strlen(text));
}

static void *serve(void *arg)
{
	int fd;
	while ((fd = accept(server.fd, NULL, NULL)) >= 0) {
		serve_one(fd);
		close(fd);
	}
	return NULL;
}

static void server_start(const char *(*answer)(size_t nth, const struct seen *s))
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sa);
	server.n = 0;
	server.answer = answer;
	server.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(server.fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(server.fd, 8), 0);
	assert_int_equal(getsockname(server.fd, (struct sockaddr *)&sa, &len), 0);
	server.port = ntohs(sa.sin_port);
	assert_int_equal(pthread_create(&server.thread, NULL, serve, NULL), 0);
}

static void server_stop(void)
{
	shutdown(server.fd, SHUT_RDWR);
	pthread_join(server.thread, NULL);
	close(server.fd);
}

/* ---- the daemon's half ---- */

static char place[64], spools[80];
static uv_loop_t loop;
static struct uploads u;
static struct options options;
static struct metrics metrics;
static struct upload_targets targets;
static char host_rule[40];
static char *host_rules[] = { host_rule, NULL };

static void targets_make(void)
{
	struct err e;
	char line[300], more[200];
	char *lines[] = { line, more, NULL };
	snprintf(line, sizeof(line),
		"s3 type=s3 endpoint=http://127.0.0.1:%u private=yes bucket=abc part_size=5MiB "
		"multipart_above=5MiB",
		server.port);
	snprintf(
		more, sizeof(more), "web endpoint=http://127.0.0.1:%u/in private=yes", server.port);
	assert_int_equal(upload_targets_parse(lines, &targets, &e), 0);
	targets.list[0].secret.id = strdup("ID");
	targets.list[0].secret.key = strdup("s3cr3t");
}

static void daemon_start(void)
{
	uv_loop_init(&loop);
	options.uploads = (struct upload_options){ .deadline_ms = 3600000,
		.stall_ms = 5000,
		.max_count_uid = 100,
		.max_bytes_uid = 64 * MIB,
		.max_bytes = 64 * MIB };
	snprintf(host_rule, sizeof(host_rule), "127.0.0.1:%u", server.port);
	options.policy.upload_private_hosts = host_rules;
	targets_make();
	assert_int_equal(uploads_init(&u, &loop, &options, &targets, &metrics, place, spools), 0);
}

static void daemon_stop(void)
{
	uploads_finish(&u);
	upload_targets_finish(&targets);
	loop_assert_empty(&loop);
}

/* A spool with these many bytes, and their hash. */
static void spool_fill(const char *task, size_t len, uint8_t sha256[32], char hex[SIGV4_HASH_SIZE])
{
	char *data = malloc(len + 16);
	for (size_t i = 0; i < len; i++)
		data[i + 16] = (char)(i * 7 + i / 4096);
	memcpy(data, "head of the tar ", 16);
	int fd = spool_file_create(spools, task);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, data, len + 16), 0);
	close(fd);
	sigv4_hash(data + 16, len, hex);
	for (size_t i = 0; i < 32; i++) {
		unsigned byte;
		sscanf(hex + 2 * i, "%2x", &byte);
		sha256[i] = (uint8_t)byte;
	}
	free(data);
}

static char whole_hash[SIGV4_HASH_SIZE];

static json_t *add(const char *task, const struct spec_upload *spec, size_t len, bool expected)
{
	uint8_t sha256[32];
	json_t *state = NULL;
	spool_fill(task, len, sha256, whole_hash);
	const struct upload_file f = { "out/a b", 16, len, sha256 };
	struct upload_batch *b = uploads_add(&u, task, 1000, spec, &f, 1, &state);
	assert_int_equal(b != NULL, expected);
	if (b)
		upload_batch_start(b);
	assert_non_null(state);
	if (!expected)
		spool_file_remove(spools, task);
	return state;
}

static const char *text_of(const json_t *o, const char *name)
{
	const char *text = json_string_value(json_object_get(o, name));
	return text ? text : "";
}

/* Runs until nothing waits. Returns what became of the one upload. */
static json_t *end(const char *task)
{
	loop_run_until(&loop, list_empty(&u.batches));
	json_t *all = uploads_to_json(&u, 1000, task);
	assert_int_equal(json_array_size(all), 1);
	json_t *one = json_incref(json_array_get(all, 0));
	json_decref(all);
	return one;
}

static void assert_ended(const char *state, const char *cause)
{
	json_t *one = end(TASK);
	assert_string_equal(text_of(one, "state"), state);
	if (cause)
		assert_non_null(strstr(text_of(one, "cause"), cause));
	else
		assert_string_equal(text_of(one, "cause"), "");
	json_decref(one);
	/* Nothing of it is left on the disk. */
	assert_int_equal(spool_file_open(spools, TASK), -ENOENT);
}

static const struct spec_upload to_s3 = { .target = (char *)"s3", .prefix = (char *)"b/{task}/" };
static const struct spec_upload to_web = { .target = (char *)"web", .prefix = (char *)"" };

static void run(const struct spec_upload *spec, size_t len,
	const char *(*answer)(size_t nth, const struct seen *s), const char *state,
	const char *cause)
{
	server_start(answer);
	daemon_start();
	json_decref(add(TASK, spec, len, true));
	assert_ended(state, cause);
	daemon_stop();
	server_stop();
}

/* ---- tests ---- */

TEST(a_small_file_is_one_signed_request_of_S3)
{
	server_start(NULL);
	daemon_start();
	json_t *told = add(TASK, &to_s3, 1000, true);
	assert_string_equal(text_of(told, "state"), "queued");
	assert_string_equal(text_of(told, "target"), "s3");
	assert_string_equal(text_of(told, "key"), "b/" TASK "/out/a b");
	json_decref(told);
	assert_ended("done", NULL);
	assert_int_equal(server.n, 1);
	assert_string_equal(server.seen[0].line, "PUT /abc/b/" TASK "/out/a%20b");
	assert_string_equal(server.seen[0].hash, whole_hash);
	assert_true(server.seen[0].is_signed);
	assert_int_equal(u.bytes, 0);
	daemon_stop();
	server_stop();
}

TEST(a_large_file_goes_in_parts)
{
	run(&to_s3, 12 * MIB, NULL, "done", NULL);
	assert_int_equal(server.n, 5);
	assert_non_null(strstr(server.seen[0].line, "?uploads="));
	for (int i = 1; i < 4; i++) {
		char part[40];
		snprintf(part, sizeof(part), "?partNumber=%d&uploadId=up-1", i);
		assert_non_null(strstr(server.seen[i].line, part));
		assert_int_equal(server.seen[i].len, i < 3 ? 5 * MIB : 2 * MIB);
	}
	assert_true(str_starts(server.seen[4].line, "POST "));
}

static const char *fails_at_the_third(size_t nth, const struct seen *s)
{
	return nth == 2 ? "HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\n\r\n" : NULL;
}

TEST(who_does_not_say_whether_a_body_may_come_is_not_asked_until_something_fails)
{
	/* Begun, three parts of which the second goes twice, and completed. */
	static const bool asked[] = { false, true, false, true, false, false };
	server.is_mute = true;
	run(&to_s3, 12 * MIB, fails_at_the_third, "done", NULL);
	assert_int_equal(server.n, ARRAY_SIZE(asked));
	for (size_t i = 0; i < ARRAY_SIZE(asked); i++)
		assert_int_equal(server.seen[i].is_asked, asked[i]);
	server.is_mute = false;
	run(&to_s3, 12 * MIB, NULL, "done", NULL);
	assert_int_equal(server.n, 5);
	for (size_t i = 1; i < 4; i++)
		assert_true(server.seen[i].is_asked);
}

static const char *fails_twice(size_t nth, const struct seen *s)
{
	return nth == 0	  ? "HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\n\r\n"
	       : nth == 1 ? "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab" /* cut off */
			  : NULL;
}

TEST(M1_M2_what_fails_or_is_cut_off_is_sent_again)
{
	run(&to_web, 1000, fails_twice, "done", NULL);
	assert_int_equal(server.n, 3);
	assert_string_equal(server.seen[2].line, "PUT /in/out/a%20b");
	assert_string_equal(server.seen[2].hash, whole_hash);
}

static const char *says_no(size_t nth, const struct seen *s)
{
	return "HTTP/1.1 403 Forbidden\r\nContent-Length: 52\r\n\r\n"
	       "<Error><Code>SignatureDoesNotMatch</Code></Error>   ";
}

TEST(a_refusal_is_for_good_and_told)
{
	run(&to_s3, 1000, says_no, "failed", "HTTP status 403 (SignatureDoesNotMatch)");
	assert_int_equal(server.n, 1);
}

static const char *redirects(size_t nth, const struct seen *s)
{
	return "HTTP/1.1 307 Elsewhere\r\nLocation: http://169.254.169.254/\r\nContent-Length: "
	       "0\r\n\r\n";
}

TEST(M4_a_redirect_is_not_followed)
{
	run(&to_web, 1000, redirects, "failed", "redirected");
	assert_int_equal(server.n, 1);
}

static const char *fails_at_the_end(size_t nth, const struct seen *s)
{
	/* It says 200 and then that it failed; then it knows nothing of the upload. */
	if (nth == 3)
		return "HTTP/1.1 200 OK\r\nContent-Length: 48\r\n\r\n"
		       "<Error><Code>InternalError</Code></Error>       ";
	return nth == 4 ? "HTTP/1.1 404 Not Found\r\nContent-Length: 48\r\n\r\n"
			  "<Error><Code>NoSuchUpload</Code></Error>        "
			: NULL;
}

TEST(a_completion_that_failed_is_asked_for_again_and_a_lost_upload_begins_again)
{
	run(&to_s3, 8 * MIB, fails_at_the_end, "done", NULL);
	/* Begun, two parts, two failures, then all of it once more. */
	assert_int_equal(server.n, 9);
	assert_non_null(strstr(server.seen[5].line, "?uploads="));
}

static const char *refuses_parts(size_t nth, const struct seen *s)
{
	return strstr(s->line, "partNumber=2") ? "HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n"
	       : str_starts(s->line, "DELETE") ? "HTTP/1.1 204 Gone\r\n\r\n"
					       : NULL;
}

TEST(what_lies_at_the_server_is_taken_back_when_it_is_given_up)
{
	run(&to_s3, 8 * MIB, refuses_parts, "failed", "HTTP status 400");
	assert_int_equal(server.n, 4);
	assert_string_equal(server.seen[3].line, "DELETE /abc/b/" TASK "/out/a%20b?uploadId=up-1");
}

static const char *has_strange_answers(size_t nth, const struct seen *s)
{
	/* No upload id; then a part without an ETag. */
	if (nth == 0)
		return "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n<a></a>";
	return nth == 2 ? "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" : NULL;
}

TEST(M5_answers_that_are_none_count_as_failures)
{
	run(&to_s3, 8 * MIB, has_strange_answers, "done", NULL);
	assert_int_equal(server.n, 6);
}

TEST(M3_the_next_daemon_sends_only_the_parts_that_are_missing)
{
	server_start(NULL);
	daemon_start();
	json_decref(add(TASK, &to_s3, 12 * MIB, true));
	loop_run_until(&loop, server.n >= 3);
	/* The second part is there, and noted or not. */
	daemon_stop();
	size_t before = server.n;
	daemon_start();
	assert_int_equal(u.count, 1);
	assert_ended("done", NULL);
	daemon_stop();
	server_stop();
	size_t n_begun = 0, n_first = 0;
	for (size_t i = 0; i < server.n; i++) {
		n_begun += strstr(server.seen[i].line, "?uploads=") != NULL;
		n_first += strstr(server.seen[i].line, "partNumber=1&") != NULL;
	}
	assert_int_equal(n_begun, 1);
	assert_int_equal(n_first, 1);
	assert_true(server.n - before <= 4);
	assert_true(str_starts(server.seen[server.n - 1].line, "POST "));
}

TEST(M3_of_a_second_record_that_is_torn_the_first_is_left)
{
	char path[200];
	server_start(NULL);
	daemon_start();
	json_decref(add(TASK, &to_s3, 12 * MIB, true));
	loop_run_until(&loop, server.n >= 3);
	daemon_stop();
	snprintf(path, sizeof(path), "%s/dayfly-%u.uploads/" TASK ".0.later", place,
		(unsigned)geteuid());
	assert_int_equal(truncate(path, 50), 0);
	daemon_start();
	assert_int_equal(u.count, 1);
	assert_ended("done", NULL);
	daemon_stop();
	server_stop();
	size_t n_begun = 0;
	for (size_t i = 0; i < server.n; i++)
		n_begun += strstr(server.seen[i].line, "?uploads=") != NULL;
	assert_int_equal(n_begun, 2);
	/* It was not set aside, as there might be a secret in it: the directory went with it. */
	*strrchr(path, '/') = '\0';
	assert_int_equal(access(path, F_OK), -1);
}

TEST(M3_without_its_files_an_upload_fails_and_spools_of_nobody_go)
{
	uint8_t sha256[32];
	char hex[SIGV4_HASH_SIZE];
	static const char other[] = "t-fedcba9876543210fedcba9876543210";
	server_start(redirects);
	daemon_start();
	json_decref(add(TASK, &to_web, 1000, true));
	daemon_stop();
	spool_file_remove(spools, TASK);
	spool_fill(other, 10, sha256, hex);
	daemon_start();
	assert_ended("failed", "gone");
	assert_int_equal(spool_file_open(spools, other), -ENOENT);
	assert_int_equal(server.n, 0);
	daemon_stop();
	server_stop();
}

TEST(what_was_asked_for_is_named_where_nothing_can_be_kept)
{
	char url[] = "https://elsewhere.example/x", target[] = "web";
	const struct spec_upload by_url = { .url = url }, by_target = { .target = target };
	const struct uploads none = { 0 };
	struct err e;
	assert_true(uploads_check(&none, &by_url, &e) < 0);
	assert_int_equal(e.code, ERR_UNSUPPORTED);
	assert_string_equal(e.field, "task.artifacts.upload.url");
	assert_true(uploads_check(&none, &by_target, &e) < 0);
	assert_int_equal(e.code, ERR_UNSUPPORTED);
	assert_string_equal(e.field, "task.artifacts.upload.target");
}

TEST(M7_an_address_of_a_request_goes_only_where_the_policy_says)
{
	char url[100];
	struct err e;
	struct spec_upload spec = { .url = url };
	server_start(NULL);
	daemon_start();
	static const char *const bad[] = { "https://elsewhere.example/x", "http://127.0.0.1/x",
		"ftp://127.0.0.1/x", "http://{path}/x", "http://127.0.0.1{path}/x" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(url, sizeof(url), "%s", bad[i]);
		assert_true(uploads_check(&u, &spec, &e) < 0);
		assert_string_equal(e.field, "task.artifacts.upload.url");
	}
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/d/{path}?sig=s3cr3t", server.port);
	assert_int_equal(uploads_check(&u, &spec, &e), 0);
	json_t *told = add(TASK, &spec, 100, true);
	char *shown = json_dumps(told, 0);
	assert_null(strstr(shown, "s3cr3t")); /* M9 */
	free(shown);
	json_decref(told);
	assert_ended("done", NULL);
	assert_string_equal(server.seen[0].line, "PUT /d/out/a%20b?sig=s3cr3t");
	/* What is taken back while it waits is not done. */
	json_decref(add(TASK, &spec, 100, true));
	options.policy.upload_private_hosts = NULL;
	loop_run_until(&loop, list_empty(&u.batches));
	assert_int_equal(server.n, 1);
	daemon_stop();
	server_stop();
}

TEST(bad_wishes_are_refused)
{
	struct err e;
	server_start(NULL);
	daemon_start();
	const struct spec_upload none = { 0 };
	const struct spec_upload both = { .target = (char *)"s3", .url = (char *)"https://a/" };
	const struct spec_upload unknown = { .target = (char *)"s4" };
	const struct spec_upload up = { .target = (char *)"s3", .prefix = (char *)"../" };
	assert_true(uploads_check(&u, &none, &e) < 0);
	assert_true(uploads_check(&u, &both, &e) < 0);
	assert_true(uploads_check(&u, &unknown, &e) < 0);
	assert_int_equal(e.code, ERR_NOT_ALLOWED);
	assert_true(uploads_check(&u, &up, &e) < 0);
	assert_int_equal(uploads_check(&u, &to_s3, &e), 0);
	/* More than there is room for. */
	options.uploads.max_bytes_uid = 99;
	json_t *told = add(TASK, &to_web, 100, false);
	assert_string_equal(text_of(told, "state"), "failed");
	assert_string_equal(text_of(json_object_get(told, "error"), "code"), "busy");
	json_decref(told);
	daemon_stop();
	server_stop();
}

static int make_place(void **state)
{
	snprintf(place, sizeof(place), "/tmp/dayfly-uploads-XXXXXX");
	assert_non_null(mkdtemp(place));
	snprintf(spools, sizeof(spools), "%s/spools", place);
	return 0;
}

static int remove_place(void **state)
{
	return rmdir(place);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_small_file_is_one_signed_request_of_S3),
		cmocka_unit_test(a_large_file_goes_in_parts),
		cmocka_unit_test(
			who_does_not_say_whether_a_body_may_come_is_not_asked_until_something_fails),
		cmocka_unit_test(M1_M2_what_fails_or_is_cut_off_is_sent_again),
		cmocka_unit_test(a_refusal_is_for_good_and_told),
		cmocka_unit_test(M4_a_redirect_is_not_followed),
		cmocka_unit_test(
			a_completion_that_failed_is_asked_for_again_and_a_lost_upload_begins_again),
		cmocka_unit_test(what_lies_at_the_server_is_taken_back_when_it_is_given_up),
		cmocka_unit_test(M5_answers_that_are_none_count_as_failures),
		cmocka_unit_test(M3_the_next_daemon_sends_only_the_parts_that_are_missing),
		cmocka_unit_test(M3_of_a_second_record_that_is_torn_the_first_is_left),
		cmocka_unit_test(M3_without_its_files_an_upload_fails_and_spools_of_nobody_go),
		cmocka_unit_test(what_was_asked_for_is_named_where_nothing_can_be_kept),
		cmocka_unit_test(M7_an_address_of_a_request_goes_only_where_the_policy_says),
		cmocka_unit_test(bad_wishes_are_refused),
	};
	return cmocka_run_group_tests(tests, make_place, remove_place);
}
