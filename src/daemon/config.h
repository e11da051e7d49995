/*
 * The configuration of dayflyd: one table (config.c) says what can be set, in which section of the
 * file and by which option, its kind, bounds, default, place in struct options, and whether a
 * running daemon takes a new value on SIGHUP. It drives reading files (config_file.c), options
 * (options.c), printing (config_print.c), `dayfly config show` and docs/configuration.md. A new
 * setting is a new row and a member of struct options or struct policy.
 */
#ifndef DAYFLY_DAEMON_CONFIG_H
#define DAYFLY_DAEMON_CONFIG_H

#include "base/err.h"
#include "base/limits.h"

#include <jansson.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

struct options;

/* What a setting holds, and in brackets the member at `offset`. */
enum config_kind {
	CONFIG_BOOL,	   /* yes, no (bool) */
	CONFIG_SIZE,	   /* bytes with a unit; "none" is 0 (uint64_t) */
	CONFIG_DURATION,   /* time with a unit, in ms; "none" is 0 (uint64_t) */
	CONFIG_CPUS,	   /* a decimal number, in thousandths; "none" is 0 (uint64_t) */
	CONFIG_COUNT,	   /* a whole number; "none" is 0 where min is 0 (uint64_t) */
	CONFIG_WORD,	   /* one of `words`, by its place (int) */
	CONFIG_TEXT,	   /* a name; empty: none (char *) */
	CONFIG_PATH,	   /* an absolute path; empty: none (char *) */
	CONFIG_PATHS,	   /* absolute paths, one a line (char **) */
	CONFIG_LABEL_CAPS, /* labels with a number, one a line (char **) */
	CONFIG_HOSTS,	   /* rules of http/url.h, one a line (char **) */
	CONFIG_GIT_HOSTS,  /* rules of git/url.h, one a line (char **) */
	CONFIG_URLS,	   /* addresses of the web, one a line; may hold tokens (char **) */
	CONFIG_TARGETS,	   /* lines of upload_target.h (char **) */
	CONFIG_CHOICES,	   /* some of `words`, one a line (char **) */
	CONFIG_USERS,	   /* users by name or id, one a line (struct config_ids) */
	CONFIG_GROUPS,	   /* groups likewise (struct config_ids) */
	CONFIG_KIND_COUNT,
};

/* As many label groups as the scheduler has. */
#define CONFIG_LABEL_CAPS_MAX 32
#define CONFIG_URLS_MAX	      8
#define CONFIG_LIST_MAX	      LIMIT_ROOTS
#define CONFIG_FILE_MAX	      (256u << 10)
#define CONFIG_FILES_MAX      256

struct config_ids {
	uint32_t id[CONFIG_LIST_MAX];
	size_t n;
	char **names; /* as they were given */
};

struct config_key {
	const char *section, *name;
	const char *option; /* of dayflyd, without the dashes; NULL: none */
	enum config_kind kind;
	uint64_t min, max;
	bool may_be_none; /* a number that may be "none" */
	bool is_live;	  /* SIGHUP may change it */
	size_t offset;	  /* in struct options */
	const char *const *words;
	const char *fallback; /* the default, as text; "" for none or an empty list */
	const char *computed; /* how an empty default is filled in, for the reader; or NULL */
	const char *doc;
};

extern const struct config_key config_keys[];
extern const size_t config_key_count;

/* The title of a section, or NULL if there is no such section. */
const char *config_section_title(const char *section);
/* The places of keys; config_key_count if there is none. */
size_t config_find(const char *section, const char *name);
/* A list that is kept as strings. */
bool config_is_strv(const struct config_key *k);
bool config_is_list(const struct config_key *k);

/* ---- values ---- */

enum config_origin_kind { CONFIG_FROM_DEFAULT, CONFIG_FROM_FILE, CONFIG_FROM_OPTION };

struct config_origin {
	enum config_origin_kind kind;
	char *file; /* CONFIG_FROM_FILE */
	unsigned line;
};

/* Makes every member that the table knows its default. Returns 0 or -ENOMEM. */
int config_init(struct options *o);
void config_finish(struct options *o);

/*
 * Sets a value from text. A list: the first value from a file takes the place of the default, the
 * first option that of the files; others are added; an empty text empties it. Returns 0, or -errno
 * with *e saying the cause and, as its hint, the fix.
 */
int config_assign(struct options *o, size_t key, const char *text, const struct config_origin *from,
	struct err *e);

/* Takes "key=value:N" apart: its first bytes are the label. Returns 0, -EINVAL or -ERANGE. */
int config_split_label_cap(const char *text, size_t *ret_label_len, uint64_t *ret_n);

/* The nth line of a value as text that config_assign() takes: on the heap, NULL past the last. A
 * scalar has one line; config_count() says how many there are. */
size_t config_count(const struct options *o, size_t key);
char *config_format(const struct options *o, size_t key, size_t nth);

/* The same for others to see: of an address only scheme, host and port. */
char *config_format_public(const struct options *o, size_t key, size_t nth);

/* "default", "option --x", "/etc/dayfly/dayflyd.conf:7": on the heap. */
char *config_origin_text(const struct options *o, size_t key);

bool config_is_equal(const struct options *a, const struct options *b, size_t key);
/* Exchanges the values and origins of one key. */
void config_swap(struct options *a, struct options *b, size_t key);

/* The rules that are about more than one value, and about what the paths are. */
struct config_faults;
void config_check(const struct options *o, struct config_faults *f);

/* ---- faults ---- */

#define CONFIG_FAULTS_MAX 100

struct config_fault {
	char *file; /* NULL: the command line, or several places */
	unsigned line;
	struct err err; /* field: "ceilings.wall" or "" */
};

struct config_faults {
	struct config_fault *list;
	size_t n;
	size_t n_more; /* those beyond CONFIG_FAULTS_MAX */
};

void config_faults_add(
	struct config_faults *f, const char *file, unsigned line, const struct err *e);
void config_faults_finish(struct config_faults *f);
/* "FILE:LINE: ceilings.wall: cause" */
void config_fault_text(const struct config_fault *f, char *out, size_t size);

/* ---- files (config_file.c) ---- */

/* Reads one file's text. Faults are added to *f; what is good is set all the same. */
void config_read_text(
	struct options *o, const char *file, const char *data, size_t len, struct config_faults *f);

/*
 * Reads the file at path and then PATH.d (all but its name ending in .conf) in the order of names.
 * Each must be a regular file of root's or of owner's that nobody else can write. A file that is
 * not there is a fault only where is_required. The paths of those that were read go to *files
 * (strv).
 */
void config_read_files(struct options *o, const char *path, uid_t owner, bool is_required,
	char ***files, struct config_faults *f);

/* ---- printing (config_print.c) ---- */

/* The values in force as a file, each with its origin. */
void config_print(const struct options *o, FILE *out);
/* The sample, etc/dayflyd.conf: every setting as a comment, with its default. */
void config_print_sample(FILE *out);
/* The tables of docs/configuration.md. */
void config_print_markdown(FILE *out);
/* [{"key", "value", "origin", "live"}] */
json_t *config_to_json(const struct options *o);

#endif
