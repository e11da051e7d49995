/* Questions to the database: see store.h. Answers are made by SQLite as JSON; what it holds that is
 * no JSON becomes null. */
#include "base/clock.h"
#include "history/store.h"
#include "history/store_priv.h"

#include <stdio.h>
#include <string.h>

/* Between two looks at the clock. */
#define PROGRESS_STEPS 2000

#define JSON_COLUMN(name) "iif(json_valid(" name "), json(" name "), json('null'))"
#define BOOL_COLUMN(expr) "json(iif(" expr ", 'true', 'false'))"

static int on_progress(void *arg)
{
	const struct store *s = arg;
	return clock_mono_ns() > s->deadline_ns ||
	       (s->is_hurried && atomic_load_explicit(s->is_hurried, memory_order_relaxed));
}

void store_begin_question(struct store *s)
{
	s->deadline_ns = clock_mono_ns() + STORE_QUESTION_NS;
	sqlite3_progress_handler(s->db, PROGRESS_STEPS, on_progress, s);
}

void store_end_question(struct store *s)
{
	sqlite3_progress_handler(s->db, 0, NULL, NULL);
}

static int add_column(sqlite3_stmt *stmt, int column, struct buf *out)
{
	const unsigned char *text = sqlite3_column_text(stmt, column);
	return text ? buf_add(out, text, (size_t)sqlite3_column_bytes(stmt, column))
		    : buf_add_str(out, "null");
}

/* An answer that has no room or memory. */
static enum store_fault no_room(struct store *s)
{
	snprintf(s->fault, sizeof(s->fault), "no memory for the answer");
	return STORE_FAILED;
}

/* ---- many ---- */

static const char list_sql[] =
	"SELECT json_object('task', id, 'name', name, 'uid', uid, "
	"'state', iif(result IS NULL, 'active', 'done'), "
	"'argv', " JSON_COLUMN("argv") ", 'argv_is_cut', " BOOL_COLUMN(
		"argv_is_cut") ", "
			       "'labels', iif(json_valid(labels), json(labels), json('{}')), "
			       "'created', stamp(created), 'started', stamp(started), 'finished', "
			       "stamp(finished), "
			       "'outcome', outcome, 'cause', cause, 'code', code), created, n FROM "
			       "task";

static enum store_fault bind(struct store *s, sqlite3_stmt *stmt, const struct history_sql *sql)
{
	int code = SQLITE_OK;
	for (size_t i = 0; code == SQLITE_OK && i < sql->n_params; i++) {
		const struct history_param *p = &sql->params[i];
		int at = (int)i + 1;
		code = p->text ? sqlite3_bind_text(stmt, at, p->text, (int)p->len, SQLITE_STATIC)
			       : sqlite3_bind_int64(stmt, at, p->number);
	}
	return store_note(s, code, "ask");
}

static int add_next(struct buf *out, bool has_more, const struct history_cursor *last)
{
	char cursor[HISTORY_CURSOR_SIZE];
	history_cursor_format(last, cursor);
	return has_more ? buf_printf(out, "],\"next\":\"%s\"}", cursor)
			: buf_add_str(out, "],\"next\":null}");
}

static enum store_fault read_rows(
	struct store *s, sqlite3_stmt *stmt, const struct history_filter *f, struct buf *out)
{
	struct history_cursor last = { 0 };
	size_t start = buf_len(out);
	int code, r = buf_add_str(out, "{\"tasks\":[");
	bool has_more = false;
	for (size_t n = 0; (code = sqlite3_step(stmt)) == SQLITE_ROW && r == 0; n++) {
		has_more = n == f->limit || (n && buf_len(out) - start > STORE_ANSWER_BYTES);
		if (has_more)
			break;
		r = n ? buf_add_str(out, ",") : 0;
		if (r == 0)
			r = add_column(stmt, 0, out);
		last = (struct history_cursor){ sqlite3_column_int64(stmt, 1),
			sqlite3_column_int64(stmt, 2) };
	}
	enum store_fault fault = store_note(s, code, "ask");
	if (fault == STORE_OK && r == 0)
		r = add_next(out, has_more, &last);
	return fault != STORE_OK || r == 0 ? fault : no_room(s);
}

enum store_fault store_list(struct store *s, const struct history_filter *f, struct buf *out)
{
	auto_stmt sqlite3_stmt *stmt = NULL;
	struct history_sql sql;
	char text[sizeof(list_sql) + sizeof(sql.text)];
	history_filter_sql(f, &sql);
	snprintf(text, sizeof(text), "%s%s", list_sql, sql.text);
	store_begin_question(s);
	enum store_fault fault = store_prepare(s, text, &stmt);
	if (fault == STORE_OK)
		fault = bind(s, stmt, &sql);
	if (fault == STORE_OK)
		fault = read_rows(s, stmt, f, out);
	store_end_question(s);
	return fault;
}

/* ---- one ---- */

#define FIND_COLUMNS                                                                               \
	"SELECT id, created, finished, "                                                           \
	"json_extract(result, '$.output.stdout.bytes') + "                                         \
	"json_extract(result, '$.output.stderr.bytes'), "

