#include "harness.h"

#include "history/tables.h"

#include <string.h>

static sqlite3 *open_memory(void)
{
	sqlite3 *db = NULL;
	assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
	return db;
}

static void run(sqlite3 *db, const char *sql)
{
	char *why = NULL;
	if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s: %s", sql, why);
}

/* The first value of the first row, as text. */
static char *one(sqlite3 *db, const char *sql)
{
	static char text[256];
	sqlite3_stmt *stmt = NULL;
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
	text[0] = '\0';
	if (sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_text(stmt, 0))
		snprintf(text, sizeof(text), "%s", (const char *)sqlite3_column_text(stmt, 0));
	sqlite3_finalize(stmt);
	return text;
}

#define ROW(id, uid, labels)                                                                       \
	"INSERT INTO task (id, uid, created, argv, argv_is_cut, labels, request, request_is_cut) " \
	"VALUES ('" id "', " uid ", 5, '[]', 0, " labels ", '{}', 0)"

TEST(an_empty_database_becomes_one_of_this_version)
{
	sqlite3 *db = open_memory();
	int version = -1;
	assert_int_equal(tables_check(db, TABLES_VERSION, &version), TABLES_GOOD);
	assert_int_equal(version, 0);
	assert_int_equal(tables_migrate(db, 0, TABLES_VERSION), SQLITE_OK);
	assert_int_equal(tables_check(db, TABLES_VERSION, &version), TABLES_GOOD);
	assert_int_equal(version, TABLES_VERSION);
	sqlite3_close(db);
}

TEST(each_version_is_brought_to_the_next_with_what_is_in_it)
{
	sqlite3 *db = open_memory();
	int version;
	assert_int_equal(tables_migrate(db, 0, 1), SQLITE_OK);
	run(db, ROW("a", "1", "'{\"team\":\"ci\",\"n\":\"1\"}'"));
	run(db, ROW("b", "1", "NULL"));
	run(db, ROW("c", "2", "'no json'"));
	run(db, ROW("d", "2", "'{\"odd\":null}'"));
	assert_int_equal(tables_check(db, TABLES_VERSION, &version), TABLES_GOOD);
	assert_int_equal(version, 1);
	assert_int_equal(tables_migrate(db, 1, 2), SQLITE_OK);
	assert_string_equal(one(db, "SELECT count(*) FROM task"), "4");
	assert_string_equal(
		one(db, "SELECT group_concat(key || '=' || value) FROM label"), "n=1,team=ci");
	assert_string_equal(
		one(db, "SELECT group_concat(uid || ':' || n_rows) FROM owner"), "1:2,2:2");
	assert_string_equal(one(db, "SELECT min(bytes) > 300 FROM task"), "1");
	sqlite3_close(db);
}

TEST(the_sums_of_users_follow_what_is_there)
{
	sqlite3 *db = open_memory();
	assert_int_equal(tables_migrate(db, 0, TABLES_VERSION), SQLITE_OK);
	run(db, ROW("a", "1", "'{\"k\":\"v\"}'"));
	run(db, ROW("b", "1", "NULL"));
	run(db, "UPDATE task SET bytes = 100");
	assert_string_equal(one(db, "SELECT n_rows || ' ' || n_bytes FROM owner"), "2 200");
	run(db, "DELETE FROM task WHERE id = 'a'");
	assert_string_equal(one(db, "SELECT n_rows || ' ' || n_bytes FROM owner"), "1 100");
	assert_string_equal(one(db, "SELECT count(*) FROM label"), "0");
	run(db, "DELETE FROM task");
	assert_string_equal(one(db, "SELECT count(*) FROM owner"), "0");
	sqlite3_close(db);
}

TEST(a_step_that_fails_leaves_the_version_before)
{
	sqlite3 *db = open_memory();
	int version;
	assert_int_equal(tables_migrate(db, 0, 1), SQLITE_OK);
	/* In the way of step 2. */
	run(db, "CREATE TABLE owner (x)");
	assert_int_not_equal(tables_migrate(db, 1, 2), SQLITE_OK);
	assert_int_equal(tables_check(db, TABLES_VERSION, &version), TABLES_GOOD);
	assert_int_equal(version, 1);
	assert_string_equal(
		one(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'label'"), "0");
	run(db, "DROP TABLE owner");
	assert_int_equal(tables_migrate(db, 1, 2), SQLITE_OK);
	sqlite3_close(db);
}

TEST(what_is_newer_or_of_something_else_is_told_apart)
{
	static const struct {
		const char *sql;
		int wanted;
	} cases[] = {
		{ "PRAGMA application_id = 0x6479666c; PRAGMA user_version = 99", TABLES_NEWER },
		{ "PRAGMA application_id = 0x6479666c; PRAGMA user_version = -1", TABLES_FOREIGN },
		{ "PRAGMA application_id = 5", TABLES_FOREIGN },
		{ "PRAGMA user_version = 1", TABLES_FOREIGN },
		{ "CREATE TABLE x (y)", TABLES_FOREIGN },
		{ "PRAGMA application_id = 0x6479666c; CREATE TABLE x (y)", TABLES_FOREIGN },
		{ "SELECT 1", TABLES_GOOD },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		sqlite3 *db = open_memory();
		int version;
		run(db, cases[i].sql);
		assert_int_equal(tables_check(db, TABLES_VERSION, &version), cases[i].wanted);
		sqlite3_close(db);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_database_becomes_one_of_this_version),
		cmocka_unit_test(each_version_is_brought_to_the_next_with_what_is_in_it),
		cmocka_unit_test(the_sums_of_users_follow_what_is_there),
		cmocka_unit_test(a_step_that_fails_leaves_the_version_before),
		cmocka_unit_test(what_is_newer_or_of_something_else_is_told_apart),
	};
	return RUN_TESTS(tests);
}
