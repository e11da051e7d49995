/* The verdict of every number, then a tree of the ranges that have the same: see seccomp_compact.h.
 */
#include "jail/seccomp_compact.h"

#include "base/cleanup.h"

#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>

/* Numbers first to the next range's first have the same verdict. */
struct range {
	uint32_t first, verdict;
};

#define LOAD   (BPF_LD | BPF_W | BPF_ABS)
#define RETURN (BPF_RET | BPF_K)

static bool is_load_of(const struct sock_filter *f, size_t offset)
{
	return f->code == LOAD && f->k == offset;
}

/* What it says to one number, from the instruction at pc on. Returns false at one that is not
 * expected. */
static bool run(
	const struct sock_filter *prog, size_t len, size_t pc, uint32_t nr, uint32_t *ret_verdict)
{
	for (; pc < len; pc++) {
		const struct sock_filter *f = &prog[pc];
		bool is_true;
		switch (f->code) {
		case LOAD:
			if (!is_load_of(f, offsetof(struct seccomp_data, nr)))
				return false;
			continue;
		case RETURN:
			*ret_verdict = f->k;
			return true;
		case BPF_JMP | BPF_JA:
			pc += f->k;
			continue;
		case BPF_JMP | BPF_JEQ | BPF_K:
			is_true = nr == f->k;
			break;
		case BPF_JMP | BPF_JGT | BPF_K:
			is_true = nr > f->k;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			is_true = nr >= f->k;
			break;
		default:
			return false;
		}
		pc += is_true ? f->jt : f->jf;
	}
	return false;
}

static int compare_numbers(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

/* A verdict can only change at a number that is compared with, or behind it. */
static size_t find_edges(const struct sock_filter *prog, size_t len, uint32_t *edges)
{
	size_t n = 0;
	edges[n++] = 0;
	for (size_t i = 0; i < len; i++) {
		if (BPF_CLASS(prog[i].code) != BPF_JMP || BPF_OP(prog[i].code) == BPF_JA)
			continue;
		edges[n++] = prog[i].k;
		if (prog[i].k != UINT32_MAX)
			edges[n++] = prog[i].k + 1;
	}
	qsort(edges, n, sizeof(edges[0]), compare_numbers);
	return n;
}

/* Returns how many there are; 0: the program is not what is expected. */
static size_t find_ranges(
	const struct sock_filter *prog, size_t len, size_t start, struct range *ranges)
{
	auto_free uint32_t *edges = calloc(2 * len + 1, sizeof(edges[0]));
	size_t n = 0, n_edges = edges ? find_edges(prog, len, edges) : 0;
	for (size_t i = 0; i < n_edges; i++) {
		uint32_t verdict;
		if (!run(prog, len, start, edges[i], &verdict))
			return 0;
		if (n == 0 || ranges[n - 1].verdict != verdict)
			ranges[n++] = (struct range){ edges[i], verdict };
	}
	return n;
}

/* ---- writing ---- */

/* The tree begins behind the load of the number, the returns behind the tree. */
struct tree {
	const struct range *ranges;
	struct sock_filter *prog;
	size_t len; /* so far */
	size_t returns_at, n_returns;
	uint32_t returns[16];
	bool is_too_large;
};

static size_t return_of(struct tree *t, uint32_t verdict)
{
	for (size_t i = 0; i < t->n_returns; i++)
		if (t->returns[i] == verdict)
			return t->returns_at + i;
	if (t->n_returns == sizeof(t->returns) / sizeof(t->returns[0])) {
		t->is_too_large = true;
		return t->returns_at;
	}
	t->returns[t->n_returns] = verdict;
	return t->returns_at + t->n_returns++;
}

static uint8_t distance(struct tree *t, size_t from, size_t to)
{
	size_t n = to - from - 1;
	t->is_too_large |= n > UINT8_MAX;
	return (uint8_t)n;
}

/* Decides between n ranges. Returns where that is: a node, or a return. */
static size_t write_tree(struct tree *t, size_t first, size_t n)
{
	if (n == 1)
		return return_of(t, t->ranges[first].verdict);
	size_t at = t->len++, half = n / 2;
	size_t below = write_tree(t, first, half), above = write_tree(t, first + half, n - half);
	t->prog[at] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K,
		t->ranges[first + half].first, distance(t, at, above), distance(t, at, below));
	return at;
}

#define HEAD 3 /* load of the architecture, its test, load of the number */

bool seccomp_compact(struct sock_filter *prog, size_t *len, uint32_t arch)
{
	size_t n = *len;
	if (n < HEAD + 1 || !is_load_of(&prog[0], offsetof(struct seccomp_data, arch)) ||
		prog[1].code != (BPF_JMP | BPF_JEQ | BPF_K) || prog[1].k != arch)
		return false;
	size_t start = 2 + (size_t)prog[1].jt, other = 2 + (size_t)prog[1].jf;
	auto_free struct range *ranges = calloc(2 * n + 1, sizeof(ranges[0]));
	if (!ranges || start >= n || other >= n || prog[other].code != RETURN ||
		!is_load_of(&prog[start], offsetof(struct seccomp_data, nr)))
		return false;
	size_t n_ranges = find_ranges(prog, n, start, ranges);
	if (n_ranges == 0)
		return false;
	auto_free struct sock_filter *made = calloc(HEAD + n_ranges + 16, sizeof(made[0]));
	struct tree t = {
		.ranges = ranges, .prog = made, .len = HEAD, .returns_at = HEAD + n_ranges - 1
	};
	if (!made)
		return false;
	write_tree(&t, 0, n_ranges);
	size_t other_at = return_of(&t, prog[other].k), total = t.returns_at + t.n_returns;
	made[0] = prog[0];
	made[1] = (struct sock_filter)BPF_JUMP(
		BPF_JMP | BPF_JEQ | BPF_K, arch, 0, distance(&t, 1, other_at));
	made[2] = prog[start];
	for (size_t i = 0; i < t.n_returns; i++)
		made[t.returns_at + i] = (struct sock_filter)BPF_STMT(RETURN, t.returns[i]);
	if (t.is_too_large || total >= n)
		return false;
	memcpy(prog, made, total * sizeof(made[0]));
	*len = total;
	return true;
}
