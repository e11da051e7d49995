/* What the files of the store share. */
#ifndef DAYFLY_HISTORY_STORE_PRIV_H
#define DAYFLY_HISTORY_STORE_PRIV_H

#include "history/store.h"

/* What a code of SQLite means; keeps its text. SQLITE_OK, ROW and DONE are no fault. */
enum store_fault store_note(struct store *s, int code, const char *what);

#define auto_stmt __attribute__((cleanup(store_finalize)))
void store_finalize(sqlite3_stmt **stmt);

enum store_fault store_prepare(struct store *s, const char *sql, sqlite3_stmt **ret);

/* For the time of a question it is bounded. */
void store_begin_question(struct store *s);
void store_end_question(struct store *s);

#endif
