/* A parked jail is claimed: see claim.h. */
#include "jail/claim.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/limits.h"
#include "jail/mount.h"
#include "jail/title.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define N_STDIO	 3
#define N_OTHERS (5 + LIMIT_TARS)

/* Their texts come behind, with their ends, in this order: cwd, workspace, mounts. */
struct claim_source {
	uint64_t dev, ino;
	uint32_t is_dir;
	uint32_t path_size; /* 0: absent */
};

/* As one message, cut off behind the last text. Both ends are the same program. */
struct claim {
	uint64_t id;
	uint64_t enforced;
	uint32_t n_degraded;
	uint32_t has_shared_filter;
	uint32_t n_mounts;
	uint32_t has_fd; /* bits: of stdio, workspace, inputs, changes, artifacts, the unpacker and
			    its tars, then mounts: a descriptor comes along */
	uint32_t cwd_size;
	struct claim_source workspace, mounts[LIMIT_MOUNTS];
	char degraded[WIRE_DEGRADED_MAX][WIRE_DEGRADED_SIZE];
	char texts[(2 + LIMIT_MOUNTS) * PATH_MAX];
};

/* Of the warden, and each jail init's own copy of it: large, and one at a time. */
static struct claim message;

/* Returns the size of the text, 0 for none. */
static uint32_t add_text(struct claim *c, size_t *len, const char *text)
{
	size_t size = text ? strlen(text) + 1 : 0;
	if (size > PATH_MAX)
		return UINT32_MAX;
	if (size)
		memcpy(c->texts + *len, text, size);
	*len += size;
	return (uint32_t)size;
}

static struct claim_source add_source(struct claim *c, size_t *len, const struct jail_source *s)
{
	return (struct claim_source){ s->dev, s->ino, s->is_dir, add_text(c, len, s->path) };
}

int claim_send(int status_fd, int plan_fd, const struct jail *in)
{
	struct claim *c = &message;
	int fds[1 + N_STDIO + N_OTHERS + LIMIT_MOUNTS] = { plan_fd };
	size_t n = 1, n_mounts = in->plan->n_mounts, len = 0;
	memset(c, 0, offsetof(struct claim, texts));
	c->id = in->id;
	c->enforced = in->enforced;
	c->n_degraded = in->n_degraded;
	c->has_shared_filter = in->seccomp_shared != NULL;
	c->n_mounts = (uint32_t)n_mounts;
	memcpy(c->degraded, in->degraded, sizeof(c->degraded));
	c->cwd_size = add_text(c, &len, in->cwd);
	c->workspace = add_source(c, &len, &in->workspace);
	bool is_too_long = c->cwd_size == UINT32_MAX || c->workspace.path_size == UINT32_MAX;
	for (size_t i = 0; i < n_mounts && !is_too_long; i++) {
		c->mounts[i] = add_source(c, &len, &in->mounts[i]);
		is_too_long = c->mounts[i].path_size == UINT32_MAX;
	}
	if (is_too_long)
		return -ENAMETOOLONG;
	const int given[] = { in->stdio[0], in->stdio[1], in->stdio[2], in->workspace.tree_fd,
		in->inputs_fd, in->changes_fd, in->artifacts_fd, in->unpack_fd, in->tar_fds[0],
		in->tar_fds[1], in->tar_fds[2] };
	_Static_assert(ARRAY_SIZE(given) == N_STDIO + N_OTHERS, "as many as there is room for");
	for (size_t i = 0; i < ARRAY_SIZE(given) + n_mounts; i++) {
		int fd = i < ARRAY_SIZE(given) ? given[i]
					       : in->mounts[i - ARRAY_SIZE(given)].tree_fd;
		if (fd < 0)
			continue;
		fds[n++] = fd;
		c->has_fd |= 1u << i;
	}
	ssize_t r = fd_send(status_fd, c, offsetof(struct claim, texts) + len, fds, n);
	return r < 0 ? (int)r : 0;
}

/* The plan is what dayflyd sent: decoded here again, as carefully as there. */
static int read_plan(struct jail *j, int fd, struct err *e)
{
	struct stat st;
	struct plan *plan = NULL;
	if (fstat(fd, &st) < 0 || st.st_size <= 0 || st.st_size > LIMIT_PLAN_BYTES)
		return err_set(e, ERR_INTERNAL, EPROTO, "the plan has a bad size");
	void *data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED)
		return err_set(e, ERR_INTERNAL, errno, "map the plan");
	int r = plan_decode(data, (size_t)st.st_size, &plan, e);
	munmap(data, (size_t)st.st_size);
	j->plan = plan;
	return r;
}

