/* Reading a tar of changes: see change_tar.h. */
#include "cli/change_tar.h"

#include "base/beneath.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "base/path.h"
#include "base/str.h"
#include "base/tar.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define ENTRIES_MAX 2000000

struct reader {
	int fd;
	off_t at;
	bool is_plain;	   /* there are no whiteouts */
	char *path, *link; /* of a long name that came before its header */
};

static int broken(struct err *e, const struct reader *r, const char *what)
{
	return err_set(e, ERR_PROTOCOL, EPROTO, "the tar of the changes has %s at byte %lld", what,
		(long long)r->at);
}

static int read_at(struct reader *r, void *to, size_t len, struct err *e)
{
	ssize_t n = pread(r->fd, to, len, r->at);
	if (n < 0)
		return err_set(e, ERR_INTERNAL, errno, "read the tar of the changes");
	if ((size_t)n != len)
		return broken(e, r, "its end too early");
	r->at += (off_t)len;
	return 0;
}

static int get_number(const char *field, size_t size, uint64_t *ret)
{
	uint64_t v = 0;
	if ((unsigned char)field[0] == 0x80) {
		for (size_t i = 1; i < size; i++) {
			if (v >> 55)
				return -EPROTO;
			v = v << 8 | (unsigned char)field[i];
		}
		*ret = v;
		return 0;
	}
	size_t i = 0;
	for (; i < size && field[i] >= '0' && field[i] <= '7'; i++)
		v = v << 3 | (uint64_t)(field[i] - '0');
	if (i == 0 || (i < size && field[i] && field[i] != ' '))
		return -EPROTO;
	*ret = v;
	return 0;
}

static bool is_sum_right(const struct tar_header *h)
{
	struct tar_header copy = *h;
	uint64_t want;
	unsigned sum = 0;
	memset(copy.checksum, ' ', sizeof(copy.checksum));
	for (size_t i = 0; i < sizeof(copy); i++)
		sum += ((const unsigned char *)&copy)[i];
	return get_number(h->checksum, sizeof(h->checksum), &want) == 0 && want == sum;
}

static bool is_zero(const struct tar_header *h)
{
	static const struct tar_header zero;
	return !memcmp(h, &zero, sizeof(zero));
}

