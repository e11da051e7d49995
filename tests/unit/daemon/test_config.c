#include "daemon/config_helper.h"

#include "plan/build.h"

#include <stdlib.h>
#include <unistd.h>

TEST(every_row_of_the_table_is_whole)
{
	for (size_t i = 0; i < config_key_count; i++) {
		const struct config_key *k = &config_keys[i];
		assert_non_null(config_section_title(k->section));
		assert_int_equal(config_find(k->section, k->name), i);
		assert_non_null(k->fallback);
		assert_non_null(k->doc);
		assert_true(k->kind != CONFIG_WORD || k->words);
		/* Sections are not scattered, members not shared. */
		for (size_t j = 0; j < i; j++) {
			assert_int_not_equal(config_keys[j].offset, k->offset);
			if (k->option && config_keys[j].option)
				assert_string_not_equal(config_keys[j].option, k->option);
			if (!strcmp(config_keys[j].section, k->section))
				assert_string_equal(config_keys[i - 1].section, k->section);
		}
	}
}

TEST(every_default_is_a_good_value_and_says_so)
{
	struct options o;
	begin(&o);
	for (size_t i = 0; i < config_key_count; i++) {
		auto_free char *origin = config_origin_text(&o, i);
		auto_free char *text = config_format(&o, i, 0);
		assert_string_equal(origin, "default");
		assert_string_equal(text ? text : "", config_keys[i].fallback);
	}
	config_check(&o, &o.faults);
	assert_int_equal(o.faults.n, 0);
	options_finish(&o);
}

TEST(the_defaults_of_limits_are_those_of_the_planner)
{
	struct options o;
	begin(&o);
	const struct spec_limits *d = &o.policy.defaults;
	assert_int_equal(d->wall_ms, DEFAULT_WALL_MS);
	assert_int_equal(d->grace_ms, DEFAULT_GRACE_MS);
	assert_int_equal(d->queue_ms, DEFAULT_QUEUE_MS);
	assert_int_equal(d->pids, DEFAULT_PROCESSES);
	assert_int_equal(d->disk_bytes, DEFAULT_DISK_BYTES);
	assert_int_equal(d->disk_inodes, DEFAULT_DISK_INODES);
	assert_int_equal(d->output_bytes, DEFAULT_OUTPUT_BYTES);
	assert_int_equal(d->open_files, DEFAULT_OPEN_FILES);
	assert_int_equal(d->memory_bytes | d->cpu_millis | d->file_bytes | d->core_bytes, 0);
	options_finish(&o);
}

TEST(an_option_has_precedence_over_a_file_and_a_file_over_the_default)
{
	static const struct config_origin option = { .kind = CONFIG_FROM_OPTION };
	struct options o;
	struct err e;
	begin(&o);
	read_text(&o, "[daemon]\nmax_tasks = 7\n[access]\nusers = 5\nusers = 6\n");
	auto_free char *from_file = config_origin_text(&o, key("daemon", "max_tasks"));
	assert_string_equal(from_file, "test.conf:2");
	assert_int_equal(o.allow_uids.n, 2);
	assert_int_equal(config_assign(&o, key("daemon", "max_tasks"), "8", &option, &e), 0);
	assert_int_equal(config_assign(&o, key("access", "users"), "9", &option, &e), 0);
	assert_int_equal(config_assign(&o, key("access", "users"), "10", &option, &e), 0);
	assert_int_equal(o.max_tasks, 8);
	assert_int_equal(o.allow_uids.n, 2);
	assert_int_equal(o.allow_uids.id[0], 9);
	auto_free char *from_option = config_origin_text(&o, key("daemon", "max_tasks"));
	assert_string_equal(from_option, "option --max-tasks");
	options_finish(&o);
}

TEST(values_change_places_with_their_origins)
{
	struct options a, b;
	size_t users = key("access", "users"), wall = key("ceilings", "wall");
	begin(&a);
	begin(&b);
	read_text(&b, "[access]\nusers = 7\n[ceilings]\nwall = 2h\n");
	assert_false(config_is_equal(&a, &b, users));
	assert_false(config_is_equal(&a, &b, wall));
	assert_true(config_is_equal(&a, &b, key("daemon", "upper")));
	config_swap(&a, &b, users);
	config_swap(&a, &b, wall);
	assert_int_equal(a.allow_uids.id[0], 7);
	assert_int_equal(b.allow_uids.n, 0);
	assert_int_equal(a.policy.ceiling.wall_ms, 7200000);
	auto_free char *origin = config_origin_text(&a, wall);
	assert_string_equal(origin, "test.conf:4");
	options_finish(&a);
	options_finish(&b);
}

TEST(a_default_above_its_ceiling_is_a_fault_if_somebody_wrote_it)
{
	struct options o;
	begin(&o);
	read_text(&o, "[ceilings]\nwall = 1m\n");
	config_check(&o, &o.faults);
	assert_int_equal(o.faults.n, 0);
	read_text(&o, "[defaults]\nwall = 2m\n");
	config_check(&o, &o.faults);
	assert_fault(&o, "test.conf:2: defaults.wall: is above the ceiling of 1m (test.conf:2)",
		"raise wall in [ceilings]");
	options_finish(&o);
}

TEST(ranges_of_ids_must_end_before_the_last_id)
{
	struct options o;
	begin(&o);
	read_text(&o, "[ids]\nbase = 4294000000\ncount = 14\n");
	config_check(&o, &o.faults);
	assert_fault(&o,
		"test.conf:3: ids.count: 15 ranges from 4294000000 on go beyond the last id, "
		"4294967294",
		"lower base");
	options_finish(&o);
}

TEST(a_root_that_is_a_link_is_refused_with_its_real_path)
{
	char dir[] = "/tmp/dayfly-config-XXXXXX", link[64], text[128];
	struct options o;
	assert_non_null(mkdtemp(dir));
	snprintf(link, sizeof(link), "%s/link", dir);
	assert_int_equal(symlink("/usr", link), 0);
	begin(&o);
	snprintf(text, sizeof(text), "[workspaces]\nroots = %s\nroots = /not/there\n", link);
	read_text(&o, text);
	config_check(&o, &o.faults);
	assert_int_equal(o.faults.n, 1);
	assert_string_equal(o.faults.list[0].err.hint, "write the real path: /usr");
	options_finish(&o);
	unlink(link);
	rmdir(dir);
}

TEST(faults_are_bounded_and_counted)
{
	struct config_faults f = { 0 };
	struct err e;
	err_set(&e, ERR_BAD_VALUE, 0, "bad");
	for (int i = 0; i < CONFIG_FAULTS_MAX + 5; i++)
		config_faults_add(&f, "a", 1, &e);
	assert_int_equal(f.n, CONFIG_FAULTS_MAX);
	assert_int_equal(f.n_more, 5);
	config_faults_finish(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_of_the_table_is_whole),
		cmocka_unit_test(every_default_is_a_good_value_and_says_so),
		cmocka_unit_test(the_defaults_of_limits_are_those_of_the_planner),
		cmocka_unit_test(an_option_has_precedence_over_a_file_and_a_file_over_the_default),
		cmocka_unit_test(values_change_places_with_their_origins),
		cmocka_unit_test(a_default_above_its_ceiling_is_a_fault_if_somebody_wrote_it),
		cmocka_unit_test(ranges_of_ids_must_end_before_the_last_id),
		cmocka_unit_test(a_root_that_is_a_link_is_refused_with_its_real_path),
		cmocka_unit_test(faults_are_bounded_and_counted),
	};
	return RUN_TESTS(tests);
}
