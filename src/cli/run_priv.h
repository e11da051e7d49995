/* What the files of `dayfly run` share. */
#ifndef DAYFLY_CLI_RUN_PRIV_H
#define DAYFLY_CLI_RUN_PRIV_H

#include "cli/git_arg.h"
#include "cli/options.h"
#include "cli/write_back.h"

#include <dayfly/client.h>
#include <stdbool.h>

#define STATUS_FAILURE 125

struct run_options {
	char **artifacts, **env, **labels, **mounts, **files, **secrets, **tars, **best_effort,
		**webhooks;
	const char *workdir, *workspace, *name, *network, *image, *user, *profile;
	const char *timeout, *idle_timeout, *cpu_time, *grace, *queue_timeout;
	const char *memory, *memory_high, *swap, *cpus, *cpu_weight, *pids, *io_read, *io_write;
	const char *disk, *inodes, *output_limit, *open_files, *file_size, *core;
	const char *priority, *concurrency, *idempotency_key;
	const char *result, *socket, *webhook_on, *changes_file, *changes_format, *changes_branch,
		*apply;
	const char *upload, *upload_url, *upload_credentials;
	struct git_options git;
	const char *artifacts_to, *artifacts_timeout, *artifacts_size, *artifact_files;
	bool hide_ignored, no_git_dir, no_queue, interactive, tty, detach, json, keep, no_autostart,
		kill_on_output_limit, no_wait_upload;
};

/* run_options.c */
extern const struct command run_command;
/* What cannot go together, before anything is started. Returns 0, or -EINVAL after a message. */
int run_options_check(const struct run_options *o);

/* run_task.c: the task that the options describe. back: is told what the workspace does not show;
 * NULL: nobody is. NULL after a message. */
struct dayfly_task *run_task_make(
	const struct run_options *o, char **argv, struct write_back *back);

#endif
