/* Where artifacts go: see artifacts.h. */
#include "cli/artifacts.h"

#include "base/base64.h"
#include "base/beneath.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/glob.h"
#include "base/limits.h"
#include "base/sha256.h"
#include "base/str.h"
#include "base/units.h"
#include "cli/change_tar.h"
#include "cli/inputs.h"
#include "cli/message.h"
#include "cli/pipe_reader.h"
#include "cli/place.h"
#include "cli/uploads.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPTIONAL ":optional"
/* So many are named that could not be had. */
#define NAMED_MAX 10

/* ---- options ---- */

/* The pattern without its mark. NULL: no memory. */
static char *cut_mark(const char *text, bool *ret_is_required)
{
	size_t len = strlen(text), mark = strlen(OPTIONAL);
	bool is_optional = len > mark && !strcmp(text + len - mark, OPTIONAL);
	*ret_is_required = !is_optional;
	return strndup(text, is_optional ? len - mark : len);
}

int artifacts_check_glob(const char *text, struct err *e)
{
	bool is_required;
	auto_free char *glob = cut_mark(text, &is_required);
	int r = options_check_text(text, e);
	if (r < 0 || !glob || glob_is_valid(glob + (glob[0] == '/')))
		return r;
	err_set(e, ERR_BAD_VALUE, 0,
		"\"%s\" is no pattern: it has an empty part, \".\" or \"..\", or an open bracket",
		glob);
	err_hint(e, "write dist/*.whl, or reports for all of a directory; with :optional behind it "
		    "the task need not leave one");
	return -EINVAL;
}

int artifacts_check(const struct artifacts_out *a, bool is_detached)
{
	const char *why = NULL;
	bool is_sent = a->upload || a->url;
	if (a->upload && a->url)
		why = "--upload and --upload-url: they go to one place";
	else if (a->upload && a->dir)
		why = "--upload and --artifacts-to: they go to one place";
	else if (a->url && a->dir)
		why = "--upload-url and --artifacts-to: they go to one place";
	else if (a->globs && is_detached && !is_sent)
		why = "--artifact: nobody is here to take them when the task ends (--detach)";
	else if (a->dir && !*a->dir)
		why = "--artifacts-to: the name of the directory is empty";
	if (why)
		message_error("%s", why);
	return why ? -EINVAL : 0;
}

/* ---- before the task ---- */

static int failed(int r, const char *what)
{
	message_error("--artifact: %s: %s", what, strerror(-r));
	return r;
}

