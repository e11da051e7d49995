/* Where changes go: see changes.h. */
#include "cli/changes.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"
#include "cli/change_apply.h"
#include "cli/change_tar.h"
#include "cli/daemon.h"
#include "cli/message.h"
#include "cli/patch.h"
#include "cli/pipe_reader.h"
#include "cli/place.h"
#include "cli/sources.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- options ---- */

static bool has_ending(const char *text, const char *ending)
{
	size_t n = strlen(text), m = strlen(ending);
	return n > m && !strcmp(text + n - m, ending);
}

/* "tar", "patch", "bundle" or NULL. */
static const char *format_of(const struct changes *c)
{
	if (c->format)
		return c->format;
	if (has_ending(c->file, ".tar"))
		return "tar";
	if (has_ending(c->file, ".bundle"))
		return "bundle";
	return has_ending(c->file, ".patch") || has_ending(c->file, ".diff") ? "patch" : NULL;
}

int changes_check_file(const char *text, struct err *e)
{
	if (strcmp(text, "-") != 0)
		return *text ? 0 : err_set(e, ERR_BAD_VALUE, 0, "the name of the file is empty");
	err_set(e, ERR_BAD_VALUE, 0,
		"they go to a file: on stdout they would mix with the task's output");
	err_hint(e, "give a file (./- is one)");
	return -EINVAL;
}

int changes_check_format(const char *text, struct err *e)
{
	if (!strcmp(text, "tar") || !strcmp(text, "patch") || !strcmp(text, "bundle"))
		return 0;
	return err_set(e, ERR_BAD_VALUE, 0, "\"%s\" is neither tar nor patch nor bundle", text);
}

static bool is_private(const char *workspace)
{
	struct source_arg s;
	struct err e;
	if (!workspace || source_parse_workspace(workspace, &s, &e) < 0)
		return false;
	bool is = s.mode == DAYFLY_MODE_COW;
	source_arg_finish(&s);
	return is;
}

static bool is_wanted(const struct changes *c)
{
	return c->file || c->back.when;
}

/* The option to name. */
static const char *option(const struct changes *c)
{
	return c->file ? "--changes" : "--apply";
}

int changes_check(const struct changes *c, bool is_detached, bool is_kept)
{
	const char *why = NULL, *fix = "", *what = "";
	if (c->branch &&
		(c->git || !c->file || !format_of(c) || strcmp(format_of(c), "bundle") != 0)) {
		why = "--changes-branch: a branch is made in the repository of a workspace, of a "
		      "bundle";
		fix = "add --workspace DIR and --changes FILE.bundle; of a --git task git fetch "
		      "takes the bundle";
	} else if (!is_wanted(c)) {
		return 0;
	} else if (is_detached) {
		what = option(c);
		why = ": nobody is here to take them when the task ends (--detach)";
	} else if (is_kept && c->back.when) {
		why = "--apply: nobody may be here to write when the task ends (--keep)";
	} else if (!c->git && !is_private(c->workspace)) {
		what = option(c);
		why = ": only a workspace of mode cow has changes to be taken";
		fix = c->workspace ? "write --workspace DIR, without a mode"
		      : c->file	   ? "add --workspace DIR or --git URL"
				   : "add --workspace DIR";
	} else if (c->file && !format_of(c)) {
		why = "--changes: the ending of the file does not say whether it is a tar, a "
		      "patch or a bundle";
		fix = "call it .tar, .patch, .diff or .bundle, or add --changes-format";
	}
	if (!why)
		return 0;
	message_error("%s%s", what, why);
	message_detail("fix", fix);
	return -EINVAL;
}

/* ---- before the task ---- */

static int failed(const struct changes *c, int r, const char *what)
{
	message_error("%s%s%s: %s: %s", option(c), c->file ? " " : "", c->file ? c->file : "", what,
		strerror(-r));
	return r;
}

