/* Taking over a new configuration: see reload.h. */
#include "daemon/reload.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "base/str.h"
#include "daemon/server.h"
#include "daemon/submit.h"

/* What one user may have of something, where nothing else is said: his tasks may run for a day, and
 * whoever comes meanwhile must find some of it left. */
static uint64_t most_of(const struct options *o, uint64_t all)
{
	return options_has_others(o) ? all - all / 8 : all;
}

/*
 * One user may have the whole machine while nobody else may want it. Where there are others, one
 * user's queue never fills the queue of all.
 */
struct sched_caps reload_sched_caps(const struct options *o)
{
	bool has_others = options_has_others(o);
	uint64_t share = has_others && o->max_queue > 1 ? o->max_queue / 2 : o->max_queue;
	struct sched_caps caps = {
		.max_running = o->max_tasks,
		.max_running_uid = o->max_tasks_uid ? o->max_tasks_uid : most_of(o, o->max_tasks),
		.max_ready = o->max_queue,
		.max_ready_uid = o->max_queue_uid ? o->max_queue_uid : share,
		.memory_bytes = o->admit_memory,
		.cpu_millis = o->admit_cpus,
		.memory_bytes_uid =
			o->admit_memory_uid ? o->admit_memory_uid : most_of(o, o->admit_memory),
		.cpu_millis_uid = o->admit_cpus_uid ? o->admit_cpus_uid : most_of(o, o->admit_cpus),
		.n_groups = strv_len(o->label_caps),
	};
	for (size_t i = 0; i < caps.n_groups; i++) {
		size_t len;
		uint64_t n = 0;
		config_split_label_cap(o->label_caps[i], &len, &n);
		caps.group_max[i] = n;
	}
	return caps;
}

static void log_faults(const struct options *o, const struct err *e)
{
	for (size_t i = 0; i < o->faults.n; i++) {
		char text[512];
		config_fault_text(&o->faults.list[i], text, sizeof(text));
		log_error("configuration: %s (fix: %s)", text, o->faults.list[i].err.hint);
	}
	if (!o->faults.n)
		log_error("configuration: %s", e->msg);
	log_error("configuration: not taken over; the one before stays in force");
}

static void log_change(const struct options *o, size_t key, bool is_taken)
{
	const struct config_key *k = &config_keys[key];
	auto_free char *first = config_format_public(o, key, 0);
	auto_free char *second = config_format(o, key, 1);
	auto_free char *origin = config_origin_text(o, key);
	if (is_taken)
		log_info("configuration: %s.%s is %s%s now (%s)", k->section, k->name,
			first && *first ? first : "empty", second ? ", ..." : "",
			origin ? origin : "?");
	else
		log_warning("configuration: %s.%s (%s) changes only when dayflyd is started again",
			k->section, k->name, origin ? origin : "?");
}

/* Returns how many values have changed. */
static size_t take_over(struct options *o, struct options *fresh)
{
	size_t n = 0;
	for (size_t i = 0; i < config_key_count; i++) {
		bool is_equal = config_is_equal(o, fresh, i);
		if (!is_equal)
			log_change(fresh, i, config_keys[i].is_live);
		/* An equal value may have another origin now. Others hold pointers to what is
		 * fixed. */
		if (config_keys[i].is_live) {
			config_swap(o, fresh, i);
			n += !is_equal;
		}
	}
	return n;
}

static void apply(struct server *s)
{
	log_init("dayflyd", (enum log_level)s->options->log_level);
	submit_check_again(s);
	server_set_pool(s);
	past_reload(&s->past);
	git_sources_update(&s->git);
	accept_check_limit(s);
	outbox_check_again(&s->webhooks.outbox);
	uploads_check_again(&s->uploads);
	alarm_set(s->tick, server_tick_ms(s));
	server_schedule(s);
}

void reload_config(struct server *s)
{
	struct options fresh;
	struct err e;
	if (s->state != SERVER_RUNNING)
		return;
	notify_reloading(&s->start->notify);
	if (options_read_again(&fresh, s->options, &e) < 0) {
		log_faults(&fresh, &e);
	} else {
		size_t n = take_over(s->options, &fresh);
		apply(s);
		log_info("configuration: read again; %zu values changed", n);
	}
	options_finish(&fresh);
	notify_reloaded(&s->start->notify);
}
