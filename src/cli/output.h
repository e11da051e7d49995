/* The end of what a verb prints on stdout: whether it got there. */
#ifndef DAYFLY_CLI_OUTPUT_H
#define DAYFLY_CLI_OUTPUT_H

/* As the shell tells the end by SIGPIPE, which is ignored here. */
#define OUTPUT_STATUS_EPIPE 141

/*
 * Writing it has failed with r, -errno. Says so, but not of a reader that has gone, as `head` does
 * when it has enough. Returns the exit status: failure_status, or OUTPUT_STATUS_EPIPE.
 */
int output_failed(int r, int failure_status);

/* Writes what is left of it in memory. Returns the exit status: 0, or that of output_failed(). */
int output_end(int failure_status);

#endif
