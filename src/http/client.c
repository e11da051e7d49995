/* HTTP out of the daemon: see client.h. */
#include "http/client.h"

#include "base/cleanup.h"
#include "base/list.h"
#include "http/addr.h"
#include "http/curl.h"
#include "http/retry.h"
#include "task/watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Since the first http_create(). */
static const struct curl *curl;

struct http {
	uv_loop_t *loop;
	CURLM *multi;
	struct alarm *alarm;
	struct list calls;   /* http_call.link */
	struct list sockets; /* http_socket.link */
};

/* A descriptor of libcurl's, and what it waits for there. */
struct http_socket {
	struct http *http;
	curl_socket_t fd;
	struct watch *watch;
	struct list link; /* http.sockets */
};

struct http_call {
	struct http *http;
	struct list link; /* http.calls */
	CURL *easy;
	struct curl_slist *headers;
	http_fn fn;
	void *owner;
	bool may_be_private;
	bool is_denied;	  /* an address was */
	bool is_asking;	  /* whether the body may come (Expect), before it is sent */
	bool is_told;	  /* that it may */
	bool is_answered; /* all headers of the real answer are there */
	bool is_too_long;
	bool is_unreadable; /* the file to send is */
	int file;	    /* -1: the body is in memory */
	uint64_t offset, body_len;
	uint64_t sent;
	size_t header_bytes, body_bytes, keep_max;
	char *kept; /* of the answer's body */
	struct http_answer answer;
	char error[CURL_ERROR_SIZE];
};

/* ---- what a call may do ---- */

static curl_socket_t on_open_socket(void *owner, curlsocktype purpose, struct curl_sockaddr *a)
{
	struct http_call *c = owner;
	if (!c->may_be_private && addr_is_denied(&a->addr, a->addrlen)) {
		c->is_denied = true;
		return CURL_SOCKET_BAD;
	}
	return socket(a->family, a->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->protocol);
}

/* The value of a header, if this is it: without the spaces around. Returns whether it is. */
static bool read_header(const char *data, size_t len, const char *name, char *out, size_t out_size)
{
	size_t n = strlen(name);
	if (len <= n || strncasecmp(data, name, n) != 0)
		return false;
	data += n;
	len -= n;
	while (len && (*data == ' ' || *data == '\t')) {
		data++;
		len--;
	}
	while (len && strchr("\r\n \t", data[len - 1]))
		len--;
	if (!len || len >= out_size)
		return false;
	for (size_t i = 0; i < len; i++)
		if (data[i] < ' ' || data[i] > '~')
			return false;
	memcpy(out, data, len);
	out[len] = '\0';
	return true;
}

static void note_header(struct http_call *c, const char *data, size_t len)
{
	char value[HTTP_ETAG_SIZE];
	if (read_header(data, len, "retry-after:", value, sizeof(value)))
		c->answer.retry_after_ms = retry_after_ms(value, time(NULL));
	else if (read_header(data, len, "etag:", value, sizeof(value)))
		memcpy(c->answer.etag, value, sizeof(value));
}

/*
 * Who does not know what is asked of him may say 417: libcurl then sends the request once more,
 * unasked, unless all of the body was under way already.
 */
static void forget_refusal(struct http_call *c)
{
	c->is_asking = c->is_answered = false;
	c->answer = (struct http_answer){ 0 };
	c->body_bytes = 0;
	memset(c->kept, 0, c->keep_max + 1);
}

static size_t on_header(char *data, size_t size, size_t n, void *owner)
{
	struct http_call *c = owner;
	size_t len = size * n;
	long status = 0;
	c->header_bytes += len;
	if (c->header_bytes > HTTP_HEADERS_MAX) {
		c->is_too_long = true;
		return 0;
	}
	if (c->is_answered && c->is_asking && c->answer.status == 417 && len > 5 &&
		!memcmp(data, "HTTP/", 5))
		forget_refusal(c);
	/* Trailers may follow the body. */
	if (c->is_answered)
		return len;
	note_header(c, data, len);
	if (len > 2 || curl->easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status) != CURLE_OK)
		return len;
	c->is_told |= status == 100;
	if (status < 200)
		return len;
	c->is_answered = true;
	c->answer.status = (int)status;
	return len;
}

