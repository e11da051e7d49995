/* What the files of processes in /proc say of them. Pure; any text may come. */
#ifndef DAYFLY_JAIL_PROC_STAT_H
#define DAYFLY_JAIL_PROC_STAT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct proc_stat {
	/* In clock ticks: its own CPU time and that of the children that it has waited for. */
	uint64_t cpu_ticks;
	uint64_t threads;
	uint64_t rss_pages;
};

/* /proc/PID/stat. Returns 0 or -EINVAL. */
int proc_stat_parse(const char *text, struct proc_stat *ret);

/* The next number of a list like /proc/PID/task/TID/children. *text is moved on. Returns false at
 * the end, and at what is no number. */
bool proc_children_next(const char **text, pid_t *ret);

#endif
