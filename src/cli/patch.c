/* Making a patch: see patch.h. */
#include "cli/patch.h"

#include "base/beneath.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"
#include "cli/place.h"
#include "cli/tar_out.h"

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
#define SHOWN_MODE(mode) (((mode)&0100) ? 0700 : 0600)
#define SHOWN_AT	 "/changes"
#define DEFAULT_OUTPUT	 (64ull << 20)
/* A jail has room for so much without being asked: half of what it has by default. */
#define ROOM_BYTES (1ull << 30)
#define ROOM_FILES 200000
#define NAMES_MAX  (1u << 30)

/* ---- the files before and after ---- */

/*
 * What the jail is given: a tar with "a/", the files before, "b/", those after, and names. No
 * directory is shown to it: where ours for temporary files lies, the administrator may let nothing
 * be shown.
 */
struct scratch {
	int tar_fd;
	bool has_names, has_new; /* whether these are wanted */
	struct buf names;	 /* of files before, which git has then; else they are in "a/" */
	struct buf new;		 /* for a bundle: of files after */
	uint64_t bytes, files;
};

static void scratch_finish(struct scratch *s)
{
	fd_close(&s->tar_fd);
	buf_finish(&s->names);
	buf_finish(&s->new);
}

static int scratch_make(struct scratch *s, const struct patch_before *before, struct err *e)
{
	char path[PATH_MAX];
	*s = (struct scratch){ .tar_fd = -1,
		.has_names = before->git || before->bundle,
		.has_new = before->bundle != NULL };
	buf_init(&s->names, NAMES_MAX);
	buf_init(&s->new, NAMES_MAX);
	snprintf(path, sizeof(path), "%.4000s/dayfly-patch-XXXXXX", place_temporary_dir());
	s->tar_fd = mkostemp(path, O_CLOEXEC);
	if (s->tar_fd < 0)
		return err_set(e, ERR_INTERNAL, errno, "make a file for the patch");
	unlink(path);
	int r = tar_out_directory(s->tar_fd, "a/");
	if (r == 0)
		r = tar_out_directory(s->tar_fd, "b/");
	return r < 0 ? err_set(e, ERR_INTERNAL, -r, "make a file for the patch") : 0;
}

static int scratch_end(struct scratch *s, struct err *e)
{
	int r = s->has_names
			? tar_out_bytes(s->tar_fd, "list", buf_data(&s->names), buf_len(&s->names))
			: 0;
	if (r == 0 && s->has_new)
		r = tar_out_bytes(s->tar_fd, "new", buf_data(&s->new), buf_len(&s->new));
	if (r == 0)
		r = tar_out_end(s->tar_fd);
	return r < 0 ? err_set(e, ERR_INTERNAL, -r, "make a file for the patch") : 0;
}

static int add_file(struct scratch *s, const char *path, const struct place_content *c)
{
	s->bytes += c->bytes;
	s->files++;
	return tar_out_file(s->tar_fd, path, c);
}

static int add_after(
	struct scratch *s, const struct change_tar *tar, const struct change_tar_entry *c)
{
	auto_free char *path = NULL;
	if (asprintf(&path, "b/%s", c->path) < 0)
		return (path = NULL, -ENOMEM);
	if (c->type == CHANGE_TAR_LINK)
		return tar_out_link(s->tar_fd, path, c->link);
	const struct place_content content = {
		.fd = tar->fd, .at = c->at, .bytes = c->bytes, .mode = SHOWN_MODE(c->mode)
	};
	return add_file(s, path, &content);
}

static int copy_link(struct scratch *s, int from, const char *name, const char *path)
{
	char text[PATH_MAX];
	ssize_t n = readlinkat(from, name, text, sizeof(text) - 1);
	if (n < 0)
		return -errno;
	text[n] = '\0';
	return tar_out_link(s->tar_fd, path, text);
}

/* The file or link as it is in the workspace. One that has gone is as one that never was. */
static int add_before(struct scratch *s, int workspace_fd, const char *path)
{
	const char *name;
	struct stat st;
	auto_free char *to = NULL;
	auto_close int from = beneath_open_parent(workspace_fd, path, &name);
	if (from < 0 || fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (!S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode))
		return 0;
	if (asprintf(&to, "a/%s", path) < 0)
		return (to = NULL, -ENOMEM);
	if (S_ISLNK(st.st_mode))
		return copy_link(s, from, name, to);
	auto_close int fd = beneath_open(from, name, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) < 0)
		return fd < 0 ? fd : -errno;
	const struct place_content content = {
		.fd = fd, .bytes = (uint64_t)st.st_size, .mode = SHOWN_MODE(st.st_mode)
	};
	return S_ISREG(st.st_mode) ? add_file(s, to, &content) : 0;
}

