/*
 * A filter on system call numbers made shorter, without a change of what it says. The kernel
 * translates a filter, and runs it once for each call there is, whenever a task loads it: its
 * length and its depth are part of every task's start.
 *
 * libseccomp's programs test one number after the other or in a tree of single numbers. Calls that
 * are neighbours mostly have the same verdict, so a tree of ranges has a fraction of that.
 */
#ifndef DAYFLY_JAIL_SECCOMP_COMPACT_H
#define DAYFLY_JAIL_SECCOMP_COMPACT_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Rewrites the program in place. It must begin with the test of the architecture, which leads any
 * other than `arch` to one verdict, and look at nothing else but the number. Returns false, with
 * the program as it was, where it does not, or where the result would not be shorter.
 */
bool seccomp_compact(struct sock_filter *prog, size_t *len, uint32_t arch);

#endif