static size_t on_body(char *data, size_t size, size_t n, void *owner)
{
	struct http_call *c = owner;
	size_t len = size * n, keep = 0;
	if (c->kept && c->body_bytes < c->keep_max)
		keep = len < c->keep_max - c->body_bytes ? len : c->keep_max - c->body_bytes;
	if (keep) {
		memcpy(c->kept + c->body_bytes, data, keep);
		c->answer.body_len += keep;
	}
	c->body_bytes += len;
	return c->body_bytes > HTTP_BODY_MAX ? 0 : len;
}

static size_t on_send(char *out, size_t size, size_t n, void *owner)
{
	struct http_call *c = owner;
	size_t want = size * n;
	if (want > c->body_len - c->sent)
		want = (size_t)(c->body_len - c->sent);
	ssize_t got = pread(c->file, out, want, (off_t)(c->offset + c->sent));
	/* It has become shorter, or its disk is broken. */
	if (got < 0 || (want && !got)) {
		c->is_unreadable = true;
		return CURL_READFUNC_ABORT;
	}
	c->sent += (uint64_t)got;
	return (size_t)got;
}

/* To send it once more from its beginning, where a server wants that. */
static int on_seek(void *owner, curl_off_t offset, int origin)
{
	struct http_call *c = owner;
	if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > c->body_len)
		return CURL_SEEKFUNC_FAIL;
	c->sent = (uint64_t)offset;
	return CURL_SEEKFUNC_OK;
}

/* ---- the loop ---- */

static void set_cause(struct http_call *c, CURLcode code)
{
	const char *cause = c->error[0] ? c->error : curl->easy_strerror(code);
	if (c->is_too_long)
		cause = "the headers of the answer are too long";
	else if (c->is_denied && code == CURLE_COULDNT_CONNECT)
		cause = "its name leads to an address that is not of the public Internet";
	else if (c->is_unreadable)
		cause = "what is to be sent cannot be read";
	snprintf(c->answer.cause, sizeof(c->answer.cause), "%s", cause);
}

static void free_call(struct http_call *c)
{
	list_remove(&c->link);
	if (c->easy) {
		curl->multi_remove_handle(c->http->multi, c->easy);
		curl->easy_cleanup(c->easy);
	}
	curl->slist_free_all(c->headers);
	free(c->kept);
	free(c);
}

/* Whether the connection has had all of the body: a server may answer before. */
static bool is_sent(struct http_call *c)
{
	curl_off_t n = 0;
	return c->file < 0 ||
	       (curl->easy_getinfo(c->easy, CURLINFO_SIZE_UPLOAD_T, &n) == CURLE_OK &&
		       (uint64_t)n == c->body_len);
}

static void end_call(struct http_call *c, CURLcode code)
{
	/* An answer is one, whatever becomes of its body. */
	if (!c->is_answered)
		set_cause(c, code == CURLE_OK ? CURLE_GOT_NOTHING : code);
	c->answer.is_whole = code == CURLE_OK && is_sent(c);
	c->answer.is_mute = c->is_asking && !c->is_told && c->answer.is_whole;
	struct http_answer answer = c->answer;
	auto_free char *body = take_ptr(c->kept);
	answer.body = body ? body : "";
	http_fn fn = c->fn;
	void *owner = c->owner;
	free_call(c);
	fn(owner, &answer);
}

/* Each callback may make or cancel calls, so the list of messages is asked for anew. */
static void end_finished(struct http *h)
{
	CURLMsg *m;
	int left;
	while ((m = curl->multi_info_read(h->multi, &left))) {
		struct http_call *c = NULL;
		CURLcode code = m->data.result;
		if (m->msg != CURLMSG_DONE)
			continue;
		curl->easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &c);
		end_call(c, code);
	}
}

static void go_on(struct http *h, curl_socket_t fd, int events)
{
	int running;
	curl->multi_socket_action(h->multi, fd, events, &running);
	end_finished(h);
}

static void on_alarm(void *owner)
{
	go_on(owner, CURL_SOCKET_TIMEOUT, 0);
}

static int on_timeout(CURLM *multi, long ms, void *owner)
{
	struct http *h = owner;
	if (ms < 0)
		alarm_stop(h->alarm);
	else
		alarm_set(h->alarm, (uint64_t)ms);
	return 0;
}