/* "./" keeps a name from being an option. */
static int note(struct buf *names, const char *path)
{
	int r = buf_add_str(names, "./");
	return r < 0 ? r : buf_add(names, path, strlen(path) + 1);
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
			r = s->has_names ? note(&s->names, c->path)
					 : add_before(s, before->workspace_fd, c->path);
		if (r == 0 && c->type != CHANGE_TAR_DELETED)
			r = add_after(s, tar, c);
		if (r == 0 && c->type != CHANGE_TAR_DELETED && s->has_new)
			r = note(&s->new, c->path);
		if (r < 0)
			return err_set(e, ERR_INTERNAL, -r, "copy %s for the patch", c->path);
	}
	return scratch_end(s, e);
}

/* ---- git ---- */

#define GIT_DIFF                                                                                   \
	"git", "-c", "core.quotePath=true", "-c", "core.bigFileThreshold=256m", "diff",            \
		"--no-index", "--no-prefix", "--binary", "--no-renames", "--no-color",             \
		"--no-ext-diff", "--no-textconv", "a", "b", NULL

/* In the checked out tree: of the files before those that are named, then what is given to it. */
static const char from_tree[] =
	"tar --null --no-recursion -cf /tmp/before.tar -T " SHOWN_AT "/list && "
	"cd " SHOWN_AT " && tar -C a -xf /tmp/before.tar || exit 2\n"
	"exec \"$@\"";

static int set_limit(struct dayfly_task *t, const char *name, uint64_t value)
{
	char text[32];
	snprintf(text, sizeof(text), "%" PRIu64, value);
	return dayfly_task_set_limit(t, name, text);
}

/* What is more than a jail has room for by default. */
static int set_room(struct dayfly_task *t, const struct scratch *s)
{
	/* Each byte may come twice, as two letters; and the headers. */
	const uint64_t output = 4 * s->bytes + DEFAULT_OUTPUT / 2;
	int r = output > DEFAULT_OUTPUT ? set_limit(t, "output", output) : 0;
	if (r == 0 && s->bytes > ROOM_BYTES)
		r = set_limit(t, "disk", 3 * s->bytes);
	if (r == 0 && s->files > ROOM_FILES)
		r = set_limit(t, "inodes", 4 * s->files);
	if (r == 0 && s->bytes > ROOM_BYTES)
		r = dayfly_task_add_best_effort(t, "disk");
	if (r == 0 && s->files > ROOM_FILES)
		r = dayfly_task_add_best_effort(t, "inodes");
	return r;
}

/* As it can be read from its beginning, and no more. */
static int give_tar(struct dayfly_task *t, const struct scratch *s, struct dayfly_error *e)
{
	char path[32];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", s->tar_fd);
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	return dayfly_task_add_tar(t, fd < 0 ? s->tar_fd : fd, SHOWN_AT, e);
}

static int describe(struct dayfly_task *t, const struct scratch *s,
	const struct patch_before *before, struct dayfly_error *e)
{
	static const char *const plain[] = { GIT_DIFF }, *const script[] = { "sh", "-c", from_tree,
		"sh", GIT_DIFF };
	const char *const *argv = before->git ? script : plain;
	static const char *const env[][2] = { { "GIT_CONFIG_NOSYSTEM", "1" },
		{ "GIT_CONFIG_GLOBAL", "/dev/null" }, { "GIT_ATTR_NOSYSTEM", "1" },
		{ "LC_ALL", "C" } };
	int r = before->bundle ? bundle_describe(before->bundle, t, before->task, e)
			       : dayfly_task_set_argv(t, argv);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(env); i++)
		r = dayfly_task_set_env(t, env[i][0], env[i][1]);
	if (r == 0 && !before->git)
		r = dayfly_task_set_cwd(t, SHOWN_AT);
	if (r == 0)
		r = set_room(t, s);
	return r < 0 ? r : give_tar(t, s, e);
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
	scratch_finish(&s);
	return r;
}
