/*
 * Command line options from a table: the same table parses, checks, prints --help and suggests the
 * nearest name. A verb has a struct for the values and one table that says where each option's
 * value goes.
 */
#ifndef DAYFLY_CLI_OPTIONS_H
#define DAYFLY_CLI_OPTIONS_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum option_kind {
	OPTION_HEADING, /* no option: `help` is a title in --help */
	OPTION_FLAG,	/* bool */
	OPTION_TEXT,	/* const char *, of argv */
	OPTION_WHEN,	/* the same, but only as --name=VALUE; --name alone is "" */
	OPTION_LIST,	/* char **: strv of copies; may be given many times */
};

struct option_def {
	enum option_kind kind;
	char letter;	  /* 0: none */
	const char *name; /* without the dashes */
	const char *arg;  /* as --help shows the value */
	size_t offset;	  /* of the value in the verb's struct */
	/* Whether the text is a value of this kind; sets *e. NULL: any text. */
	int (*check)(const char *text, struct err *e);
	const char *field; /* the field of the request that it fills: errors of the daemon are told
			      by the option */
	const char *help;
	/* Another option, or one of several ("a b"), without which this one means nothing: it is
	 * then refused. NULL: it stands alone. */
	const char *needs;
};

struct command {
	const char *name;
	const char *operands; /* as --help shows them: "[--] COMMAND [ARG...]" */
	const char *summary;
	const char *more; /* text under the options, or NULL */
	const struct option_def *options;
	size_t n_options;
	bool stops_at_operand;		/* all after the first operand is operands */
	int min_operands, max_operands; /* max -1: any number */
	int usage_status;		/* exit status for a wrong command line */
	int failure_status;		/* exit status when dayfly itself fails */
};

enum options_result { OPTIONS_OK, OPTIONS_HELP };

/*
 * Fills *values (zeroed by the caller, except for its own defaults). *ret_operands points into a
 * new array (the caller's) of argv's strings, NULL-terminated. Returns OPTIONS_OK, OPTIONS_HELP
 * (--help or -h was given), or -EINVAL, -ENOMEM with *e.
 */
int options_parse(const struct command *cmd, int argc, char **argv, void *values,
	char ***ret_operands, struct err *e);

/* Frees the lists in *values. */
void options_finish(const struct command *cmd, void *values);

void options_print_help(const struct command *cmd, FILE *out);

/* "--memory" for "task.limits.memory"; NULL if no option fills this field. */
const struct option_def *options_find_field(const struct command *cmd, const char *field);

/* Checks for tables. The first is for text that goes to the daemon as it is; that may hold a
 * password, and is not shown. */
int options_check_text(const char *text, struct err *e);
int options_check_size(const char *text, struct err *e);
int options_check_duration(const char *text, struct err *e);
int options_check_cpus(const char *text, struct err *e);
int options_check_count(const char *text, struct err *e);

/*
 * The beginning of every verb: parses, and on --help or a mistake prints what there is to say.
 * Returns -1 to go on, else the exit status.
 */
int options_begin(
	const struct command *cmd, int argc, char **argv, void *values, char ***ret_operands);

#endif
