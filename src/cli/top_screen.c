/* dayfly top on a terminal: see top_screen.h. One poll loop; nothing waits for the terminal. */
#include "cli/top_screen.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "cli/daemon.h"
#include "cli/message.h"
#include "cli/output.h"
#include "cli/sink.h"
#include "cli/terminal.h"
#include "cli/top_layout.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

/* The alternate screen, no cursor, and lines that are too long end at the edge; and back. */
#define ENTER "\033[?1049h\033[?25l\033[?7l"
#define LEAVE "\033[?7h\033[?25h\033[?1049l"
#define HOME  "\033[H"
/* Clears what is left of the line, and of the screen below. */
#define LINE_END   "\033[K\r\n"
#define SCREEN_END "\033[K\033[J"

#define KEY_CTRL_C 3
/* How long a terminal that stands still is waited for in the end. */
#define LEAVE_MS 200

struct screen {
	const struct command *command;
	struct dayfly_client *client;
	struct top_model *model;
	uint64_t interval_ms;
	bool all;
	const char *label;

	struct terminal terminal;
	struct sink out;
	struct buf frame; /* being written */
	bool is_blocked;  /* the terminal does not take it all for now */
	bool is_stale;	  /* to be drawn */
	bool is_entered;  /* the alternate screen is there */
	bool has_entered; /* and is to be left in the end */
	int signal_fd;
	uint64_t request; /* 0: none is under way */
	uint64_t next_ns, answer_by_ns;
	bool is_over;
	int status;
};

void top_clock(char out[TOP_CLOCK_SIZE])
{
	struct tm tm;
	time_t now = time(NULL);
	if (!localtime_r(&now, &tm) || !strftime(out, TOP_CLOCK_SIZE, "%H:%M:%S", &tm))
		out[0] = '\0';
}

static void end(struct screen *s, int status)
{
	s->is_over = true;
	s->status = status;
}

/* ---- drawing ---- */

static void written(struct screen *s, int r)
{
	s->is_blocked = r == 0;
	if (r < 0)
		end(s, r == -EPIPE ? OUTPUT_STATUS_EPIPE : s->command->failure_status);
}

static int make_frame(struct screen *s)
{
	char clock_text[TOP_CLOCK_SIZE];
	unsigned rows, cols;
	terminal_size(&rows, &cols);
	top_clock(clock_text);
	const struct top_screen screen = {
		.rows = rows,
		/* Clearing the rest of a line that ends at the edge would clear its last
		 * character. */
		.cols = cols > 1 ? cols - 1 : cols,
		.line_end = LINE_END,
		.clock_text = clock_text,
	};
	buf_clear(&s->frame);
	int r = buf_add_str(&s->frame, s->is_entered ? HOME : ENTER HOME);
	if (r == 0)
		r = top_layout(s->model, &screen, &s->frame);
	return r < 0 ? r : buf_add_str(&s->frame, SCREEN_END);
}

static void draw(struct screen *s)
{
	if (s->is_blocked || !s->is_stale || !s->model->answer)
		return;
	s->is_stale = false;
	int r = make_frame(s);
	if (r < 0)
		return written(s, r);
	s->is_entered = s->has_entered = true;
	written(s, sink_write(&s->out, buf_data(&s->frame), buf_len(&s->frame)));
}

/* ---- the daemon ---- */

static void take(struct screen *s, struct dayfly_event *take_ev, struct dayfly_error *e)
{
	enum dayfly_event_type type = dayfly_event_type(take_ev);
	if (type == DAYFLY_EVENT_ERROR) {
		dayfly_event_error(take_ev, e);
		end(s, s->command->failure_status);
	} else if (type == DAYFLY_EVENT_RESULT && dayfly_event_request(take_ev) == s->request) {
		const char *text = dayfly_event_result_json(take_ev);
		json_t *answer = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
		/* Without memory the table is an old one. */
		if (answer && top_model_update(s->model, answer) == 0)
			s->is_stale = true;
		s->request = 0;
	}
	dayfly_event_free(take_ev);
}

/* Asks when it is time, and takes what has come. Returns false with *e, which is to be said when
 * the screen is left. */
static bool serve(struct screen *s, struct dayfly_error *e)
{
	struct dayfly_event *ev;
	uint64_t now = clock_mono_ns();
	int r = 0;
	if (!s->request && now >= s->next_ns) {
		r = dayfly_list_usage(s->client, s->all, s->label, &s->request, e);
		s->next_ns = now + s->interval_ms * NS_PER_MS;
		s->answer_by_ns = now + DAEMON_ANSWER_MS * NS_PER_MS;
	}
	while (r >= 0 && !s->is_over && (r = dayfly_next(s->client, 0, &ev, e)) > 0) {
		take(s, ev, e);
		if (s->is_over)
			return false;
	}
	if (r < 0)
		end(s, s->command->failure_status);
	return r >= 0;
}

