/* The request of `dayfly run`: from its options to a task of the library's. */
#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"
#include "cli/inputs.h"
#include "cli/message.h"
#include "cli/run_priv.h"
#include "cli/sources.h"
#include "cli/terminal.h"
#include "cli/workspace.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* A path is made absolute: the daemon does not know our directory. A word without "/" is a name. */
static int set_image(struct dayfly_task *t, const char *image)
{
	if (image[0] == '/' || !strchr(image, '/'))
		return dayfly_task_set_image(t, image);
	auto_free char *path = realpath(image, NULL);
	return path ? dayfly_task_set_image(t, path) : -errno;
}

static int set_priority(struct dayfly_task *t, const char *text)
{
	return dayfly_task_set_priority(t, (int)strtol(text, NULL, 10));
}

/* "KEY" or "KEY:MODE". */
static int set_concurrency(struct dayfly_task *t, const char *text)
{
	const char *colon = strchr(text, ':');
	auto_free char *key = colon ? strndup(text, (size_t)(colon - text)) : strdup(text);
	return key ? dayfly_task_set_concurrency(t, key, colon ? colon + 1 : "queue") : -ENOMEM;
}

#define AT(member) offsetof(struct run_options, member)

/* Texts that are handed on, most of them as they are. */
static const struct {
	const char *option;
	size_t offset;
	int (*set)(struct dayfly_task *t, const char *text);
} texts[] = {
	{ "workdir", AT(workdir), dayfly_task_set_cwd },
	{ "image", AT(image), set_image },
	{ "network", AT(network), dayfly_task_set_network },
	{ "user", AT(user), dayfly_task_set_user },
	{ "profile", AT(profile), dayfly_task_set_profile },
	{ "name", AT(name), dayfly_task_set_name },
	{ "priority", AT(priority), set_priority },
	{ "concurrency", AT(concurrency), set_concurrency },
	{ "idempotency-key", AT(idempotency_key), dayfly_task_set_idempotency_key },
};

static int setter_failed(const char *name, int r)
{
	if (r < 0)
		message_error("%s: %s", name, r == -EILSEQ ? "not UTF-8" : strerror(-r));
	return r;
}

/* "--image ./nowhere: No such file or directory" */
static int option_failed(const char *option, const char *text, int r)
{
	if (r < 0)
		message_error(
			"--%s %s: %s", option, text, r == -EILSEQ ? "not UTF-8" : strerror(-r));
	return r;
}

/* "KEY=VALUE" or "KEY", which stands for `fallback`. */
static int set_pair(struct dayfly_task *t, const char *text, const char *fallback,
	int (*set)(struct dayfly_task *, const char *, const char *))
{
	auto_free char *key = strdup(text);
	if (!key)
		return -ENOMEM;
	char *equals = strchr(key, '=');
	if (equals)
		*equals++ = '\0';
	return set(t, key, equals ? equals : fallback);
}

static int set_env(struct dayfly_task *t, const struct run_options *o)
{
	const char *term = getenv("TERM");
	int r = o->tty && term && str_is_utf8(term, strlen(term))
			? dayfly_task_set_env(t, "TERM", term)
			: 0;
	for (char **p = o->env; r == 0 && p && *p; p++) {
		const char *ours = getenv(*p);
		/* As with Docker: a name that we do not have ourselves is left out. */
		if (strchr(*p, '=') || ours)
			r = set_pair(t, *p, ours, dayfly_task_set_env);
	}
	return setter_failed("--env", r);
}

static int set_labels(struct dayfly_task *t, const struct run_options *o)
{
	int r = 0;
	for (char **p = o->labels; r == 0 && p && *p; p++)
		r = set_pair(t, *p, "", dayfly_task_set_label);
	return setter_failed("--label", r);
}

/* Every option that fills a member of task.limits is one of its limits. */
static int set_limits(struct dayfly_task *t, const struct run_options *o)
{
	static const char prefix[] = "task.limits.";
	for (size_t i = 0; i < run_command.n_options; i++) {
		const struct option_def *d = &run_command.options[i];
		const char *field = d->field;
		if (!field || !str_starts(field, prefix))
			continue;
		const char *text = *(const char *const *)((const char *)o + d->offset);
		int r = text ? dayfly_task_set_limit(t, field + strlen(prefix), text) : 0;
		if (r < 0)
			return option_failed(d->name, text, r);
	}
	return 0;
}

