/*
 * The verbs of the command line, one file each. argv[0] is the verb. Each returns the exit status
 * of the program.
 */
#ifndef DAYFLY_CLI_VERBS_H
#define DAYFLY_CLI_VERBS_H

/* Chooses the verb and runs it. */
int cli_main(int argc, char **argv);

int verb_run(int argc, char **argv);
int verb_ps(int argc, char **argv);
int verb_logs(int argc, char **argv);
int verb_attach(int argc, char **argv);
int verb_wait(int argc, char **argv);
int verb_kill(int argc, char **argv);
int verb_inspect(int argc, char **argv);
int verb_history(int argc, char **argv);
int verb_uploads(int argc, char **argv);
int verb_top(int argc, char **argv);
int verb_events(int argc, char **argv);
int verb_doctor(int argc, char **argv);
int verb_info(int argc, char **argv);
int verb_stats(int argc, char **argv);
int verb_apply(int argc, char **argv);
int verb_drain(int argc, char **argv);
int verb_config(int argc, char **argv);
int verb_version(int argc, char **argv);

#endif
