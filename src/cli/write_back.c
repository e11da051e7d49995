/* Writing changes back: see write_back.h. */
#include "cli/write_back.h"

#include "base/beneath.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"
#include "cli/change_apply.h"
#include "cli/change_tar.h"
#include "cli/message.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#define REASONS_MAX 10
#define LIST_MAX    1000
#define WRITTEN_MAX 20

int write_back_check(const char *text, struct err *e)
{
	if (!*text || !strcmp(text, "ask") || !strcmp(text, "always"))
		return 0;
	err_set(e, ERR_BAD_VALUE, 0, "\"%s\" is neither ask nor always", text);
	err_hint(e, "--apply alone writes back what a task that succeeded has changed");
	return -EINVAL;
}

static const char *label_of(const struct write_back *w)
{
	return w->is_later ? "apply" : "--apply";
}

static bool asks(const struct write_back *w)
{
	return !strcmp(w->when, "ask");
}

/* ---- before the task ---- */

/* A directory has a slash behind it. */
int write_back_note_hidden(struct write_back *w, const char *path)
{
	size_t len = strlen(path);
	while (len && path[len - 1] == '/')
		len--;
	auto_free char *name = strndup(path, len);
	return name ? strv_add(&w->hidden, name) : -ENOMEM;
}

static int open_terminal(struct write_back *w)
{
	w->tty_fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (w->tty_fd >= 0)
		return 0;
	message_error("%s: there is no terminal to ask on", w->is_later ? "--ask" : "--apply=ask");
	message_detail("fix",
		w->is_later ? "look with --dry-run, then apply without --ask"
			    : "use --apply, which writes back when the task succeeds, or take the "
			      "changes with --changes FILE");
	return -ENOTTY;
}

int write_back_begin(struct write_back *w, const char *dir, int workspace_fd)
{
	w->tty_fd = -1;
	if (!w->when)
		return 0;
	int r = asks(w) ? open_terminal(w) : 0;
	if (r < 0)
		return r;
	w->dir = realpath(dir, NULL);
	r = w->dir ? change_apply_now(workspace_fd, &w->base) : -errno;
	if (r < 0)
		message_error("--apply: nothing can be written to %s: %s", dir, strerror(-r));
	return r;
}

int write_back_begin_later(struct write_back *w, const char *dir)
{
	w->tty_fd = -1;
	int r = asks(w) ? open_terminal(w) : 0;
	if (r < 0)
		return r;
	w->dir = r == 0 ? realpath(dir, NULL) : NULL;
	if (r == 0 && !w->dir) {
		r = -errno;
		message_error("apply: %s: %s", dir, strerror(-r));
	}
	return r;
}

/* ---- after it ---- */

struct told {
	size_t n;
	char text[REASONS_MAX][512];
};

static void on_refused(void *owner, const char *path, const char *why)
{
	struct told *t = owner;
	if (t->n < REASONS_MAX)
		/* The name last: it must not look like a line of ours. */
		snprintf(t->text[t->n], sizeof(t->text[0]), "%s: %.400s", why, path);
	t->n++;
}

/* A name may have a line break in it, which would begin a line of its own. */
static void tell_line(const char *word, const char *text)
{
	char line[1024];
	str_escape(text, strlen(text), line, sizeof(line));
	message_detail(word, line);
}

static void tell_reasons(const struct told *t)
{
	for (size_t i = 0; i < t->n && i < REASONS_MAX; i++)
		tell_line("why", t->text[i]);
	if (t->n > REASONS_MAX) {
		char line[64];
		snprintf(line, sizeof(line), "and %zu more", t->n - REASONS_MAX);
		message_detail("why", line);
	}
}

/* Later it is the user's own tar, which stays where it is. */
static void tell_kept(const struct write_back *w, const struct write_back_tar *t, const char *what,
	bool *ret_keeps)
{
	char text[1200];
	if (w->is_later)
		return;
	snprintf(text, sizeof(text), "%s; the changes are kept as a tar: %.1000s", what, t->path);
	message_detail("fix", text);
	*ret_keeps = true;
}

static const char *s_of(size_t n)
{
	return n == 1 ? "" : "s";
}

static void tell_left_out(const struct write_back *w, const struct change_apply *a)
{
	if (a->git_entries)
		message_error("%s: %zu change%s left out: git's own files, below .git, are "
			      "not written back",
			label_of(w), a->git_entries, s_of(a->git_entries));
	if (a->hidden_entries)
		message_error("%s: %zu change%s left out: they are about what --hide-ignored "
			      "hides",
			label_of(w), a->hidden_entries, s_of(a->hidden_entries));
	if (a->input_entries)
		message_error("%s: %zu file%s left out that came by --file", label_of(w),
			a->input_entries, s_of(a->input_entries));
}