static int open_temporary(void)
{
	const char *base = getenv("TMPDIR");
	int fd = open(base && *base ? base : "/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0)
		fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	return fd < 0 ? -errno : fd;
}

static int add_globs(const struct artifacts_out *a, struct dayfly_task *t)
{
	int r = 0;
	for (char **p = a->globs; r == 0 && *p; p++) {
		bool is_required;
		auto_free char *glob = cut_mark(*p, &is_required);
		r = glob ? dayfly_task_add_artifact(t, glob, is_required) : -ENOMEM;
	}
	return r;
}

static int set_credentials(const struct artifacts_out *a, struct dayfly_task *t)
{
	const char *path = a->credentials;
	char *data = NULL;
	size_t len = 0;
	struct err e;
	int r = path ? input_read(path, LIMIT_UPLOAD_CREDENTIALS_BYTES, &data, &len, &e) : 0;
	if (r == 0 && path && (r = dayfly_task_set_upload_credentials(t, data, len)) < 0)
		err_set(&e, ERR_BAD_VALUE, -r, "take %s", path);
	if (r < 0)
		message_error("--upload-credentials: %s", e.msg);
	if (data)
		explicit_bzero(data, len);
	free(data);
	return r;
}

static int set_upload(const struct artifacts_out *a, struct dayfly_task *t)
{
	const char *slash = a->upload ? strchr(a->upload, '/') : NULL;
	auto_free char *target =
		a->upload ? strndup(a->upload, slash ? (size_t)(slash - a->upload) : SIZE_MAX / 2)
			  : NULL;
	if (a->upload && !target)
		return -ENOMEM;
	return dayfly_task_set_upload(t, target, slash ? slash + 1 : NULL, a->url);
}

int artifacts_begin(struct artifacts_out *a, struct dayfly_task *t)
{
	auto_close int end = -1;
	a->tar_fd = -1;
	if (!a->globs)
		return 0;
	if (a->upload || a->url) {
		int added = add_globs(a, t);
		if (added == 0)
			added = dayfly_task_set_artifacts(t, -1, a->timeout);
		if (added == 0)
			added = set_upload(a, t);
		return added < 0 ? failed(added, "ask for them") : set_credentials(a, t);
	}
	a->tar_fd = open_temporary();
	if (a->tar_fd < 0)
		return failed(a->tar_fd, "make a temporary file");
	pid_t child = pipe_reader_start(a->tar_fd, &end);
	if (child < 0)
		return failed((int)child, "make ready for them");
	a->reader = child;
	int r = add_globs(a, t);
	if (r == 0)
		r = dayfly_task_set_artifacts(t, end, a->timeout);
	return r < 0 ? failed(r, "ask for them") : 0;
}

/* ---- after it ---- */

void artifacts_note(struct artifacts_out *a, struct dayfly_event *last)
{
	const char *text = dayfly_event_result_json(last);
	json_t *result = a->globs && text ? json_loads(text, 0, NULL) : NULL;
	json_decref(a->result);
	a->result = json_incref(json_object_get(result, "artifacts"));
	json_decref(result);
}

/* What was sent is what jail init wrote. */
static int check_whole(const struct artifacts_out *a, int r)
{
	struct stat st = { 0 };
	const char *why = json_string_value(json_object_get(a->result, "error"));
	json_int_t wanted = json_integer_value(json_object_get(a->result, "archive_bytes"));
	if (r < 0)
		return failed(r, "keep them");
	if (why) {
		message_error("--artifact: they could not be taken out: %s", why);
		return -EIO;
	}
	if (fstat(a->tar_fd, &st) < 0 || st.st_size != wanted) {
		message_error("--artifact: %lld of %lld bytes came", (long long)st.st_size,
			(long long)wanted);
		return -EIO;
	}
	return 0;
}

/* The caller's, or NULL. */
static char *path_of(const json_t *item)
{
	const char *text = json_string_value(json_object_get(item, "path"));
	const char *coded = json_string_value(json_object_get(item, "path_base64"));
	if (text)
		return strdup(text);
	size_t size = coded ? strlen(coded) : 0, len = 0;
	auto_free char *path = coded ? malloc(size + 1) : NULL;
	if (!path || base64_decode(coded, size, path, &len) < 0 || memchr(path, '\0', len))
		return NULL;
	path[len] = '\0';
	return take_ptr(path);
}

static int check_digest(int fd, const struct change_tar_entry *c, const char *wanted)
{
	char buffer[65536], hex[SHA256_HEX_SIZE];
	uint8_t digest[SHA256_SIZE];
	struct sha256 s;
	sha256_init(&s);
	for (uint64_t at = 0; at < c->bytes;) {
		uint64_t left = c->bytes - at;
		ssize_t n = pread(fd, buffer, left < sizeof(buffer) ? (size_t)left : sizeof(buffer),
			c->at + (off_t)at);
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		sha256_update(&s, buffer, (size_t)n);
		at += (uint64_t)n;
	}
	sha256_finish(&s, digest);
	sha256_to_hex(digest, hex);
	return wanted && !strcmp(hex, wanted) ? 0 : -EBADMSG;
}

static int put_in_place(int dirfd, int tar_fd, const struct change_tar_entry *c)
{
	struct stat old;
	const char *name;
	mode_t mask = umask(0);
	umask(mask);
	int r = place_parents(dirfd, c->path, 0777 & ~mask);
	if (r < 0)
		return r;
	auto_close int parent = beneath_open_parent(dirfd, c->path, &name);
	if (parent < 0)
		return parent;
	bool is_there = fstatat(parent, name, &old, AT_SYMLINK_NOFOLLOW) == 0;
	/* Nothing but a file gives way to a file. */
	if (is_there && !S_ISREG(old.st_mode))
		return S_ISDIR(old.st_mode) ? -EISDIR : -ELOOP;
	const struct place_content content = { .fd = tar_fd,
		.at = c->at,
		.bytes = c->bytes,
		.mode = c->mode & 0777 & ~mask,
		.mtime = c->mtime };
	return place_file(parent, name, &content, is_there ? &old : NULL);
}

/* Returns NULL, or why not. */
static const char *take(
	const struct artifacts_out *a, int dirfd, const struct change_tar *tar, const json_t *item)
{
	const char *why = json_string_value(json_object_get(item, "error"));
	auto_free char *path = path_of(item);
	if (why || !path)
		return why ? why : "its name cannot be read";
	const struct change_tar_entry *c =
		change_tar_find(tar, path + (path[0] == '/'), CHANGE_TAR_FILE);
	if (!c)
		return "it did not come";
	/* What git runs and reads is not for a task to write. */
	if (change_tar_is_git(c))
		return "it lies in a directory .git";
	int r = check_digest(a->tar_fd, c, json_string_value(json_object_get(item, "sha256")));
	if (r == -EBADMSG)
		return "it is not what was read in the jail: the SHA-256 differs";
	if (r == 0)
		r = put_in_place(dirfd, a->tar_fd, c);
	return r < 0 ? strerror(-r) : NULL;
}

static int make_dir(const char *dir)
{
	if (mkdir(dir, 0777) < 0 && errno != EEXIST)
		return -errno;
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static void tell_failure(size_t n, const json_t *item, const char *why)
{
	auto_free char *path = path_of(item);
	if (n < NAMED_MAX)
		message_error("--artifact: %s: %s", path ? path : "?", why);
	else if (n == NAMED_MAX)
		message_error("--artifact: and others");
}

static void tell_sum(const char *dir, size_t n, uint64_t bytes)
{
	char size[UNITS_TEXT_SIZE], line[256];
	units_format_size(bytes, size);
	snprintf(line, sizeof(line), "dayfly: %zu artifact%s, %s, in %s", n, n == 1 ? "" : "s",
		size, dir);
	message_plain(line);
}

static int place_all(const struct artifacts_out *a, const struct change_tar *tar, bool is_quiet)
{
	const char *dir = a->dir ? a->dir : ARTIFACTS_DIR;
	const json_t *list = json_object_get(a->result, "list");
	size_t n_placed = 0, n_failed = 0, i;
	uint64_t bytes = 0;
	json_t *item;
	auto_close int dirfd = json_array_size(list) ? make_dir(dir) : -1;
	if (json_array_size(list) && dirfd < 0)
		return failed(dirfd, dir);
	json_array_foreach (list, i, item) {
		const char *why = take(a, dirfd, tar, item);
		if (why) {
			tell_failure(n_failed++, item, why);
			continue;
		}
		n_placed++;
		bytes += (uint64_t)json_integer_value(json_object_get(item, "bytes"));
	}
	if (!is_quiet)
		tell_sum(dir, n_placed, bytes);
	return n_failed ? -EIO : 0;
}

static void tell_missing(const struct artifacts_out *a)
{
	json_t *glob;
	size_t i;
	json_array_foreach (json_object_get(a->result, "missing"), i, glob)
		message_error("--artifact %s: nothing is there, or not all of it could be taken",
			json_string_value(glob));
	if (json_is_true(json_object_get(a->result, "truncated")))
		message_error("--artifact: there are more files than may be taken "
			      "(--artifact-files)");
}

static int deliver(const struct artifacts_out *a, int r, bool is_quiet)
{
	struct change_tar tar = { .fd = -1 };
	struct err e;
	if (!json_is_object(a->result) || !json_is_integer(json_object_get(a->result, "count")))
		return 0; /* it did not run: the result says why */
	r = check_whole(a, r);
	if (r < 0)
		return r;
	r = change_tar_read_plain(a->tar_fd, &tar, &e);
	if (r < 0) {
		message_error("--artifact: %s", e.msg);
		return r;
	}
	r = place_all(a, &tar, is_quiet);
	tell_missing(a);
	change_tar_finish(&tar);
	return r;
}

/* What was not even queued. Returns how many. */
static size_t tell_not_queued(const struct artifacts_out *a)
{
	size_t i, n = 0;
	json_t *item;
	json_array_foreach (json_object_get(a->result, "list"), i, item) {
		const json_t *error = json_object_get(json_object_get(item, "upload"), "error");
		const char *why = json_string_value(json_object_get(error, "message"));
		if (why)
			tell_failure(n++, item, why);
	}
	return n;
}

int artifacts_wait(const struct artifacts_out *a, const struct command *cmd,
	struct dayfly_client *c, const char *task, bool is_quiet)
{
	const json_t *first = json_array_get(json_object_get(a->result, "list"), 0);
	if (!(a->upload || a->url) || !json_is_object(a->result))
		return 0;
	tell_missing(a);
	size_t n = tell_not_queued(a);
	int status = first && !a->no_wait ? uploads_wait(cmd, c, task, is_quiet) : 0;
	return n ? cmd->failure_status : status;
}

int artifacts_end(struct artifacts_out *a, bool is_quiet)
{
	if (!a->globs)
		return 0;
	if (a->upload || a->url) {
		json_decref(a->result);
		a->result = NULL;
		return 0;
	}
	int r = deliver(a, pipe_reader_end(a->reader), is_quiet);
	json_decref(a->result);
	a->result = NULL;
	fd_close(&a->tar_fd);
	return r;
}
