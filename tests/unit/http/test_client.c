/* M4 to M6 at the level of one call: a server in a thread of this test's, which does as it is told.
 */
#include "loop.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "http/client.h"
#include "http/curl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- the server: one connection, one answer ---- */

struct server {
	int fd;
	unsigned port;
	const char *first; /* answered to one more connection before, once its headers are there */
	const char *answer;
	size_t repeat; /* of the answer's last part, from its '~' on */
	bool drips;    /* a byte now and then, for ever */
	bool reads_none;
	const char *until; /* NULL: "the end" */
	size_t body;	   /* reads so many bytes behind the headers too; `until` is their end */
	pthread_t thread;
	atomic_int n_connections;
	atomic_bool is_over;
	char request[8192];
};

/* What has come behind the headers. */
static size_t len_of_body(const struct server *s, size_t len)
{
	const char *end = strstr(s->request, "\r\n\r\n");
	return end ? len - (size_t)(end + 4 - s->request) : 0;
}

static void refuse(struct server *s)
{
	char head[4096];
	size_t len = 0;
	int fd = accept(s->fd, NULL, NULL);
	ssize_t n = 1;
	head[0] = '\0';
	while (n > 0 && !strstr(head, "\r\n\r\n") && len < sizeof(head) - 1) {
		n = read(fd, head + len, sizeof(head) - 1 - len);
		len += n > 0 ? (size_t)n : 0;
		head[len] = '\0';
	}
	s->n_connections++;
	send(fd, s->first, strlen(s->first), MSG_NOSIGNAL);
	close(fd);
}

static void *serve(void *arg)
{
	struct server *s = arg;
	if (s->first)
		refuse(s);
	int fd = accept(s->fd, NULL, NULL);
	size_t len = 0;
	if (fd < 0)
		return NULL;
	s->n_connections++;
	while (!s->reads_none && !strstr(s->request, s->until ? s->until : "the end")) {
		ssize_t n = read(fd, s->request + len, sizeof(s->request) - 1 - len);
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	for (size_t got = s->body ? len_of_body(s, len) : 0; got < s->body;) {
		char scratch[4096];
		ssize_t n = read(fd, scratch, sizeof(scratch));
		if (n <= 0)
			break;
		got += (size_t)n;
	}
	const char *tail = strchr(s->answer, '~');
	size_t head = tail ? (size_t)(tail - s->answer) : strlen(s->answer);
	ssize_t n = send(fd, s->answer, head, MSG_NOSIGNAL);
	for (size_t i = 0; tail && n > 0 && i < s->repeat; i++)
		n = send(fd, tail + 1, strlen(tail + 1), MSG_NOSIGNAL);
	while (s->drips && !s->is_over && n > 0) {
		n = send(fd, "x", 1, MSG_NOSIGNAL);
		usleep(20000);
	}
	close(fd);
	return NULL;
}

static void server_start(struct server *s)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sa);
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(s->fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(s->fd, 8), 0);
	assert_int_equal(getsockname(s->fd, (struct sockaddr *)&sa, &len), 0);
	s->port = ntohs(sa.sin_port);
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void server_stop(struct server *s)
{
	s->is_over = true;
	shutdown(s->fd, SHUT_RDWR); /* ends the accept */
	pthread_join(s->thread, NULL);
	close(s->fd);
}

/* ---- names: libcurl asks this in place of libc's ---- */

static atomic_int n_lookups;
static const char *name_leads_to;

__attribute__((visibility("default"))) int getaddrinfo(
	const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **ret)
{
	struct addrinfo *ai = calloc(1, sizeof(*ai) + sizeof(struct sockaddr_in6));
	n_lookups++;
	ai->ai_socktype = SOCK_STREAM;
	ai->ai_addr = (struct sockaddr *)(ai + 1);
	struct sockaddr_in *in = (struct sockaddr_in *)ai->ai_addr;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ai->ai_addr;
	const char *text = name_leads_to ? name_leads_to : node;
	if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
		ai->ai_family = in->sin_family = AF_INET;
		in->sin_port = htons((uint16_t)strtoul(service, NULL, 10));
		ai->ai_addrlen = sizeof(*in);
	} else {
		inet_pton(AF_INET6, text, &in6->sin6_addr);
		ai->ai_family = in6->sin6_family = AF_INET6;
		in6->sin6_port = htons((uint16_t)strtoul(service, NULL, 10));
		ai->ai_addrlen = sizeof(*in6);
	}
	*ret = ai;
	return 0;
}

