/* What the table of settings looks like to people and programs: see config.h. */
#include "daemon/config.h"

#include "base/cleanup.h"
#include "base/str.h"
#include "daemon/json_build.h"
#include "daemon/options.h"

#include <stdlib.h>
#include <string.h>

static bool begins_section(size_t key)
{
	return !key || strcmp(config_keys[key - 1].section, config_keys[key].section) != 0;
}

static void print_section(FILE *out, size_t key)
{
	const char *section = config_keys[key].section;
	fprintf(out, "%s# %s.\n[%s]\n", key ? "\n" : "", config_section_title(section), section);
}

void config_print(const struct options *o, FILE *out)
{
	for (size_t i = 0; i < config_key_count; i++) {
		auto_free char *origin = config_origin_text(o, i);
		if (begins_section(i))
			print_section(out, i);
		fprintf(out, "# %s\n", origin ? origin : "?");
		for (size_t nth = 0;; nth++) {
			auto_free char *value = config_format(o, i, nth);
			if (!value && nth)
				break;
			/* An empty list, or no value: such a line says just that. */
			fprintf(out, "%s =%s%s\n", config_keys[i].name, value && *value ? " " : "",
				value ? value : "");
			if (!value)
				break;
		}
	}
}

/* The words that a kind takes, for the reader. */
static void print_allowed(FILE *out, const struct config_key *k, const char *quote)
{
	static const char *const texts[CONFIG_KIND_COUNT] = {
		[CONFIG_BOOL] = "yes or no",
		[CONFIG_SIZE] = "a size",
		[CONFIG_DURATION] = "a time",
		[CONFIG_CPUS] = "a number",
		[CONFIG_TEXT] = "a name",
		[CONFIG_PATH] = "an absolute path",
		[CONFIG_PATHS] = "absolute paths, one a line",
		[CONFIG_LABEL_CAPS] = "labels with a number, one a line",
		[CONFIG_HOSTS] = "HOST, HOST:PORT or *.DOMAIN, one a line",
		[CONFIG_GIT_HOSTS] = "HOST, HOST:PORT, *.DOMAIN or *, one a line",
		[CONFIG_URLS] = "addresses, one a line",
		[CONFIG_TARGETS] = "targets, one or several lines each",
		[CONFIG_USERS] = "names or ids, one a line",
		[CONFIG_GROUPS] = "names or ids, one a line",
	};
	if (k->kind == CONFIG_WORD || k->kind == CONFIG_CHOICES)
		for (size_t i = 0; k->words[i]; i++)
			fprintf(out, "%s%s%s%s", i ? ", " : "", quote, k->words[i], quote);
	else if (k->kind == CONFIG_COUNT && k->max)
		fprintf(out, "%llu to %llu", (unsigned long long)k->min,
			(unsigned long long)k->max);
	else
		fputs(k->kind == CONFIG_COUNT ? "a whole number" : texts[k->kind], out);
	if (k->may_be_none)
		fprintf(out, ", or %snone%s", quote, quote);
}

/* Without the marks of Markdown. */
static void print_plain(FILE *out, const char *text)
{
	for (; *text; text++)
		if (*text != '`')
			fputc(*text, out);
}

void config_print_sample(FILE *out)
{
	fputs("# Configuration of dayflyd: /etc/dayfly/dayflyd.conf (of a plain user's daemon:\n"
	      "# ~/.config/dayfly/dayflyd.conf). Every setting is shown with its default; take the "
	      "#\n"
	      "# from the line to change it. Parts may also stand in files in dayflyd.conf.d/, "
	      "whose\n"
	      "# names end in .conf. `dayflyd --check` finds every mistake; `systemctl reload "
	      "dayflyd`\n"
	      "# (SIGHUP) takes a new configuration, but for the settings marked \"at the "
	      "start\".\n",
		out);
	for (size_t i = 0; i < config_key_count; i++) {
		const struct config_key *k = &config_keys[i];
		if (begins_section(i)) {
			fputc('\n', out);
			fprintf(out, "# %s.\n[%s]\n", config_section_title(k->section), k->section);
		}
		fputs("\n# ", out);
		print_plain(out, k->doc);
		fputs(": ", out);
		print_allowed(out, k, "");
		if (k->computed) {
			fputs("; without it: ", out);
			print_plain(out, k->computed);
		}
		fprintf(out, "%s\n#%s =%s%s\n", k->is_live ? "" : " (at the start)", k->name,
			*k->fallback ? " " : "", k->fallback);
	}
}

void config_print_markdown(FILE *out)
{
	for (size_t i = 0; i < config_key_count; i++) {
		const struct config_key *k = &config_keys[i];
		if (begins_section(i))
			fprintf(out,
				"%s### `[%s]`\n\n%s.\n\n"
				"| Key | Value | Default | Option | On SIGHUP | Meaning |\n"
				"|---|---|---|---|---|---|\n",
				i ? "\n" : "", k->section, config_section_title(k->section));
		fprintf(out, "| `%s` | ", k->name);
		print_allowed(out, k, "`");
		if (*k->fallback)
			fprintf(out, " | `%s` | ", k->fallback);
		else
			fprintf(out, " | %s | ", k->computed ? k->computed : "nobody");
		if (k->option)
			fprintf(out, "`--%s`", k->option);
		fprintf(out, " | %s | %s |\n", k->is_live ? "taken" : "at the start", k->doc);
	}
}

static json_t *text_to_json(const char *text)
{
	if (!text)
		return NULL;
	return str_is_utf8(text, strlen(text)) ? json_string(text) : json_null();
}

static json_t *value_to_json(const struct options *o, size_t key)
{
	if (!config_is_list(&config_keys[key])) {
		auto_free char *text = config_format_public(o, key, 0);
		return text_to_json(text);
	}
	json_t *list = json_array();
	size_t n = config_count(o, key);
	for (size_t nth = 0; nth < n; nth++) {
		auto_free char *text = config_format_public(o, key, nth);
		json_build_add(&list, text_to_json(text));
	}
	return list;
}

static json_t *setting_to_json(const struct options *o, size_t key)
{
	const struct config_key *k = &config_keys[key];
	auto_free char *origin = config_origin_text(o, key);
	json_t *name = json_sprintf("%s.%s", k->section, k->name);
	/* An origin that is missing makes NULL of the object. */
	return json_pack("{s:o, s:o, s:o, s:b}", "key", name, "value", value_to_json(o, key),
		"origin", text_to_json(origin), "live", k->is_live);
}

json_t *config_to_json(const struct options *o)
{
	json_t *list = json_array();
	for (size_t i = 0; list && i < config_key_count; i++)
		json_build_add(&list, setting_to_json(o, i));
	return list;
}
