/* Making a patch: see patch.h. */
#include "cli/patch.h"

#include "base/beneath.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"
#include "cli/place.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* git keeps of the permissions whether a file can be executed; all else is ours, so that it can be
 * read. */
#define SCRATCH_MODE(mode) (((mode)&0100) ? 0700 : 0600)
#define SHOWN_AT	   "/changes"
#define DEFAULT_OUTPUT	   (64ull << 20)

/* ---- the files before and after ---- */

struct scratch {
	char path[PATH_MAX]; /* "" for none */
	int before_fd, after_fd;
	int list_fd;	/* names of files before, which git has; -1: they are copied */
	int new_fd;	/* for a bundle: names of files after; -1 */
	uint64_t bytes; /* of all files in it */
};

static void scratch_remove(struct scratch *s)
{
	fd_close(&s->before_fd);
	fd_close(&s->after_fd);
	fd_close(&s->list_fd);
	fd_close(&s->new_fd);
	if (s->path[0])
		place_remove_tree(AT_FDCWD, s->path);
}

static int make_list(int top, const char *name, int *ret_fd, struct err *e)
{
	*ret_fd = openat(top, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return *ret_fd < 0 ? err_set(e, ERR_INTERNAL, errno, "make a file for the patch") : 0;
}

static int scratch_make(struct scratch *s, const struct patch_before *before, struct err *e)
{
	*s = (struct scratch){ .before_fd = -1, .after_fd = -1, .list_fd = -1, .new_fd = -1 };
	snprintf(s->path, sizeof(s->path), "%.4000s/dayfly-patch-XXXXXX", place_temporary_dir());
	if (!mkdtemp(s->path)) {
		int errnum = errno;
		s->path[0] = '\0';
		return err_set(e, ERR_INTERNAL, errnum, "make a directory for the patch");
	}
	auto_close int top = open(s->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (top < 0 || mkdirat(top, "a", 0700) < 0 || mkdirat(top, "b", 0700) < 0)
		return err_set(e, ERR_INTERNAL, errno, "make a directory for the patch");
	int r = before->git || before->bundle ? make_list(top, "list", &s->list_fd, e) : 0;
	if (r == 0 && before->bundle)
		r = make_list(top, "new", &s->new_fd, e);
	if (r < 0)
		return r;
	s->before_fd = beneath_open(top, "a", O_RDONLY | O_DIRECTORY);
	s->after_fd = beneath_open(top, "b", O_RDONLY | O_DIRECTORY);
	return s->before_fd < 0 || s->after_fd < 0
		       ? err_set(e, ERR_INTERNAL, EMFILE, "open a directory for the patch")
		       : 0;
}

/* Opens the directory in which an entry is to be made, which is made first. */
static int open_place(int root_fd, const char *path, const char **ret_name)
{
	int r = place_parents(root_fd, path, 0700);
	return r < 0 ? r : beneath_open_parent(root_fd, path, ret_name);
}

static int add_after(
	struct scratch *s, const struct change_tar *tar, const struct change_tar_entry *c)
{
	const char *name;
	auto_close int dir = open_place(s->after_fd, c->path, &name);
	if (dir < 0)
		return dir;
	if (c->type == CHANGE_TAR_LINK)
		return place_link(dir, name, c->link, NULL);
	const struct place_content content = {
		.fd = tar->fd, .at = c->at, .bytes = c->bytes, .mode = SCRATCH_MODE(c->mode)
	};
	s->bytes += c->bytes;
	return place_file(dir, name, &content, NULL);
}

static int copy_link(int from, const char *name, int to_dir, const char *to_name)
{
	char text[PATH_MAX];
	ssize_t n = readlinkat(from, name, text, sizeof(text) - 1);
	if (n < 0)
		return -errno;
	text[n] = '\0';
	return place_link(to_dir, to_name, text, NULL);
}

/* The file or link as it is in the workspace. One that has gone is as one that never was. */
static int add_before(struct scratch *s, int workspace_fd, const char *path)
{
	const char *name, *to_name;
	struct stat st;
	auto_close int from = beneath_open_parent(workspace_fd, path, &name);
	if (from < 0 || fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (!S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode))
		return 0;
	auto_close int to = open_place(s->before_fd, path, &to_name);
	if (to < 0)
		return to;
	if (S_ISLNK(st.st_mode))
		return copy_link(from, name, to, to_name);
	auto_close int fd = beneath_open(from, name, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) < 0)
		return fd < 0 ? fd : -errno;
	const struct place_content content = {
		.fd = fd, .bytes = (uint64_t)st.st_size, .mode = SCRATCH_MODE(st.st_mode)
	};
	s->bytes += content.bytes;
	return S_ISREG(st.st_mode) ? place_file(to, to_name, &content, NULL) : 0;
}

/* "./" keeps a name from being an option. */
static int note(int list_fd, const char *path)
{
	int r = fd_write_all(list_fd, "./", 2);
	return r < 0 ? r : fd_write_all(list_fd, path, strlen(path) + 1);
}

static int fill(struct scratch *s, const struct change_tar *tar, const struct patch_before *before,
	struct patch_result *result, struct err *e)
{
	for (size_t i = 0; i < tar->n; i++) {
		const struct change_tar_entry *c = &tar->entries[i];
		int r = 0;
		if (change_tar_is_git(c)) {
			result->git_entries +=
				c->type != CHANGE_TAR_DIRECTORY && !change_tar_is_by_the_way(c);
			continue;
		}
		if (c->type == CHANGE_TAR_DIRECTORY)
			continue;
		if (c->type == CHANGE_TAR_DELETED || c->replaces)
			r = s->list_fd >= 0 ? note(s->list_fd, c->path)
					    : add_before(s, before->workspace_fd, c->path);
		if (r == 0 && c->type != CHANGE_TAR_DELETED)
			r = add_after(s, tar, c);
		if (r == 0 && c->type != CHANGE_TAR_DELETED && s->new_fd >= 0)
			r = note(s->new_fd, c->path);
		if (r < 0)
			return err_set(e, ERR_INTERNAL, -r, "copy %s for the patch", c->path);
	}
	return 0;
}

/* ---- git ---- */

#define GIT_DIFF                                                                                   \
	"git", "-c", "core.quotePath=true", "-c", "core.bigFileThreshold=256m", "diff",            \
		"--no-index", "--no-prefix", "--binary", "--no-renames", "--no-color",             \
		"--no-ext-diff", "--no-textconv", "a", "b", NULL

/* In the checked out tree: of the files before those that are named, then what is given to it. */
static const char from_tree[] =
	"mkdir -p /tmp/patch/a && cp -RP " SHOWN_AT "/b /tmp/patch/b && "
	"tar --null --no-recursion -cf /tmp/patch/a.tar -T " SHOWN_AT "/list && "
	"cd /tmp/patch && tar -C a -xf a.tar || exit 2\n"
	"exec \"$@\"";

static int describe(struct dayfly_task *t, const struct scratch *s,
	const struct patch_before *before, struct dayfly_error *e)
{
	static const char *const plain[] = { GIT_DIFF }, *const script[] = { "sh", "-c", from_tree,
		"sh", GIT_DIFF };
	const char *const *argv = before->git ? script : plain;
	static const char *const env[][2] = { { "GIT_CONFIG_NOSYSTEM", "1" },
		{ "GIT_CONFIG_GLOBAL", "/dev/null" }, { "GIT_ATTR_NOSYSTEM", "1" },
		{ "LC_ALL", "C" } };
	char output[32];
	int r = before->bundle ? bundle_describe(before->bundle, t, before->task, e)
			       : dayfly_task_set_argv(t, argv);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(env); i++)
		r = dayfly_task_set_env(t, env[i][0], env[i][1]);
	if (r == 0 && !before->git)
		r = dayfly_task_set_cwd(t, SHOWN_AT);
	/* Each byte may come twice, as two letters; and the headers. */
	uint64_t most = 4 * s->bytes + DEFAULT_OUTPUT / 2;
	snprintf(output, sizeof(output), "%" PRIu64, most);
	if (r == 0 && most > DEFAULT_OUTPUT)
		r = dayfly_task_set_limit(t, "output", output);
	return r < 0 ? r : dayfly_task_add_mount(t, s->path, SHOWN_AT, DAYFLY_MODE_RO, e);
}