/* The store was made before its size was known. */
static int set_disk_limit(struct jail *j, const struct plan_limits *before, struct err *e)
{
	char size[24], inodes[24];
	const struct plan_limits *new = &j->plan->limits;
	if (j->upper_on_disk ||
		(new->disk_bytes == before->disk_bytes &&new->disk_inodes == before->disk_inodes))
		return 0;
	snprintf(size, sizeof(size), "%" PRIu64, j->plan->limits.disk_bytes);
	snprintf(inodes, sizeof(inodes), "%" PRIu64, j->plan->limits.disk_inodes);
	const struct mount_opt opts[] = { { "size", size }, { "nr_inodes", inodes },
		{ NULL, NULL } };
	return mount_change(j->store_fd, opts, e);
}

/* Takes the next text of that size out of what has come. Returns false if there is none so long. */
static bool take_text(const struct claim *c, size_t len, size_t *at, uint32_t size, char **ret)
{
	if (size == 0)
		return true;
	if (size > len - *at || c->texts[*at + size - 1] != '\0')
		return false;
	free(*ret);
	*ret = strdup(c->texts + *at);
	*at += size;
	return *ret != NULL;
}

static bool take_source(const struct claim *c, size_t len, size_t *at,
	const struct claim_source *from, struct jail_source *s)
{
	s->dev = from->dev;
	s->ino = from->ino;
	s->is_dir = from->is_dir != 0;
	return take_text(c, len, at, from->path_size, &s->path);
}

static int take_texts(struct jail *j, const struct claim *c, size_t len, struct err *e)
{
	size_t at = 0;
	bool is_good = c->cwd_size > 0 && take_text(c, len, &at, c->cwd_size, &j->cwd) &&
		       take_source(c, len, &at, &c->workspace, &j->workspace);
	for (uint32_t i = 0; is_good && i < c->n_mounts; i++)
		is_good = take_source(c, len, &at, &c->mounts[i], &j->mounts[i]);
	return is_good && at == len
		       ? 0
		       : err_set(e, ERR_INTERNAL, EPROTO, "the texts of the claim are cut off");
}

static int take(struct jail *j, const struct claim *c, size_t len, const int *fds, size_t n_fds,
	struct err *e)
{
	size_t next = 1;
	j->id = c->id;
	int r = read_plan(j, fds[0], e);
	if (r < 0)
		return r;
	if (j->plan->n_mounts != c->n_mounts || c->n_degraded > WIRE_DEGRADED_MAX)
		return err_set(e, ERR_INTERNAL, EPROTO, "the claim and the plan do not agree");
	r = take_texts(j, c, len, e);
	if (r < 0)
		return r;
	j->enforced |= c->enforced;
	for (uint32_t i = 0; i < c->n_degraded && j->n_degraded < WIRE_DEGRADED_MAX; i++)
		memcpy(j->degraded[j->n_degraded++], c->degraded[i], WIRE_DEGRADED_SIZE);
	j->seccomp = &j->filters[j->plan->profile * PLAN_NETWORK_COUNT + j->plan->network];
	j->seccomp_shared = c->has_shared_filter ? j->shared_filter : NULL;
	int *const places[] = { &j->stdio[0], &j->stdio[1], &j->stdio[2], &j->workspace.tree_fd,
		&j->inputs_fd, &j->changes_fd, &j->artifacts_fd, &j->unpack_fd, &j->tar_fds[0],
		&j->tar_fds[1], &j->tar_fds[2] };
	for (size_t i = 0; i < ARRAY_SIZE(places) + c->n_mounts; i++) {
		int *place = i < ARRAY_SIZE(places) ? places[i]
						    : &j->mounts[i - ARRAY_SIZE(places)].tree_fd;
		bool is_given = c->has_fd & 1u << i;
		if (is_given && next == n_fds)
			return err_set(e, ERR_INTERNAL, EPROTO, "descriptors are missing");
		*place = is_given ? fds[next++] : -1;
	}
	return next == n_fds ? 0 : err_set(e, ERR_INTERNAL, EPROTO, "descriptors are left over");
}

int claim_wait(struct jail *j, struct err *e)
{
	struct claim *c = &message;
	const size_t head = offsetof(struct claim, texts);
	int fds[FD_PASS_MAX];
	size_t n_fds = 0;
	title_name("dayfly-parked");
	ssize_t n = fd_recv(j->status_fd, c, sizeof(*c), fds, &n_fds);
	/* Also when it is killed before it was claimed. */
	if (n < (ssize_t)head || c->n_mounts > LIMIT_MOUNTS || !n_fds)
		_exit(0);
	title_name("dayfly-init");
	const struct plan_limits before = j->plan->limits;
	int r = take(j, c, (size_t)n - head, fds, n_fds, e);
	fd_close(&fds[0]);
	if (r == 0)
		r = set_disk_limit(j, &before, e);
	return r;
}