static void on_socket_event(void *owner, int events)
{
	const struct http_socket *s = owner;
	int for_curl = (events & WATCH_READ ? CURL_CSELECT_IN : 0) |
		       (events & WATCH_WRITE ? CURL_CSELECT_OUT : 0) |
		       (events & WATCH_HANGUP ? CURL_CSELECT_ERR : 0);
	go_on(s->http, s->fd, for_curl); /* the socket may be gone after this */
}

static void free_socket(struct http_socket *s)
{
	watch_destroy(&s->watch);
	list_remove(&s->link);
	free(s);
}

static struct http_socket *add_socket(struct http *h, curl_socket_t fd)
{
	struct http_socket *s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->http = h;
	s->fd = fd;
	list_append(&h->sockets, &s->link);
	if (watch_create(h->loop, fd, on_socket_event, s, &s->watch) == 0 &&
		curl->multi_assign(h->multi, fd, s) == CURLM_OK)
		return s;
	free_socket(s);
	return NULL;
}

/* Without memory nothing watches that descriptor, and the call ends with its time. */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *owner, void *socket_owner)
{
	struct http *h = owner;
	struct http_socket *s = socket_owner;
	if (what == CURL_POLL_REMOVE) {
		if (s)
			free_socket(s);
		curl->multi_assign(h->multi, fd, NULL);
		return 0;
	}
	if (!s)
		s = add_socket(h, fd);
	if (s)
		watch_set(s->watch, (what & CURL_POLL_IN ? WATCH_READ : 0) |
					    (what & CURL_POLL_OUT ? WATCH_WRITE : 0));
	return 0;
}

/* ---- life ---- */

