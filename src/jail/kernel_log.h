/*
 * The kernel log, for one thing: which system call a process was killed for. The status of a
 * process that a filter has ended says SIGSYS and no more; the kernel's audit record (type 1326)
 * has the architecture and the number, and with the uid the task whose range of ids that is. So
 * only root mode can tell, and only where no audit daemon takes the records: elsewhere nothing is
 * known.
 */
#ifndef DAYFLY_JAIL_KERNEL_LOG_H
#define DAYFLY_JAIL_KERNEL_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KERNEL_LOG_RECENT 16

struct kernel_log_call {
	uint32_t uid;
	uint32_t arch; /* AUDIT_ARCH_ of linux/audit.h; 0: none */
	uint32_t number;
};

struct kernel_log {
	int fd; /* /dev/kmsg; -1: may not be read */
	/* Of all tasks: a look for one takes those of others from the log too. */
	struct kernel_log_call recent[KERNEL_LOG_RECENT];
	size_t next;
};

/* From now on. Needs CAP_SYSLOG where kernel.dmesg_restrict is 1, but only here. */
void kernel_log_open(struct kernel_log *l);
void kernel_log_close(struct kernel_log *l);

/* One record of /dev/kmsg. Returns whether it is about a process that a filter has killed. */
bool kernel_log_parse(const char *record, struct kernel_log_call *ret);

/* The last such call of a process with one of these ids. */
bool kernel_log_find(
	struct kernel_log *l, uint32_t first_uid, uint32_t n_uids, struct kernel_log_call *ret);

#endif