static void from_library(struct err *e, const struct dayfly_error *de)
{
	err_set(e, ERR_INTERNAL, 0, "%.200s", de->message);
	err_hint(e, "%.200s", de->hint);
}

/* Returns 1 for an event that is the last, 0, or -errno with *e. */
static int take_event(struct dayfly_event *ev, int out_fd, char *said, size_t size, struct err *e)
{
	size_t len;
	const char *data = dayfly_event_data(ev, &len);
	int r;
	switch (dayfly_event_type(ev)) {
	case DAYFLY_EVENT_OUTPUT:
		if (dayfly_event_truncated(ev))
			return err_set(e, ERR_TOO_LARGE, 0, "it is too large");
		if (dayfly_event_stream(ev) != DAYFLY_STREAM_STDOUT) {
			snprintf(said, size, "%.*s", (int)(len < size ? len : size - 1), data);
			return 0;
		}
		r = fd_write_all(out_fd, data, len);
		return r < 0 ? err_set(e, ERR_INTERNAL, -r, "write it") : 0;
	case DAYFLY_EVENT_RESULT:
	case DAYFLY_EVENT_ERROR:
		return 1;
	default:
		return 0;
	}
}

static int judge(const struct dayfly_event *last, bool is_diff, const char *said, struct err *e)
{
	struct dayfly_error de;
	int64_t code = -1, dropped = -1;
	if (dayfly_event_error(last, &de)) {
		from_library(e, &de);
		err_wrap(e, "git");
		if (!strcmp(dayfly_event_cause(last), "exec"))
			err_hint(e, "it is made by git, which tasks must be able to run here; "
				    "or take a tar");
		return -EINVAL;
	}
	dayfly_event_result_number(last, "exit.code", &code);
	dayfly_event_result_number(last, "output.stdout.dropped", &dropped);
	if (!is_diff && bundle_judge(code, said, e))
		return -EINVAL;
	/* As diff does: 1 says that there are differences. */
	if (code != 0 && (code != 1 || !is_diff))
		return err_set(e, ERR_INTERNAL, 0, "git ended with %s%s%s",
			dayfly_event_cause(last), said[0] ? ": " : "", said);
	return dropped == 0 ? 0 : err_set(e, ERR_TOO_LARGE, 0, "it is too large");
}