__attribute__((visibility("default"))) void freeaddrinfo(struct addrinfo *ai)
{
	free(ai);
}

/* ---- one call ---- */

struct outcome {
	bool is_there;
	char *body; /* room for 64 bytes, or NULL */
	struct http_answer answer;
};

static void on_answer(void *owner, const struct http_answer *a)
{
	struct outcome *o = owner;
	assert_false(o->is_there);
	o->is_there = true;
	o->answer = *a;
	if (o->body)
		snprintf(o->body, 64, "%s", a->body);
}

static struct http_answer call(
	const char *host, unsigned port, bool may_be_private, uint64_t timeout_ms)
{
	static const char *const headers[] = { "X-Test: yes", "Expect:", NULL };
	static const char body[] = "the end";
	char url[128];
	uv_loop_t loop;
	struct http *h;
	struct http_call *c;
	struct outcome o = { 0 };
	snprintf(url, sizeof(url), "http://%s:%u/path", host, port);
	uv_loop_init(&loop);
	assert_int_equal(http_create(&loop, &h), 0);
	const struct http_request p = {
		.method = "POST",
		.url = url,
		.headers = headers,
		.body = body,
		.body_len = strlen(body),
		.may_be_private = may_be_private,
		.timeout_ms = timeout_ms,
	};
	assert_int_equal(http_send(h, &p, on_answer, &o, &c), 0);
	loop_run_until(&loop, o.is_there);
	http_destroy(&h);
	loop_assert_empty(&loop);
	return o.answer;
}

static struct http_answer ask(struct server *s, uint64_t timeout_ms)
{
	server_start(s);
	struct http_answer a = call("127.0.0.1", s->port, true, timeout_ms);
	server_stop(s);
	return a;
}

TEST(a_post_goes_out_whole_and_its_status_comes_back)
{
	struct server s = { .answer = "HTTP/1.1 204 No Content\r\n\r\n" };
	struct http_answer a = ask(&s, 10000);
	assert_int_equal(a.status, 204);
	assert_int_equal(a.retry_after_ms, 0);
	assert_string_equal(a.cause, "");
	assert_non_null(strstr(s.request, "POST /path HTTP/1.1\r\n"));
	assert_non_null(strstr(s.request, "X-Test: yes\r\n"));
	assert_non_null(strstr(s.request, "\r\n\r\nthe end"));
}

TEST(M1_Retry_After_comes_back_with_its_status)
{
	struct server s = { .answer = "HTTP/1.1 429 Slow\r\nreTry-after: 7 \r\n\r\n" };
	struct http_answer a = ask(&s, 10000);
	assert_int_equal(a.status, 429);
	assert_int_equal(a.retry_after_ms, 7000);
}

TEST(an_interim_answer_is_none)
{
	struct server s = { .answer = "HTTP/1.1 103 Early\r\nX: y\r\n\r\nHTTP/1.1 503 No\r\n\r\n" };
	assert_int_equal(ask(&s, 10000).status, 503);
}

TEST(M4_a_redirect_is_an_answer_and_not_followed)
{
	struct server target = { .answer = "HTTP/1.1 200 OK\r\n\r\n" };
	char answer[200];
	server_start(&target);
	snprintf(answer, sizeof(answer),
		"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:%u/\r\n\r\n", target.port);
	struct server s = { .answer = answer };
	assert_int_equal(ask(&s, 10000).status, 302);
	server_stop(&target);
	assert_int_equal(target.n_connections, 0);
}

TEST(M6_an_address_that_is_denied_is_not_connected_to)
{
	static const char *const leads_to[] = { "127.0.0.1", "::ffff:127.0.0.1", "0.0.0.0",
		"10.0.0.1", "::ffff:10.0.0.1", "169.254.169.254", "::1" };
	struct server s = { .answer = "HTTP/1.1 200 OK\r\n\r\n" };
	server_start(&s);
	for (size_t i = 0; i < ARRAY_SIZE(leads_to); i++) {
		name_leads_to = leads_to[i];
		struct http_answer a = call("hooks.example", s.port, false, 10000);
		assert_int_equal(a.status, 0);
		assert_non_null(strstr(a.cause, "not of the public Internet"));
	}
	assert_int_equal(s.n_connections, 0);
	/* The same with the right to: it is there. */
	name_leads_to = "127.0.0.1";
	assert_int_equal(call("hooks.example", s.port, true, 10000).status, 200);
	assert_int_equal(s.n_connections, 1);
	server_stop(&s);
	name_leads_to = NULL;
}

