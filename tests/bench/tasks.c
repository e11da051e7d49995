/*
 * Runs tasks over one open connection with libdayfly.
 *
 *	tasks SOCKET COUNT AT_ONCE PAUSE_MS [COMMAND...]
 *
 * Prints for each task nanoseconds from the request to the result, and what the result says of the
 * pool; then one line "all" with the nanoseconds for all of them. PAUSE_MS lies between one task
 *and the next: a pool needs a moment to be filled.
 */
#include <dayfly/client.h>
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define AT_ONCE_MAX 1024

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static struct dayfly_client *client;
static struct dayfly_task *task;
static struct {
	uint64_t request, start_ns;
} running[AT_ONCE_MAX];
static int n_running;

static void start(void)
{
	struct dayfly_error e;
	running[n_running].start_ns = now_ns();
	if (dayfly_run(client, task, 0, &running[n_running].request, &e) < 0)
		errx(1, "%s", e.message);
	n_running++;
}

/* Waits for the end of one. */
static void finish(void)
{
	struct dayfly_error e;
	struct dayfly_event *ev;
	for (;;) {
		if (dayfly_next(client, -1, &ev, &e) != 1)
			errx(1, "%s", e.message);
		enum dayfly_event_type type = dayfly_event_type(ev);
		if (type == DAYFLY_EVENT_RESULT || type == DAYFLY_EVENT_ERROR)
			break;
		dayfly_event_free(ev);
	}
	uint64_t end = now_ns();
	if (strcmp(dayfly_event_outcome(ev), "ok") != 0)
		errx(1, "%s", dayfly_event_json(ev));
	for (int i = 0; i < n_running; i++) {
		if (running[i].request != dayfly_event_request(ev))
			continue;
		printf("%llu %s\n", (unsigned long long)(end - running[i].start_ns),
			dayfly_event_result_text(ev, "pool"));
		running[i] = running[--n_running];
		break;
	}
	dayfly_event_free(ev);
}

int main(int argc, char **argv)
{
	static const char *const usual[] = { "/bin/true", NULL };
	struct dayfly_error e;
	if (argc < 5)
		errx(2, "usage: tasks SOCKET COUNT AT_ONCE PAUSE_MS [COMMAND...]");
	int count = (int)strtol(argv[2], NULL, 10), at_once = (int)strtol(argv[3], NULL, 10),
	    pause_ms = (int)strtol(argv[4], NULL, 10), started = 0;
	if (at_once < 1 || at_once > AT_ONCE_MAX)
		errx(2, "AT_ONCE is 1 to %d", AT_ONCE_MAX);
	task = dayfly_task_new();
	if (!task ||
		dayfly_task_set_argv(task, argc > 5 ? (const char *const *)argv + 5 : usual) < 0)
		errx(1, "no memory");
	if (dayfly_connect(argv[1], 0, &client, &e) < 0)
		errx(1, "%s", e.message);
	uint64_t begin = now_ns();
	while (started < count || n_running) {
		while (started < count && n_running < at_once) {
			start();
			started++;
		}
		finish();
		if (pause_ms)
			usleep((useconds_t)pause_ms * 1000);
	}
	printf("all %llu\n", (unsigned long long)(now_ns() - begin));
	dayfly_client_free(client);
	dayfly_task_free(task);
	return fflush(stdout) != 0;
}
