/* I5: limits that are nonsense are refused, with what would be right. */
#include "daemon/config_helper.h"

#include "base/log.h"

struct sample {
	const char *section, *name, *text;
	const char *wanted; /* as it is printed; NULL: refused */
	const char *fix;    /* part of the hint */
};

static const struct sample samples[] = {
	{ "webhooks", "hosts", "*.example.com:8443", "*.example.com:8443", NULL },
	{ "webhooks", "hosts", "*", NULL, "*.example.com:8443" },
	{ "webhooks", "private_hosts", "http://localhost", NULL, "repeat the line" },
	{ "webhooks", "endpoints", "https://h.example/a?b=c", "https://h.example/a?b=c", NULL },
	{ "webhooks", "endpoints", "h.example", NULL, "https://HOST/PATH" },
	{ "webhooks", "events", "started", "started", NULL },
	{ "webhooks", "events", "startd", NULL, "did you mean started?" },
	{ "webhooks", "deadline", "31d", NULL, "from 1s to" },
	{ "policy", "host_network", "yes", "yes", NULL },
	{ "policy", "host_network", "true", "yes", NULL },
	{ "policy", "host_network", "off", "no", NULL },
	{ "policy", "host_network", "1", NULL, "write yes or no" },
	{ "policy", "host_network", "", NULL, "write yes or no" },
	{ "daemon", "upper", "disk", "disk", NULL },
	{ "daemon", "upper", "tmpsf", NULL, "did you mean tmpfs?" },
	{ "daemon", "log_level", "loud", NULL, "write one of them" },
	{ "daemon", "max_tasks", "1", "1", NULL },
	{ "daemon", "max_tasks", "10000", "10000", NULL },
	{ "daemon", "max_tasks", "10001", NULL, "from 1 to 10000" },
	{ "daemon", "max_tasks", "0", NULL, "from 1 to 10000" },
	{ "daemon", "max_tasks", "none", NULL, "write it as 100" },
	{ "daemon", "max_tasks", "-1", NULL, "write it as 100" },
	{ "daemon", "max_tasks", "4 # four", NULL, "write it as 100" },
	{ "daemon", "max_tasks", "99999999999999999999999", NULL, "from 1 to 10000" },
	{ "daemon", "max_tasks", "NaN", NULL, "write it as" },
	{ "daemon", "max_connections", "65537", NULL, "from 1 to 65536" },
	{ "daemon", "idle_exit", "90", "90s", NULL },
	{ "daemon", "idle_exit", "1h30m", "90m", NULL },
	{ "daemon", "idle_exit", "none", "none", NULL },
	{ "daemon", "idle_exit", "soon", NULL, "1h30m" },
	{ "ceilings", "wall", "2h", "2h", NULL },
	{ "ceilings", "wall", "2GiB", NULL, "write it as 90s" },
	{ "ceilings", "wall", "0", NULL, "or \"none\"" },
	{ "ceilings", "wall", "1e308", NULL, "write it as" },
	{ "ceilings", "memory", "2GiB", "2GiB", NULL },
	{ "ceilings", "memory", "1.5GiB", "1536MiB", NULL },
	{ "ceilings", "memory", "none", "none", NULL },
	{ "ceilings", "memory", "2 GiB", NULL, "write it as 512MiB" },
	{ "ceilings", "memory", "9223372036854775807", NULL, "to 1024TiB" },
	{ "ceilings", "cpus", "1.5", "1.5", NULL },
	{ "ceilings", "cpus", "two", NULL, "2 or 0.5" },
	{ "defaults", "disk", "none", NULL, "write it as" },
	{ "defaults", "memory", "none", "none", NULL },
	{ "ids", "count", "4094", NULL, "from 1 to 4093" },
	{ "daemon", "state_dir", "/var/lib/dayfly", "/var/lib/dayfly", NULL },
	{ "daemon", "state_dir", "", "", NULL },
	{ "daemon", "state_dir", "var/lib", NULL, "begin with /" },
	{ "images", "directories", "/images/", "/images", NULL },
	{ "images", "directories", "/images//", "/images", NULL },
	{ "images", "directories", "/", "/", NULL },
	{ "images", "directories", "images", NULL, "repeat the line" },
	{ "workspaces", "roots", "/srv/../etc", NULL, "repeat the line" },
	{ "workspaces", "roots", "/srv//a", NULL, "repeat the line" },
	{ "workspaces", "roots", "/srv/./a", NULL, "repeat the line" },
	{ "workspaces", "roots", "/srv/a b", "/srv/a b", NULL },
	{ "workspaces", "roots", "/srv/a /", NULL, "repeat the line" },
	{ "workspaces", "roots", "/srv/..a", "/srv/..a", NULL },
	{ "access", "users", "root", "root", NULL },
	{ "access", "users", "12", "12", NULL },
	{ "access", "users", "4294967295", NULL, "one name or number" },
	{ "access", "users", "nobody-has-this-name", NULL, "getent passwd" },
	{ "access", "groups", "nobody-has-this-name", NULL, "getent group" },
};