/* What --file has put into the workspace, by its path in there. */
static int find_inputs(const struct write_back *w, char ***ret)
{
	size_t len = strcmp(w->dir, "/") != 0 ? strlen(w->dir) : 0;
	int r = 0;
	for (char **p = w->files; r == 0 && p && *p; p++) {
		auto_free char *path = strndup(*p, strcspn(*p, "="));
		if (!path)
			return -ENOMEM;
		if (str_starts(path, w->dir) && path[len] == '/' &&
			beneath_path_is_clean(path + len + 1))
			r = strv_add(ret, path + len + 1);
	}
	return r;
}

/* ---- the list and the question ---- */

static size_t count_changes(const struct change_apply *a, const struct change_tar *tar)
{
	size_t n = 0;
	for (size_t i = 0; i < tar->n; i++)
		n += !change_apply_skips(a, tar->entries[i].path);
	return n;
}

static const char *kind_of(const struct change_tar_entry *c)
{
	return c->type == CHANGE_TAR_DELETED ? "deleted" : c->replaces ? "modified" : "added";
}

static void show(int to, const struct change_tar_entry *c)
{
	char path[1024], link[1024] = "";
	str_escape(c->path, strlen(c->path), path, sizeof(path));
	if (c->type == CHANGE_TAR_LINK)
		str_escape(c->link, strlen(c->link), link, sizeof(link));
	dprintf(to, "  %-8s  %s%s%s%s%s\n", kind_of(c), path,
		c->type == CHANGE_TAR_DIRECTORY ? "/" : "", link[0] ? " -> " : "", link,
		c->type == CHANGE_TAR_FILE && c->mode & 0111 ? " (executable)" : "");
}

static void show_all(const struct write_back *w, const struct write_back_tar *t,
	const struct change_apply *a, const struct change_tar *tar, size_t n)
{
	size_t shown = 0;
	/* Colours and the like that the task's output may have left. */
	dprintf(w->tty_fd, "\033[0m");
	for (size_t i = 0; i < tar->n && shown < LIST_MAX; i++) {
		if (change_apply_skips(a, tar->sorted[i]->path))
			continue;
		show(w->tty_fd, tar->sorted[i]);
		shown++;
	}
	if (n > shown)
		dprintf(w->tty_fd, "  and %zu more\n", n - shown);
	if (!t->is_ok)
		dprintf(w->tty_fd, "The task did not succeed (%s).\n", t->cause);
}

/* One line. Returns false where there is none: at a signal, which is blocked, or the terminal's
 * end. */
static bool read_answer(int tty_fd, char *answer, size_t size)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	auto_close int signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
	struct pollfd fds[] = { { .fd = tty_fd, .events = POLLIN },
		{ .fd = signal_fd, .events = POLLIN } };
	int n;
	while ((n = poll(fds, 2, -1)) < 0 && errno == EINTR)
		;
	if (n < 0 || fds[1].revents) {
		dprintf(tty_fd, "\n");
		return false;
	}
	ssize_t len = read(tty_fd, answer, size - 1);
	if (len <= 0)
		return false;
	answer[len] = '\0';
	answer[strcspn(answer, "\r\n")] = '\0';
	return true;
}

/* Returns 1 for yes, 0 for no, -ECANCELED where nobody answers. */
static int ask(const struct write_back *w, size_t n)
{
	char answer[64], dir[1024];
	str_escape(w->dir, strlen(w->dir), dir, sizeof(dir));
	/* What was typed before there was a question is no answer. */
	tcflush(w->tty_fd, TCIFLUSH);
	dprintf(w->tty_fd, "Write %s %zu change%s to %s? [y/N] ", n == 1 ? "this" : "these", n,
		s_of(n), dir);
	if (!read_answer(w->tty_fd, answer, sizeof(answer)))
		return -ECANCELED;
	return !strcasecmp(answer, "y") || !strcasecmp(answer, "yes");
}

/* ---- writing ---- */

static void tell_written(const struct change_apply *a, const struct change_tar *tar)
{
	char line[600];
	size_t n = 0;
	for (size_t i = 0; i < a->reached; i++) {
		const struct change_tar_entry *c = &tar->entries[i];
		if (change_apply_skips(a, c->path))
			continue;
		if (n++ >= WRITTEN_MAX)
			continue;
		snprintf(line, sizeof(line), "%s %.500s", kind_of(c), c->path);
		tell_line("done", line);
	}
	if (n > WRITTEN_MAX) {
		snprintf(line, sizeof(line), "and %zu more, in the order of the tar",
			n - WRITTEN_MAX);
		message_detail("done", line);
	}
}

static int write_all(const struct write_back *w, const struct write_back_tar *t,
	struct change_apply *a, const struct change_tar *tar, bool *ret_keeps)
{
	struct told *told = a->owner;
	told->n = 0;
	int r = change_apply_write(a, tar);
	if (r == 0)
		return 0;
	message_error("%s: not all was written to %s: %s", label_of(w), w->dir,
		r == -EINTR ? "interrupted" : "it ended at the first that failed");
	tell_reasons(told);
	tell_written(a, tar);
	tell_kept(w, t, "the rest can be taken from it", ret_keeps);
	return r;
}

