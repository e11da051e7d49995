/* Chooses the verb. */
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"
#include "cli/message.h"
#include "cli/output.h"
#include "cli/verbs.h"

#include <dayfly/client.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>

#define STATUS_USAGE 125

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary;
} verbs[] = {
	{ "run", verb_run, "run a command in a jail of its own" },
	{ "ps", verb_ps, "list tasks" },
	{ "logs", verb_logs, "print the output of a task" },
	{ "attach", verb_attach, "follow a running task as if it had been started here" },
	{ "wait", verb_wait, "wait for the end of a task and exit as it did" },
	{ "kill", verb_kill, "end a task, or send it a signal" },
	{ "inspect", verb_inspect, "print everything known of a task" },
	{ "apply", verb_apply, "write what a task changed, taken as a tar, to a directory" },
	{ "history", verb_history, "list the tasks that are remembered, also of earlier daemons" },
	{ "uploads", verb_uploads, "list artifacts on their way, or wait for them" },
	{ "top", verb_top, "watch tasks and what they use" },
	{ "events", verb_events, "print each change of state of tasks, as it comes" },
	{ "doctor", verb_doctor, "check what this machine can do, and say how to mend the rest" },
	{ "info", verb_info, "print facts about the daemon" },
	{ "stats", verb_stats, "print what the daemon has counted" },
	{ "drain", verb_drain, "let the daemon take no new tasks, or take them again" },
	{ "config", verb_config, "print the daemon's settings and where they are from" },
	{ "version", verb_version, "print the version" },
};

static void print_usage(FILE *out)
{
	fprintf(out, "Usage: dayfly VERB [OPTION]... [ARGUMENT]...\n\n"
		     "Runs each task in a jail that is made for it and gone after it.\n\nVerbs:\n");
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		fprintf(out, "  %-10s %s\n", verbs[i].name, verbs[i].summary);
	fprintf(out, "\nExit status: run, attach and wait exit as the task did (see there); the "
		     "others: 0 done,\n"
		     "1 failed, 2 wrong usage.\n"
		     "dayfly VERB --help tells more. A first try: dayfly run -- echo hello\n");
}

/* Returns the exit status, or -1: there is no such verb. argv[0] is its name. */
static int run_verb(int argc, char **argv)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (!strcmp(argv[0], verbs[i].name))
			return verbs[i].run(argc, argv);
	return -1;
}

static int unknown_verb(const char *word)
{
	const char *names[ARRAY_SIZE(verbs)];
	char hint[128];
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		names[i] = verbs[i].name;
	const char *near = str_nearest(word, names, ARRAY_SIZE(names));
	if (word[0] == '-') {
		message_error("options come after the verb: %s", word);
		snprintf(hint, sizeof(hint), "dayfly --help lists the verbs");
	} else {
		message_error("unknown verb \"%s\"", word);
		if (near)
			snprintf(hint, sizeof(hint), "did you mean dayfly %s?", near);
		else
			snprintf(hint, sizeof(hint), "to run a command: dayfly run -- COMMAND");
	}
	message_detail("fix", hint);
	return STATUS_USAGE;
}

/* "help VERB" is "VERB --help". */
static int help(const char *verb)
{
	char name[32], option[] = "--help";
	char *words[] = { name, option, NULL };
	if (verb) {
		snprintf(name, sizeof(name), "%s", verb);
		int status = run_verb(2, words);
		return status < 0 ? unknown_verb(verb) : status;
	}
	print_usage(stdout);
	return output_end(STATUS_USAGE);
}

/* Once per program: jansson would otherwise open /dev/urandom; the kernel gave us random bytes
 * already. */
static void seed_hashes(void)
{
	size_t seed = 1;
	const void *random = (const void *)getauxval(AT_RANDOM);
	if (random)
		memcpy(&seed, random, sizeof(seed));
	json_object_seed(seed ? seed : 1);
}

int cli_main(int argc, char **argv)
{
	/* A closed stdin, stdout or stderr would be the next thing that is opened. */
	if (fd_reserve_stdio() < 0)
		return STATUS_USAGE;
	/* A reader of our output that has gone is noticed by EPIPE, in time to put the terminal in
	 * order. */
	signal(SIGPIPE, SIG_IGN);
	/* A task of the user's must not keep us from passing on a workspace. */
	fd_raise_limit();
	seed_hashes();
	if (argc < 2) {
		print_usage(stderr);
		return STATUS_USAGE;
	}
	const char *word = argv[1];
	if (!strcmp(word, "--help") || !strcmp(word, "-h"))
		return help(NULL);
	if (!strcmp(word, "help"))
		return help(argv[2]);
	if (!strcmp(word, "--version"))
		return verb_version(1, argv + 1);
	int status = run_verb(argc - 1, argv + 1);
	return status < 0 ? unknown_verb(word) : status;
}