TEST(good_values_are_taken_and_bad_ones_refused_with_a_fix)
{
	static const struct config_origin file = { .kind = CONFIG_FROM_FILE, .file = "f" };
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		const struct sample *s = &samples[i];
		struct options o;
		struct err e = { 0 };
		begin(&o);
		int r = config_assign(&o, key(s->section, s->name), s->text, &file, &e);
		if ((r == 0) != (s->wanted != NULL))
			fail_msg("%s.%s = %s: %d", s->section, s->name, s->text, r);
		if (r == 0) {
			assert_value(&o, s->section, s->name, s->wanted);
		} else {
			char field[64];
			snprintf(field, sizeof(field), "%s.%s", s->section, s->name);
			assert_string_equal(e.field, field);
			if (!strstr(e.hint, s->fix))
				fail_msg("%s = %s: hint \"%s\"", field, s->text, e.hint);
		}
		options_finish(&o);
	}
}

TEST(what_is_printed_is_read_back_the_same)
{
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		static const struct config_origin file = { .kind = CONFIG_FROM_FILE, .file = "f" };
		const struct sample *s = &samples[i];
		struct options a, b;
		struct err e;
		if (!s->wanted)
			continue;
		begin(&a);
		begin(&b);
		size_t k = key(s->section, s->name);
		assert_int_equal(config_assign(&a, k, s->text, &file, &e), 0);
		assert_int_equal(config_assign(&b, k, s->wanted, &file, &e), 0);
		assert_true(config_is_equal(&a, &b, k));
		options_finish(&a);
		options_finish(&b);
	}
}

TEST(an_empty_text_empties_a_list)
{
	static const struct config_origin file = { .kind = CONFIG_FROM_FILE, .file = "f" };
	struct options o;
	struct err e;
	begin(&o);
	size_t k = key("workspaces", "roots");
	assert_value(&o, "workspaces", "roots", "/");
	assert_int_equal(config_assign(&o, k, "", &file, &e), 0);
	assert_null(config_format(&o, k, 0));
	assert_int_equal(config_assign(&o, k, "/a", &file, &e), 0);
	assert_int_equal(config_assign(&o, k, "/b", &file, &e), 0);
	assert_string_equal(o.policy.workspace_roots[1], "/b");
	options_finish(&o);
}

TEST(a_list_is_bounded)
{
	static const struct config_origin file = { .kind = CONFIG_FROM_FILE, .file = "f" };
	static const char *const lists[][3] = { { "access", "users", "1" },
		{ "workspaces", "roots", "/a" } };
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		struct options o;
		struct err e;
		begin(&o);
		size_t k = key(lists[i][0], lists[i][1]);
		for (int n = 0; n < CONFIG_LIST_MAX; n++)
			assert_int_equal(config_assign(&o, k, lists[i][2], &file, &e), 0);
		assert_int_equal(config_assign(&o, k, lists[i][2], &file, &e), -EINVAL);
		assert_int_equal(e.code, ERR_TOO_LARGE);
		options_finish(&o);
	}
}

TEST(the_words_stand_in_the_order_of_their_values)
{
	const char *const *levels = config_keys[key("daemon", "log_level")].words;
	for (int i = 0; levels[i]; i++) {
		enum log_level level;
		assert_int_equal(log_level_parse(levels[i], &level), 0);
		assert_int_equal(level, i);
	}
	assert_string_equal(options_upper_name(OPTIONS_UPPER_AUTO), "auto");
	assert_string_equal(options_upper_name(OPTIONS_UPPER_TMPFS), "tmpfs");
	assert_string_equal(options_upper_name(OPTIONS_UPPER_DISK), "disk");
}

TEST(of_an_address_only_the_origin_is_public)
{
	char first[] = "https://h.example/hush?token=hush", second[] = "https://h.example:hush/";
	char *urls[] = { first, second, NULL };
	struct options o;
	begin(&o);
	o.hooks.endpoints = urls;
	size_t endpoints = key("webhooks", "endpoints");
	auto_free char *good = config_format_public(&o, endpoints, 0);
	assert_string_equal(good, "https://h.example:443");
	/* One that cannot be read would never be taken: it is not shown either. */
	auto_free char *bad = config_format_public(&o, endpoints, 1);
	assert_string_equal(bad, "?");
	o.hooks.endpoints = NULL;
	options_finish(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_values_are_taken_and_bad_ones_refused_with_a_fix),
		cmocka_unit_test(what_is_printed_is_read_back_the_same),
		cmocka_unit_test(an_empty_text_empties_a_list),
		cmocka_unit_test(a_list_is_bounded),
		cmocka_unit_test(the_words_stand_in_the_order_of_their_values),
		cmocka_unit_test(of_an_address_only_the_origin_is_public),
	};
	return RUN_TESTS(tests);
}