static int refused(const struct write_back *w, const struct write_back_tar *t,
	const struct change_apply *a, int r, bool *ret_keeps)
{
	const struct told *told = a->owner;
	if (r == -ENOSPC)
		message_error("%s: nothing was written to %s: it takes %" PRIu64
			      " bytes more, and they are not free",
			label_of(w), w->dir, a->space_bytes);
	else if (r != -EBUSY)
		message_error(
			"%s: nothing was written to %s: %s", label_of(w), w->dir, strerror(-r));
	else
		message_error("%s: nothing was written to %s: %zu change%s cannot be made",
			label_of(w), w->dir, told->n, s_of(told->n));
	tell_reasons(told);
	if (w->is_later && r == -EBUSY)
		message_detail(
			"fix", "see to what is in the way, or add --unchecked if it may be lost");
	tell_kept(w, t, "see to what is in the way, and run the task again", ret_keeps);
	return r;
}

static int list(const struct write_back *w, const struct write_back_tar *t,
	const struct change_apply *a, const struct change_tar *tar, int r, bool *ret_keeps)
{
	for (size_t i = 0; i < tar->n; i++)
		if (!change_apply_skips(a, tar->sorted[i]->path))
			show(STDOUT_FILENO, tar->sorted[i]);
	if (r < 0)
		return refused(w, t, a, r, ret_keeps);
	tell_left_out(w, a);
	return 0;
}

static int write_back(const struct write_back *w, const struct write_back_tar *t,
	struct change_apply *a, const struct change_tar *tar, bool *ret_keeps)
{
	int r = change_apply_check(a, tar);
	size_t n = r == -ENOMEM ? 0 : count_changes(a, tar);
	if (r == 0 && n == 0) {
		tell_left_out(w, a);
		return 0;
	}
	if (w->is_dry)
		return list(w, t, a, tar, r, ret_keeps);
	if (!t->is_ok && !*w->when) {
		message_error("--apply: nothing was written to %s: the task did not succeed (%s)",
			w->dir, t->cause);
		tell_kept(w, t, "--apply=always writes back whatever the end", ret_keeps);
		return -ECANCELED;
	}
	if (r < 0)
		return refused(w, t, a, r, ret_keeps);
	tell_left_out(w, a);
	if (!asks(w))
		return write_all(w, t, a, tar, ret_keeps);
	show_all(w, t, a, tar, n);
	r = ask(w, n);
	if (r == 1) {
		/* The answer may have taken its time. */
		r = change_apply_check(a, tar);
		return r < 0 ? refused(w, t, a, r, ret_keeps) : write_all(w, t, a, tar, ret_keeps);
	}
	message_error("%s: nothing was written to %s: the answer was not yes", label_of(w), w->dir);
	if (r < 0)
		tell_kept(w, t, "nobody answered", ret_keeps);
	return r;
}

/* From when on a change is not what the task saw: known of the directory that it had, if the tar
 * says it. */
static struct timespec base_of(
	const struct write_back *w, const struct change_tar *tar, int workspace_fd)
{
	struct stat st;
	if (!w->is_later)
		return w->base;
	/* The roots of two file systems mostly have the same inode. */
	if (tar->has_stamp && fstat(workspace_fd, &st) == 0 && st.st_ino == tar->stamp.inode &&
		st.st_dev == tar->stamp.device)
		return tar->stamp.base;
	return (struct timespec){ 0 };
}

static void tell_unread(
	const struct write_back *w, const struct write_back_tar *t, const struct err *e)
{
	if (!w->is_later || e->code != ERR_PROTOCOL) {
		message_error("%s: %s", label_of(w), e->msg);
		return;
	}
	message_error("apply: %s is no tar that dayfly run --changes wrote", t->path);
	message_detail("why", e->msg);
	message_detail("fix", "unpack others with tar -x");
}

int write_back_end(struct write_back *w, const struct write_back_tar *t, bool *ret_keeps)
{
	struct told *told = calloc(1, sizeof(*told));
	struct change_tar tar = { .fd = -1 };
	struct change_apply a = { .root_fd = t->workspace_fd,
		.is_unchecked = w->is_unchecked,
		.hidden = w->hidden,
		.refused = on_refused,
		.owner = told };
	struct err e = { 0 };
	int r = told ? find_inputs(w, &a.inputs) : -ENOMEM;
	if (r < 0)
		err_set(&e, ERR_INTERNAL, -r, "write the changes back");
	else
		r = change_tar_read(t->fd, &tar, &e);
	a.base = base_of(w, &tar, t->workspace_fd);
	if (r < 0) {
		tell_unread(w, t, &e);
		tell_kept(w, t, "nothing was written", ret_keeps);
	} else {
		r = write_back(w, t, &a, &tar, ret_keeps);
	}
	change_tar_finish(&tar);
	change_apply_finish(&a);
	strv_free(a.inputs);
	free(told);
	return r;
}

void write_back_finish(struct write_back *w)
{
	strv_free(w->hidden);
	w->hidden = NULL;
	free(w->dir);
	w->dir = NULL;
	fd_close(&w->tty_fd);
}
