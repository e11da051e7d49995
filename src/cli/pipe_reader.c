/* Taking what comes through a pipe: see pipe_reader.h. */
#include "cli/pipe_reader.h"

#include "base/cleanup.h"
#include "base/fd.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* What comes goes into the file, until there is an end. Exits with an errno. */
static _Noreturn void read_pipe(int from, int to)
{
	char buffer[65536];
	ssize_t n;
	int r = 0;
	/* Ctrl-C is for the task, which may have something to tell yet. */
	const int ours[] = { SIGINT, SIGTERM, SIGQUIT, SIGHUP };
	for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
		signal(ours[i], SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while ((n = read(from, buffer, sizeof(buffer))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		/* To the end, also when nothing can be written: the jail waits for us. */
		if (n < 0)
			_exit(errno & 0xff);
		r = r < 0 ? r : fd_write_all(to, buffer, (size_t)n);
	}
	_exit(-r & 0xff);
}

pid_t pipe_reader_start(int to, int *ret_end)
{
	int ends[2];
	int r = fd_pipe(ends);
	if (r < 0)
		return r;
	pid_t child = fork();
	if (child == 0) {
		fd_close(&ends[1]);
		read_pipe(ends[0], to);
	}
	r = child < 0 ? -errno : 0;
	fd_close(&ends[0]);
	if (r < 0) {
		fd_close(&ends[1]);
		return r;
	}
	*ret_end = ends[1];
	return child;
}

int pipe_reader_end(pid_t child)
{
	int status = 0;
	if (child <= 0)
		return 0;
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EINTR;
}
