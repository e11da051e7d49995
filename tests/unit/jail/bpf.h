/* A small interpreter for seccomp programs: what would the kernel's answer be, without asking the
 * kernel. */
#ifndef DAYFLY_TESTS_UNIT_JAIL_BPF_H
#define DAYFLY_TESTS_UNIT_JAIL_BPF_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>

/* Not an action of the kernel: the program is broken (ran off its end, unknown instruction, load
 * outside the data). */
#define BPF_BROKEN 0xbadbadbau

/* Returns the action with its data, or BPF_BROKEN. *ret_steps (may be NULL): instructions executed.
 */
uint32_t bpf_run(const struct sock_fprog *prog, const struct seccomp_data *data, size_t *ret_steps);

/* "allow", "EPERM", "kill_process", ... A static buffer for what has no name. */
const char *bpf_action_name(uint32_t action);

#endif
