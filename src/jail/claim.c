/* A parked jail is claimed: see claim.h. */
#include "jail/claim.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/limits.h"
#include "jail/mount.h"
#include "jail/title.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define N_STDIO 3

/* As one message; mounts are cut off behind the last. Both ends are the same program. */
struct claim {
	uint64_t id;
	uint64_t enforced;
	uint32_t n_degraded;
	uint32_t has_shared_filter;
	uint32_t n_mounts;
	uint32_t has_fd; /* bits: of stdio, then workspace, then mounts: a descriptor comes along */
	char degraded[WIRE_DEGRADED_MAX][WIRE_DEGRADED_SIZE];
	char cwd[4096];
	struct jail_source workspace;
	struct jail_source mounts[LIMIT_MOUNTS];
};

int claim_send(int status_fd, int plan_fd, const struct jail *in)
{
	auto_free struct claim *c = calloc(1, sizeof(*c));
	int fds[1 + N_STDIO + 1 + LIMIT_MOUNTS] = { plan_fd };
	size_t n = 1, n_mounts = in->plan->n_mounts;
	if (!c)
		return -ENOMEM;
	c->id = in->id;
	c->enforced = in->enforced;
	c->n_degraded = in->n_degraded;
	c->has_shared_filter = in->seccomp_shared != NULL;
	c->n_mounts = (uint32_t)n_mounts;
	memcpy(c->degraded, in->degraded, sizeof(c->degraded));
	memcpy(c->cwd, in->cwd, sizeof(c->cwd));
	c->workspace = in->workspace;
	memcpy(c->mounts, in->mounts, n_mounts * sizeof(c->mounts[0]));
	const int given[] = { in->stdio[0], in->stdio[1], in->stdio[2], in->workspace.tree_fd };
	for (size_t i = 0; i < ARRAY_SIZE(given) + n_mounts; i++) {
		int fd = i < ARRAY_SIZE(given) ? given[i]
					       : in->mounts[i - ARRAY_SIZE(given)].tree_fd;
		if (fd < 0)
			continue;
		fds[n++] = fd;
		c->has_fd |= 1u << i;
	}
	size_t len = offsetof(struct claim, mounts) + n_mounts * sizeof(c->mounts[0]);
	ssize_t r = fd_send(status_fd, c, len, fds, n);
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

static int take(struct jail *j, const struct claim *c, const int *fds, size_t n_fds, struct err *e)
{
	size_t next = 1;
	j->id = c->id;
	int r = read_plan(j, fds[0], e);
	if (r < 0)
		return r;
	if (j->plan->n_mounts != c->n_mounts || c->n_degraded > WIRE_DEGRADED_MAX)
		return err_set(e, ERR_INTERNAL, EPROTO, "the claim and the plan do not agree");
	j->enforced |= c->enforced;
	for (uint32_t i = 0; i < c->n_degraded && j->n_degraded < WIRE_DEGRADED_MAX; i++)
		memcpy(j->degraded[j->n_degraded++], c->degraded[i], WIRE_DEGRADED_SIZE);
	memcpy(j->cwd, c->cwd, sizeof(j->cwd));
	j->workspace = c->workspace;
	memcpy(j->mounts, c->mounts, c->n_mounts * sizeof(j->mounts[0]));
	j->seccomp = &j->filters[j->plan->profile * PLAN_NETWORK_COUNT + j->plan->network];
	j->seccomp_shared = c->has_shared_filter ? j->shared_filter : NULL;
	int *const places[] = { &j->stdio[0], &j->stdio[1], &j->stdio[2], &j->workspace.tree_fd };
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
	auto_free struct claim *c = calloc(1, sizeof(*c));
	int fds[FD_PASS_MAX];
	size_t n_fds = 0;
	if (!c)
		return err_set(e, ERR_INTERNAL, ENOMEM, "wait for a task");
	ssize_t n = fd_recv(j->status_fd, c, sizeof(*c), fds, &n_fds);
	if (n <= 0)
		_exit(0);
	if ((size_t)n < offsetof(struct claim, mounts) || c->n_mounts > LIMIT_MOUNTS ||
		(size_t)n != offsetof(struct claim, mounts) + c->n_mounts * sizeof(c->mounts[0]) ||
		!n_fds) {
		/* Killed before it was claimed. */
		_exit(0);
	}
	prctl(PR_SET_NAME, "dayfly-init");
	title_set("dayfly-init");
	const struct plan_limits before = j->plan->limits;
	int r = take(j, c, fds, n_fds, e);
	fd_close(&fds[0]);
	if (r == 0)
		r = set_disk_limit(j, &before, e);
	return r;
}