static int skip(struct reader *r, uint64_t bytes, struct err *e)
{
	uint64_t padded = (bytes + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK;
	if (padded < bytes || padded > INT64_MAX - (uint64_t)r->at)
		return broken(e, r, "an impossible size");
	r->at += (off_t)padded;
	return 0;
}

/* The text behind a header of type L or K. */
static int read_long(struct reader *r, uint64_t size, char **ret, struct err *e)
{
	off_t begin = r->at;
	if (*ret || size < 2 || size > LIMIT_PATH_BYTES + sizeof(TAR_WHITEOUT))
		return broken(e, r, "a bad long name");
	auto_free char *text = malloc((size_t)size);
	if (!text)
		return err_set(e, ERR_INTERNAL, ENOMEM, "read the tar of the changes");
	int n = read_at(r, text, (size_t)size, e);
	if (n < 0)
		return n;
	if (memchr(text, '\0', (size_t)size) != text + size - 1)
		return broken(e, r, "a bad long name");
	r->at = begin;
	*ret = take_ptr(text);
	return skip(r, size, e);
}

/* What is no stamp of ours says nothing. */
static int read_comment(struct reader *r, struct change_tar *t, uint64_t size, struct err *e)
{
	char text[TAR_BLOCK + 1] = "";
	off_t begin = r->at;
	if (size > TAR_BLOCK)
		return broken(e, r, "a long comment");
	int n = read_at(r, text, (size_t)size, e);
	if (n < 0)
		return n;
	t->has_stamp = change_stamp_parse(text, &t->stamp);
	r->at = begin;
	return skip(r, size, e);
}

/* "dir/.wh.name" -> "dir/name". Returns whether it was one. */
static bool cut_whiteout(char *path)
{
	char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	size_t len = strlen(TAR_WHITEOUT);
	if (strncmp(name, TAR_WHITEOUT, len) != 0)
		return false;
	memmove(name, name + len, strlen(name + len) + 1);
	return true;
}

static bool is_short(const char *part, size_t len)
{
	return len <= NAME_MAX;
}

static int set_type(
	struct reader *r, const struct tar_header *h, struct change_tar_entry *c, struct err *e)
{
	size_t len = strlen(c->path);
	switch (h->type) {
	case '0':
		c->type = !r->is_plain && cut_whiteout(c->path) ? CHANGE_TAR_DELETED
								: CHANGE_TAR_FILE;
		break;
	case '2':
		c->type = CHANGE_TAR_LINK;
		break;
	case '5':
		c->type = CHANGE_TAR_DIRECTORY;
		if (len && c->path[len - 1] == '/')
			c->path[len - 1] = '\0';
		break;
	default:
		return broken(e, r, "an entry of an unknown type");
	}
	if (!beneath_path_is_clean(c->path))
		return broken(e, r, "a path that leads elsewhere");
	if (!path_parts_are(c->path, strlen(c->path), is_short))
		return broken(e, r, "a name of more than 255 bytes");
	if (c->bytes && c->type != CHANGE_TAR_FILE)
		return broken(e, r, "contents where there can be none");
	return 0;
}

static int take_entry(
	struct reader *r, const struct tar_header *h, struct change_tar_entry *c, struct err *e)
{
	uint64_t mode = 0, bytes = 0, mtime = 0, minor = 0;
	if (get_number(h->mode, sizeof(h->mode), &mode) < 0 ||
		get_number(h->size, sizeof(h->size), &bytes) < 0 ||
		get_number(h->mtime, sizeof(h->mtime), &mtime) < 0 ||
		get_number(h->devminor, sizeof(h->devminor), &minor) < 0)
		return broken(e, r, "a bad number");
	c->path = r->path ? take_ptr(r->path) : strndup(h->name, sizeof(h->name));
	c->link = r->link ? take_ptr(r->link) : strndup(h->link, sizeof(h->link));
	if (!c->path || !c->link)
		return err_set(e, ERR_INTERNAL, ENOMEM, "read the tar of the changes");
	c->mode = (unsigned)mode & 0777;
	c->bytes = bytes;
	c->mtime = mtime > INT64_MAX ? 0 : (int64_t)mtime;
	c->replaces = minor == 1;
	c->at = r->at;
	int n = set_type(r, h, c, e);
	return n < 0 ? n : skip(r, bytes, e);
}

static struct change_tar_entry *next_place(struct change_tar *t, size_t *cap)
{
	if (t->n == *cap) {
		size_t more = *cap ? 2 * *cap : 64;
		void *grown = reallocarray(t->entries, more, sizeof(*t->entries));
		if (!grown)
			return NULL;
		t->entries = grown;
		*cap = more;
	}
	t->entries[t->n] = (struct change_tar_entry){ 0 };
	return &t->entries[t->n++];
}

static int read_entries(struct reader *r, struct change_tar *t, struct err *e)
{
	size_t cap = 0;
	for (;;) {
		struct tar_header h;
		uint64_t size;
		bool is_first = r->at == 0;
		int n = read_at(r, &h, sizeof(h), e);
		if (n < 0)
			return n;
		if (is_zero(&h))
			return r->path || r->link ? broken(e, r, "a long name of nothing") : 0;
		if (!is_sum_right(&h) || get_number(h.size, sizeof(h.size), &size) < 0)
			return broken(e, r, "a bad header");
		if (h.type == 'L' || h.type == 'K') {
			n = read_long(r, size, h.type == 'L' ? &r->path : &r->link, e);
		} else if (h.type == 'g' && is_first && !r->is_plain) {
			/* A later one is not of the program that took the changes. */
			n = read_comment(r, t, size, e);
		} else {
			struct change_tar_entry *c =
				t->n < ENTRIES_MAX ? next_place(t, &cap) : NULL;
			n = c ? take_entry(r, &h, c, e)
			      : err_set(e, ERR_TOO_LARGE, ENOMEM, "too many changes");
		}
		if (n < 0)
			return n;
	}
}

static int compare(const void *a, const void *b)
{
	const struct change_tar_entry *x = *(struct change_tar_entry *const *)a,
				      *y = *(struct change_tar_entry *const *)b;
	int order = strcmp(x->path, y->path);
	return order ? order : (int)x->type - (int)y->type;
}

static int sort_entries(struct change_tar *t, struct err *e)
{
	t->sorted = calloc(t->n + 1, sizeof(t->sorted[0]));
	if (!t->sorted)
		return err_set(e, ERR_INTERNAL, ENOMEM, "read the tar of the changes");
	for (size_t i = 0; i < t->n; i++)
		t->sorted[i] = &t->entries[i];
	qsort(t->sorted, t->n, sizeof(t->sorted[0]), compare);
	for (size_t i = 1; i < t->n; i++) {
		const struct change_tar_entry *a = t->sorted[i - 1], *b = t->sorted[i];
		bool is_change = a->type != CHANGE_TAR_DELETED && b->type != CHANGE_TAR_DELETED;
		if (is_change && !strcmp(a->path, b->path))
			return err_set(e, ERR_PROTOCOL, EPROTO,
				"the tar of the changes has two of one name");
	}
	return 0;
}

static int read_tar(int fd, bool is_plain, struct change_tar *ret, struct err *e)
{
	struct reader r = { .fd = fd, .is_plain = is_plain };
	struct change_tar t = { .fd = fd };
	int n = read_entries(&r, &t, e);
	if (n == 0)
		n = sort_entries(&t, e);
	free(r.path);
	free(r.link);
	if (n < 0)
		change_tar_finish(&t);
	else
		*ret = t;
	return n;
}

int change_tar_read(int fd, struct change_tar *ret, struct err *e)
{
	return read_tar(fd, false, ret, e);
}

int change_tar_read_plain(int fd, struct change_tar *ret, struct err *e)
{
	return read_tar(fd, true, ret, e);
}

void change_tar_finish(struct change_tar *t)
{
	for (size_t i = 0; i < t->n; i++) {
		free(t->entries[i].path);
		free(t->entries[i].link);
	}
	free(t->entries);
	free(t->sorted);
	*t = (struct change_tar){ .fd = -1 };
}

const struct change_tar_entry *change_tar_find(
	const struct change_tar *t, const char *path, enum change_tar_type type)
{
	const struct change_tar_entry key = { .path = (char *)path, .type = type }, *at = &key;
	struct change_tar_entry **found =
		t->n ? bsearch(&at, t->sorted, t->n, sizeof(t->sorted[0]), compare) : NULL;
	return found ? *found : NULL;
}

static bool is_not_git(const char *part, size_t len)
{
	return len != 4 || strncasecmp(part, ".git", 4) != 0;
}

bool change_tar_is_git(const struct change_tar_entry *c)
{
	return !path_parts_are(c->path, strlen(c->path), is_not_git);
}

bool change_tar_is_by_the_way(const struct change_tar_entry *c)
{
	const char *git = strstr(c->path, ".git/");
	return git && (!strcmp(git, ".git/index") || str_starts(git, ".git/objects/"));
}