/* A new file beside another, or in the directory for temporary ones (NULL). */
static int make_temporary(const char *beside, char **ret_path)
{
	char *path = NULL;
	int n = beside ? asprintf(&path, "%s.XXXXXX", beside)
		       : asprintf(&path, "%s/dayfly-changes-XXXXXX.tar", place_temporary_dir());
	if (n < 0)
		return -ENOMEM;
	int fd = mkostemps(path, beside ? 0 : 4, O_CLOEXEC);
	if (fd < 0) {
		int r = -errno;
		free(path);
		return r;
	}
	*ret_path = path;
	return fd;
}

static int open_files(struct changes *c)
{
	struct stat st;
	if (!c->file) {
		c->tar_fd = make_temporary(NULL, &c->tar_path);
		return c->tar_fd < 0 ? failed(c, c->tar_fd, "make a temporary file") : 0;
	}
	c->is_bundle = !strcmp(format_of(c), "bundle");
	c->is_patch = c->is_bundle || !strcmp(format_of(c), "patch");
	bool is_there = stat(c->file, &st) == 0;
	/* A link of another user's, say, that the kernel does not follow for us. */
	if (!is_there && errno != ENOENT)
		return failed(c, -errno, "look at it");
	c->is_special = is_there && !S_ISREG(st.st_mode);
	if (S_ISDIR(c->is_special ? st.st_mode : 0))
		return failed(c, -EISDIR, "write it");
	/* A link is followed to what it names, as rename would replace the link itself. Not again
	 * after the task: who can write in that directory could lead us anywhere by then. */
	c->place = is_there ? realpath(c->file, NULL) : strdup(c->file);
	if (!c->place)
		return failed(c, -errno, "find its place");
	c->out_fd = make_temporary(c->is_special ? NULL : c->place, &c->out_path);
	if (c->out_fd < 0)
		return failed(c, c->out_fd, "make a file beside it");
	c->tar_fd = c->is_patch ? make_temporary(NULL, &c->tar_path)
				: fcntl(c->out_fd, F_DUPFD_CLOEXEC, 3);
	return c->tar_fd < 0 ? failed(c, c->tar_fd, "make a temporary file") : 0;
}

