/* Writing changes back to a tree: what a task changed, and what somebody would like to have
 * changed. */
#include "harness.h"

#include "base/fd.h"
#include "base/str.h"
#include "cli/change_apply.h"
#include "cli/place.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char top[32], said[512];
static int above, root, tar_fd;
static struct change_apply a;
static struct change_tar tar;

/* ---- the tree: top/tree, with something beside it that must stay as it is ---- */

static void on_refused(void *owner, const char *path, const char *why)
{
	snprintf(said, sizeof(said), "%s: %s", path, why);
}

static void put_file(int dir, const char *path, const char *text)
{
	int fd = openat(dir, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static int start(void **state)
{
	snprintf(top, sizeof(top), "/tmp/dayfly-unit-XXXXXX");
	if (!mkdtemp(top))
		return -1;
	above = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (mkdirat(above, "tree", 0755) < 0)
		return -1;
	root = openat(above, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	put_file(above, "outside", "mine");
	tar_fd = memfd_create("tar", MFD_CLOEXEC);
	a = (struct change_apply){ .root_fd = root, .refused = on_refused };
	said[0] = '\0';
	return 0;
}

static int finish(void **state)
{
	change_apply_finish(&a);
	change_tar_finish(&tar);
	strv_free(a.hidden);
	strv_free(a.inputs);
	close(tar_fd);
	close(root);
	close(above);
	place_remove_tree(AT_FDCWD, top);
	return access(top, F_OK) == 0 ? -1 : 0;
}

static void expect_file(int dir, const char *path, const char *text)
{
	char content[64] = "";
	struct stat st;
	assert_int_equal(fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISREG(st.st_mode));
	int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	assert_true(read(fd, content, sizeof(content) - 1) >= 0);
	close(fd);
	assert_string_equal(content, text);
}

static mode_t mode_of(const char *path)
{
	struct stat st;
	assert_int_equal(fstatat(root, path, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st.st_mode;
}

static bool is_there(const char *path)
{
	struct stat st;
	return fstatat(root, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* ---- the tar ---- */

enum { ADDED, MODIFIED };

static void put(const void *data, size_t len)
{
	assert_int_equal(write(tar_fd, data, len), len);
}

static void put_zeros(size_t n)
{
	static const char zeros[1024];
	put(zeros, n);
}

static void put_header(
	char type, int kind, const char *name, unsigned mode, const char *link, uint64_t size)
{
	char h[512] = "";
	unsigned sum = 0;
	memcpy(h, name, strlen(name));
	snprintf(h + 100, 8, "%07o", mode);
	h[124] = (char)0x80;
	for (int i = 0; i < 8; i++)
		h[135 - i] = (char)(size >> (8 * i));
	snprintf(h + 136, 12, "00000000017");
	h[156] = type;
	memcpy(h + 157, link, strlen(link));
	memcpy(h + 257, "ustar  ", 8);
	snprintf(h + 337, 8, "%07o", kind == MODIFIED);
	memset(h + 148, ' ', 8);
	for (int i = 0; i < 512; i++)
		sum += (unsigned char)h[i];
	snprintf(h + 148, 8, "%06o", sum);
	put(h, sizeof(h));
}

static void file(int kind, const char *path, unsigned mode, const char *text)
{
	size_t len = strlen(text);
	put_header('0', kind, path, mode, "", len);
	put(text, len);
	put_zeros((512 - len % 512) % 512);
}

static void link_to(int kind, const char *path, const char *to)
{
	put_header('2', kind, path, 0777, to, 0);
}

/* With a slash at its end, as jail init writes it. */
static void directory(int kind, const char *path, unsigned mode)
{
	put_header('5', kind, path, mode, "", 0);
}

static void deleted(const char *path)
{
	char name[100];
	const char *slash = strrchr(path, '/');
	int dir = slash ? (int)(slash + 1 - path) : 0;
	snprintf(name, sizeof(name), "%.*s.wh.%s", dir, path, path + dir);
	put_header('0', ADDED, name, 0, "", 0);
}

/* The moment when the task began: what is done to the tree later is done meanwhile. */
static void begin(void)
{
	assert_int_equal(change_apply_now(root, &a.base), 0);
}

static void read_tar(void)
{
	struct err e = { 0 };
	put_zeros(1024);
	assert_int_equal(change_tar_read(tar_fd, &tar, &e), 0);
}

static int check(void)
{
	read_tar();
	return change_apply_check(&a, &tar);
}

static void apply_all(void)
{
	assert_int_equal(check(), 0);
	assert_int_equal(change_apply_write(&a, &tar), 0);
	assert_string_equal(said, "");
}

static void expect_refused(const char *text)
{
	assert_int_equal(check(), -EBUSY);
	assert_int_equal(a.n_refused, 1);
	assert_string_equal(said, text);
}

/* ---- tests ---- */

static void changes_of_every_kind_are_made(void **state)
{
	struct stat st;
	put_file(root, "mod", "old");
	put_file(root, "mode", "same");
	put_file(root, "gone", "old");
	put_file(root, "to-link", "old");
	assert_int_equal(symlinkat("old", root, "relink"), 0);
	assert_int_equal(symlinkat("old", root, "to-file"), 0);
	begin();
	file(MODIFIED, "mod", 0644, "new");
	file(MODIFIED, "mode", 0750, "same");
	deleted("gone");
	link_to(MODIFIED, "to-link", "/etc/passwd");
	link_to(MODIFIED, "relink", "new");
	file(MODIFIED, "to-file", 0600, "new");
	directory(ADDED, "dir/", 0500);
	directory(ADDED, "dir/sub/", 0700);
	file(ADDED, "dir/sub/new\nline", 0755, "added");
	file(ADDED, "dir/in", 0444, "");
	apply_all();
	expect_file(root, "mod", "new");
	expect_file(root, "mode", "same");
	assert_int_equal(mode_of("mode") & 07777, 0750);
	assert_false(is_there("gone"));
	char to[32] = "";
	assert_int_equal(readlinkat(root, "to-link", to, sizeof(to)), 11);
	assert_string_equal(to, "/etc/passwd");
	assert_int_equal(readlinkat(root, "relink", to, sizeof(to)), 3);
	expect_file(root, "to-file", "new");
	expect_file(root, "dir/sub/new\nline", "added");
	assert_int_equal(mode_of("dir/sub/new\nline") & 07777, 0755);
	assert_int_equal(mode_of("dir") & 07777, 0500);
	assert_int_equal(fstatat(root, "mod", &st, 0), 0);
	assert_int_equal(st.st_mtime, 15);
	assert_int_equal(a.written, 7);
	assert_int_equal(a.deleted, 1);
	assert_int_equal(fchmodat(root, "dir", 0700, 0), 0);
}

static void a_check_changes_nothing(void **state)
{
	put_file(root, "mod", "old");
	put_file(root, "gone", "old");
	begin();
	file(MODIFIED, "mod", 0644, "new");
	deleted("gone");
	directory(ADDED, "dir/", 0755);
	assert_int_equal(check(), 0);
	expect_file(root, "mod", "old");
	expect_file(root, "gone", "old");
	assert_false(is_there("dir"));
}

static void what_was_changed_meanwhile_is_refused(void **state)
{
	/* The same size, and the time of the content set back: its own change cannot be. */
	const struct timespec times[2] = { { .tv_sec = 5 }, { .tv_sec = 5 } };
	put_file(root, "mod", "old");
	assert_int_equal(utimensat(root, "mod", times, 0), 0);
	begin();
	put_file(root, "mod", "own");
	assert_int_equal(utimensat(root, "mod", times, 0), 0);
	file(MODIFIED, "mod", 0644, "new");
	expect_refused("mod: it was changed after the task saw it");
	expect_file(root, "mod", "own");
	/* Positive control: it was there before another beginning. */
	begin();
	assert_int_equal(change_apply_check(&a, &tar), 0);
	assert_int_equal(change_apply_write(&a, &tar), 0);
	expect_file(root, "mod", "new");
}

static void what_was_deleted_or_came_meanwhile_is_refused(void **state)
{
	static const char *const reasons[] = { "mod: it was deleted meanwhile",
		"new: something has come in its place", "dir: something has come in its place",
		"gone: it was changed after the task saw it" };
	put_file(root, "mod", "old");
	put_file(root, "new", "older than the beginning: hidden from the task");
	assert_int_equal(symlinkat("/", root, "dir"), 0);
	put_file(root, "gone", "old");
	begin();
	assert_int_equal(unlinkat(root, "mod", 0), 0);
	put_file(root, "gone", "own");
	for (int i = 0; i < 4; i++) {
		assert_int_equal(ftruncate(tar_fd, 0), 0);
		lseek(tar_fd, 0, SEEK_SET);
		change_tar_finish(&tar);
		if (i == 0)
			file(MODIFIED, "mod", 0644, "new");
		else if (i == 1)
			file(ADDED, "new", 0644, "new");
		else if (i == 2)
			directory(ADDED, "dir/", 0755);
		else
			deleted("gone");
		expect_refused(reasons[i]);
	}
	expect_file(root, "gone", "own");
}

static void what_has_gone_anyway_needs_no_deletion(void **state)
{
	begin();
	deleted("dir/in");
	deleted("dir");
	deleted("gone");
	apply_all();
	assert_int_equal(a.deleted, 0);
}

static void kinds_change_both_ways(void **state)
{
	put_file(root, "file", "old");
	assert_int_equal(mkdirat(root, "dir", 0755), 0);
	assert_int_equal(mkdirat(root, "dir/sub", 0755), 0);
	put_file(root, "dir/sub/in", "old");
	begin();
	deleted("dir/sub/in");
	deleted("dir/sub");
	deleted("dir");
	file(ADDED, "dir", 0644, "a file");
	deleted("file");
	directory(ADDED, "file/", 0755);
	file(ADDED, "file/in", 0644, "in it");
	apply_all();
	expect_file(root, "dir", "a file");
	expect_file(root, "file/in", "in it");
}

static void a_directory_goes_only_with_all_that_is_in_it(void **state)
{
	assert_int_equal(mkdirat(root, "dir", 0755), 0);
	put_file(root, "dir/in", "old");
	put_file(root, "dir/unseen", "hidden, or made meanwhile");
	begin();
	deleted("dir/in");
	deleted("dir");
	expect_refused("dir: something is in it that the task did not see");
	expect_file(root, "dir/in", "old");
	/* What is in it may not have been there when the task began. */
	assert_int_equal(unlinkat(root, "dir/unseen", 0), 0);
	assert_int_equal(change_apply_check(&a, &tar), -EBUSY);
	assert_string_equal(said, "dir: it was changed after the task saw it");
	begin();
	said[0] = '\0';
	assert_int_equal(change_apply_check(&a, &tar), 0);
	assert_int_equal(change_apply_write(&a, &tar), 0);
	assert_false(is_there("dir"));
}

static void a_directory_that_was_brought_meanwhile_stays(void **state)
{
	assert_int_equal(mkdirat(above, "old", 0755), 0);
	put_file(above, "old/in", "old");
	begin();
	/* At the task's end it was there, and the task has a file of this name. */
	assert_int_equal(renameat(above, "old", root, "dir"), 0);
	deleted("dir/in");
	deleted("dir");
	file(ADDED, "dir", 0644, "new");
	expect_refused("dir: it was changed after the task saw it");
	expect_file(root, "dir/in", "old");
}

static void git_s_own_files_are_left_alone(void **state)
{
	assert_int_equal(mkdirat(root, ".git", 0755), 0);
	put_file(root, ".git/config", "own");
	assert_int_equal(mkdirat(root, "sub", 0755), 0);
	assert_int_equal(mkdirat(root, "sub/lib", 0755), 0);
	put_file(root, "sub/lib/.git", "gitdir: x");
	put_file(root, "sub/lib/code", "old");
	begin();
	file(MODIFIED, ".git/config", 0644, "[core] fsmonitor = evil");
	file(ADDED, ".git/hooks/pre-commit", 0755, "evil");
	file(MODIFIED, ".git/index", 0644, "by the way");
	deleted("sub/lib/.git");
	deleted("sub/lib/code");
	deleted("sub/lib");
	deleted("sub");
	file(ADDED, "new", 0644, "new");
	apply_all();
	expect_file(root, ".git/config", "own");
	assert_false(is_there(".git/hooks"));
	expect_file(root, "sub/lib/.git", "gitdir: x");
	assert_false(is_there("sub/lib/code"));
	expect_file(root, "new", "new");
	assert_int_equal(a.git_entries, 3);
}

static void what_must_stay_gives_no_place_to_a_file(void **state)
{
	assert_int_equal(mkdirat(root, "lib", 0755), 0);
	put_file(root, "lib/.git", "gitdir: x");
	begin();
	deleted("lib/.git");
	deleted("lib");
	file(ADDED, "lib", 0644, "a file");
	expect_refused("lib: something in this directory is left alone");
	expect_file(root, "lib/.git", "gitdir: x");
}

static void what_was_hidden_is_left_alone(void **state)
{
	put_file(root, ".env", "secret");
	put_file(root, ".env2", "no secret");
	assert_int_equal(mkdirat(root, "build", 0755), 0);
	assert_int_equal(mkdirat(root, "src", 0755), 0);
	put_file(root, "src/.env", "secret");
	assert_int_equal(strv_add(&a.hidden, "src/.env"), 0);
	assert_int_equal(strv_add(&a.hidden, "build"), 0);
	assert_int_equal(strv_add(&a.hidden, ".env"), 0);
	assert_int_equal(strv_add(&a.inputs, "given"), 0);
	begin();
	file(ADDED, ".env", 0644, "evil");
	file(MODIFIED, ".env2", 0644, "new");
	directory(ADDED, "build/", 0755);
	file(ADDED, "build/out", 0644, "evil");
	file(ADDED, "given", 0644, "not the task's");
	deleted("src");
	apply_all();
	expect_file(root, ".env", "secret");
	expect_file(root, ".env2", "new");
	assert_false(is_there("build/out"));
	assert_false(is_there("given"));
	expect_file(root, "src/.env", "secret");
	assert_int_equal(a.hidden_entries, 3);
	assert_int_equal(a.input_entries, 1);
}

static void names_of_one_file_become_files_of_their_own(void **state)
{
	put_file(root, "a", "old");
	assert_int_equal(linkat(root, "a", root, "b", 0), 0);
	assert_int_equal(linkat(root, "a", root, "c", 0), 0);
	begin();
	file(MODIFIED, "a", 0644, "new a");
	file(MODIFIED, "b", 0644, "new b");
	apply_all();
	expect_file(root, "a", "new a");
	expect_file(root, "b", "new b");
	expect_file(root, "c", "old");
}

static void modes_of_directories_come_last(void **state)
{
	assert_int_equal(mkdirat(root, "ro", 0555), 0);
	put_file(root, "x", "");
	assert_int_equal(mkdirat(root, "shared", 0755), 0);
	assert_int_equal(fchmodat(root, "shared", 02775, 0), 0);
	assert_int_equal(mkdirat(root, "there", 0711), 0);
	begin();
	directory(MODIFIED, "ro/", 0511);
	file(ADDED, "ro/in", 0644, "new");
	directory(MODIFIED, "shared/", 0770);
	directory(ADDED, "there/", 0777);
	apply_all();
	expect_file(root, "ro/in", "new");
	assert_int_equal(mode_of("ro") & 07777, 0511);
	assert_int_equal(mode_of("shared") & 07777, 02770);
	/* It is not the task's. */
	assert_int_equal(mode_of("there") & 07777, 0711);
	assert_int_equal(fchmodat(root, "ro", 0755, 0), 0);
}

static void A18_nothing_is_written_through_a_link(void **state)
{
	assert_int_equal(mkdirat(above, "dir", 0755), 0);
	assert_int_equal(mkdirat(root, "dir", 0755), 0);
	put_file(root, "dir/mod", "old");
	put_file(above, "dir/mod", "mine");
	begin();
	directory(MODIFIED, "dir/", 0700);
	file(MODIFIED, "dir/mod", 0644, "new");
	file(ADDED, "dir/new", 0644, "new");
	deleted("dir/mod2");
	/* Swapped before the check, and after it. */
	for (int i = 0; i < 2; i++) {
		if (i == 0)
			read_tar();
		else
			assert_int_equal(change_apply_check(&a, &tar), 0);
		assert_int_equal(renameat(root, "dir", root, "aside"), 0);
		assert_int_equal(symlinkat("../dir", root, "dir"), 0);
		assert_true(
			(i == 0 ? change_apply_check(&a, &tar) : change_apply_write(&a, &tar)) < 0);
		assert_true(a.n_refused > 0);
		expect_file(above, "dir/mod", "mine");
		assert_int_equal(faccessat(above, "dir/new", F_OK, 0), -1);
		assert_int_equal(unlinkat(root, "dir", 0), 0);
		assert_int_equal(renameat(root, "aside", root, "dir"), 0);
	}
	struct stat st;
	assert_int_equal(fstatat(above, "dir", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	/* Positive control. */
	assert_int_equal(change_apply_check(&a, &tar), 0);
	assert_int_equal(change_apply_write(&a, &tar), 0);
	expect_file(root, "dir/mod", "new");
	expect_file(root, "dir/new", "new");
	assert_int_equal(mode_of("dir") & 07777, 0700);
}

static void A18_a_tar_that_makes_its_own_way_out_does_not_get_out(void **state)
{
	begin();
	link_to(ADDED, "up", "..");
	file(ADDED, "up/outside", 0644, "evil");
	read_tar();
	assert_true(change_apply_check(&a, &tar) < 0);
	assert_int_equal(a.n_refused, 1);
	/* Whoever writes without heeding that. */
	assert_true(change_apply_write(&a, &tar) < 0);
	expect_file(above, "outside", "mine");
}

static void A18_a_file_that_is_a_link_is_replaced_and_not_followed(void **state)
{
	assert_int_equal(symlinkat("../outside", root, "link"), 0);
	begin();
	file(MODIFIED, "link", 0644, "new");
	apply_all();
	expect_file(root, "link", "new");
	expect_file(above, "outside", "mine");
}

static void a_change_between_check_and_write_is_refused(void **state)
{
	put_file(root, "one", "old");
	put_file(root, "two", "old");
	begin();
	file(MODIFIED, "one", 0644, "new");
	file(MODIFIED, "two", 0644, "new");
	assert_int_equal(check(), 0);
	put_file(root, "two", "own");
	assert_int_equal(change_apply_write(&a, &tar), -EBUSY);
	assert_string_equal(said, "two: it was changed after the task saw it");
	expect_file(root, "one", "new");
	expect_file(root, "two", "own");
	assert_int_equal(a.reached, 1);
}

static void a_file_that_cannot_be_written_is_as_it_was(void **state)
{
	struct rlimit old, small;
	put_file(root, "small", "old");
	put_file(root, "large", "old");
	put_file(root, "third", "old");
	begin();
	file(MODIFIED, "small", 0644, "new");
	file(MODIFIED, "large", 0644, "too large for what is left");
	file(MODIFIED, "third", 0644, "new");
	assert_int_equal(check(), 0);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = (struct rlimit){ 10, old.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	int r = change_apply_write(&a, &tar);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(r, -EFBIG);
	expect_file(root, "small", "new");
	expect_file(root, "large", "old");
	expect_file(root, "third", "old");
	assert_int_equal(a.written, 1);
	assert_int_equal(a.reached, 1);
}

static void what_has_no_room_is_not_begun(void **state)
{
	const uint64_t size = 1ull << 54;
	begin();
	file(ADDED, "small", 0644, "new");
	put_header('0', ADDED, "large", 0644, "", size);
	assert_true(lseek(tar_fd, (off_t)size, SEEK_CUR) > 0);
	assert_int_equal(check(), -ENOSPC);
	assert_true(a.space_bytes >= size);
}

static void a_signal_ends_it_between_two_files(void **state)
{
	sigset_t set;
	int signo;
	begin();
	file(ADDED, "new", 0644, "new");
	assert_int_equal(check(), 0);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGTERM);
	assert_int_equal(change_apply_write(&a, &tar), -EINTR);
	assert_false(is_there("new"));
	assert_int_equal(sigwait(&set, &signo), 0);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	assert_int_equal(change_apply_write(&a, &tar), 0);
	assert_true(is_there("new"));
}

static void a_directory_of_which_nothing_is_known_keeps_its_mode(void **state)
{
	assert_int_equal(mkdirat(root, "private", 0700), 0);
	assert_int_equal(mkdirat(root, "same", 0700), 0);
	directory(MODIFIED, "private/", 0777);
	directory(MODIFIED, "same/", 0700);
	expect_refused("private: whether it is as the task saw it cannot be told");
	assert_int_equal(mode_of("private") & 0777, 0700);
	/* The control. */
	a.n_refused = 0;
	a.is_unchecked = true;
	assert_int_equal(change_apply_check(&a, &tar), 0);
	assert_int_equal(change_apply_write(&a, &tar), 0);
	assert_int_equal(mode_of("private") & 0777, 0777);
}

#define APPLY_TEST(name) cmocka_unit_test_setup_teardown(name, start, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		APPLY_TEST(changes_of_every_kind_are_made),
		APPLY_TEST(a_check_changes_nothing),
		APPLY_TEST(what_was_changed_meanwhile_is_refused),
		APPLY_TEST(what_was_deleted_or_came_meanwhile_is_refused),
		APPLY_TEST(what_has_gone_anyway_needs_no_deletion),
		APPLY_TEST(kinds_change_both_ways),
		APPLY_TEST(a_directory_goes_only_with_all_that_is_in_it),
		APPLY_TEST(a_directory_that_was_brought_meanwhile_stays),
		APPLY_TEST(git_s_own_files_are_left_alone),
		APPLY_TEST(what_must_stay_gives_no_place_to_a_file),
		APPLY_TEST(what_was_hidden_is_left_alone),
		APPLY_TEST(names_of_one_file_become_files_of_their_own),
		APPLY_TEST(modes_of_directories_come_last),
		APPLY_TEST(a_directory_of_which_nothing_is_known_keeps_its_mode),
		APPLY_TEST(A18_nothing_is_written_through_a_link),
		APPLY_TEST(A18_a_tar_that_makes_its_own_way_out_does_not_get_out),
		APPLY_TEST(A18_a_file_that_is_a_link_is_replaced_and_not_followed),
		APPLY_TEST(a_change_between_check_and_write_is_refused),
		APPLY_TEST(a_file_that_cannot_be_written_is_as_it_was),
		APPLY_TEST(what_has_no_room_is_not_begun),
		APPLY_TEST(a_signal_ends_it_between_two_files),
	};
	return RUN_TESTS(tests);
}
