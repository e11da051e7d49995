/*
 * The tables of the history and how they came to be: a list of steps, of which each makes of one
 * version the next. The version is SQLite's user_version. A file of a newer version is left as it
 * is.
 */
#ifndef DAYFLY_HISTORY_TABLES_H
#define DAYFLY_HISTORY_TABLES_H

#include <sqlite3.h>

/* SQLite's application_id: "dyfl". */
#define TABLES_APPLICATION 0x6479666c
#define TABLES_VERSION	   2

enum tables_state {
	TABLES_GOOD,
	TABLES_NEWER,	/* of a version that this program does not know */
	TABLES_FOREIGN, /* a database of something else */
};

/* What is there, without a change. Returns an enum tables_state, or minus the code of SQLite.
 * *ret_version: 0 where there is nothing yet. */
int tables_check(sqlite3 *db, int known, int *ret_version);

/* From one version to a later one, step by step; each is done or not. Returns a code of SQLite. */
int tables_migrate(sqlite3 *db, int from, int to);

#endif