/* ---- keys and signals ---- */

static void read_keys(struct screen *s)
{
	char keys[64];
	ssize_t n = read(STDIN_FILENO, keys, sizeof(keys));
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		end(s, 0);
	for (ssize_t i = 0; i < n && !s->is_over; i++) {
		if (keys[i] == 'q' || keys[i] == 'Q')
			end(s, 0);
		else if (keys[i] == KEY_CTRL_C)
			end(s, 128 + SIGINT);
		else if (keys[i] == ' ')
			s->next_ns = 0;
	}
}

static void read_signals(struct screen *s)
{
	struct signalfd_siginfo info;
	while (read(s->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		switch ((int)info.ssi_signo) {
		case SIGCONT:
			/* Somebody else had the terminal. */
			terminal_reenter(&s->terminal);
			s->is_entered = false;
			s->is_stale = true;
			break;
		case SIGWINCH:
			s->is_stale = true;
			break;
		default:
			end(s, 128 + (int)info.ssi_signo);
			break;
		}
	}
}

static int open_signals(void)
{
	static const int signos[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGCONT };
	sigset_t set;
	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(signos); i++)
		sigaddset(&set, signos[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

/* ---- the loop ---- */

static int timeout_ms(const struct screen *s)
{
	uint64_t now = clock_mono_ns(), at = s->request ? s->answer_by_ns : s->next_ns;
	return now < at ? (int)((at - now) / NS_PER_MS) + 1 : 0;
}

static void turn(struct screen *s)
{
	struct pollfd p[] = {
		{ .fd = dayfly_client_fd(s->client),
			.events = dayfly_client_poll_events(s->client) },
		{ .fd = s->signal_fd, .events = POLLIN },
		{ .fd = STDIN_FILENO, .events = POLLIN },
		{ .fd = s->is_blocked ? sink_poll_fd(&s->out) : -1, .events = POLLOUT },
	};
	int n = poll(p, ARRAY_SIZE(p), timeout_ms(s));
	if (n < 0 && errno != EINTR)
		return end(s, s->command->failure_status);
	if (n <= 0)
		return;
	if (p[1].revents)
		read_signals(s);
	if (p[2].revents)
		read_keys(s);
	if (p[3].revents)
		written(s, sink_flush(&s->out));
}

static void leave(struct screen *s)
{
	struct pollfd p = { .fd = sink_poll_fd(&s->out), .events = POLLOUT };
	/* What is half written ends first, so that a command is not cut in two. */
	if (s->is_blocked && poll(&p, 1, LEAVE_MS) > 0)
		s->is_blocked = sink_flush(&s->out) == 0;
	/* Nobody takes it: the modes must not wait for that. */
	if (s->is_blocked)
		tcflush(STDOUT_FILENO, TCOFLUSH);
	if (s->has_entered)
		sink_write(&s->out, LEAVE, strlen(LEAVE));
	if (s->out.left)
		tcflush(STDOUT_FILENO, TCOFLUSH);
	terminal_restore(&s->terminal);
	sink_finish(&s->out);
	fd_close(&s->signal_fd);
	buf_finish(&s->frame);
}

int top_screen_run(const struct command *cmd, struct dayfly_client *c, struct top_model *m,
	uint64_t interval_ms, bool all, const char *label)
{
	struct screen s = {
		.command = cmd,
		.client = c,
		.model = m,
		.interval_ms = interval_ms,
		.all = all,
		.label = label,
	};
	struct dayfly_error e;
	bool is_well = true;
	sink_init(&s.out, STDOUT_FILENO);
	terminal_init(&s.terminal, STDIN_FILENO);
	buf_init(&s.frame, 0);
	s.signal_fd = open_signals();
	int r = s.signal_fd < 0 ? s.signal_fd : terminal_enter_raw(&s.terminal);
	if (r < 0) {
		message_error("take over the terminal: %s", strerror(-r));
		return cmd->failure_status;
	}
	while (!s.is_over && (is_well = serve(&s, &e))) {
		if (s.request && clock_mono_ns() >= s.answer_by_ns) {
			end(&s, cmd->failure_status);
			break;
		}
		draw(&s);
		if (!s.is_over)
			turn(&s);
	}
	bool is_late = is_well && s.request && clock_mono_ns() >= s.answer_by_ns;
	leave(&s);
	if (!is_well)
		message_report(cmd, &e);
	else if (is_late)
		message_error("the daemon at %s does not answer", dayfly_client_path(c));
	return s.status;
}
