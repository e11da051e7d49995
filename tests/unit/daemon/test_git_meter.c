/* What git has written: what counts, what is beyond its bound, and who is told of that. */
#include "harness.h"
#include "loop.h"

#include "base/fd.h"
#include "base/remove.h"
#include "daemon/git_meter.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KIB 1024ull

struct world {
	char dir[32];
	int fd;
	uv_loop_t loop;
	struct git_meter meter;
	struct git_metered a, b;
};

static struct git_metered *told, *ends; /* the second ends when the first is told */
static unsigned n_told;
static volatile bool is_stopping;
static bool is_odd;

static void on_over(struct git_metered *m)
{
	told = m;
	n_told++;
	if (ends)
		git_meter_end(ends);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	snprintf(w->dir, sizeof(w->dir), "/tmp/dayfly-unit-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	w->fd = open(w->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(w->fd >= 0);
	assert_int_equal(uv_loop_init(&w->loop), 0);
	assert_int_equal(git_meter_init(&w->meter, &w->loop, on_over), 0);
	n_told = 0;
	ends = NULL;
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	git_meter_finish(&w->meter);
	loop_assert_empty(&w->loop);
	fd_close(&w->fd);
	assert_int_equal(remove_tree(AT_FDCWD, w->dir), 0);
	free(w);
	return 0;
}

static void put(int dirfd, const char *name, size_t bytes)
{
	static char data[64 * KIB];
	auto_close int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	memset(data, 'x', sizeof(data));
	assert_int_equal(fd_write_all(fd, data, bytes), 0);
	assert_int_equal(fsync(fd), 0);
}

TEST(all_that_is_below_counts)
{
	struct world *w = *state;
	assert_false(git_meter_is_over(w->fd, 100 * KIB, &is_stopping, &is_odd));
	put(w->fd, "one", 60 * KIB);
	assert_false(git_meter_is_over(w->fd, 100 * KIB, &is_stopping, &is_odd));
	assert_int_equal(mkdirat(w->fd, "sub", 0755), 0);
	put(w->fd, "sub/two", 60 * KIB);
	assert_true(git_meter_is_over(w->fd, 100 * KIB, &is_stopping, &is_odd));
	assert_false(is_odd);
	assert_false(git_meter_is_over(w->fd, 200 * KIB, &is_stopping, &is_odd));
}

TEST(a_link_leads_nowhere)
{
	struct world *w = *state;
	assert_int_equal(symlinkat("/usr", w->fd, "usr"), 0);
	assert_false(git_meter_is_over(w->fd, 100 * KIB, &is_stopping, &is_odd));
}

TEST(what_cannot_be_looked_through_is_too_much)
{
	struct world *w = *state;
	int fd = dup(w->fd);
	for (int i = 0; i < 300; i++) {
		assert_int_equal(mkdirat(fd, "d", 0755), 0);
		int next = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		fd_close(&fd);
		fd = next;
	}
	fd_close(&fd);
	assert_true(git_meter_is_over(w->fd, 1 << 30, &is_stopping, &is_odd));
	assert_true(is_odd);
}

TEST(the_one_that_is_beyond_its_bound_is_told_once)
{
	struct world *w = *state;
	git_meter_begin(&w->meter, &w->a, w->fd, 10 * KIB);
	git_meter_begin(&w->meter, &w->b, w->fd, 1000 * KIB);
	put(w->fd, "one", 60 * KIB);
	loop_run_until(&w->loop, n_told);
	assert_ptr_equal(told, &w->a);
	assert_false(told->is_odd);
	loop_run_ms(&w->loop, 1200);
	assert_int_equal(n_told, 1);
	git_meter_end(&w->a);
	git_meter_end(&w->b);
}

TEST(one_that_ends_meanwhile_is_not_told)
{
	struct world *w = *state;
	put(w->fd, "one", 60 * KIB);
	git_meter_begin(&w->meter, &w->a, w->fd, 10 * KIB);
	git_meter_begin(&w->meter, &w->b, w->fd, 10 * KIB);
	/* Both were looked at by then. */
	ends = &w->b;
	loop_run_until(&w->loop, n_told);
	loop_run_ms(&w->loop, 1200);
	assert_int_equal(n_told, 1);
	assert_ptr_equal(told, &w->a);
	/* Nor is one without a bound looked at. */
	git_meter_begin(&w->meter, &w->a, w->fd, 0);
	assert_int_equal(w->a.serial, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(all_that_is_below_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(a_link_leads_nowhere, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_cannot_be_looked_through_is_too_much, setup, teardown),
		cmocka_unit_test_setup_teardown(
			the_one_that_is_beyond_its_bound_is_told_once, setup, teardown),
		cmocka_unit_test_setup_teardown(
			one_that_ends_meanwhile_is_not_told, setup, teardown),
	};
	return RUN_TESTS(tests);
}