TEST(M6_each_call_looks_at_the_address_that_it_connects_to)
{
	/* First the name is harmless, then it is not: nothing of the first call is used. */
	struct server s = { .answer = "HTTP/1.1 200 OK\r\n\r\n" };
	int before = n_lookups;
	server_start(&s);
	name_leads_to = "127.0.0.1";
	assert_int_equal(call("rebind.example", s.port, true, 10000).status, 200);
	assert_int_equal(call("rebind.example", s.port, false, 10000).status, 0);
	assert_int_equal(n_lookups, before + 2);
	assert_int_equal(s.n_connections, 1);
	server_stop(&s);
	name_leads_to = NULL;
}

TEST(M5_a_server_that_drips_is_left_when_the_time_is_over)
{
	struct server s = { .answer = "HTTP/1.1 2", .drips = true };
	struct http_answer a = ask(&s, 300);
	assert_int_equal(a.status, 0);
	assert_true(a.cause[0]);
	/* Where the answer was there, what drips is of no use. */
	struct server t = { .answer = "HTTP/1.1 200 OK\r\n\r\n", .drips = true };
	assert_int_equal(ask(&t, 300).status, 200);
}

TEST(M5_endless_headers_and_bodies_are_cut)
{
	struct server s = { .answer = "HTTP/1.1 200 OK\r\n~Set-Cookie: a=b; path=/\r\n",
		.repeat = 100000 };
	struct http_answer a = ask(&s, 10000);
	assert_int_equal(a.status, 0);
	assert_non_null(strstr(a.cause, "too long"));
	struct server t = {
		.answer = "HTTP/1.1 200 OK\r\n\r\n~0123456789012345678901234567890123456789",
		.repeat = 1000000
	};
	assert_int_equal(ask(&t, 10000).status, 200);
}

