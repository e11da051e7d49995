/* The user's terminal: raw while a task has a terminal of its own, and always put back. */
#ifndef DAYFLY_CLI_TERMINAL_H
#define DAYFLY_CLI_TERMINAL_H

#include <stdbool.h>
#include <termios.h>

struct terminal {
	int fd;
	bool is_raw;
	struct termios saved;
};

void terminal_init(struct terminal *t, int fd);

/* Returns 0, or -ENOTTY when it is no terminal. Does nothing when it is raw already. */
int terminal_enter_raw(struct terminal *t);
void terminal_restore(struct terminal *t);

/* After the program was stopped and went on, somebody else may have changed the modes. */
void terminal_reenter(struct terminal *t);

/* The size of the terminal behind any of stdin, stdout and stderr. 0, 0 when there is none. */
void terminal_size(unsigned *ret_rows, unsigned *ret_cols);

#endif