static int open_workspace(struct changes *c)
{
	struct source_arg s;
	struct err e;
	int r = source_parse_workspace(c->workspace, &s, &e);
	if (r < 0)
		return failed(c, r, "open the workspace");
	c->workspace_fd = open(s.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = c->workspace_fd < 0 ? failed(c, -errno, "open the workspace")
				: write_back_begin(&c->back, s.path, c->workspace_fd);
	source_arg_finish(&s);
	return r;
}

/* A file system that we cannot write to has no clock that we could read; then there is none. */
static int stamp(struct changes *c)
{
	struct change_stamp s = { .base = c->back.base };
	struct stat st;
	if (c->git || c->is_patch || fstat(c->workspace_fd, &st) < 0 ||
		(!c->back.when && change_apply_now(c->workspace_fd, &s.base) < 0))
		return 0;
	s.inode = st.st_ino;
	s.device = st.st_dev;
	int r = change_stamp_write(c->tar_fd, &s);
	c->stamp_bytes = CHANGE_STAMP_BYTES;
	return r < 0 ? failed(c, r, "write it") : 0;
}

static int tell_branch(const struct changes *c, int r, const struct err *e)
{
	if (r < 0) {
		message_error("--changes-branch %s: %s", c->branch, e->msg);
		message_detail("fix", e->hint);
	}
	return r;
}

static int find_commit(struct changes *c)
{
	struct source_arg s = { 0 };
	struct err e = { 0 };
	int r = c->git ? 0 : source_parse_workspace(c->workspace, &s, &e);
	if (r == 0)
		r = bundle_begin(&c->bundle, c->git ? NULL : s.path, &e);
	if (r < 0) {
		message_error("--changes %s: %s", c->file, e.msg);
		message_detail("fix", e.hint);
	} else if (c->branch) {
		c->workspace_path = take_ptr(s.path);
		r = tell_branch(c, bundle_check_branch(c->workspace_path, c->branch, &e), &e);
	}
	source_arg_finish(&s);
	return r;
}

int changes_begin(struct changes *c, struct dayfly_task *t)
{
	auto_close int end = -1;
	c->tar_fd = c->out_fd = c->workspace_fd = c->back.tty_fd = -1;
	if (!is_wanted(c))
		return 0;
	int r = open_files(c);
	if (r == 0 && !c->git)
		r = open_workspace(c);
	if (r == 0 && c->is_bundle)
		r = find_commit(c);
	if (r == 0)
		r = stamp(c);
	if (r < 0)
		return r;
	pid_t child = pipe_reader_start(c->tar_fd, &end);
	if (child < 0)
		return failed(c, (int)child, "make ready for them");
	c->reader = child;
	r = dayfly_task_set_changes(t, end, NULL, NULL);
	return r < 0 ? failed(c, r, "make ready for them") : 0;
}

/* ---- after it ---- */

void changes_note(struct changes *c, const struct dayfly_event *last)
{
	int64_t complete = 0;
	c->has_archive =
		dayfly_event_result_number(last, "changes.archive.bytes", &c->wanted_bytes) == 0;
	dayfly_event_result_number(last, "changes.archive.complete", &complete);
	dayfly_event_result_number(last, "changes.archive.left_out", &c->left_out);
	const char *why = dayfly_event_result_text(last, "changes.archive.error");
	const char *outcome = dayfly_event_result_text(last, "outcome");
	c->is_ok = outcome && !strcmp(outcome, "ok");
	snprintf(c->task, sizeof(c->task), "%s", dayfly_event_task(last));
	snprintf(c->cause, sizeof(c->cause), "%s", dayfly_event_cause(last));
	snprintf(c->why, sizeof(c->why), "%s", why ? why : "");
	c->is_complete = complete == 1;
	const char *commit = dayfly_event_result_text(last, "source.commit");
	snprintf(c->commit, sizeof(c->commit), "%s", commit ? commit : "");
	/* A task that ran and whose jail died before it could say anything. */
	if (!c->has_archive && dayfly_event_result_text(last, "time.started")) {
		c->has_archive = true;
		snprintf(c->why, sizeof(c->why), "they died with the jail (%s)",
			dayfly_event_cause(last));
	}
}

static int check_whole(const struct changes *c, int errnum)
{
	struct stat st = { 0 };
	if (errnum)
		return failed(c, -errnum, "write it");
	if (!c->is_complete) {
		message_error("%s: the changes could not be taken out: %s", option(c),
			c->why[0] ? c->why : "the daemon does not say why");
		return -EIO;
	}
	if (fstat(c->tar_fd, &st) < 0 || st.st_size != c->wanted_bytes + c->stamp_bytes) {
		message_error("%s: %lld of %" PRIi64 " bytes came: they went to an earlier request",
			option(c), (long long)(st.st_size - c->stamp_bytes), c->wanted_bytes);
		return -EIO;
	}
	if (c->left_out)
		message_error("%s: %" PRIi64
			      " of the changes left out: special files, too deep or too large",
			option(c), c->left_out);
	return 0;
}

static int make_patch(struct changes *c, const struct command *cmd, const char *socket)
{
	struct change_tar tar = { .fd = -1 };
	struct patch_result result = { 0 };
	struct err e = { 0 };
	int r = change_tar_read(c->tar_fd, &tar, &e);
	struct dayfly_client *client = r == 0 ? daemon_connect(cmd, socket, 0) : NULL;
	if (r == 0 && !client)
		r = err_set(&e, ERR_INTERNAL, ECONNREFUSED, "ask for git");
	if (c->git)
		snprintf(c->bundle.base, sizeof(c->bundle.base), "%s", c->commit);
	const struct patch_before before = { c->workspace_fd, c->git, c->commit,
		c->is_bundle ? &c->bundle : NULL, c->task };
	if (r == 0)
		r = patch_write(client, &tar, &before, c->out_fd, &result, &e);
	dayfly_client_free(client);
	change_tar_finish(&tar);
	if (r < 0) {
		message_error("--changes %s: %s", c->file, e.msg);
		message_detail("fix", e.hint);
	} else if (result.git_entries) {
		message_error("--changes %s: %zu of the changes left out: they are git's own, "
			      "below .git, which a tar can hold and a %s cannot",
			c->file, result.git_entries, c->is_bundle ? "bundle" : "patch");
	}
	return r;
}

static int copy_to_special(const struct changes *c)
{
	auto_close int to = open(c->file, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	char buffer[65536];
	ssize_t n;
	int r = to < 0 ? -errno : 0;
	for (off_t at = 0; r == 0 && (n = pread(c->out_fd, buffer, sizeof(buffer), at)) != 0;
		at += n)
		r = n < 0 ? -errno : fd_write_all(to, buffer, (size_t)n);
	return r;
}

static int put_in_place(struct changes *c)
{
	if (c->is_special) {
		int r = copy_to_special(c);
		return r < 0 ? failed(c, r, "write it") : 0;
	}
	mode_t mask = umask(0);
	umask(mask);
	if (fchmod(c->out_fd, 0666 & ~mask) < 0 || rename(c->out_path, c->place) < 0)
		return failed(c, -errno, "put it in place");
	free(c->out_path);
	c->out_path = NULL;
	return 0;
}

/* Nothing is lost for want of a patch. */
static void keep_tar(struct changes *c)
{
	if (!c->is_patch || !c->tar_path)
		return;
	message_detail("why", "the changes themselves are whole, as a tar:");
	message_detail("fix", c->tar_path);
	free(c->tar_path);
	c->tar_path = NULL;
}

static int apply(struct changes *c)
{
	bool keeps = false;
	const struct write_back_tar t = { .fd = c->tar_fd,
		.path = c->tar_path ? c->tar_path : c->file,
		.workspace_fd = c->workspace_fd,
		.is_ok = c->is_ok,
		.cause = c->cause };
	int r = write_back_end(&c->back, &t, &keeps);
	if (keeps) {
		free(c->tar_path);
		c->tar_path = NULL;
	}
	return r;
}

static int make_branch(const struct changes *c)
{
	struct err e = { 0 };
	return tell_branch(c, bundle_make_branch(c->workspace_path, c->branch, c->place, &e), &e);
}

static int deliver(struct changes *c, int errnum, const struct command *cmd, const char *socket)
{
	int r = check_whole(c, errnum);
	if (r < 0)
		return r;
	if (c->is_patch)
		r = make_patch(c, cmd, socket);
	if (r == 0 && c->file)
		r = put_in_place(c);
	if (r < 0)
		keep_tar(c);
	if (r == 0 && c->branch)
		r = make_branch(c);
	/* A patch is about the workspace as it was: first that, then this. */
	return r == 0 && c->back.when ? apply(c) : r;
}

int changes_end(struct changes *c, const struct command *cmd, const char *socket)
{
	if (!is_wanted(c))
		return 0;
	int errnum = -pipe_reader_end(c->reader);
	int r = c->has_archive ? deliver(c, errnum, cmd, socket) : 0;
	char **const paths[] = { &c->tar_path, &c->out_path };
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		if (*paths[i])
			unlink(*paths[i]);
		free(*paths[i]);
	}
	free(c->place);
	int *const fds[] = { &c->tar_fd, &c->out_fd, &c->workspace_fd };
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fd_close(fds[i]);
	bundle_finish(&c->bundle);
	free(c->workspace_path);
	write_back_finish(&c->back);
	return r;
}
