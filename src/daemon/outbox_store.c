/* A directory of records: see outbox_store.h. */
#include "daemon/outbox_store.h"

#include "base/cleanup.h"
#include "base/crc32.h"
#include "base/dir.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "proto/json_load.h"
#include "proto/schema.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_LINE "dayfly-outbox 1 %08" PRIx32 " %zu %zu\n"
#define FIRST_MAX  64
#define FILE_MAX   (FIRST_MAX + OUTBOX_HEAD_MAX + OUTBOX_BODY_MAX)
#define NEW_PREFIX ".new-"
#define BAD_ENDING ".bad"

static bool has_ending(const char *name, const char *ending)
{
	size_t n = strlen(name), m = strlen(ending);
	return n > m && !strcmp(name + n - m, ending);
}

/* ---- the directory ---- */

/* Ours alone, and of no other daemon. Returns a descriptor or -errno. */
static int open_dir(const char *path, struct err *e)
{
	struct stat st;
	auto_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ENOENT : err_set(e, ERR_INTERNAL, errno, "open %s", path);
	if (fstat(fd, &st) < 0)
		return err_set(e, ERR_INTERNAL, errno, "look at %s", path);
	if (st.st_uid != geteuid() || (st.st_mode & 077))
		return err_set(e, ERR_NOT_ALLOWED, EPERM,
			"%s does not belong to user id %u alone (owner %u, mode %04o)", path,
			(unsigned)geteuid(), (unsigned)st.st_uid, (unsigned)(st.st_mode & 07777));
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK
			       ? err_set(e, ERR_INTERNAL, EBUSY, "another daemon has %s", path)
			       : err_set(e, ERR_INTERNAL, errno, "lock %s", path);
	return fd_take(&fd);
}

int outbox_store_init(struct outbox_store *s, struct syncer *syncer, const char *parent,
	const char *kind, struct err *e)
{
	*s = (struct outbox_store){ .dir_fd = -1, .syncer = syncer };
	if (!parent)
		return 0;
	if (asprintf(&s->path, "%s/dayfly-%u.%s", parent, (unsigned)geteuid(), kind) < 0) {
		s->path = NULL;
		return err_set(e, ERR_INTERNAL, ENOMEM, "find the %s", kind);
	}
	int fd = open_dir(s->path, e);
	if (fd == -ENOENT)
		return 0;
	if (fd < 0) {
		free(s->path);
		s->path = NULL;
		return fd;
	}
	s->dir_fd = fd;
	return 0;
}

void outbox_store_finish(struct outbox_store *s)
{
	/* With records in it this fails, as it should. */
	if (s->dir_fd >= 0)
		rmdir(s->path);
	fd_close(&s->dir_fd);
	free(s->path);
	s->path = NULL;
}

int outbox_store_make_dir(struct outbox_store *s)
{
	struct err e;
	if (!s->path)
		return -ENOENT;
	if (s->dir_fd >= 0)
		return 0;
	if (mkdir(s->path, 0700) < 0 && errno != EEXIST)
		return -errno;
	int fd = open_dir(s->path, &e);
	if (fd < 0)
		return fd;
	s->dir_fd = fd;
	return 0;
}

/* ---- records ---- */

static int write_file(int dir_fd, const char *name, const char *first, const char *head,
	const char *body, size_t body_len)
{
	auto_close int fd =
		openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	int r = fd_write_all(fd, first, strlen(first));
	if (r == 0)
		r = fd_write_all(fd, head, strlen(head));
	return r < 0 ? r : fd_write_all(fd, body, body_len);
}

