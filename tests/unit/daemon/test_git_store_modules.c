/* What a mirror takes with those of its submodules, and which of them go. */
#include "harness.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/remove.h"
#include "daemon/git_store.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KIB 1024ull

struct world {
	char dir[32], key[GIT_KEY_SIZE];
	uv_loop_t loop;
	struct git_store store;
	struct git_item *mirror;
	int fd; /* of the mirror */
};

static void open_mirror(struct world *w)
{
	w->fd = git_store_open_mirror(&w->store, 7, w->key, GIT_HISTORY_SHALLOW, &w->mirror);
	assert_true(w->fd >= 0);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	log_init("test", LOG_LEVEL_ERROR);
	snprintf(w->dir, sizeof(w->dir), "/tmp/dayfly-unit-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	memset(w->key, 'a', GIT_KEY_LEN);
	assert_int_equal(uv_loop_init(&w->loop), 0);
	git_store_init(&w->store, &w->loop, w->dir, false);
	assert_int_equal(git_store_open(&w->store), 0);
	open_mirror(w);
	*state = w;
	return 0;
}

static void finish(struct world *w)
{
	fd_close(&w->fd);
	git_store_finish(&w->store);
}

static int teardown(void **state)
{
	struct world *w = *state;
	finish(w);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&w->loop), 0);
	assert_int_equal(remove_tree(AT_FDCWD, w->dir), 0);
	free(w);
	return 0;
}

/* Another daemon comes. */
static void restart(struct world *w)
{
	finish(w);
	git_store_init(&w->store, &w->loop, w->dir, false);
	assert_int_equal(git_store_open(&w->store), 0);
	open_mirror(w);
}

static void make_key(unsigned n, char out[GIT_KEY_SIZE])
{
	snprintf(out, GIT_KEY_SIZE, "%064x", n);
}

static void put_pack(struct world *w, const char *repo, size_t bytes)
{
	static const char *const dirs[] = { "", "/objects", "/objects/pack" };
	char path[256], *data = calloc(1, bytes + 1);
	mkdirat(w->fd, "modules", 0755);
	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s%s", repo, dirs[i]);
		mkdirat(w->fd, path, 0755);
	}
	snprintf(path, sizeof(path), "%s/objects/pack/p", repo);
	int fd = openat(w->fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, data, bytes), 0);
	assert_int_equal(fsync(fd), 0);
	fd_close(&fd);
	free(data);
}

/* As a fetch leaves it. */
static void fetch(struct world *w, unsigned n, size_t bytes)
{
	char key[GIT_KEY_SIZE], path[128];
	make_key(n, key);
	snprintf(path, sizeof(path), "modules/%s", key);
	put_pack(w, path, bytes);
	git_store_measure_mirror(&w->store, w->mirror, key);
}

static bool is_there(struct world *w, unsigned n)
{
	char key[GIT_KEY_SIZE], path[128];
	struct stat s;
	make_key(n, key);
	snprintf(path, sizeof(path), "modules/%s", key);
	return fstatat(w->fd, path, &s, 0) == 0;
}

TEST(all_that_was_fetched_counts_once)
{
	struct world *w = *state;
	put_pack(w, ".", 100 * KIB);
	git_store_measure_mirror(&w->store, w->mirror, NULL);
	uint64_t own = w->mirror->bytes;
	assert_in_range(own, 100 * KIB, 150 * KIB);
	fetch(w, 1, 100 * KIB);
	uint64_t one = w->mirror->bytes;
	assert_in_range(one - own, 164 * KIB, 250 * KIB);
	fetch(w, 2, 100 * KIB);
	uint64_t two = w->mirror->bytes;
	assert_int_equal(two - one, one - own);
	fetch(w, 1, 200 * KIB);
	assert_in_range(w->mirror->bytes - two, 90 * KIB, 110 * KIB);
	git_store_measure_mirror(&w->store, w->mirror, NULL);
	two = w->mirror->bytes;
	restart(w);
	assert_int_equal(w->mirror->bytes, two);
}

TEST(an_empty_one_counts_too)
{
	struct world *w = *state;
	char key[GIT_KEY_SIZE];
	make_key(1, key);
	git_store_measure_mirror(&w->store, w->mirror, key);
	assert_int_equal(w->mirror->bytes, 0); /* it did not come so far */
	fetch(w, 1, 0);
	assert_true(w->mirror->bytes >= 64 * KIB);
}

TEST(where_there_are_too_many_the_oldest_goes_unless_it_is_named)
{
	struct world *w = *state;
	struct git_module named = { 0 };
	const struct git_modules keep = { &named, 1 };
	char key[GIT_KEY_SIZE];
	make_key(0, named.key);
	make_key(1000, key);
	for (unsigned i = 0; i < GIT_STORE_PARTS_MAX; i++) {
		assert_int_equal(git_store_make_room(&w->store, w->mirror, &keep, key), 0);
		fetch(w, i, 1);
	}
	fetch(w, 1, 1); /* 2 is the oldest now */
	assert_int_equal(git_store_make_room(&w->store, w->mirror, &keep, named.key), 0);
	uint64_t before = w->mirror->bytes;
	uint64_t gone = git_store_make_room(&w->store, w->mirror, &keep, key);
	assert_true(gone >= 64 * KIB);
	assert_int_equal(w->mirror->bytes, before - gone);
	assert_true(is_there(w, 0) && is_there(w, 1) && !is_there(w, 2) && is_there(w, 3));
}

TEST(another_daemon_keeps_the_newest_and_nothing_strange)
{
	struct world *w = *state;
	char key[GIT_KEY_SIZE], path[128];
	struct stat s;
	for (unsigned i = 0; i < GIT_STORE_PARTS_MAX + 2; i++)
		fetch(w, i, 1);
	make_key(5, key);
	snprintf(path, sizeof(path), "modules/%s", key);
	const struct timespec old[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
	assert_int_equal(utimensat(w->fd, path, old, 0), 0);
	assert_int_equal(mkdirat(w->fd, "modules/strange", 0755), 0);
	restart(w);
	assert_int_equal(w->mirror->n_parts, GIT_STORE_PARTS_MAX);
	assert_false(is_there(w, 5));
	assert_true(is_there(w, GIT_STORE_PARTS_MAX + 1));
	assert_int_equal(fstatat(w->fd, "modules/strange", &s, 0), -1);
}

TEST(a_link_in_their_place_leads_nowhere)
{
	struct world *w = *state;
	char key[GIT_KEY_SIZE];
	struct stat s;
	make_key(1, key);
	assert_int_equal(mkdirat(w->fd, "elsewhere", 0755), 0);
	assert_int_equal(mkdirat(w->fd, "elsewhere/strange", 0755), 0);
	assert_int_equal(symlinkat("elsewhere", w->fd, "modules"), 0);
	git_store_measure_mirror(&w->store, w->mirror, key);
	restart(w);
	assert_int_equal(fstatat(w->fd, "elsewhere/strange", &s, 0), 0);
	assert_int_equal(w->mirror->n_parts, 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(all_that_was_fetched_counts_once),
		CASE(an_empty_one_counts_too),
		CASE(where_there_are_too_many_the_oldest_goes_unless_it_is_named),
		CASE(another_daemon_keeps_the_newest_and_nothing_strange),
		CASE(a_link_in_their_place_leads_nowhere),
	};
	return RUN_TESTS(tests);
}
