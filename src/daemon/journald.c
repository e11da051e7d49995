/* Log lines with fields: see journald.h. */
#include "daemon/journald.h"

#include "base/log.h"
#include "daemon/sd.h"

#include <errno.h>
#include <stdio.h>
#include <sys/uio.h>

/* PRIORITY, SYSLOG_IDENTIFIER, MESSAGE */
#define OWN_FIELDS 3
/* Ids and words; only the message is long. */
#define FIELD_SIZE   192
#define MESSAGE_SIZE 2304

static int put(struct iovec *v, char *text, size_t size, const char *name, const char *value)
{
	int n = snprintf(text, size, "%s=%s", name, value);
	if (n < 0 || (size_t)n >= size)
		return -EMSGSIZE;
	*v = (struct iovec){ .iov_base = text, .iov_len = (size_t)n };
	return 0;
}

static int send_record(const struct log_record *r)
{
	char message[MESSAGE_SIZE], texts[OWN_FIELDS - 1 + LOG_FIELDS_MAX][FIELD_SIZE];
	struct iovec v[OWN_FIELDS + LOG_FIELDS_MAX];
	char priority[8];
	snprintf(priority, sizeof(priority), "%d", r->priority);
	int e = put(&v[0], message, sizeof(message), "MESSAGE", r->text);
	if (e == 0)
		e = put(&v[1], texts[0], FIELD_SIZE, "PRIORITY", priority);
	if (e == 0)
		e = put(&v[2], texts[1], FIELD_SIZE, "SYSLOG_IDENTIFIER", r->program);
	for (size_t i = 0; e == 0 && i < r->n_fields; i++)
		e = put(&v[OWN_FIELDS + i], texts[OWN_FIELDS - 1 + i], FIELD_SIZE,
			r->fields[i].name, r->fields[i].value);
	return e < 0 ? e : sd_journal_sendv(v, (int)(OWN_FIELDS + r->n_fields));
}

void journald_init(void)
{
	if (SD_IS_BUILT_IN && log_is_journal())
		log_set_sink(send_record);
}
