/* The database: see store.h. */
#include "history/store.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "history/store_priv.h"
#include "history/tables.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A daemon that was just killed may take a moment to be gone. */
#define BUSY_MS 1000
/* Of what is to go, so many at once: others have something to say in between. */
#define EXPIRE_ROWS 64
/* Pages that are given back at once. */
#define EXPIRE_PAGES 512

/* Before the first read: nobody else has this file, and the index of the log needs no shared
 * memory. None of this writes. */
static const char first_settings[] =
	"PRAGMA locking_mode = EXCLUSIVE; PRAGMA trusted_schema = OFF;";
/* Only where there is no table yet. */
static const char new_settings[] = "PRAGMA auto_vacuum = INCREMENTAL;";

static const char settings[] = "PRAGMA journal_mode = WAL;"
			       /* The death of the daemon costs nothing, that of the machine the
				* last few tasks; the journal knows them. */
			       "PRAGMA synchronous = NORMAL;"
			       "PRAGMA wal_autocheckpoint = 256;"
			       "PRAGMA journal_size_limit = 1048576;"
			       "PRAGMA cache_size = -256;"
			       "PRAGMA temp_store = MEMORY;"
			       /* What is forgotten is gone from the disk too. */
			       "PRAGMA secure_delete = ON;"
			       "PRAGMA cell_size_check = ON;";

void store_init(struct store *s)
{
	memset(s, 0, sizeof(*s));
}

void store_finalize(sqlite3_stmt **stmt)
{
	sqlite3_finalize(*stmt);
	*stmt = NULL;
}

void store_close(struct store *s)
{
	store_finalize(&s->put);
	sqlite3_close(s->db);
	s->db = NULL;
}

enum store_fault store_note(struct store *s, int code, const char *what)
{
	int plain = code & 0xff;
	if (plain == SQLITE_OK || plain == SQLITE_ROW || plain == SQLITE_DONE)
		return STORE_OK;
	int errnum = s->db ? sqlite3_system_errno(s->db) : 0;
	bool is_of_system = errnum && (plain == SQLITE_IOERR || plain == SQLITE_CANTOPEN);
	snprintf(s->fault, sizeof(s->fault), "%s: %s%s%s", what, sqlite3_errstr(code),
		is_of_system ? ": " : "", is_of_system ? strerror(errnum) : "");
	switch (plain) {
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return STORE_DAMAGED;
	case SQLITE_FULL:
		return STORE_FULL;
	case SQLITE_INTERRUPT:
		return STORE_SLOW;
	default:
		return is_of_system && (errnum == ENOSPC || errnum == EDQUOT) ? STORE_FULL
									      : STORE_FAILED;
	}
}

enum store_fault store_prepare(struct store *s, const char *sql, sqlite3_stmt **ret)
{
	return store_note(s, sqlite3_prepare_v2(s->db, sql, -1, ret, NULL), "prepare");
}

/* ---- opening ---- */

static enum store_fault execute(struct store *s, const char *sql, const char *what)
{
	return store_note(s, sqlite3_exec(s->db, sql, NULL, NULL, NULL), what);
}

/* stamp(ns): "2026-01-31T09:05:00.123456Z"; NULL of NULL and 0. */
static void sql_stamp(sqlite3_context *context, int n, sqlite3_value **values)
{
	char text[CLOCK_RFC3339_SIZE];
	int64_t ns = sqlite3_value_int64(values[0]);
	if (ns <= 0)
		return sqlite3_result_null(context);
	clock_format_rfc3339((uint64_t)ns, text);
	sqlite3_result_text(context, text, -1, SQLITE_TRANSIENT);
}

/* What is not ours to change is found out before anything is written. */
static enum store_fault check_tables(struct store *s)
{
	int r = tables_check(s->db, TABLES_VERSION, &s->version);
	if (r < 0)
		return store_note(s, -r, "look at it");
	if (r == TABLES_NEWER) {
		snprintf(s->fault, sizeof(s->fault),
			"it is of version %d, and this dayflyd knows %d", s->version,
			TABLES_VERSION);
		return STORE_NEWER;
	}
	if (r == TABLES_FOREIGN) {
		snprintf(s->fault, sizeof(s->fault), "it is a database of something else");
		return STORE_DAMAGED;
	}
	return STORE_OK;
}