int outbox_store_write(struct outbox_store *s, const char *name, const json_t *head,
	const char *body, size_t body_len)
{
	char first[FIRST_MAX], temporary[OUTBOX_NAME_MAX + sizeof(NEW_PREFIX)];
	if (!str_is_name(name, OUTBOX_NAME_MAX))
		return -EINVAL;
	int r = outbox_store_make_dir(s);
	char *text = r == 0 ? json_dumps(head, JSON_COMPACT) : NULL;
	if (r < 0 || !text)
		return r < 0 ? r : -ENOMEM;
	size_t len = strlen(text);
	uint32_t sum = crc32_add(crc32_add(0, text, len), body, body_len);
	snprintf(first, sizeof(first), FIRST_LINE, sum, len, body_len);
	snprintf(temporary, sizeof(temporary), NEW_PREFIX "%s", name);
	r = write_file(s->dir_fd, temporary, first, text, body, body_len);
	schema_wipe(&text, len);
	if (r == 0 && renameat(s->dir_fd, temporary, s->dir_fd, name) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(s->dir_fd, temporary, 0);
	return r;
}

void outbox_store_sync(struct outbox_store *s, const char *name)
{
	if (s->dir_fd >= 0)
		syncer_add(s->syncer, s->dir_fd, name);
}

/* data: a whole file. */
static int parse(
	const char *data, size_t len, json_t **ret_head, char **ret_body, size_t *ret_body_len)
{
	uint32_t sum = 0;
	size_t head_len = 0, body_len = 0;
	const char *end = memchr(data, '\n', len < FIRST_MAX ? len : FIRST_MAX);
	if (!end || sscanf(data, "dayfly-outbox 1 %8" SCNx32 " %zu %zu", &sum, &head_len,
			    &body_len) != 3)
		return -EBADMSG;
	const char *head = end + 1;
	size_t left = len - (size_t)(head - data);
	if (head_len > OUTBOX_HEAD_MAX || body_len > OUTBOX_BODY_MAX ||
		head_len + body_len != left || crc32_add(0, head, left) != sum)
		return -EBADMSG;
	json_t *json = json_load_whole(head, head_len, 0, NULL);
	if (!json_is_object(json)) {
		json_decref(json);
		return -EBADMSG;
	}
	char *body = malloc(body_len + 1);
	if (!body) {
		json_decref(json);
		return -ENOMEM;
	}
	memcpy(body, head + head_len, body_len);
	body[body_len] = '\0';
	*ret_head = json;
	*ret_body = body;
	*ret_body_len = body_len;
	return 0;
}

/* Nothing but a regular file: whatever else is there must not hold up the loop. In one piece:
 * memory that grows leaves copies of what may be secret. */
static int read_whole(int dir_fd, const char *name, char **ret_data, size_t *ret_len)
{
	struct stat st;
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > FILE_MAX)
		return -EBADMSG;
	auto_close int fd =
		openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	size_t len = (size_t)st.st_size;
	char *data = malloc(len + 1);
	int r = data ? fd_read_all(fd, data, len) : -ENOMEM;
	if (r < 0) {
		schema_wipe(&data, len);
		return r;
	}
	data[len] = '\0';
	*ret_data = data;
	*ret_len = len;
	return 0;
}

int outbox_store_read(struct outbox_store *s, const char *name, json_t **ret_head, char **ret_body,
	size_t *ret_body_len)
{
	char *data = NULL;
	size_t len = 0;
	if (s->dir_fd < 0)
		return -ENOENT;
	int r = read_whole(s->dir_fd, name, &data, &len);
	if (r < 0)
		return r;
	r = parse(data, len, ret_head, ret_body, ret_body_len);
	schema_wipe(&data, len);
	return r;
}

int outbox_store_remove(struct outbox_store *s, const char *name)
{
	if (s->dir_fd < 0)
		return -ENOENT;
	return unlinkat(s->dir_fd, name, 0) < 0 ? -errno : 0;
}

/* Nobody would ever remove what is set aside, so no secret is. */
static void put_away(struct outbox_store *s, const char *name)
{
	char bad[OUTBOX_NAME_MAX + sizeof(BAD_ENDING)];
	if (s->has_secrets && unlinkat(s->dir_fd, name, 0) == 0) {
		log_warning("%s/%s was damaged, and is removed", s->path, name);
		return;
	}
	snprintf(bad, sizeof(bad), "%.*s" BAD_ENDING, OUTBOX_NAME_MAX, name);
	renameat(s->dir_fd, name, s->dir_fd, bad);
}

int outbox_store_each(struct outbox_store *s, const char *ending, outbox_record_fn fn, void *owner,
	size_t *ret_bad)
{
	char **names = NULL;
	struct dirent *entry;
	int r = 0;
	if (s->dir_fd < 0)
		return 0;
	auto_closedir DIR *d = dir_list(s->dir_fd);
	if (!d)
		return -errno;
	for (size_t n = 0; r == 0 && n < OUTBOX_FILES_MAX && (entry = dir_next(d)); n++) {
		/* What was being written when the daemon died: it had not been promised. */
		if (str_starts(entry->d_name, NEW_PREFIX))
			unlinkat(s->dir_fd, entry->d_name, 0);
		else if (has_ending(entry->d_name, ending) &&
			 str_is_name(entry->d_name, OUTBOX_NAME_MAX))
			r = strv_add(&names, entry->d_name);
	}
	for (char **name = names; r == 0 && name && *name; name++) {
		json_t *head = NULL;
		char *body = NULL;
		size_t len = 0;
		int got = outbox_store_read(s, *name, &head, &body, &len);
		if (got == 0)
			fn(owner, *name, head, len);
		else if (got == -EBADMSG)
			put_away(s, *name);
		else
			r = got;
		*ret_bad += got == -EBADMSG;
		json_decref(head);
		schema_wipe(&body, len);
	}
	strv_free(names);
	return r;
}
