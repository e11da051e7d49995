/* Where repositories are kept: what counts as a whole tree, what goes, and what another daemon
 * finds. */
#include "harness.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/remove.h"
#include "daemon/git_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COMMIT "0123456789abcdef0123456789abcdef01234567"
#define OTHER  "1123456789abcdef0123456789abcdef01234567"
#define MIB    (1ull << 20)

struct world {
	char dir[32], key[GIT_KEY_SIZE];
	uv_loop_t loop;
	struct git_store store;
};

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
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	git_store_finish(&w->store);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&w->loop), 0);
	assert_int_equal(remove_tree(AT_FDCWD, w->dir), 0);
	free(w);
	return 0;
}

/* Another daemon comes. */
static void restart(struct world *w)
{
	git_store_finish(&w->store);
	git_store_init(&w->store, &w->loop, w->dir, false);
	assert_int_equal(git_store_open(&w->store), 0);
}

static void put(struct world *w, const char *path, const char *text)
{
	char full[512];
	snprintf(full, sizeof(full), "%s/7/%s/%s", w->store.path, w->key, path);
	int fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
	fd_close(&fd);
}

/* As a checkout leaves it. */
static void make_tree(struct world *w, const char *commit, uint64_t bytes)
{
	struct git_item *mirror;
	int fd = git_store_open_mirror(&w->store, 7, w->key, GIT_HISTORY_FULL, &mirror);
	assert_true(fd >= 0);
	fd_close(&fd);
	fd = git_store_open_new(&w->store, 7, w->key);
	assert_true(fd >= 0);
	assert_int_equal(mkdirat(fd, ".git", 0755), 0);
	fd_close(&fd);
	put(w, "new/.git/HEAD", commit);
	put(w, "new/.git/index", "i");
	assert_int_equal(
		git_store_publish(&w->store, 7, w->key, GIT_HISTORY_SHALLOW, commit, bytes, 0), 0);
	git_store_release(&w->store, mirror);
}

static bool has_tree(struct world *w, uid_t uid, int history, const char *commit)
{
	struct git_item *item;
	int fd = git_store_open_tree(&w->store, uid, w->key, history, commit, &item);
	if (fd < 0)
		return false;
	fd_close(&fd);
	git_store_release(&w->store, item);
	return true;
}

TEST(a_tree_is_its_users_and_of_its_history_only)
{
	struct world *w = *state;
	make_tree(w, COMMIT, 100);
	assert_true(has_tree(w, 7, GIT_HISTORY_SHALLOW, COMMIT));
	assert_false(has_tree(w, 8, GIT_HISTORY_SHALLOW, COMMIT));
	assert_false(has_tree(w, 7, GIT_HISTORY_FULL, COMMIT));
	assert_false(has_tree(w, 7, GIT_HISTORY_SHALLOW, OTHER));
}

TEST(what_is_whole_is_there_for_the_next_daemon_and_what_is_not_goes)
{
	struct world *w = *state;
	char path[512];
	struct stat st;
	make_tree(w, COMMIT, 100);
	make_tree(w, OTHER, 100);
	snprintf(path, sizeof(path), "7/%s/%s-shallow.ok", w->key, OTHER);
	assert_int_equal(unlinkat(w->store.fd, path, 0), 0);
	int fd = git_store_open_new(&w->store, 7, w->key);
	fd_close(&fd);
	restart(w);
	assert_true(has_tree(w, 7, GIT_HISTORY_SHALLOW, COMMIT));
	assert_false(has_tree(w, 7, GIT_HISTORY_SHALLOW, OTHER));
	snprintf(path, sizeof(path), "7/%s/new", w->key);
	assert_int_equal(fstatat(w->store.fd, path, &st, 0), -1);
	assert_int_equal(w->store.n_items, 2); /* with the mirror */
}

TEST(a_tree_that_has_changed_is_none)
{
	struct world *w = *state;
	make_tree(w, COMMIT, 100);
	char head[256];
	snprintf(head, sizeof(head), COMMIT "-shallow/.git/HEAD");
	put(w, head, COMMIT);
	assert_false(has_tree(w, 7, GIT_HISTORY_SHALLOW, COMMIT));
	make_tree(w, COMMIT, 100);
	assert_true(has_tree(w, 7, GIT_HISTORY_SHALLOW, COMMIT));
}

TEST(after_another_boot_there_are_no_trees)
{
	struct world *w = *state;
	make_tree(w, COMMIT, 100);
	restart(w);
	assert_true(has_tree(w, 7, GIT_HISTORY_SHALLOW, COMMIT));
	w->store.boot[0] ^= 1;
	assert_false(has_tree(w, 7, GIT_HISTORY_SHALLOW, COMMIT));
}

TEST(beyond_the_bound_the_oldest_goes_unless_it_is_in_use)
{
	struct world *w = *state;
	struct git_item *item;
	make_tree(w, COMMIT, 3 * MIB);
	make_tree(w, OTHER, 3 * MIB);
	int fd = git_store_open_tree(&w->store, 7, w->key, GIT_HISTORY_SHALLOW, COMMIT, &item);
	assert_true(fd >= 0);
	git_store_set_bounds(&w->store, &(struct git_store_bounds){ .max_bytes_uid = 4 * MIB });
	assert_false(has_tree(w, 7, GIT_HISTORY_SHALLOW, OTHER));
	git_store_set_bounds(&w->store, &(struct git_store_bounds){ .max_bytes = MIB });
	assert_true(has_tree(w, 7, GIT_HISTORY_SHALLOW, COMMIT));
	git_store_release(&w->store, item);
	fd_close(&fd);
	assert_false(has_tree(w, 7, GIT_HISTORY_SHALLOW, COMMIT));
}

TEST(one_daemon_has_it)
{
	struct world *w = *state;
	struct git_store second;
	git_store_init(&second, &w->loop, w->dir, false);
	assert_true(git_store_open(&second) < 0);
	assert_non_null(strstr(second.why, "another daemon"));
	git_store_finish(&second);
	git_store_init(&second, &w->loop, NULL, false);
	assert_true(git_store_open(&second) < 0 && second.why[0]);
	git_store_finish(&second);
}

TEST(a_folder_that_others_may_enter_is_not_used)
{
	struct world *w = *state;
	fchmod(w->store.fd, 0755);
	git_store_finish(&w->store);
	git_store_init(&w->store, &w->loop, w->dir, false);
	assert_int_equal(git_store_open(&w->store), -EPERM);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(a_tree_is_its_users_and_of_its_history_only),
		CASE(what_is_whole_is_there_for_the_next_daemon_and_what_is_not_goes),
		CASE(a_tree_that_has_changed_is_none),
		CASE(after_another_boot_there_are_no_trees),
		CASE(beyond_the_bound_the_oldest_goes_unless_it_is_in_use),
		CASE(one_daemon_has_it),
		CASE(a_folder_that_others_may_enter_is_not_used),
	};
	return RUN_TESTS(tests);
}
