#include "harness.h"

#include "client/paths.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* A world of its own under a temporary directory. */
struct world {
	char root[32], run_user[64], tmp[64], system_socket[64], xdg[64];
	struct paths_env env;
};

static void make_dir(const char *path, mode_t mode)
{
	assert_int_equal(mkdir(path, mode), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static int make_world(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	snprintf(w->root, sizeof(w->root), "/tmp/dayfly-test-XXXXXX");
	assert_non_null(mkdtemp(w->root));
	snprintf(w->run_user, sizeof(w->run_user), "%s/run", w->root);
	snprintf(w->tmp, sizeof(w->tmp), "%s/tmp", w->root);
	snprintf(w->xdg, sizeof(w->xdg), "%s/xdg", w->root);
	snprintf(w->system_socket, sizeof(w->system_socket), "%s/system.sock", w->root);
	make_dir(w->run_user, 0755);
	make_dir(w->tmp, 0777);
	paths_env_init(&w->env);
	w->env.xdg_runtime_dir = NULL;
	w->env.run_user = w->run_user;
	w->env.tmp = w->tmp;
	w->env.system_socket = w->system_socket;
	w->env.uid = getuid();
	*state = w;
	return 0;
}

static int drop_world(void **state)
{
	struct world *w = *state;
	char command[64];
	snprintf(command, sizeof(command), "%s", w->root);
	pid_t pid = fork();
	if (pid == 0) {
		execlp("rm", "rm", "-rf", command, (char *)NULL);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	free(w);
	return 0;
}

#define WORLD_TEST(name) static void name(void **state)

static void expect_candidates(const struct world *w, const char *const *paths, size_t n)
{
	struct paths_candidates found;
	paths_find(&w->env, &found);
	assert_int_equal(found.n, n + 1);
	for (size_t i = 0; i < n; i++)
		assert_string_equal(found.path[i], paths[i]);
	assert_string_equal(found.path[n], w->system_socket);
}

WORLD_TEST(without_private_directories_only_the_system_socket_is_tried)
{
	struct world *w = *state;
	expect_candidates(w, NULL, 0);
	w->env.xdg_runtime_dir = "relative";
	expect_candidates(w, NULL, 0);
	w->env.xdg_runtime_dir = w->xdg;
	expect_candidates(w, NULL, 0);
}

WORLD_TEST(private_places_come_in_order_and_once)
{
	struct world *w = *state;
	char run[80], run_dayfly[96], tmp_dayfly[96], xdg_dayfly[96], sockets[3][112];
	snprintf(run, sizeof(run), "%s/%u", w->run_user, (unsigned)getuid());
	snprintf(run_dayfly, sizeof(run_dayfly), "%s/dayfly", run);
	snprintf(tmp_dayfly, sizeof(tmp_dayfly), "%s/dayfly-%u", w->tmp, (unsigned)getuid());
	snprintf(xdg_dayfly, sizeof(xdg_dayfly), "%s/dayfly", w->xdg);
	make_dir(run, 0700);
	make_dir(run_dayfly, 0700);
	make_dir(tmp_dayfly, 0700);
	make_dir(w->xdg, 0700);
	make_dir(xdg_dayfly, 0700);
	snprintf(sockets[0], sizeof(sockets[0]), "%s/dayfly.sock", xdg_dayfly);
	snprintf(sockets[1], sizeof(sockets[1]), "%s/dayfly.sock", run_dayfly);
	snprintf(sockets[2], sizeof(sockets[2]), "%s/dayfly.sock", tmp_dayfly);
	const char *all[] = { sockets[0], sockets[1], sockets[2] };
	w->env.xdg_runtime_dir = w->xdg;
	expect_candidates(w, all, 3);
	w->env.xdg_runtime_dir = NULL;
	expect_candidates(w, all + 1, 2);
	w->env.xdg_runtime_dir = run;
	expect_candidates(w, all + 1, 2);
}

WORLD_TEST(a_directory_that_others_control_is_not_trusted)
{
	struct world *w = *state;
	char dir[96], target[96];
	snprintf(dir, sizeof(dir), "%s/dayfly-%u", w->tmp, (unsigned)getuid());
	snprintf(target, sizeof(target), "%s/target", w->root);
	make_dir(dir, 0700);
	assert_int_equal(paths_check_dir(dir, getuid()), PATHS_OURS);
	assert_int_equal(paths_check_dir(dir, getuid() + 1), PATHS_FOREIGN);
	assert_int_equal(chmod(dir, 0770), 0);
	assert_int_equal(paths_check_dir(dir, getuid()), PATHS_FOREIGN);
	expect_candidates(w, NULL, 0);
	assert_int_equal(rmdir(dir), 0);
	assert_int_equal(paths_check_dir(dir, getuid()), PATHS_MISSING);
	make_dir(target, 0700);
	assert_int_equal(symlink(target, dir), 0);
	assert_int_equal(paths_check_dir(dir, getuid()), PATHS_FOREIGN);
	expect_candidates(w, NULL, 0);
}

WORLD_TEST(a_private_daemon_goes_to_the_first_usable_place)
{
	struct world *w = *state;
	struct dayfly_error e;
	char socket[PATHS_SIZE], want[PATHS_SIZE + 16], run[80], taken[96];
	snprintf(want, sizeof(want), "%s/dayfly-%u/dayfly.sock", w->tmp, (unsigned)getuid());
	assert_int_equal(paths_private_socket(&w->env, socket, &e), 0);
	assert_string_equal(socket, want);

	snprintf(run, sizeof(run), "%s/%u", w->run_user, (unsigned)getuid());
	make_dir(run, 0700);
	snprintf(want, sizeof(want), "%s/dayfly/dayfly.sock", run);
	assert_int_equal(paths_private_socket(&w->env, socket, &e), 0);
	assert_string_equal(socket, want);

	w->env.xdg_runtime_dir = w->xdg;
	make_dir(w->xdg, 0700);
	snprintf(want, sizeof(want), "%s/dayfly/dayfly.sock", w->xdg);
	assert_int_equal(paths_private_socket(&w->env, socket, &e), 0);
	assert_string_equal(socket, want);

	/* Nothing is made. */
	snprintf(taken, sizeof(taken), "%s/dayfly", w->xdg);
	assert_int_equal(access(taken, F_OK), -1);
	make_dir(taken, 0777);
	assert_int_equal(paths_private_socket(&w->env, socket, &e), -EACCES);
	assert_string_equal(e.code, "connect_failed");
	assert_non_null(strstr(e.message, taken));
}

WORLD_TEST(a_runtime_directory_of_another_user_is_passed_over)
{
	struct world *w = *state;
	struct dayfly_error e;
	char socket[PATHS_SIZE], want[PATHS_SIZE + 16];
	w->env.xdg_runtime_dir = "/proc";
	w->env.uid = getuid() + 1;
	snprintf(want, sizeof(want), "%s/dayfly-%u/dayfly.sock", w->tmp, (unsigned)w->env.uid);
	assert_int_equal(paths_private_socket(&w->env, socket, &e), 0);
	assert_string_equal(socket, want);
}

WORLD_TEST(a_path_too_long_for_a_socket_is_no_place)
{
	struct world *w = *state;
	struct dayfly_error e;
	char longer[200], socket[PATHS_SIZE];
	memset(longer, 'x', sizeof(longer) - 1);
	longer[0] = '/';
	longer[sizeof(longer) - 1] = '\0';
	w->env.xdg_runtime_dir = longer;
	assert_int_equal(paths_private_socket(&w->env, socket, &e), 0);
	w->env.run_user = w->env.tmp = longer;
	assert_int_equal(paths_private_socket(&w->env, socket, &e), -ENAMETOOLONG);
	expect_candidates(w, NULL, 0);
}

#define WORLD(name) cmocka_unit_test_setup_teardown(name, make_world, drop_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD(without_private_directories_only_the_system_socket_is_tried),
		WORLD(private_places_come_in_order_and_once),
		WORLD(a_directory_that_others_control_is_not_trusted),
		WORLD(a_private_daemon_goes_to_the_first_usable_place),
		WORLD(a_runtime_directory_of_another_user_is_passed_over),
		WORLD(a_path_too_long_for_a_socket_is_no_place),
	};
	return RUN_TESTS(tests);
}
