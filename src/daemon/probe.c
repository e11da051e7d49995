/* The probe of the host: see probe.h. */
#include "daemon/probe.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "proto/json_load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Whoever started us for a task has sent it by then. */
#define BEGIN_MS 300
#define TEXT_MAX (256u << 10)

static bool is_finding(const json_t *o)
{
	static const char *const texts[] = { "check", "group", "status", "why", "fix", "for" };
	if (!json_is_boolean(json_object_get(o, "needed")))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (!json_is_string(json_object_get(o, texts[i])))
			return false;
	return true;
}

json_t *probe_parse(const char *text)
{
	json_t *list = json_array();
	bool is_good = list && *text;
	for (const char *line = text; is_good && *line;) {
		size_t len = strcspn(line, "\n");
		json_t *o = json_load_whole(line, len, JSON_REJECT_DUPLICATES, NULL);
		/* The last one ends with its newline too, or it was cut off. */
		is_good = line[len] == '\n' && is_finding(o) && json_array_append(list, o) == 0;
		json_decref(o);
		line += len + 1;
	}
	if (is_good)
		return list;
	json_decref(list);
	return NULL;
}

static const char *text_of(const json_t *finding, const char *key)
{
	return json_string_value(json_object_get(finding, key));
}

static void log_findings(const json_t *findings)
{
	size_t i;
	json_t *f;
	json_array_foreach (findings, i, f) {
		if (strcmp(text_of(f, "status"), "missing") != 0 ||
			!json_is_true(json_object_get(f, "needed")))
			continue;
		log_warning("this host lacks what tasks need: %s: %s", text_of(f, "check"),
			text_of(f, "why"));
		if (*text_of(f, "fix"))
			log_warning("  fix: %s", text_of(f, "fix"));
	}
}

static void stop(struct probe *p)
{
	watch_destroy(&p->watch);
	fd_close(&p->fd);
	free(p->text);
	p->text = NULL;
	p->len = 0;
}

static void on_end(struct probe *p)
{
	p->text[p->len] = '\0';
	p->findings = strlen(p->text) == p->len ? probe_parse(p->text) : NULL;
	if (p->findings) {
		p->made_ns = clock_real_ns();
		log_findings(p->findings);
	} else {
		log_warning(
			"the probe of the host gave no findings; `dayfly doctor` makes its own");
	}
	stop(p);
}

static void on_readable(void *owner, int events)
{
	struct probe *p = owner;
	for (;;) {
		ssize_t n = read(p->fd, p->text + p->len, TEXT_MAX - p->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			on_end(p);
			return;
		}
		p->len += (size_t)n;
	}
}

static int begin(struct probe *p, struct err *e)
{
	p->text = malloc(TEXT_MAX + 1);
	if (!p->text)
		return err_set(e, ERR_INTERNAL, ENOMEM, "read its findings");
	int r = keeper_ask_probe(&p->start->keeper, p->start->warden_path, &p->fd, e);
	if (r < 0)
		return r;
	r = watch_create(p->loop, p->fd, on_readable, p, &p->watch);
	if (r < 0)
		return err_set(e, ERR_INTERNAL, -r, "wait for its findings");
	watch_set(p->watch, WATCH_READ);
	return 0;
}

static void on_begin(void *owner)
{
	struct probe *p = owner;
	struct err e;
	if (begin(p, &e) == 0)
		return;
	log_warning("no probe of the host: %s", e.msg);
	stop(p);
}

int probe_init(struct probe *p, uv_loop_t *loop, struct startup *start)
{
	*p = (struct probe){ .loop = loop, .start = start, .fd = -1 };
	int r = alarm_create(loop, on_begin, p, &p->begin);
	if (r == 0)
		alarm_set(p->begin, BEGIN_MS);
	return r;
}

void probe_finish(struct probe *p)
{
	if (!p->loop)
		return;
	alarm_destroy(&p->begin);
	stop(p);
	json_decref(p->findings);
	p->findings = NULL;
}
