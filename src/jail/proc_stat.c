/* Readers of process files: see proc_stat.h. */
#include "jail/proc_stat.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Fields by their numbers in proc(5); those after the name begin with the third. */
enum { FIELD_FIRST = 3, FIELD_UTIME = 14, FIELD_CSTIME = 17, FIELD_THREADS = 20, FIELD_RSS = 24 };

int proc_stat_parse(const char *text, struct proc_stat *ret)
{
	/* The name may hold anything, also brackets and blanks. */
	const char *p = strrchr(text, ')');
	*ret = (struct proc_stat){ 0 };
	if (!p || p[1] != ' ' || !p[2])
		return -EINVAL;
	p += 2;
	for (int field = FIELD_FIRST; field <= FIELD_RSS; field++) {
		char *end = NULL;
		long long v = field == FIELD_FIRST ? 0 : strtoll(p, &end, 10);
		if (field == FIELD_FIRST ? p[1] != ' ' : end == p || (*end != ' ' && *end != '\n'))
			return -EINVAL;
		uint64_t count = v > 0 ? (uint64_t)v : 0;
		if (field >= FIELD_UTIME && field <= FIELD_CSTIME)
			ret->cpu_ticks += count;
		else if (field == FIELD_THREADS)
			ret->threads = count;
		else if (field == FIELD_RSS)
			ret->rss_pages = count;
		p = field == FIELD_FIRST ? p + 2 : end + 1;
	}
	return 0;
}

bool proc_children_next(const char **text, pid_t *ret)
{
	char *end;
	long v = strtol(*text, &end, 10);
	if (end == *text || v <= 0 || v > INT32_MAX)
		return false;
	*text = end;
	*ret = (pid_t)v;
	return true;
}