static int run_git(struct dayfly_client *c, const struct dayfly_task *t, bool is_diff, int out_fd,
	struct err *e)
{
	struct dayfly_error de;
	uint64_t request = 0;
	char said[200] = "";
	if (dayfly_run(c, t, 0, &request, &de) < 0) {
		from_library(e, &de);
		return -EIO;
	}
	for (;;) {
		struct dayfly_event *ev = NULL;
		if (dayfly_next(c, -1, &ev, &de) < 0) {
			from_library(e, &de);
			return -EIO;
		}
		if (!ev)
			continue;
		int r = dayfly_event_request(ev) == request
				? take_event(ev, out_fd, said, sizeof(said), e)
				: 0;
		if (r == 1)
			r = judge(ev, is_diff, said, e) < 0 ? -EIO : 1;
		dayfly_event_free(ev);
		if (r != 0)
			return r == 1 ? 0 : r;
	}
}

/* NULL with *e. */
static struct dayfly_task *make_task(
	const struct scratch *s, const struct patch_before *before, struct err *e)
{
	struct dayfly_error de = { 0 };
	struct dayfly_task *t = dayfly_task_new();
	int r = t ? 0 : err_set(e, ERR_INTERNAL, ENOMEM, "make the patch");
	if (r == 0 && before->git)
		r = git_arg_add(t, before->git, before->commit, e);
	if (r == 0 && describe(t, s, before, &de) < 0) {
		from_library(e, &de);
		r = -EIO;
	}
	if (r == 0)
		return t;
	dayfly_task_free(t);
	return NULL;
}

int patch_write(struct dayfly_client *c, const struct change_tar *tar,
	const struct patch_before *before, int out_fd, struct patch_result *ret, struct err *e)
{
	struct scratch s;
	*ret = (struct patch_result){ 0 };
	int r = scratch_make(&s, before, e);
	if (r == 0)
		r = fill(&s, tar, before, ret, e);
	struct dayfly_task *t = r == 0 ? make_task(&s, before, e) : NULL;
	if (r == 0)
		r = t ? run_git(c, t, !before->bundle, out_fd, e) : -EIO;
	dayfly_task_free(t);
	scratch_remove(&s);
	return r;
}
