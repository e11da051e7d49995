/* dayflyd: see docs/architecture.md. */
#include "base/fd.h"
#include "base/log.h"
#include "daemon/journald.h"
#include "daemon/options.h"
#include "daemon/server.h"
#include "daemon/startup.h"

#include <malloc.h>
#include <stdio.h>
#include <string.h>

#define MMAP_BYTES (128 << 10)

/* One line for whoever started us; for a failure its text and, on a second line, what to do about
 * it. */
static void tell_ready(int *ready_fd, const struct err *e)
{
	char text[1024] = "1\n";
	if (*ready_fd < 0)
		return;
	if (e)
		snprintf(text, sizeof(text), "%s\n%s%s", e->msg, e->hint, e->hint[0] ? "\n" : "");
	if (fd_write_all(*ready_fd, text, strlen(text)) < 0)
		log_warning("nobody reads --ready-fd");
	fd_close(ready_fd);
}

static int fail(struct options *o, const struct err *e)
{
	log_error("%s", e->msg);
	if (e->hint[0])
		log_error("fix: %s", e->hint);
	tell_ready(&o->ready_fd, e);
	return 1;
}

static void print_faults(const struct config_faults *f)
{
	for (size_t i = 0; i < f->n; i++) {
		char text[512];
		config_fault_text(&f->list[i], text, sizeof(text));
		fprintf(stderr, "%s\n", text);
		if (f->list[i].err.hint[0])
			fprintf(stderr, "  fix: %s\n", f->list[i].err.hint);
	}
	if (f->n_more)
		fprintf(stderr, "%zu more\n", f->n_more);
}

/* The command line or the configuration is wrong. */
static int refuse(struct options *o, const struct err *e)
{
	if (o->faults.n)
		print_faults(&o->faults);
	else
		fprintf(stderr, "dayflyd: %s%s%s\n", e->msg, e->hint[0] ? "\n  fix: " : "",
			e->hint);
	tell_ready(&o->ready_fd, e);
	return o->action == OPTIONS_RUN ? 2 : 1;
}

static int print_check(const struct options *o)
{
	for (char **file = o->files; file && *file; file++)
		printf("%s: good\n", *file);
	if (!o->files)
		puts("there is no configuration: every setting has its default");
	return fflush(stdout) == 0 ? 0 : 1;
}

static int serve(struct options *o, struct startup *start, struct err *e)
{
	uv_loop_t loop;
	struct server server;
	int r = uv_loop_init(&loop);
	if (r < 0)
		return err_set(e, ERR_INTERNAL, -r, "make the loop");
	r = server_init(&server, &loop, o, start);
	if (r == 0) {
		log_info("listening on %s%s; warden: %s", start->listener.path,
			start->listener.is_passed ? " (passed by the service manager)" : "",
			start->hello.hello.info);
		tell_ready(&o->ready_fd, NULL);
		notify_ready(&start->notify);
		r = server_run(&server);
	} else {
		err_set(e, ERR_INTERNAL, -r, "start the daemon");
	}
	server_finish(&server);
	uv_loop_close(&loop);
	return r;
}

static int run(struct options *o)
{
	struct startup start;
	struct err e;
	int r = startup_clean_process(&start, o->ready_fd, &e);
	/* Not earlier: it keeps a descriptor. */
	journald_init(NULL);
	if (r == 0)
		r = startup_run(&start, o, &e);
	if (r == 0)
		r = serve(o, &start, &e);
	startup_finish(&start);
	return r < 0 ? fail(o, &e) : r;
}

int main(int argc, char **argv)
{
	struct options o;
	struct err e;
	int code = 0;
	/* Large buffers go back to the system when they are freed, also after the first ones. */
	mallopt(M_MMAP_THRESHOLD, MMAP_BYTES);
	fd_reserve_stdio();
	log_init("dayflyd", LOG_LEVEL_INFO);
	if (options_parse(&o, argc, argv, &e) < 0) {
		code = refuse(&o, &e);
		options_finish(&o);
		return code;
	}
	log_init("dayflyd", (enum log_level)o.log_level);
	switch (o.action) {
	case OPTIONS_RUN:
		code = run(&o);
		break;
	case OPTIONS_HELP:
		options_print_help();
		break;
	case OPTIONS_VERSION:
		printf("dayflyd %s\n%s\n", DAYFLY_VERSION,
			notify_is_built_in() ? "with libsystemd"
					     : "without libsystemd: no socket activation, no "
					       "Type=notify");
		break;
	case OPTIONS_PROTOCOL:
		printf("1\n");
		break;
	case OPTIONS_CHECK:
		code = print_check(&o);
		break;
	case OPTIONS_PRINT_CONFIG:
		config_print(&o, stdout);
		code = fflush(stdout) == 0 ? 0 : 1;
		break;
	}
	options_finish(&o);
	return code;
}
