/* Where git keeps what belongs to a directory: in trees as git makes them, and as nobody should. */
#include "harness.h"

#include "base/fd.h"
#include "cli/worktree.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[PATH_MAX];

static void make_dir(const char *name)
{
	assert_int_equal(mkdir(name, 0755), 0);
}

static void write_file(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
	close(fd);
}

static void make_git_dir(const char *name)
{
	char path[128];
	static const char *const parts[] = { "objects", "refs" };
	make_dir(name);
	for (size_t i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s", name, parts[i]);
		make_dir(path);
	}
	snprintf(path, sizeof(path), "%s/HEAD", name);
	write_file(path, "ref: refs/heads/main\n");
}

/* main/.git with a worktree wt, and a module sub of it. */
static int set_up(void **state)
{
	char text[PATH_MAX + 64];
	char template[] = "/tmp/dayfly-test-XXXXXX";
	assert_non_null(mkdtemp(template));
	assert_non_null(realpath(template, root));
	assert_int_equal(chdir(root), 0);
	make_dir("main");
	make_dir("wt");
	make_dir("sub");
	make_git_dir("main/.git");
	make_dir("main/.git/worktrees");
	make_dir("main/.git/worktrees/w");
	make_dir("main/.git/modules");
	make_git_dir("main/.git/modules/sub");
	snprintf(text, sizeof(text), "%s/wt/.git\n", root);
	write_file("main/.git/worktrees/w/gitdir", text);
	snprintf(text, sizeof(text), "gitdir: %s/main/.git/worktrees/w\n", root);
	write_file("wt/.git", text);
	write_file("main/.git/modules/sub/config",
		"[other]\n\tworktree = /\n[core]\n\tbare = false\n\tworktree = ../../../../sub\n");
	write_file("sub/.git", "gitdir: ../main/.git/modules/sub\n");
	return 0;
}

static int tear_down(void **state)
{
	char command[PATH_MAX + 16];
	assert_int_equal(chdir("/"), 0);
	snprintf(command, sizeof(command), "rm -rf %s", root);
	FILE *f = popen(command, "r");
	return f ? pclose(f) : -1;
}

/* What is found for it: a path below the root, or NULL. */
static const char *found(const char *dir, const char **ret_target)
{
	static char path[PATH_MAX];
	static char target[PATH_MAX];
	char link[32];
	struct worktree w;
	struct err e;
	char *why;
	assert_int_equal(worktree_find(dir, &w, &why, &e), 0);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", w.git_fd);
	ssize_t n = w.git_fd < 0 ? -1 : readlink(link, path, sizeof(path) - 1);
	if (n >= 0)
		path[n] = '\0';
	snprintf(target, sizeof(target), "%s", w.target ? w.target : "");
	if (ret_target)
		*ret_target = why ? "refused" : target;
	free(why);
	worktree_finish(&w);
	return n < 0 ? NULL : path + strlen(root);
}

static void assert_refused(const char *dir)
{
	const char *target;
	assert_null(found(dir, &target));
	assert_string_equal(target, "refused");
}

TEST(of_a_linked_worktree_it_is_the_common_directory)
{
	const char *target;
	assert_string_equal(found("wt", &target), "/main/.git");
	assert_string_equal(target + strlen(root), "/main/.git");
	/* As newer versions of git may write it. */
	write_file("wt/.git", "gitdir: ../main/.git/worktrees/w\n");
	write_file("main/.git/worktrees/w/gitdir", "../../../../wt/.git\n");
	assert_string_equal(found("wt", &target), "/main/.git");
	assert_string_equal(target, "");
}

TEST(of_a_submodule_it_is_its_own)
{
	assert_string_equal(found("sub", NULL), "/main/.git/modules/sub");
}

TEST(nothing_is_outside_of_others)
{
	const char *target;
	assert_null(found("main", &target));
	assert_string_equal(target, "");
	assert_null(found("main/.git", &target));
	assert_string_equal(target, "");
	write_file("wt/.git", "no word of git's\n");
	assert_null(found("wt", &target));
	assert_string_equal(target, "");
	/* The git directory of a module that lies inside. */
	make_dir("main/m");
	write_file("main/m/.git", "gitdir: ../.git/modules/sub\n");
	assert_null(found("main", &target));
}

TEST(K15_a_file_that_anybody_wrote_opens_nothing)
{
	char text[PATH_MAX + 64];
	static const char *const places[] = { "/", "/etc", "/root/.ssh", "/nonexistent", "..",
		"/dev/zero", "" };
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		snprintf(text, sizeof(text), "gitdir: %s\n", places[i]);
		write_file("wt/.git", text);
		if (places[i][0])
			assert_refused("wt");
		else
			assert_null(found("wt", NULL));
	}
	/* Of another worktree, and of a whole repository. */
	make_dir("other");
	snprintf(text, sizeof(text), "gitdir: %s/main/.git/worktrees/w\n", root);
	write_file("other/.git", text);
	assert_refused("other");
	snprintf(text, sizeof(text), "gitdir: %s/main/.git\n", root);
	write_file("other/.git", text);
	assert_refused("other");
	write_file("other/.git", "gitdir: ../main/.git/modules/sub\n");
	assert_refused("other");
}

TEST(K15_who_can_write_one_directory_gets_no_other)
{
	char text[PATH_MAX + 64];
	/* A back pointer, but no git directory two above. */
	make_dir("a");
	make_dir("a/worktrees");
	make_dir("a/worktrees/w");
	snprintf(text, sizeof(text), "%s/wt/.git\n", root);
	write_file("a/worktrees/w/gitdir", text);
	write_file("wt/.git", "gitdir: ../a/worktrees/w\n");
	assert_refused("wt");
	/* `commondir` has no say. */
	snprintf(text, sizeof(text), "%s/main/.git\n", root);
	write_file("a/worktrees/w/commondir", text);
	assert_refused("wt");
	/* A link in a real one leads to where it leads. */
	snprintf(text, sizeof(text), "%s/a/worktrees/w", root);
	assert_int_equal(symlink(text, "main/.git/worktrees/x"), 0);
	write_file("wt/.git", "gitdir: ../main/.git/worktrees/x\n");
	assert_refused("wt");
	/* Nor is the file .git a link. */
	unlink("wt/.git");
	assert_int_equal(symlink("../main/.git", "wt/.git"), 0);
	assert_null(found("wt", NULL));
}

int main(void)
{
#define IN_TREE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		IN_TREE(of_a_linked_worktree_it_is_the_common_directory),
		IN_TREE(of_a_submodule_it_is_its_own),
		IN_TREE(nothing_is_outside_of_others),
		IN_TREE(K15_a_file_that_anybody_wrote_opens_nothing),
		IN_TREE(K15_who_can_write_one_directory_gets_no_other),
	};
	return RUN_TESTS(tests);
}
