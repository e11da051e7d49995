/* Names and numbers of signals, as requests and results use them: see request.h. */
#include "proto/request.h"

#include "base/cleanup.h"
#include "base/units.h"

#include <errno.h>
#include <signal.h>
#include <strings.h>

#define SIGNAL_MAX 64

static const struct {
	int number;
	const char *name;
} signals[] = {
	{ SIGHUP, "SIGHUP" },
	{ SIGINT, "SIGINT" },
	{ SIGQUIT, "SIGQUIT" },
	{ SIGILL, "SIGILL" },
	{ SIGTRAP, "SIGTRAP" },
	{ SIGABRT, "SIGABRT" },
	{ SIGBUS, "SIGBUS" },
	{ SIGFPE, "SIGFPE" },
	{ SIGKILL, "SIGKILL" },
	{ SIGUSR1, "SIGUSR1" },
	{ SIGSEGV, "SIGSEGV" },
	{ SIGUSR2, "SIGUSR2" },
	{ SIGPIPE, "SIGPIPE" },
	{ SIGALRM, "SIGALRM" },
	{ SIGTERM, "SIGTERM" },
	{ SIGSTKFLT, "SIGSTKFLT" },
	{ SIGCHLD, "SIGCHLD" },
	{ SIGCONT, "SIGCONT" },
	{ SIGSTOP, "SIGSTOP" },
	{ SIGTSTP, "SIGTSTP" },
	{ SIGTTIN, "SIGTTIN" },
	{ SIGTTOU, "SIGTTOU" },
	{ SIGURG, "SIGURG" },
	{ SIGXCPU, "SIGXCPU" },
	{ SIGXFSZ, "SIGXFSZ" },
	{ SIGVTALRM, "SIGVTALRM" },
	{ SIGPROF, "SIGPROF" },
	{ SIGWINCH, "SIGWINCH" },
	{ SIGIO, "SIGIO" },
	{ SIGPWR, "SIGPWR" },
	{ SIGSYS, "SIGSYS" },
	/* Second names: found by signal_number(), never returned by signal_name(). */
	{ SIGABRT, "SIGIOT" },
	{ SIGIO, "SIGPOLL" },
	{ SIGCHLD, "SIGCLD" },
};

/* A task can die of a real-time signal, so these have names too. 32 and 33 are glibc's own. */
static const char *const realtime_names[] = {
	"SIG32",
	"SIG33",
	"SIGRTMIN",
	"SIGRTMIN+1",
	"SIGRTMIN+2",
	"SIGRTMIN+3",
	"SIGRTMIN+4",
	"SIGRTMIN+5",
	"SIGRTMIN+6",
	"SIGRTMIN+7",
	"SIGRTMIN+8",
	"SIGRTMIN+9",
	"SIGRTMIN+10",
	"SIGRTMIN+11",
	"SIGRTMIN+12",
	"SIGRTMIN+13",
	"SIGRTMIN+14",
	"SIGRTMIN+15",
	"SIGRTMIN+16",
	"SIGRTMIN+17",
	"SIGRTMIN+18",
	"SIGRTMIN+19",
	"SIGRTMIN+20",
	"SIGRTMIN+21",
	"SIGRTMIN+22",
	"SIGRTMIN+23",
	"SIGRTMIN+24",
	"SIGRTMIN+25",
	"SIGRTMIN+26",
	"SIGRTMIN+27",
	"SIGRTMIN+28",
	"SIGRTMIN+29",
	"SIGRTMIN+30",
};

int signal_number(const char *text)
{
	uint64_t number;
	if (units_parse_uint(text, SIGNAL_MAX, &number) == 0)
		return number ? (int)number : -EINVAL;
	const char *bare = strncasecmp(text, "SIG", 3) ? text : text + 3;
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		if (!strcasecmp(bare, signals[i].name + 3))
			return signals[i].number;
	for (size_t i = 2; i < ARRAY_SIZE(realtime_names); i++)
		if (!strcasecmp(bare, realtime_names[i] + 3))
			return 32 + (int)i;
	return -EINVAL;
}

const char *signal_name(int signo)
{
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		if (signals[i].number == signo)
			return signals[i].name;
	if (signo >= 32 && (size_t)(signo - 32) < ARRAY_SIZE(realtime_names))
		return realtime_names[signo - 32];
	return "unknown";
}
