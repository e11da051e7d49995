/*
 * The daemon's ends of a task's standard streams: pipes, or the master of its pty. Reads output and
 * hands it on; writes input from a bounded buffer. The task never holds up the loop, whatever it
 * does with its ends.
 */
#ifndef DAYFLY_TASK_STREAMS_H
#define DAYFLY_TASK_STREAMS_H

#include "base/buf.h"
#include "task/output_log.h"
#include "task/watch.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Input is taken while less than this waits for the task; above it the client is told to wait. */
#define STREAMS_INPUT_HIGH (256u << 10)
#define STREAMS_INPUT_LOW  (64u << 10)

struct streams_hooks {
	/* 1 to OUTPUT_RECORD_MAX bytes. */
	void (*on_output)(void *owner, enum output_stream stream, const char *data, size_t len);
	/* Once: the last output stream is at its end, or was closed. */
	void (*on_drained)(void *owner);
	/* Less than STREAMS_INPUT_LOW is waiting again, or nothing more is wanted. */
	void (*on_input_room)(void *owner);
};

struct streams_out {
	int fd;
	struct watch *watch;
	/* The first bytes of a character whose rest is still to come: a record never cuts one
	 * without need. */
	char held[3];
	size_t n_held;
};

struct streams {
	uv_loop_t *loop;
	char *scratch; /* OUTPUT_RECORD_MAX bytes, shared by all tasks of the loop; borrowed */
	const struct streams_hooks *hooks;
	void *owner;
	bool is_tty;
	bool is_paused; /* output is not read */
	bool is_final;	/* the main process is gone: a hang-up of the pty is the end, not a pause */
	bool is_drained;
	struct streams_out out[OUTPUT_STREAM_COUNT];
	struct alarm *retry; /* of a pty that nobody has open for a moment */
	struct alarm *flush; /* of held bytes: the rest did not come */
	int in_fd;
	struct watch *in_watch;
	struct buf in;
	bool takes_input; /* the task has a stdin of ours, and it is not at its end */
	bool in_eof;	  /* asked for: close when the buffer is empty */
	bool in_is_full;  /* on_input_room is owed */
};

void streams_init(struct streams *s, uv_loop_t *loop, char *scratch,
	const struct streams_hooks *hooks, void *owner);
void streams_finish(struct streams *s);

/*
 * Makes the pipes. ret_ends gets the task's ends (the caller's): stdin if takes_input, stdout,
 * stderr. Returns their number or -errno.
 */
int streams_open_pipes(struct streams *s, int ret_ends[3]);

/* The pty's master, once it is there. Returns 0 or -errno. */
int streams_open_tty(struct streams *s, int take_master);

/*
 * The task may be running: write. Its output is read from the first streams_pause_output(false) on,
 * so that nobody hears of it before he hears that the task runs.
 */
void streams_start(struct streams *s);

void streams_pause_output(struct streams *s, bool pause);

/* The main process is gone: no more input, no pause, and a hang-up is the end. */
void streams_set_final(struct streams *s);

/* Gives up what was not read. */
void streams_close_output(struct streams *s);

/* Whether input would be refused with -EAGAIN at this moment. */
bool streams_input_is_full(const struct streams *s);

/* Takes a copy. Returns 0, -EAGAIN (full: wait for on_input_room), -EPIPE (the task reads no more),
 * -ENXIO (never did) or -ENOMEM. */
int streams_add_input(struct streams *s, const char *data, size_t len);
int streams_end_input(struct streams *s);

/* Returns 0 or -errno; -ENOTTY if it is none. */
int streams_resize(struct streams *s, uint16_t rows, uint16_t cols);

#endif
