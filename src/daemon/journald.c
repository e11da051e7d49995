/*
 * Log lines with fields: see journald.h. A record is one datagram in journald's native protocol
 * (https://systemd.io/JOURNAL_NATIVE_PROTOCOL): "NAME=value" lines, as no value has a line break.
 */
#include "daemon/journald.h"

#include "base/fd.h"
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#define JOURNAL_SOCKET "/run/systemd/journal/socket"
/* MESSAGE, PRIORITY, SYSLOG_IDENTIFIER */
#define OWN_FIELDS 3
/* Ids and words; only the message is long. */
#define FIELD_SIZE   192
#define MESSAGE_SIZE 2304

static struct sockaddr_un journal_addr;
static int journal_fd = -1;
static uint64_t n_lost;

static int put(struct iovec *v, char *text, size_t size, const char *name, const char *value)
{
	int n = snprintf(text, size, "%s=%s\n", name, value);
	if (n < 0 || (size_t)n >= size)
		return -EMSGSIZE;
	*v = (struct iovec){ .iov_base = text, .iov_len = (size_t)n };
	return 0;
}

static int send_fields(const struct log_record *r, const char *text)
{
	char message[MESSAGE_SIZE], texts[OWN_FIELDS - 1 + LOG_FIELDS_MAX][FIELD_SIZE];
	struct iovec v[OWN_FIELDS + LOG_FIELDS_MAX];
	char priority[8];
	snprintf(priority, sizeof(priority), "%d", r->priority);
	int e = put(&v[0], message, sizeof(message), "MESSAGE", text);
	if (e == 0)
		e = put(&v[1], texts[0], FIELD_SIZE, "PRIORITY", priority);
	if (e == 0)
		e = put(&v[2], texts[1], FIELD_SIZE, "SYSLOG_IDENTIFIER", r->program);
	for (size_t i = 0; e == 0 && i < r->n_fields; i++)
		e = put(&v[OWN_FIELDS + i], texts[OWN_FIELDS - 1 + i], FIELD_SIZE,
			r->fields[i].name, r->fields[i].value);
	if (e < 0)
		return e;
	const struct msghdr m = {
		.msg_name = &journal_addr,
		.msg_namelen = sizeof(journal_addr),
		.msg_iov = v,
		.msg_iovlen = OWN_FIELDS + r->n_fields,
	};
	return sendmsg(journal_fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

static void tell_lost(const char *program)
{
	char text[96];
	const struct log_record r = { .program = program, .priority = 4 };
	snprintf(text, sizeof(text), "%" PRIu64 " lines are missing here: the journal took none",
		n_lost);
	if (send_fields(&r, text) == 0)
		n_lost = 0;
}

static int send_record(const struct log_record *r)
{
	if (n_lost)
		tell_lost(r->program);
	int e = send_fields(r, r->text);
	if (e != -EAGAIN && e != -ENOBUFS)
		return e;
	/* stderr leads to the same journald, and a write to it would wait. */
	n_lost++;
	return 0;
}

void journald_init(const char *socket_path)
{
	const char *path = socket_path ? socket_path : JOURNAL_SOCKET;
	if (!log_is_journal() || strlen(path) >= sizeof(journal_addr.sun_path))
		return;
	fd_close(&journal_fd);
	journal_addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(journal_addr.sun_path, path, strlen(path));
	n_lost = 0;
	journal_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (journal_fd >= 0)
		log_set_sink(send_record);
}
