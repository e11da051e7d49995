/*
 * The payload of the jail tests: a static program that tries one thing and prints what happened as
 * JSON lines. It runs inside the jail, and outside as the positive control that shows that the
 * attempt itself works. It judges nothing.
 */
#ifndef DAYFLY_TESTS_PROBE_H
#define DAYFLY_TESTS_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* json.c: one object a line. out_begin, any members, out_end. */
void out_begin(const char *what);
void out_int(const char *key, long long value);
void out_hex(const char *key, unsigned long long value);
void out_str(const char *key, const char *value); /* NULL prints null */
void out_bytes(const char *key, const char *data, size_t len);
void out_bool(const char *key, bool value);
void out_list_begin(const char *key);
void out_item_int(long long value);
void out_item_str(const char *value);
void out_list_end(void);
void out_end(void);

/* {"what":…, "ret":…, "errno":…}: errno is 0 when ret >= 0. Takes errno as it is on entry. */
void out_result(const char *what, long long ret);

/* Helpers. */
unsigned long long parse_number(
	const char *text); /* decimal, 0x, 0 or negative; exits on nonsense */
ssize_t read_small(const char *path, char *out, size_t size); /* NUL-terminated; -1 with errno */

/* Root of the machine itself, not of a user namespace: some attempts are refused then, for the
 * machine's sake. */
bool is_host_root(void);

typedef void (*child_fn)(void *arg);
/* Runs fn in a forked child that inherits stdout; returns its wait status. */
int run_child(child_fn fn, void *arg);

/* Subcommands: argv[0] is the subcommand's name. The return value is the exit status. */
typedef int (*command_fn)(int argc, char **argv);

int cmd_id(int argc, char **argv);
int cmd_ns(int argc, char **argv);
int cmd_fds(int argc, char **argv);
int cmd_env(int argc, char **argv);
int cmd_rlimits(int argc, char **argv);
int cmd_threads(int argc, char **argv);

int cmd_ls(int argc, char **argv);
int cmd_tree(int argc, char **argv);
int cmd_stat(int argc, char **argv);
int cmd_cat(int argc, char **argv);
int cmd_open(int argc, char **argv);
int cmd_write(int argc, char **argv);
int cmd_create(int argc, char **argv);
int cmd_mounts(int argc, char **argv);
int cmd_procs(int argc, char **argv);
int cmd_fill(int argc, char **argv);
int cmd_inodes(int argc, char **argv);
int cmd_xattr(int argc, char **argv);
int cmd_swap(int argc, char **argv);

int cmd_call(int argc, char **argv);
int cmd_sweep(int argc, char **argv);
int cmd_foreign(int argc, char **argv);
int cmd_bench(int argc, char **argv);

int cmd_chroot(int argc, char **argv);
int cmd_userns(int argc, char **argv);
int cmd_setns(int argc, char **argv);
int cmd_mount(int argc, char **argv);
int cmd_handle(int argc, char **argv);
int cmd_mknod(int argc, char **argv);
int cmd_ids(int argc, char **argv);
int cmd_exe(int argc, char **argv);
int cmd_self_filter(int argc, char **argv);

int cmd_sockets(int argc, char **argv);
int cmd_connect(int argc, char **argv);
int cmd_net(int argc, char **argv);
int cmd_tiocsti(int argc, char **argv);
int cmd_ipc(int argc, char **argv);
int cmd_kernel(int argc, char **argv);

int cmd_ptrace(int argc, char **argv);
int cmd_mem(int argc, char **argv);
int cmd_orphans(int argc, char **argv);
int cmd_storm(int argc, char **argv);
int cmd_stubborn(int argc, char **argv);
int cmd_daemonize(int argc, char **argv);
int cmd_kill(int argc, char **argv);
int cmd_sleep(int argc, char **argv);

#endif
