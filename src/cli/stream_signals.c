/* Signals to the program, and what they do to the task. */
#include "base/cleanup.h"
#include "cli/message.h"
#include "cli/stream_priv.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

int stream_signals_open(struct stream *s)
{
	static const int always[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	static const int terminal[] = { SIGWINCH, SIGCONT };
	sigset_t set;
	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(always); i++)
		sigaddset(&set, always[i]);
	for (size_t i = 0; s->wants_raw && i < ARRAY_SIZE(terminal); i++)
		sigaddset(&set, terminal[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return s->signal_fd < 0 ? -errno : 0;
}

void stream_resize(struct stream *s)
{
	unsigned rows, cols;
	terminal_size(&rows, &cols);
	if (s->wants_raw && s->task[0] && rows)
		dayfly_resize(s->client, s->task, rows, cols, NULL, NULL);
}

/* Failures of these requests are not told: the task may just have ended, and a lost connection
 * shows in the loop. */
static void send_signal(struct stream *s, const char *name)
{
	dayfly_signal(s->client, s->task, name, NULL, NULL);
}

static void cancel(struct stream *s)
{
	dayfly_cancel(s->client, s->task, NULL, NULL);
}

static int on_interrupt(struct stream *s)
{
	/* No task yet, none of ours, or patience is over: closing the connection ends what we
	 * started. */
	if (s->signals == STREAM_SIGNALS_LEAVE || !s->task[0] || s->interrupts >= 2)
		return stream_leave(s, 128 + SIGINT);
	s->interrupts++;
	if (s->interrupts == 1 && s->is_running) {
		send_signal(s, "SIGINT");
		return 0;
	}
	/*
	 * The reason is recorded before the signal is sent: it counts as cancelled, not as killed.
	 */
	message_error("killing the task");
	s->interrupts = 2;
	cancel(s);
	send_signal(s, "SIGKILL");
	return 0;
}

static int on_end(struct stream *s, int signo)
{
	if (s->signals != STREAM_SIGNALS_OWN || !s->task[0] || s->end_signal)
		return stream_leave(s, 128 + signo);
	s->end_signal = signo;
	cancel(s);
	return 0;
}

int stream_signals_read(struct stream *s)
{
	struct signalfd_siginfo info;
	int r = 0;
	while (r == 0 && read(s->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		switch ((int)info.ssi_signo) {
		case SIGINT:
			r = on_interrupt(s);
			break;
		case SIGWINCH:
			stream_resize(s);
			break;
		case SIGCONT:
			terminal_reenter(&s->terminal);
			stream_resize(s);
			break;
		default:
			r = on_end(s, (int)info.ssi_signo);
			break;
		}
	}
	return r;
}