int http_create(uv_loop_t *loop, struct http **ret)
{
	curl = curl_load();
	if (!curl)
		return -ELIBACC;
	if (curl->global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return -ENOMEM;
	struct http *h = calloc(1, sizeof(*h));
	if (!h)
		return -ENOMEM;
	h->loop = loop;
	list_init(&h->calls);
	list_init(&h->sockets);
	h->multi = curl->multi_init();
	int r = h->multi ? alarm_create(loop, on_alarm, h, &h->alarm) : -ENOMEM;
	if (r < 0) {
		http_destroy(&h);
		return r;
	}
	curl->multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl->multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
	curl->multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
	curl->multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
	*ret = h;
	return 0;
}

void http_destroy(struct http **h)
{
	if (!*h)
		return;
	list_for_each_safe (pos, &(*h)->calls)
		free_call(list_entry(pos, struct http_call, link));
	if ((*h)->multi)
		curl->multi_cleanup((*h)->multi);
	list_for_each_safe (pos, &(*h)->sockets)
		free_socket(list_entry(pos, struct http_socket, link));
	alarm_destroy(&(*h)->alarm);
	free(*h);
	*h = NULL;
}

/*
 * One file, and nothing else: a directory that libcurl has by itself would vouch beside the given
 * file, and with one it reads the whole file for each call anew, here on the loop.
 */
static CURLcode set_vouching(CURL *e, const char *ca_file)
{
	char *bundle = NULL;
	if (!ca_file && (curl->easy_getinfo(e, CURLINFO_CAINFO, &bundle) != CURLE_OK || !bundle ||
				access(bundle, R_OK) < 0))
		return CURLE_OK;
	CURLcode code = curl->easy_setopt(e, CURLOPT_CAPATH, (char *)NULL);
#if LIBCURL_VERSION_NUM >= 0x075700
	/* Where it is not known, nothing is kept. */
	curl->easy_setopt(e, CURLOPT_CA_CACHE_TIMEOUT, (long)HTTP_CA_S);
#endif
	return code == CURLE_OK && ca_file ? curl->easy_setopt(e, CURLOPT_CAINFO, ca_file) : code;
}

/* The first that fails decides; strings are copied by libcurl, but for the body. */
#define SET(option, value)                                                                         \
	do {                                                                                       \
		if (code == CURLE_OK)                                                              \
			code = curl->easy_setopt(e, CURLOPT_##option, value);                      \
	} while (0)

static CURLcode set_body(struct http_call *c, const struct http_request *p)
{
	CURLcode code = CURLE_OK;
	CURL *e = c->easy;
	if (p->has_file) {
		SET(UPLOAD, 1L);
		SET(INFILESIZE_LARGE, (curl_off_t)p->body_len);
		SET(READFUNCTION, on_send);
		SET(READDATA, c);
		SET(SEEKFUNCTION, on_seek);
		SET(SEEKDATA, c);
	} else if (p->body) {
		SET(POST, 1L);
		SET(POSTFIELDS, p->body);
		SET(POSTFIELDSIZE_LARGE, (curl_off_t)p->body_len);
	} else {
		SET(HTTPGET, 1L);
	}
	SET(CUSTOMREQUEST, p->method);
	if (p->stall_ms) {
		SET(LOW_SPEED_LIMIT, (long)HTTP_STALL_BPS);
		SET(LOW_SPEED_TIME, (long)((p->stall_ms + 999) / 1000));
	}
	return code;
}

static CURLcode set_options(struct http_call *c, const struct http_request *p)
{
	CURL *e = c->easy;
	CURLcode code = set_body(c, p);
	SET(PRIVATE, c);
	SET(URL, p->url);
	SET(PROTOCOLS_STR, "http,https");
	SET(HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(FOLLOWLOCATION, 0L);
	SET(PROXY, ""); /* a proxy would connect where we must not, and variables name some */
	SET(OPENSOCKETFUNCTION, on_open_socket);
	SET(OPENSOCKETDATA, c);
	/* Whose connection it was says who was asked about its address. */
	SET(FRESH_CONNECT, 1L);
	SET(FORBID_REUSE, 1L);
	SET(PATH_AS_IS, 1L);
	SET(HTTPHEADER, c->headers);
	SET(USERAGENT, "dayfly/" DAYFLY_VERSION);
	SET(HEADERFUNCTION, on_header);
	SET(HEADERDATA, c);
	SET(WRITEFUNCTION, on_body);
	SET(WRITEDATA, c);
	SET(BUFFERSIZE, 4096L);
	SET(ERRORBUFFER, c->error);
	SET(NOSIGNAL, 1L);
	SET(QUICK_EXIT,
		1L); /* else the end of a call waits for the thread that looks up its name */
	SET(TIMEOUT_MS, (long)p->timeout_ms);
	SET(CONNECTTIMEOUT_MS,
		(long)(p->timeout_ms < HTTP_CONNECT_MS ? p->timeout_ms : HTTP_CONNECT_MS));
	SET(SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(SSL_VERIFYPEER, 1L);
	SET(SSL_VERIFYHOST, 2L);
#undef SET
	return code == CURLE_OK ? set_vouching(e, p->ca_file) : code;
}

/* Where little is sent nothing is gained by asking whether it may be: many servers do not answer
 * that, and each time a second would be lost. */
#define EXPECT_BYTES (1u << 20)

static int add_header(struct http_call *c, const char *text)
{
	struct curl_slist *more = curl->slist_append(c->headers, text);
	if (!more)
		return -ENOMEM;
	c->headers = more;
	return 0;
}

static int add_headers(struct http_call *c, const char *const *headers)
{
	int r = c->is_asking ? 0 : add_header(c, "Expect:");
	for (; r == 0 && headers && *headers; headers++)
		r = add_header(c, *headers);
	return r;
}

int http_send(struct http *h, const struct http_request *request, http_fn fn, void *owner,
	struct http_call **ret)
{
	struct http_call *c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->http = h;
	c->fn = fn;
	c->owner = owner;
	c->may_be_private = request->may_be_private;
	c->file = request->has_file ? request->file : -1;
	c->offset = request->offset;
	c->body_len = request->body_len;
	c->is_asking = c->body_len > EXPECT_BYTES && !request->is_unasked;
	c->keep_max = request->answer_max < HTTP_BODY_MAX ? request->answer_max : HTTP_BODY_MAX;
	list_append(&h->calls, &c->link);
	c->kept = calloc(1, c->keep_max + 1);
	c->easy = curl->easy_init();
	int r = c->easy && c->kept ? add_headers(c, request->headers) : -ENOMEM;
	if (r == 0) {
		CURLcode code = set_options(c, request);
		r = code == CURLE_OK ? 0 : code == CURLE_OUT_OF_MEMORY ? -ENOMEM : -EINVAL;
	}
	if (r == 0 && curl->multi_add_handle(h->multi, c->easy) != CURLM_OK)
		r = -ENOMEM;
	if (r < 0) {
		free_call(c);
		return r;
	}
	*ret = c;
	return 0;
}

uint64_t http_sent(const struct http_call *c)
{
	return c->sent;
}

void http_cancel(struct http_call **c)
{
	if (*c)
		free_call(*c);
	*c = NULL;
}
