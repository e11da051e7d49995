/* The workspace of a task: see workspace.h. */
#include "cli/workspace.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "cli/ignored.h"
#include "cli/message.h"
#include "cli/sources.h"
#include "cli/worktree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static int add_git_dir(struct dayfly_task *t, const struct source_arg *workspace)
{
	struct worktree w;
	struct dayfly_error e;
	struct err bad;
	auto_free char *why = NULL;
	int r = worktree_find(workspace->path, &w, &why, &bad);
	if (r < 0) {
		message_error("--workspace: %s", bad.msg);
	} else if (why) {
		message_error("--workspace: git will not work there: %s", why);
		message_detail(
			"fix", "if you trust what names it, show that directory with --mount");
	}
	if (r == 0 && w.git_fd >= 0) {
		/* The very directory that was looked at. */
		char path[32];
		snprintf(path, sizeof(path), "/proc/self/fd/%d", w.git_fd);
		r = dayfly_task_add_mount(t, path, w.target, workspace->mode, &e);
		if (r < 0)
			message_error("--workspace: its git directory: %s", e.message);
	}
	worktree_finish(&w);
	return r;
}

struct hiding {
	struct dayfly_task *task;
	struct write_back *back;
};

static int hide_one(void *owner, const char *path)
{
	struct hiding *h = owner;
	int r = dayfly_task_hide(h->task, path);
	return r == 0 && h->back ? write_back_note_hidden(h->back, path) : r;
}

static int hide_ignored(struct dayfly_task *t, const char *dir, struct write_back *back)
{
	struct err e;
	struct hiding h = { t, back };
	int r = ignored_each(dir, hide_one, &h, &e);
	if (r < 0)
		message_error("--hide-ignored: %s", e.msg);
	return r;
}

int workspace_add(struct dayfly_task *t, const struct workspace_options *o)
{
	struct source_arg s;
	struct dayfly_error e;
	struct err bad;
	int r = source_parse_workspace(o->text, &s, &bad);
	if (r < 0) {
		message_error("--workspace: %s", bad.msg);
		source_arg_finish(&s);
		return r;
	}
	r = dayfly_task_set_workspace(t, s.path, NULL, s.mode, &e);
	if (r < 0)
		message_error("--workspace: %s", e.message);
	else if (!o->has_no_git_dir)
		r = add_git_dir(t, &s);
	if (r == 0 && o->hides_ignored && s.mode == DAYFLY_MODE_RW) {
		message_error("--hide-ignored: what is shown rw is shown as it is; use cow or ro");
		r = -EINVAL;
	} else if (r == 0 && o->hides_ignored)
		r = hide_ignored(t, s.path, o->back);
	source_arg_finish(&s);
	return r;
}
