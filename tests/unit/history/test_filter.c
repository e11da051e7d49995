#include "harness.h"

#include "history/filter.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void set(char *out, size_t size, const char *text)
{
	snprintf(out, size, "%s", text);
}

TEST(nothing_asked_for_is_everything)
{
	struct history_filter f = { .limit = 10 };
	struct history_sql sql;
	history_filter_sql(&f, &sql);
	assert_string_equal(sql.text, " ORDER BY created DESC, n DESC LIMIT ?");
	assert_int_equal(sql.n_params, 1);
	assert_null(sql.params[0].text);
	assert_int_equal(sql.params[0].number, 11);
}

TEST(each_condition_is_a_constant_text_with_bound_parameters)
{
	struct history_filter f = { .has_uid = true,
		.uid = 1000,
		.state = HISTORY_DONE,
		.since_ns = 5,
		.until_ns = 6,
		.has_before = true,
		.before = { 7, 8 },
		.limit = 1 };
	struct history_sql sql;
	set(f.outcome, sizeof(f.outcome), "o' OR 1");
	set(f.cause, sizeof(f.cause), "c\"; DROP");
	set(f.name, sizeof(f.name), "n--");
	set(f.label, sizeof(f.label), "k?=v=w");
	history_filter_sql(&f, &sql);
	assert_string_equal(sql.text,
		" WHERE uid = ? AND result IS NOT NULL AND outcome = ? AND cause = ? AND name = ? "
		"AND EXISTS (SELECT 1 FROM label WHERE label.n = task.n AND key = ? AND value = ?) "
		"AND created >= ? AND created < ? AND (created, n) < (?, ?) "
		"ORDER BY created DESC, n DESC LIMIT ?");
	static const char *const texts[] = { NULL, "o' OR 1", "c\"; DROP", "n--", "k?", "v=w", NULL,
		NULL, NULL, NULL, NULL };
	static const int64_t numbers[] = { 1000, 0, 0, 0, 0, 0, 5, 6, 7, 8, 2 };
	assert_int_equal(sql.n_params, ARRAY_SIZE(texts));
	for (size_t i = 0; i < sql.n_params; i++) {
		assert_int_equal(sql.params[i].number, numbers[i]);
		if (!texts[i])
			assert_null(sql.params[i].text);
		else
			assert_memory_equal(sql.params[i].text, texts[i], strlen(texts[i]));
		assert_int_equal(sql.params[i].len, texts[i] ? strlen(texts[i]) : 0);
	}
}

/* Whatever is asked for: no byte of it is in the text. */
TEST(the_text_depends_on_which_conditions_there_are_only)
{
	struct history_filter a = { .limit = 3, .has_uid = true, .uid = 1 }, b = a;
	struct history_sql x, y;
	b.uid = 77777777;
	b.limit = 999;
	set(a.label, sizeof(a.label), "k");
	set(b.label, sizeof(b.label), "') UNION SELECT * FROM task --");
	set(a.name, sizeof(a.name), "x");
	set(b.name, sizeof(b.name), "%s%n");
	history_filter_sql(&a, &x);
	history_filter_sql(&b, &y);
	assert_string_equal(x.text, y.text);
	assert_int_equal(x.n_params, y.n_params);
	size_t marks = 0;
	for (const char *p = y.text; *p; p++)
		marks += *p == '?';
	assert_int_equal(marks, y.n_params);
}

TEST(active_tasks_have_no_result)
{
	struct history_filter f = { .limit = 1, .state = HISTORY_ACTIVE };
	struct history_sql sql;
	history_filter_sql(&f, &sql);
	assert_non_null(strstr(sql.text, "WHERE result IS NULL ORDER"));
}

TEST(a_cursor_comes_back_as_it_went)
{
	static const struct history_cursor cursors[] = { { 0, 0 }, { 1790000000000000000, 17 },
		{ INT64_MAX, INT64_MAX } };
	for (size_t i = 0; i < ARRAY_SIZE(cursors); i++) {
		char text[HISTORY_CURSOR_SIZE];
		struct history_cursor got;
		history_cursor_format(&cursors[i], text);
		assert_int_equal(history_cursor_parse(text, &got), 0);
		assert_int_equal(got.created_ns, cursors[i].created_ns);
		assert_int_equal(got.n, cursors[i].n);
	}
}

TEST(what_is_no_cursor_is_refused)
{
	static const char *const odd[] = { "", ".", "1", "1.", ".1", "1.2.3", "-1.2", "1.-2", "a.b",
		"1.2 ", " 1.2", "9223372036854775808.1", "1.9223372036854775808",
		"11111111111111111111111111111111111111111111111111.1" };
	for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
		struct history_cursor got;
		assert_int_equal(history_cursor_parse(odd[i], &got), -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_asked_for_is_everything),
		cmocka_unit_test(each_condition_is_a_constant_text_with_bound_parameters),
		cmocka_unit_test(the_text_depends_on_which_conditions_there_are_only),
		cmocka_unit_test(active_tasks_have_no_result),
		cmocka_unit_test(a_cursor_comes_back_as_it_went),
		cmocka_unit_test(what_is_no_cursor_is_refused),
	};
	return RUN_TESTS(tests);
}
