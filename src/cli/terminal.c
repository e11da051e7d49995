/* The user's terminal: see terminal.h. */
#include "cli/terminal.h"

#include "cli/message.h"

#include <errno.h>
#include <sys/ioctl.h>

void terminal_init(struct terminal *t, int fd)
{
	*t = (struct terminal){ .fd = fd };
}

int terminal_enter_raw(struct terminal *t)
{
	if (t->is_raw)
		return 0;
	if (tcgetattr(t->fd, &t->saved) < 0)
		return -errno;
	struct termios raw = t->saved;
	cfmakeraw(&raw);
	if (tcsetattr(t->fd, TCSADRAIN, &raw) < 0)
		return -errno;
	t->is_raw = true;
	message_set_raw(true);
	return 0;
}

void terminal_restore(struct terminal *t)
{
	if (!t->is_raw)
		return;
	tcsetattr(t->fd, TCSADRAIN, &t->saved);
	t->is_raw = false;
	message_set_raw(false);
}

void terminal_reenter(struct terminal *t)
{
	if (!t->is_raw)
		return;
	struct termios raw = t->saved;
	cfmakeraw(&raw);
	tcsetattr(t->fd, TCSADRAIN, &raw);
}

void terminal_size(unsigned *ret_rows, unsigned *ret_cols)
{
	static const int fds[] = { 1, 0, 2 };
	*ret_rows = *ret_cols = 0;
	for (int i = 0; i < 3; i++) {
		struct winsize ws;
		if (ioctl(fds[i], TIOCGWINSZ, &ws) == 0 && ws.ws_row && ws.ws_col) {
			*ret_rows = ws.ws_row;
			*ret_cols = ws.ws_col;
			return;
		}
	}
}
