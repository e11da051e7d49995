/* System calls that killed: see kernel_log.h. */
#include "jail/kernel_log.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One record at most, Documentation/ABI/testing/dev-kmsg. */
#define RECORD_MAX 8192
/* Of one look: others can write to the log faster than we read it. */
#define READS_MAX 1024

void kernel_log_open(struct kernel_log *l)
{
	*l = (struct kernel_log){ .fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC) };
	if (l->fd >= 0)
		lseek(l->fd, 0, SEEK_END);
}

void kernel_log_close(struct kernel_log *l)
{
	fd_close(&l->fd);
}

/* The number behind " key=". */
static bool find_number(const char *text, const char *key, int base, uint32_t *ret)
{
	char word[16];
	char *end;
	snprintf(word, sizeof(word), " %s=", key);
	const char *at = strstr(text, word);
	if (!at)
		return false;
	at += strlen(word);
	errno = 0;
	unsigned long v = strtoul(at, &end, base);
	if (end == at || errno || v > UINT32_MAX)
		return false;
	*ret = (uint32_t)v;
	return true;
}

bool kernel_log_parse(const char *record, struct kernel_log_call *ret)
{
	uint32_t signo;
	/* "5,125,2288608678,-;audit: type=1326 audit(...): auid=... uid=... comm=..." The names of
	 * the program, which it chooses itself, stand behind the ids and before sig=: a quote in
	 * them is written as hexadecimal digits. */
	const char *text = strchr(record, ';');
	/* From 8 on it is a process that has written to the log. */
	if (!text || strtoul(record, NULL, 10) >= 8 || strncmp(text, ";audit: type=1326 ", 18) != 0)
		return false;
	const char *names = strstr(text, " comm=");
	const char *rest = names ? strstr(names, " sig=") : NULL;
	return rest && find_number(text, "uid", 10, &ret->uid) &&
	       find_number(rest, "sig", 10, &signo) && signo == SIGSYS &&
	       find_number(rest, "arch", 16, &ret->arch) &&
	       find_number(rest, "syscall", 10, &ret->number);
}

static void read_new(struct kernel_log *l)
{
	char record[RECORD_MAX];
	struct kernel_log_call call;
	for (int i = 0; i < READS_MAX; i++) {
		ssize_t n = read(l->fd, record, sizeof(record) - 1);
		/* Some were overwritten before we came: go on with what there is. */
		if (n < 0 && errno == EPIPE)
			continue;
		if (n <= 0)
			return;
		record[n] = '\0';
		if (kernel_log_parse(record, &call))
			l->recent[l->next++ % KERNEL_LOG_RECENT] = call;
	}
}

bool kernel_log_find(
	struct kernel_log *l, uint32_t first_uid, uint32_t n_uids, struct kernel_log_call *ret)
{
	if (l->fd < 0)
		return false;
	read_new(l);
	for (size_t i = 1; i <= KERNEL_LOG_RECENT; i++) {
		struct kernel_log_call *c = &l->recent[(l->next - i) % KERNEL_LOG_RECENT];
		if (c->arch && c->uid - first_uid < n_uids) {
			*ret = *c;
			/* The range of ids will be another task's. */
			c->arch = 0;
			return true;
		}
	}
	return false;
}
