/*
 * The loop of run, attach, logs and wait: events of one request to stdout and stderr, input to the
 * task, signals and the size of the terminal passed on, until the last event. One poll loop, one
 * thread.
 */
#ifndef DAYFLY_CLI_STREAM_H
#define DAYFLY_CLI_STREAM_H

#include "cli/options.h"
#include "cli/sink.h"
#include "cli/terminal.h"

#include <dayfly/client.h>
#include <stdbool.h>
#include <stdint.h>

/* What SIGINT and SIGTERM mean. */
enum stream_signals {
	STREAM_SIGNALS_LEAVE, /* we only look: leave */
	STREAM_SIGNALS_TASK,  /* SIGINT goes to the task, a second one kills it; SIGTERM leaves */
	STREAM_SIGNALS_OWN,   /* the same, but SIGTERM cancels the task first */
};

struct stream {
	/* Set by the caller. */
	struct dayfly_client *client;
	uint64_t request;
	const struct command *command; /* for messages */
	enum stream_signals signals;
	bool prints_json; /* events as they come, instead of output */
	bool wants_input; /* stdin goes to the task */
	bool wants_raw;	  /* the task has a terminal: ours becomes raw, its size is passed on */
	bool can_detach;  /* Ctrl-P Ctrl-Q leaves the task alone */
	/* Called once, when the task is known to run; or NULL. */
	void (*on_running)(void *owner);
	void *owner;

	/* Its own. */
	char task[64]; /* the id, once known */
	bool is_running;
	bool is_gone; /* the task's output is not kept any more; that was said */
	int signal_fd;
	struct terminal terminal;
	struct sink out, errors;
	struct sink *blocked;	    /* the one of the two that takes no more for now, or NULL */
	bool drops_output;	    /* its reader stood still after we were told to end */
	struct dayfly_event *event; /* whose bytes are being written */
	char *line;		    /* the same with --json */
	uint64_t input;		    /* the piece of input that is not answered yet; 0: none */
	bool is_input_over;
	bool saw_detach_key; /* the first of the two */
	int interrupts;
	int end_signal;		     /* the signal for which the task was cancelled */
	uint64_t answer_deadline_ns; /* for the first event */
	char note[256];		     /* what is told if it is still so then */
	uint64_t note_ns;
	bool has_noted;
	struct dayfly_event *last;
	int status; /* exit status when the loop ends without a last event */
};

/* Takes over signals. Call it before the request is sent. Returns 0, or the exit status. */
int stream_begin(struct stream *s);

/*
 * Runs until the request's last event: returns 0 and *ret_last is the caller's. Otherwise
 * everything was said already and the return value is the exit status.
 */
int stream_run(struct stream *s, struct dayfly_event **ret_last);

/* Puts the terminal back. Before any message that should look right. */
void stream_finish(struct stream *s);

#endif
