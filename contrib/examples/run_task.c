/*
 * Runs a command in a jail and passes on its output and its exit status. It uses the public header
 * only:
 *
 *	cc -o run_task run_task.c $(pkg-config --cflags --libs libdayfly)
 *	./run_task echo hello
 */
#include <dayfly/client.h>
#include <stdio.h>

static int complain(const struct dayfly_error *e)
{
	fprintf(stderr, "run_task: %s\n", e->message);
	if (e->hint[0])
		fprintf(stderr, "  fix: %s\n", e->hint);
	return 125;
}

/* Prints events until the task's last one. Returns the exit status. */
static int follow(struct dayfly_client *client, uint64_t request)
{
	struct dayfly_error e;
	struct dayfly_event *ev;
	int status = -1;
	while (status < 0 && dayfly_next(client, -1, &ev, &e) == 1) {
		size_t len;
		const void *data = dayfly_event_data(ev, &len);
		if (dayfly_event_type(ev) == DAYFLY_EVENT_OUTPUT)
			fwrite(data, 1, len,
				dayfly_event_stream(ev) == DAYFLY_STREAM_STDERR ? stderr : stdout);
		else if (dayfly_event_type(ev) == DAYFLY_EVENT_ERROR && dayfly_event_error(ev, &e))
			status = complain(&e);
		else if (dayfly_event_type(ev) == DAYFLY_EVENT_RESULT &&
			 dayfly_event_request(ev) == request)
			status = dayfly_event_exit_status(ev);
		dayfly_event_free(ev);
	}
	return status < 0 ? complain(&e) : status;
}

int main(int argc, char **argv)
{
	struct dayfly_error e;
	struct dayfly_client *client;
	uint64_t request;
	int status = 125;
	struct dayfly_task *task = dayfly_task_new();
	if (argc < 2 || !task || dayfly_task_set_argv(task, (const char *const *)argv + 1) < 0 ||
		dayfly_task_set_limit(task, "wall", "1m") < 0) {
		fprintf(stderr, "usage: run_task COMMAND [ARGUMENT]...\n");
		dayfly_task_free(task);
		return status;
	}
	if (dayfly_connect(NULL, DAYFLY_CONNECT_AUTOSTART, &client, &e) < 0) {
		status = complain(&e);
	} else {
		if (dayfly_run(client, task, 0, &request, &e) < 0)
			status = complain(&e);
		else
			status = follow(client, request);
		dayfly_client_free(client);
	}
	dayfly_task_free(task);
	return status;
}