TEST(M5_a_length_that_lies_changes_nothing)
{
	struct server more = { .answer = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n~xxxxxxxxxx",
		.repeat = 100000 };
	assert_int_equal(ask(&more, 10000).status, 200);
	struct server less = { .answer = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nx" };
	assert_int_equal(ask(&less, 10000).status, 200);
	struct server bomb = {
		.answer = "HTTP/1.1 500 No\r\nContent-Encoding: gzip\r\n\r\nnot gzip"
	};
	assert_int_equal(ask(&bomb, 10000).status, 500);
}

TEST(M1_what_is_no_answer_has_a_cause)
{
	struct server reset = { .answer = "" };
	struct http_answer a = ask(&reset, 10000);
	assert_int_equal(a.status, 0);
	assert_true(a.cause[0]);
	struct server noise = { .answer = "SSH-2.0-OpenSSH_9.2\r\n\r\n" };
	a = ask(&noise, 10000);
	assert_int_equal(a.status, 0);
	assert_true(a.cause[0]);
	/* Nobody listens: the port was free a moment ago. */
	a = call("127.0.0.1", reset.port, true, 10000);
	assert_int_equal(a.status, 0);
	assert_null(strstr(a.cause, "path"));
}

TEST(a_call_can_be_taken_back_at_any_time)
{
	struct server s = { .answer = "HTTP/1.1 2", .drips = true };
	uv_loop_t loop;
	struct http *h;
	struct http_call *c, *late;
	struct outcome o = { 0 };
	char url[64];
	server_start(&s);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", s.port);
	const struct http_request p = { .method = "POST",
		.url = url,
		.body = "the end",
		.body_len = 7,
		.may_be_private = true,
		.timeout_ms = 10000 };
	uv_loop_init(&loop);
	assert_int_equal(http_create(&loop, &h), 0);
	assert_int_equal(http_send(h, &p, on_answer, &o, &c), 0);
	loop_run_until(&loop, s.n_connections == 1);
	loop_run_ms(&loop, 50);
	http_cancel(&c);
	assert_null(c);
	http_cancel(&c);
	/* And what is under way when all ends. */
	assert_int_equal(http_send(h, &p, on_answer, &o, &late), 0);
	loop_run_ms(&loop, 20);
	http_destroy(&h);
	loop_assert_empty(&loop);
	assert_false(o.is_there);
	server_stop(&s);
}

/* ---- a body from a file, and what comes back ---- */

#define MIB	  (1u << 20)
#define FILE_SIZE (24u * MIB) /* more than the buffers of a connection */

static struct http_answer put(
	struct server *s, uint64_t offset, uint64_t len, uint64_t stall_ms, char body[64])
{
	static const char *const headers[] = { "X-Test: yes", NULL };
	auto_free char *data = malloc(MIB);
	uv_loop_t loop;
	struct http *h;
	struct http_call *c;
	struct outcome o = { 0 };
	char url[64];
	auto_close int fd = memfd_create("body", MFD_CLOEXEC);
	memset(data, 'x', MIB);
	memcpy(data + 100, "the end", 7);
	assert_int_equal(write(fd, data, MIB), MIB);
	assert_int_equal(ftruncate(fd, FILE_SIZE), 0);
	server_start(s);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/a/../b", s->port);
	const struct http_request p = { .method = "PUT",
		.url = url,
		.headers = headers,
		.has_file = true,
		.file = fd,
		.offset = offset,
		.body_len = len,
		.answer_max = 63,
		.may_be_private = true,
		.timeout_ms = 10000,
		.stall_ms = stall_ms };
	uv_loop_init(&loop);
	assert_int_equal(http_create(&loop, &h), 0);
	o.body = body;
	assert_int_equal(http_send(h, &p, on_answer, &o, &c), 0);
	assert_int_equal(http_sent(c), 0);
	loop_run_until(&loop, o.is_there);
	http_destroy(&h);
	loop_assert_empty(&loop);
	server_stop(s);
	return o.answer;
}

TEST(a_part_of_a_file_goes_out_and_the_answer_comes_back)
{
	char body[64];
	struct server s = {
		.answer = "HTTP/1.1 200 OK\r\nETag: \"a-b\"\r\nContent-Length: 4\r\n\r\nabcd"
	};
	struct http_answer a = put(&s, 90, 17, 0, body);
	assert_int_equal(a.status, 200);
	assert_true(a.is_whole);
	assert_string_equal(a.etag, "\"a-b\"");
	assert_int_equal(a.body_len, 4);
	assert_string_equal(body, "abcd");
	assert_non_null(strstr(s.request, "PUT /a/../b HTTP/1.1\r\n"));
	assert_non_null(strstr(s.request, "Content-Length: 17\r\n"));
	assert_string_equal(strstr(s.request, "\r\n\r\n"), "\r\n\r\nxxxxxxxxxxthe end");
	struct server empty = { .answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		.until = "\r\n\r\n" };
	a = put(&empty, 90, 0, 0, body);
	assert_true(a.status == 200 && a.is_whole);
	assert_non_null(strstr(empty.request, "Content-Length: 0\r\n"));
}

TEST(M5_of_an_answer_only_what_was_asked_for_is_kept)
{
	char body[64];
	struct server s = {
		.answer = "HTTP/1.1 200 OK\r\nETag: a\tb\r\nContent-Length: 500\r\n\r\n~0123456789",
		.repeat = 50
	};
	struct http_answer a = put(&s, 90, 17, 0, body);
	assert_true(a.is_whole);
	assert_int_equal(a.body_len, 63);
	assert_int_equal(strlen(body), 63);
	/* What is no plain text is no ETag. */
	assert_string_equal(a.etag, "");
}

TEST(M2_an_answer_before_its_time_or_cut_off_is_not_whole)
{
	char body[64];
	struct server early = { .answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		.reads_none = true };
	assert_false(put(&early, 0, FILE_SIZE, 0, body).is_whole);
	struct server cut = { .answer = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc" };
	struct http_answer a = put(&cut, 90, 17, 0, body);
	assert_int_equal(a.status, 200);
	assert_false(a.is_whole);
	/* The file has become shorter: nothing else is sent in its place. */
	struct server short_file = { .answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" };
	a = put(&short_file, FILE_SIZE - 5, 10, 0, body);
	assert_false(a.is_whole);
	assert_non_null(strstr(a.cause, "cannot be read"));
}

TEST(who_does_not_know_what_is_asked_of_him_gets_it_unasked)
{
	char body[64];
	struct server s = {
		.first = "HTTP/1.1 417 No\r\nETag: \"a\"\r\nContent-Length: 3\r\n\r\nxyz",
		.answer = "HTTP/1.1 200 OK\r\nETag: \"b\"\r\nContent-Length: 4\r\n\r\nabcd",
		.until = "\r\n\r\n",
		.body = 2 * MIB,
	};
	struct http_answer a = put(&s, 90, 2 * MIB, 0, body);
	assert_int_equal(s.n_connections, 2);
	assert_int_equal(a.status, 200);
	assert_true(a.is_whole);
	assert_string_equal(a.etag, "\"b\"");
	assert_string_equal(body, "abcd");
}

TEST(M5_who_neither_reads_nor_answers_is_left)
{
	char body[64];
	uint64_t start = clock_mono_ns();
	struct server s = { .answer = "", .drips = true };
	struct http_answer a = put(&s, 90, 17, 1000, body);
	assert_false(a.is_whole);
	assert_true(clock_mono_ns() - start < 9 * NS_PER_S);
}

/* ---- who vouches: what libcurl is told ---- */

static __typeof__(&curl_easy_setopt) real_setopt;
static bool has_ca_path;
static char ca_info[128];

static CURLcode noted_setopt(CURL *e, CURLoption option, ...)
{
	va_list ap;
	CURLcode code;
	va_start(ap, option);
	if (option < CURLOPTTYPE_OBJECTPOINT) {
		code = real_setopt(e, option, va_arg(ap, long));
	} else if (option >= CURLOPTTYPE_OFF_T && option < CURLOPTTYPE_BLOB) {
		code = real_setopt(e, option, va_arg(ap, curl_off_t));
	} else {
		void *value = va_arg(ap, void *);
		code = real_setopt(e, option, value);
		if (option == CURLOPT_CAPATH)
			has_ca_path = value;
		else if (option == CURLOPT_CAINFO)
			snprintf(ca_info, sizeof(ca_info), "%s", (const char *)value);
	}
	va_end(ap);
	return code;
}

static void see_who_vouches(const char *ca_file)
{
	uv_loop_t loop;
	struct http *h;
	struct http_call *c;
	struct outcome o = { 0 };
	const struct http_request p = { .method = "POST",
		.url = "https://127.0.0.1:1/",
		.body = "",
		.may_be_private = true,
		.timeout_ms = 1000,
		.ca_file = ca_file };
	has_ca_path = true;
	ca_info[0] = '\0';
	uv_loop_init(&loop);
	assert_int_equal(http_create(&loop, &h), 0);
	assert_int_equal(http_send(h, &p, on_answer, &o, &c), 0);
	http_destroy(&h);
	loop_assert_empty(&loop);
}

TEST(M8_only_one_file_vouches_and_it_is_read_once)
{
	/* What curl_load() gives is not constant by itself. */
	union {
		const struct curl *given;
		struct curl *curl;
	} u = { curl_load() };
	char *bundle = NULL;
	assert_non_null(u.curl);
	real_setopt = u.curl->easy_setopt;
	u.curl->easy_setopt = noted_setopt;
	see_who_vouches("/some/ca.pem");
	assert_false(has_ca_path);
	assert_string_equal(ca_info, "/some/ca.pem");
	/* The system's own, where it has them in one file. */
	CURL *e = u.curl->easy_init();
	assert_int_equal(u.curl->easy_getinfo(e, CURLINFO_CAINFO, &bundle), CURLE_OK);
	bool is_one_file = bundle && access(bundle, R_OK) == 0;
	u.curl->easy_cleanup(e);
	see_who_vouches(NULL);
	assert_int_equal(has_ca_path, !is_one_file);
	assert_string_equal(ca_info, "");
	u.curl->easy_setopt = real_setopt;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_post_goes_out_whole_and_its_status_comes_back),
		cmocka_unit_test(M1_Retry_After_comes_back_with_its_status),
		cmocka_unit_test(an_interim_answer_is_none),
		cmocka_unit_test(M4_a_redirect_is_an_answer_and_not_followed),
		cmocka_unit_test(M6_an_address_that_is_denied_is_not_connected_to),
		cmocka_unit_test(M6_each_call_looks_at_the_address_that_it_connects_to),
		cmocka_unit_test(M5_a_server_that_drips_is_left_when_the_time_is_over),
		cmocka_unit_test(M5_endless_headers_and_bodies_are_cut),
		cmocka_unit_test(M5_a_length_that_lies_changes_nothing),
		cmocka_unit_test(M1_what_is_no_answer_has_a_cause),
		cmocka_unit_test(a_call_can_be_taken_back_at_any_time),
		cmocka_unit_test(a_part_of_a_file_goes_out_and_the_answer_comes_back),
		cmocka_unit_test(M5_of_an_answer_only_what_was_asked_for_is_kept),
		cmocka_unit_test(M2_an_answer_before_its_time_or_cut_off_is_not_whole),
		cmocka_unit_test(who_does_not_know_what_is_asked_of_him_gets_it_unasked),
		cmocka_unit_test(M5_who_neither_reads_nor_answers_is_left),
		cmocka_unit_test(M8_only_one_file_vouches_and_it_is_read_once),
	};
	return RUN_TESTS(tests);
}
