/* Requests on their way to the daemon: queued, and sent as far as the socket takes them. */
#include "base/cleanup.h"
#include "base/fd.h"
#include "client/client_priv.h"
#include "client/error.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static void message_destroy(struct message *m)
{
	if (!m)
		return;
	if (m->is_queued)
		list_remove(&m->link);
	fd_close_many(m->fds, m->n_fds);
	/* It may hold secrets. */
	if (m->data)
		explicit_bzero(m->data, m->len);
	free(m->data);
	free(m);
}

static void message_cleanup(struct message **m)
{
	message_destroy(*m);
}

/* The descriptors are copied: the task that they belong to may be freed before they are sent. */
static int message_add_fds(struct message *m, const int *fds, size_t n, struct dayfly_error *e)
{
	if (n > LIMIT_REQUEST_FDS)
		return error_text(e, ERR_TOO_LARGE, E2BIG, "send %zu descriptors", n);
	for (size_t i = 0; i < n; i++) {
		m->fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
		if (m->fds[i] < 0)
			return error_set(e, ERR_INTERNAL, errno, "copy a descriptor");
		m->n_fds++;
	}
	return 0;
}

static int message_fill(struct message *m, const json_t *request, const void *payload,
	size_t payload_len, struct dayfly_error *e)
{
	size_t len = json_dumpb(request, NULL, 0, JSON_COMPACT);
	if (!len)
		return error_set(e, ERR_INTERNAL, ENOMEM, "write a request");
	if (len + 1 > LIMIT_REQUEST_BYTES)
		return error_text(e, ERR_TOO_LARGE, E2BIG,
			"the request has %zu bytes, more than %u", len, LIMIT_REQUEST_BYTES - 1);
	m->data = malloc(len + 1 + payload_len);
	if (!m->data)
		return error_set(e, ERR_INTERNAL, ENOMEM, "write a request");
	json_dumpb(request, m->data, len, JSON_COMPACT);
	m->data[len] = '\n';
	if (payload_len)
		memcpy(m->data + len + 1, payload, payload_len);
	m->len = len + 1 + payload_len;
	return 0;
}

/* Returns 0, -EAGAIN, or another -errno: the daemon does not listen any more. */
static int send_message(struct dayfly_client *c, struct message *m)
{
	while (m->sent < m->len) {
		ssize_t n = fd_send(c->fd, m->data + m->sent, m->len - m->sent, m->fds, m->n_fds);
		if (n < 0)
			return (int)n;
		/* The descriptors went with the first byte. */
		fd_close_many(m->fds, m->n_fds);
		m->n_fds = 0;
		m->sent += (size_t)n;
		c->out_bytes -= (size_t)n;
	}
	return 0;
}

void send_discard(struct dayfly_client *c)
{
	list_for_each_safe (link, &c->out)
		message_destroy(list_entry(link, struct message, link));
	c->out_bytes = 0;
}

void send_pending(struct dayfly_client *c)
{
	list_for_each_safe (link, &c->out) {
		struct message *m = list_entry(link, struct message, link);
		int r = send_message(c, m);
		if (r == -EAGAIN)
			return;
		if (r < 0) {
			c->is_closed_out = true;
			send_discard(c);
			return;
		}
		message_destroy(m);
	}
}

int send_request(struct dayfly_client *c, json_t *take_request, const void *payload,
	size_t payload_len, const int *fds, size_t n_fds, uint64_t *ret_request,
	struct dayfly_error *e)
{
	char tag[24];
	__attribute__((cleanup(message_cleanup))) struct message *m = calloc(1, sizeof(*m));
	snprintf(tag, sizeof(tag), "%" PRIu64, c->last_request + 1);
	if (!m || !take_request || json_object_set_new(take_request, "id", json_string(tag)) < 0) {
		json_decref(take_request);
		return error_set(e, ERR_INTERNAL, ENOMEM, "write a request");
	}
	int r = 0;
	if (c->is_dead)
		r = error_text(e, ERR_CONNECT, EPIPE, "the connection to the daemon is gone");
	else if (c->out_bytes > CLIENT_OUT_MAX)
		r = error_text(e, ERR_BUSY, EAGAIN, "too much waits to be sent");
	if (r == 0)
		r = message_fill(m, take_request, payload, payload_len, e);
	if (r == 0)
		r = message_add_fds(m, fds, n_fds, e);
	json_decref(take_request);
	if (r < 0)
		return r;

	c->last_request++;
	/* A daemon that has closed already may have said why: what cannot be sent is dropped, and
	 * dayfly_next() reports it. */
	if (!c->is_closed_out) {
		c->out_bytes += m->len;
		list_append(&c->out, &m->link);
		m->is_queued = true;
		m = NULL;
		send_pending(c);
	}
	if (ret_request)
		*ret_request = c->last_request;
	return 0;
}