static enum store_fault prepare(struct store *s)
{
	enum store_fault fault = execute(s, first_settings, "open it");
	if (fault == STORE_OK)
		fault = check_tables(s);
	if (fault == STORE_OK && !s->version)
		fault = execute(s, new_settings, "open it");
	if (fault == STORE_OK)
		fault = execute(s, settings, "open it");
	if (fault == STORE_OK)
		fault = store_note(s, tables_migrate(s->db, s->version, TABLES_VERSION),
			"bring its tables to this version");
	return fault;
}

static const char put_sql[] =
	"INSERT INTO task (id, uid, name, created, started, finished, argv, argv_is_cut, labels, "
	"request, request_is_cut, outcome, cause, code, result, log_dir, bytes) "
	"VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17) "
	"ON CONFLICT (id) DO UPDATE SET started = excluded.started, finished = excluded.finished, "
	"request = iif(task.request_is_cut, excluded.request, task.request), "
	"request_is_cut = min(task.request_is_cut, excluded.request_is_cut), "
	"outcome = excluded.outcome, cause = excluded.cause, code = excluded.code, "
	"result = excluded.result, log_dir = ifnull(excluded.log_dir, task.log_dir), "
	"bytes = max(task.bytes, excluded.bytes) WHERE task.result IS NULL";

enum store_fault store_open(struct store *s, const char *path)
{
	const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
			  SQLITE_OPEN_EXRESCODE;
	enum store_fault fault =
		store_note(s, sqlite3_open_v2(path, &s->db, flags, NULL), "open it");
	if (fault == STORE_OK) {
		sqlite3_busy_timeout(s->db, BUSY_MS);
		sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
		fault = store_note(s,
			sqlite3_create_function(s->db, "stamp", 1,
				SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY, NULL,
				sql_stamp, NULL, NULL),
			"open it");
	}
	if (fault == STORE_OK)
		fault = prepare(s);
	if (fault == STORE_OK)
		fault = store_prepare(s, put_sql, &s->put);
	if (fault != STORE_OK)
		store_close(s);
	return fault;
}

/* ---- writing ---- */

static void bind_text(sqlite3_stmt *stmt, int at, const char *text)
{
	sqlite3_bind_text(stmt, at, text, -1, SQLITE_STATIC);
}

static void bind_time(sqlite3_stmt *stmt, int at, uint64_t ns)
{
	if (ns)
		sqlite3_bind_int64(stmt, at, (int64_t)ns);
}

static int put(sqlite3_stmt *stmt, const struct history_row *r)
{
	sqlite3_clear_bindings(stmt);
	bind_text(stmt, 1, r->id);
	sqlite3_bind_int64(stmt, 2, (int64_t)r->uid);
	bind_text(stmt, 3, r->name);
	sqlite3_bind_int64(stmt, 4, (int64_t)r->created_ns);
	bind_time(stmt, 5, r->started_ns);
	bind_time(stmt, 6, r->finished_ns);
	bind_text(stmt, 7, r->argv ? r->argv : "[]");
	sqlite3_bind_int(stmt, 8, r->argv_is_cut);
	bind_text(stmt, 9, r->labels);
	bind_text(stmt, 10, r->request ? r->request : "{}");
	sqlite3_bind_int(stmt, 11, r->request_is_cut || !r->request);
	bind_text(stmt, 12, r->result ? r->outcome : NULL);
	bind_text(stmt, 13, r->result ? r->cause : NULL);
	if (r->has_code)
		sqlite3_bind_int(stmt, 14, r->code);
	bind_text(stmt, 15, r->result);
	bind_text(stmt, 16, r->log_dir);
	sqlite3_bind_int64(stmt, 17, (int64_t)history_row_bytes(r));
	int code = sqlite3_step(stmt);
	sqlite3_reset(stmt);
	return code;
}

/* Ends a transaction: what went wrong in it goes back. */
static enum store_fault end(struct store *s, enum store_fault fault, const char *what)
{
	if (fault == STORE_OK)
		fault = execute(s, "COMMIT", what);
	if (fault != STORE_OK && !sqlite3_get_autocommit(s->db))
		sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
	return fault;
}

