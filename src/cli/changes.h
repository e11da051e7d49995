/* dayfly run --changes and --apply: what the task changed comes as a tar through a pipe, and goes
 * where it was asked for when the task is over. */
#ifndef DAYFLY_CLI_CHANGES_H
#define DAYFLY_CLI_CHANGES_H

#include "cli/bundle.h"
#include "cli/git_arg.h"
#include "cli/options.h"
#include "cli/write_back.h"

#include <dayfly/client.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct changes {
	/* Set by the caller. */
	const char *file;      /* --changes FILE */
	const char *format;    /* "tar", "patch" or "bundle"; NULL: by the ending of the file */
	const char *branch;    /* --changes-branch, or NULL */
	const char *workspace; /* as --workspace has it */
	const struct git_options *git; /* or where else it is from; NULL: not from there */
	struct write_back back;	       /* --apply */

	/* Its own. */
	bool is_patch, is_bundle; /* made by git */
	bool is_special;	  /* the file is no regular one: written at the end */
	char *place; /* where the file is to be; a link was followed once, before the task */
	char *tar_path, *out_path; /* temporary files, or NULL; the same where the tar is wanted */
	int tar_fd, out_fd;
	int workspace_fd;
	char *workspace_path; /* where a branch is to be made, or NULL */
	struct bundle bundle;
	pid_t reader; /* a child that takes what comes; 0: none */
	/* From the result. */
	bool has_archive, is_complete, is_ok;
	int64_t wanted_bytes, left_out, stamp_bytes;
	char why[128], cause[32], task[64], commit[72]; /* of git's: what was checked out */
};

/* Checks for the option table. */
int changes_check_file(const char *text, struct err *e);
int changes_check_format(const char *text, struct err *e);

/* Whether the options go together. Returns 0 or -EINVAL after a message. */
int changes_check(const struct changes *c, bool is_detached, bool is_kept);

/*
 * Makes the temporary files, so that what cannot be written is known before the task runs, and has
 * the task send its changes. Nothing at all where none are wanted. Returns 0, or -errno after a
 * message; changes_end() in any case.
 */
int changes_begin(struct changes *c, struct dayfly_task *t);

/* The result of the task. */
void changes_note(struct changes *c, const struct dayfly_event *last);

/*
 * When the task's description is freed, which holds the other end of the pipe: writes the file, and
 * cleans up. Returns 0, or -errno after a message.
 */
int changes_end(struct changes *c, const struct command *cmd, const char *socket);

#endif