static int set_best_effort(struct dayfly_task *t, const struct run_options *o)
{
	int r = 0;
	for (char **p = o->best_effort; r == 0 && p && *p; p++) {
		for (char *word = *p; r == 0 && word;) {
			char *comma = strchr(word, ',');
			if (comma)
				*comma++ = '\0';
			if (*word)
				r = dayfly_task_add_best_effort(t, word);
			word = comma;
		}
	}
	return setter_failed("--best-effort", r);
}

static int set_sources(struct dayfly_task *t, const struct run_options *o, struct write_back *back)
{
	struct source_arg s;
	struct dayfly_error e = { 0 };
	struct err bad = { 0 };
	int r = 0;
	const struct workspace_options workspace = { o->workspace, o->hide_ignored, o->no_git_dir,
		back };
	if (o->workspace)
		r = workspace_add(t, &workspace);
	if (o->git.where && (r = git_arg_add(t, &o->git, NULL, &bad)) < 0) {
		message_error("%s", bad.msg);
		message_detail("fix", bad.hint);
	}
	for (char **p = o->mounts; r == 0 && p && *p; p++) {
		bool is_parsed = (r = source_parse_mount(*p, &s, &bad)) == 0;
		if (is_parsed)
			r = dayfly_task_add_mount(t, s.path, s.target, s.mode, &e);
		source_arg_finish(&s);
		if (r < 0) {
			message_error("--mount: %s", is_parsed ? e.message : bad.msg);
			message_detail("fix", is_parsed ? e.hint : bad.hint);
		}
	}
	return r;
}

static int set_inputs(struct dayfly_task *t, char **list, const char *option,
	int (*add)(struct dayfly_task *, const char *, struct err *))
{
	struct err e = { 0 };
	for (char **p = list; p && *p; p++) {
		int r = add(t, *p, &e);
		if (r < 0) {
			message_error("--%s: %s", option, e.msg);
			message_detail("fix", e.hint);
			return r;
		}
	}
	return 0;
}

static int set_stdio(struct dayfly_task *t, const struct run_options *o)
{
	unsigned rows = 0, cols = 0;
	int r = o->interactive ? dayfly_task_set_stdin(t, 1) : 0;
	if (r == 0 && o->tty) {
		terminal_size(&rows, &cols);
		r = dayfly_task_set_tty(t, rows, cols);
	}
	if (r == 0 && o->keep)
		r = dayfly_task_set_keep(t, 1);
	if (r == 0 && o->no_queue)
		r = dayfly_task_set_no_queue(t, 1);
	if (r == 0 && o->kill_on_output_limit)
		r = dayfly_task_set_kill_on_output_limit(t, 1);
	return setter_failed("stdin", r);
}

struct dayfly_task *run_task_make(const struct run_options *o, char **argv, struct write_back *back)
{
	struct dayfly_task *t = dayfly_task_new();
	int r = t ? dayfly_task_set_argv(t, (const char *const *)argv) : -ENOMEM;
	setter_failed("command", r);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(texts); i++) {
		const char *text = *(const char *const *)((const char *)o + texts[i].offset);
		r = text ? option_failed(texts[i].option, text, texts[i].set(t, text)) : 0;
	}
	if (r == 0)
		r = set_env(t, o);
	if (r == 0)
		r = set_labels(t, o);
	if (r == 0)
		r = set_limits(t, o);
	if (r == 0)
		r = set_best_effort(t, o);
	if (r == 0)
		r = set_stdio(t, o);
	if (r == 0)
		r = set_sources(t, o, back);
	if (r == 0)
		r = set_inputs(t, o->files, "file", input_add_file);
	if (r == 0)
		r = set_inputs(t, o->secrets, "secret", input_add_secret);
	for (char **url = o->webhooks; r == 0 && url && *url; url++)
		r = option_failed("webhook", *url, dayfly_task_add_webhook(t, *url, o->webhook_on));
	if (r == 0)
		r = set_inputs(t, o->tars, "tar", input_add_tar);
	if (r == 0)
		return t;
	dayfly_task_free(t);
	return NULL;
}