enum store_fault store_write(struct store *s, const struct history_queue *q)
{
	enum store_fault fault = execute(s, "BEGIN IMMEDIATE", "write");
	if (fault != STORE_OK)
		return fault;
	list_for_each (pos, &q->rows) {
		fault = store_note(
			s, put(s->put, list_entry(pos, struct history_row, link)), "write");
		if (fault != STORE_OK)
			break;
	}
	return end(s, fault, "write");
}

/* ---- how much there is ---- */

static enum store_fault read_number(struct store *s, const char *sql, uint64_t *ret)
{
	auto_stmt sqlite3_stmt *stmt = NULL;
	enum store_fault fault = store_prepare(s, sql, &stmt);
	if (fault != STORE_OK)
		return fault;
	int code = sqlite3_step(stmt);
	*ret = code == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(stmt, 0) : 0;
	return store_note(s, code, "measure");
}

enum store_fault store_measure(struct store *s, struct store_size *ret)
{
	uint64_t pages = 0, free_pages = 0, page_bytes = 0;
	enum store_fault fault = read_number(s, "SELECT sum(n_rows) FROM owner", &ret->rows);
	if (fault == STORE_OK)
		fault = read_number(s, "PRAGMA page_count", &pages);
	if (fault == STORE_OK)
		fault = read_number(s, "PRAGMA freelist_count", &free_pages);
	if (fault == STORE_OK)
		fault = read_number(s, "PRAGMA page_size", &page_bytes);
	ret->bytes = (pages - free_pages) * page_bytes;
	return fault;
}

/* ---- forgetting ---- */

static const char old_sql[] = "DELETE FROM task WHERE n IN (SELECT n FROM task WHERE created < ?1 "
			      "AND finished < ?1 ORDER BY created LIMIT ?2)";
/* Of the user who has most: with n users nobody loses anything who has no more than the nth part.
 * Who has most without a task that could go is no help. */
static const char much_sql[] =
	"DELETE FROM task WHERE n IN (SELECT n FROM (SELECT n, bytes, sum(bytes) OVER "
	"(ORDER BY created, n) AS upto FROM task WHERE result IS NOT NULL AND uid = "
	"(SELECT uid FROM owner ORDER BY n_bytes DESC, uid LIMIT 1) "
	"ORDER BY created, n LIMIT ?2) WHERE upto - bytes < ?1)";

static enum store_fault forget(struct store *s, const char *sql, uint64_t bound, uint64_t *ret_gone)
{
	auto_stmt sqlite3_stmt *stmt = NULL;
	enum store_fault fault = store_prepare(s, sql, &stmt);
	if (fault != STORE_OK)
		return fault;
	sqlite3_bind_int64(stmt, 1, (int64_t)bound);
	sqlite3_bind_int(stmt, 2, EXPIRE_ROWS);
	fault = store_note(s, sqlite3_step(stmt), "forget");
	*ret_gone = fault == STORE_OK ? (uint64_t)sqlite3_changes(s->db) : 0;
	return fault;
}

/* Pages that are in no use go from the end of the file. */
static enum store_fault shrink(struct store *s)
{
	char sql[64];
	snprintf(sql, sizeof(sql), "PRAGMA incremental_vacuum(%d)", EXPIRE_PAGES);
	return execute(s, sql, "shrink");
}

enum store_fault store_expire(
	struct store *s, uint64_t before_ns, uint64_t max_bytes, bool *ret_more)
{
	struct store_size size = { 0 };
	uint64_t old = 0, much = 0;
	*ret_more = false;
	enum store_fault fault = before_ns ? forget(s, old_sql, before_ns, &old) : STORE_OK;
	if (fault == STORE_OK && max_bytes)
		fault = store_measure(s, &size);
	if (fault == STORE_OK && max_bytes && size.bytes > max_bytes)
		fault = forget(s, much_sql, size.bytes - max_bytes, &much);
	if (fault == STORE_OK && (old || much))
		fault = shrink(s);
	*ret_more = fault == STORE_OK && (old == EXPIRE_ROWS || much);
	return fault;
}