/* clang-format off */
static const char all_sql[] = FIND_COLUMNS
	"json_object('task', id, 'state', 'done', 'uid', uid, "
	"'recovered', " BOOL_COLUMN("created < ?5") ", 'kept', 'history', "
	"'created', stamp(created), 'started', stamp(started), "
	"'spec', " JSON_COLUMN("request") ", 'request_is_cut', " BOOL_COLUMN("request_is_cut") ", "
	"'log_dir', log_dir, 'last_seq', 0, 'result', " JSON_COLUMN("result") ")";
/* clang-format on */
static const char result_sql[] = FIND_COLUMNS JSON_COLUMN("result");

static const char by_id_sql[] =
	" FROM task WHERE id >= ?1 AND id < ?2 AND (uid = ?3 OR ?4) AND result IS NOT NULL "
	"ORDER BY (uid = ?3) DESC LIMIT 2";
static const char by_name_sql[] = " FROM task WHERE uid = ?3 AND name = ?1 AND result IS NOT NULL "
				  "ORDER BY created DESC LIMIT 1";

static void note_found(sqlite3_stmt *stmt, struct store_found *f)
{
	const unsigned char *id = sqlite3_column_text(stmt, 0);
	snprintf(f->id, sizeof(f->id), "%s", id ? (const char *)id : "");
	f->created_ns = (uint64_t)sqlite3_column_int64(stmt, 1);
	f->finished_ns = (uint64_t)sqlite3_column_int64(stmt, 2);
	f->output_bytes =
		sqlite3_column_type(stmt, 3) == SQLITE_NULL ? -1 : sqlite3_column_int64(stmt, 3);
}

static enum store_fault find(struct store *s, const struct store_wanted *w, bool by_id,
	struct store_found *ret, struct buf *out)
{
	auto_stmt sqlite3_stmt *stmt = NULL;
	char sql[sizeof(all_sql) + sizeof(by_id_sql) + sizeof(by_name_sql)], end[ID_TASK_SIZE + 1];
	int r = 0;
	snprintf(sql, sizeof(sql), "%s%s", w->with_all ? all_sql : result_sql,
		by_id ? by_id_sql : by_name_sql);
	enum store_fault fault = store_prepare(s, sql, &stmt);
	if (fault != STORE_OK)
		return fault;
	sqlite3_bind_text(stmt, 1, w->word, -1, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 3, (int64_t)w->uid);
	if (by_id) {
		/* No id has a digit above f. */
		snprintf(end, sizeof(end), "%sg", w->word);
		sqlite3_bind_text(stmt, 2, end, -1, SQLITE_STATIC);
		sqlite3_bind_int(stmt, 4, w->any_uid);
	}
	if (w->with_all)
		sqlite3_bind_int64(stmt, 5, (int64_t)w->epoch_ns);
	int code = sqlite3_step(stmt);
	if (code == SQLITE_ROW) {
		note_found(stmt, ret);
		ret->n = 1;
		r = add_column(stmt, 4, out);
		code = sqlite3_step(stmt);
		ret->n += code == SQLITE_ROW;
	}
	fault = store_note(s, code, "ask");
	return fault != STORE_OK || r == 0 ? fault : no_room(s);
}

enum store_fault store_find(
	struct store *s, const struct store_wanted *w, struct store_found *ret, struct buf *out)
{
	enum store_fault fault = STORE_OK;
	*ret = (struct store_found){ 0 };
	store_begin_question(s);
	if (w->is_id)
		fault = find(s, w, true, ret, out);
	if (fault == STORE_OK && !ret->n)
		fault = find(s, w, false, ret, out);
	store_end_question(s);
	return fault;
}

/* ---- those that were not done ---- */

static char *copy_column(sqlite3_stmt *stmt, int column)
{
	const unsigned char *text = sqlite3_column_text(stmt, column);
	return text ? strdup((const char *)text) : NULL;
}

static struct history_row *read_active(sqlite3_stmt *stmt)
{
	struct history_row *r = history_row_create();
	const unsigned char *id = sqlite3_column_text(stmt, 0);
	if (!r)
		return NULL;
	snprintf(r->id, sizeof(r->id), "%s", id ? (const char *)id : "");
	r->uid = (uid_t)sqlite3_column_int64(stmt, 1);
	r->name = copy_column(stmt, 2);
	r->created_ns = (uint64_t)sqlite3_column_int64(stmt, 3);
	r->started_ns = (uint64_t)sqlite3_column_int64(stmt, 4);
	r->request_is_cut = true; /* the one that is there stays */
	return r;
}

enum store_fault store_each_active(struct store *s, uint64_t before_ns, int64_t *after, size_t max,
	void (*fn)(void *owner, struct history_row *take_row), void *owner)
{
	auto_stmt sqlite3_stmt *stmt = NULL;
	int code = SQLITE_OK;
	enum store_fault fault = store_prepare(s,
		"SELECT id, uid, name, created, started, n FROM task "
		"WHERE result IS NULL AND created < ?1 AND n > ?3 ORDER BY n LIMIT ?2",
		&stmt);
	if (fault != STORE_OK)
		return fault;
	sqlite3_bind_int64(stmt, 1, (int64_t)before_ns);
	sqlite3_bind_int64(stmt, 2, (int64_t)max);
	sqlite3_bind_int64(stmt, 3, *after);
	while ((code = sqlite3_step(stmt)) == SQLITE_ROW) {
		struct history_row *r = read_active(stmt);
		if (!r)
			return no_room(s);
		*after = sqlite3_column_int64(stmt, 5);
		fn(owner, r);
	}
	return store_note(s, code, "ask");
}
