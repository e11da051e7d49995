/* What an entry of a tar may be. */
#include "harness.h"

#include "unpack/entry.h"

#include <string.h>
#include <sys/stat.h>

static bool takes(struct entry en)
{
	struct entry_room room = { .bytes = 100, .entries = 10 };
	return entry_refusal(&en, &room) == NULL;
}

static bool takes_path(const char *path)
{
	return takes((struct entry){ .path = path, .type = S_IFREG });
}

TEST(a_name_leads_below_the_directory)
{
	static const char *const good[] = { "a", "a/b", "./a", "a/", ".", "./", "a//b", "..a",
		"a..", "a/...", "C:\\x", ".wh.x", "\377\n" };
	static const char *const bad[] = { "", "/", "/a", "..", "../a", "a/..", "a/../../b",
		"./..//x", "a/b/..", "//a" };
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(takes_path(good[i]));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(takes_path(bad[i]));
	assert_false(takes_path(NULL));
}

TEST(a_name_is_no_longer_than_the_system_takes)
{
	static char path[5000];
	memset(path, 'a', 4095);
	assert_true(takes_path(path));
	path[4095] = 'a';
	assert_false(takes_path(path));
}

TEST(only_files_directories_and_links)
{
	static const mode_t good[] = { S_IFREG, S_IFDIR, S_IFLNK };
	static const mode_t bad[] = { S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK, 0 };
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(takes((struct entry){ .path = "a", .type = good[i] }));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(takes((struct entry){ .path = "a", .type = bad[i] }));
}

TEST(a_hard_link_stays_inside)
{
	assert_true(takes((struct entry){ .path = "a", .hardlink = "b/c" }));
	assert_false(takes((struct entry){ .path = "a", .hardlink = "/etc/passwd" }));
	assert_false(takes((struct entry){ .path = "a", .hardlink = "b/../../c" }));
}

TEST(bytes_and_entries_are_counted)
{
	struct entry_room room = { .bytes = 100, .entries = 4 };
	struct entry en = { .path = "a", .type = S_IFREG, .size = 60 };
	assert_null(entry_refusal(&en, &room));
	assert_int_equal(room.bytes, 40);
	assert_non_null(strstr(entry_refusal(&en, &room), "limits.disk"));
	en.size = -1;
	assert_non_null(entry_refusal(&en, &room));
	en.size = 40;
	assert_null(entry_refusal(&en, &room));
	assert_non_null(strstr(entry_refusal(&en, &room), "limits.inodes"));
	/* A hard link of pax may bring contents. */
	room.entries = 2;
	en.hardlink = "b";
	assert_non_null(strstr(entry_refusal(&en, &room), "limits.disk"));
	en.size = 0;
	assert_null(entry_refusal(&en, &room));
}

TEST(the_directory_itself_is_known)
{
	static const char *const top[] = { ".", "./", "././", ".//." };
	static const char *const other[] = { "", "a", "./a", "..", ".a", "a/." };
	for (size_t i = 0; i < ARRAY_SIZE(top); i++)
		assert_true(entry_is_top(&(struct entry){ .path = top[i] }));
	for (size_t i = 0; i < ARRAY_SIZE(other); i++)
		assert_false(entry_is_top(&(struct entry){ .path = other[i] }));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_leads_below_the_directory),
		cmocka_unit_test(a_name_is_no_longer_than_the_system_takes),
		cmocka_unit_test(only_files_directories_and_links),
		cmocka_unit_test(a_hard_link_stays_inside),
		cmocka_unit_test(bytes_and_entries_are_counted),
		cmocka_unit_test(the_directory_itself_is_known),
	};
	return RUN_TESTS(tests);
}
