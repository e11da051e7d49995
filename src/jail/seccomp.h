/*
 * The system call filter of a task. The policy is a table (seccomp_policy.def); it is compiled
 * once, when the warden starts, with libseccomp into a classic BPF program on the heap. Loading it
 * in jail init's child is one raw system call: no allocation, no library.
 *
 * Default is ENOSYS: what the policy does not know looks "not implemented", so that C libraries and
 * runtimes fall back. Known but forbidden calls are EPERM. A foreign ABI (i386 and x32 on x86_64)
 * kills the process with SIGSYS.
 *
 * The names begin with seccomp_filter_ because libseccomp itself has a seccomp_load.
 */
#ifndef DAYFLY_JAIL_SECCOMP_H
#define DAYFLY_JAIL_SECCOMP_H

#include "base/err.h"
#include "plan/plan.h"

#include <linux/filter.h>
#include <stdio.h>

/*
 * Makes the program for a profile; the network matters to `strict` only, which has no Internet
 * sockets when there is no network. *ret is the caller's, to be freed with seccomp_filter_finish.
 * Returns 0 or -errno with *e set.
 */
int seccomp_filter_compile(enum plan_profile profile, enum plan_network network,
	struct sock_fprog *ret, struct err *e);

/*
 * Makes the second filter, for a task of user agent that writes into a directory of the client's:
 * it makes no set-user-id files. Otherwise as above.
 */
int seccomp_filter_compile_shared(struct sock_fprog *ret, struct err *e);

/* Frees the program and leaves {0, NULL}. Works on a zeroed struct. */
void seccomp_filter_finish(struct sock_fprog *prog);

/*
 * Puts the filter on the calling thread. no_new_privs must be set before (or the caller have
 * CAP_SYS_ADMIN). Does not allocate: safe after fork. Returns 0 or -errno.
 */
int seccomp_filter_load(const struct sock_fprog *prog);

/* The policy as text, one call per line, for `dayfly-warden --print-seccomp`. Returns 0 or -errno.
 */
int seccomp_filter_print(FILE *out, enum plan_profile profile);

/*
 * A system call for people: "getpid (i386)", "number 999 (x32)". arch is one of linux/audit.h's; an
 * x32 call is x86-64's with bit 30 set.
 */
void seccomp_call_name(uint32_t arch, uint32_t number, char *out, size_t size);

#endif
