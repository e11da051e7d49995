/* The tables: see tables.h. */
#include "history/tables.h"

#include "base/cleanup.h"

#include <stdio.h>

/* Never change a step that was released: add one. */
static const char *const steps[TABLES_VERSION] = {
	/* 1: tasks. Times are nanoseconds since 1970. */
	"CREATE TABLE task (n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, uid INTEGER NOT NULL, "
	"name TEXT, created INTEGER NOT NULL, started INTEGER, finished INTEGER, "
	"argv TEXT NOT NULL, argv_is_cut INTEGER NOT NULL, labels TEXT, "
	"request TEXT NOT NULL, request_is_cut INTEGER NOT NULL, "
	"outcome TEXT, cause TEXT, code INTEGER, result TEXT, log_dir TEXT) STRICT;"
	"CREATE INDEX task_uid ON task (uid, created);"
	"CREATE INDEX task_created ON task (created);"
	"CREATE INDEX task_name ON task (uid, name, created) WHERE name IS NOT NULL;"
	"CREATE INDEX task_active ON task (n) WHERE result IS NULL;",

	/* 2: finding by label; what each user has, for his share of the space. */
	"ALTER TABLE task ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;"
	"CREATE TABLE label (key TEXT NOT NULL, value TEXT NOT NULL, n INTEGER NOT NULL, "
	"PRIMARY KEY (n, key)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE owner (uid INTEGER PRIMARY KEY, n_rows INTEGER NOT NULL, "
	"n_bytes INTEGER NOT NULL) STRICT;"
	"UPDATE task SET bytes = 320 + ifnull(length(CAST(name AS BLOB)), 0) + "
	"length(CAST(argv AS BLOB)) + 2 * ifnull(length(CAST(labels AS BLOB)), 0) + "
	"length(CAST(request AS BLOB)) + ifnull(length(CAST(result AS BLOB)), 0);"
	"INSERT OR IGNORE INTO label SELECT e.key, e.value, task.n FROM task, "
	"json_each(task.labels) AS e WHERE json_valid(task.labels) AND e.type = 'text';"
	"INSERT INTO owner SELECT uid, count(*), sum(bytes) FROM task GROUP BY uid;"
	"CREATE TRIGGER task_in AFTER INSERT ON task BEGIN "
	"INSERT INTO owner VALUES (new.uid, 1, new.bytes) ON CONFLICT (uid) DO UPDATE SET "
	"n_rows = n_rows + 1, n_bytes = n_bytes + new.bytes; "
	"INSERT INTO label SELECT e.key, e.value, new.n FROM json_each(new.labels) AS e "
	"WHERE e.type = 'text'; END;"
	"CREATE TRIGGER task_grown AFTER UPDATE OF bytes ON task BEGIN "
	"UPDATE owner SET n_bytes = n_bytes + new.bytes - old.bytes WHERE uid = new.uid; END;"
	"CREATE TRIGGER task_out AFTER DELETE ON task BEGIN "
	"DELETE FROM label WHERE n = old.n; "
	"UPDATE owner SET n_rows = n_rows - 1, n_bytes = n_bytes - old.bytes WHERE uid = old.uid; "
	"DELETE FROM owner WHERE uid = old.uid AND n_rows <= 0; END;",
};

static int read_number(sqlite3 *db, const char *sql, int *ret)
{
	sqlite3_stmt *stmt = NULL;
	int r = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
	if (r == SQLITE_OK)
		r = sqlite3_step(stmt);
	if (r == SQLITE_ROW)
		*ret = sqlite3_column_int(stmt, 0);
	sqlite3_finalize(stmt);
	return r == SQLITE_ROW ? SQLITE_OK : r == SQLITE_DONE ? SQLITE_CORRUPT : r;
}

static int run_step(sqlite3 *db, int version)
{
	char mark[96];
	snprintf(mark, sizeof(mark), "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
		TABLES_APPLICATION, version);
	int r = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
	if (r == SQLITE_OK)
		r = sqlite3_exec(db, steps[version - 1], NULL, NULL, NULL);
	if (r == SQLITE_OK)
		r = sqlite3_exec(db, mark, NULL, NULL, NULL);
	if (r != SQLITE_OK)
		sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	return r;
}

int tables_check(sqlite3 *db, int known, int *ret_version)
{
	int application = 0, version = 0, n_things = 0;
	int r = read_number(db, "PRAGMA application_id", &application);
	if (r == SQLITE_OK)
		r = read_number(db, "PRAGMA user_version", &version);
	if (r == SQLITE_OK)
		r = read_number(db, "SELECT count(*) FROM sqlite_schema", &n_things);
	if (r != SQLITE_OK)
		return -r;
	*ret_version = version;
	if (application != TABLES_APPLICATION && (application || version || n_things))
		return TABLES_FOREIGN;
	if (version > known)
		return TABLES_NEWER;
	return version < 0 || (!version && n_things) ? TABLES_FOREIGN : TABLES_GOOD;
}

int tables_migrate(sqlite3 *db, int from, int to)
{
	int r = SQLITE_OK;
	for (int next = from + 1; r == SQLITE_OK && next <= to; next++)
		r = run_step(db, next);
	return r;
}
