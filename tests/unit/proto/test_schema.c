#include "proto/request_helper.h"

#include "proto/schema.h"

static const struct schema_object *const objects[] = { &schema_request, &schema_task,
	&schema_workspace, &schema_mount, &schema_limits };

TEST(every_operation_has_a_name_and_a_meaning_and_is_found)
{
	for (int op = 0; op < OP_COUNT; op++) {
		assert_true(op_meaning(op)[0]);
		assert_int_equal(op_from_name(op_name(op)), op);
	}
	assert_int_equal(op_from_name("none"), OP_COUNT);
	assert_string_equal(op_name(OP_COUNT), "?");
	assert_string_equal(op_meaning(OP_COUNT), "");
}

TEST(no_operation_takes_two_fields_of_one_name)
{
	for (size_t o = 0; o < ARRAY_SIZE(objects); o++)
		for (size_t i = 0; i < objects[o]->n_fields; i++)
			for (size_t j = 0; j < i; j++)
				if (!strcmp(objects[o]->fields[i].name, objects[o]->fields[j].name))
					assert_int_equal(objects[o]->fields[i].ops &
								 objects[o]->fields[j].ops,
						0);
}

TEST(every_row_is_whole)
{
	for (size_t o = 0; o < ARRAY_SIZE(objects); o++) {
		for (size_t i = 0; i < objects[o]->n_fields; i++) {
			const struct schema_field *f = &objects[o]->fields[i];
			print_message("%s.%s\n", objects[o]->title, f->name);
			assert_true(f->ops != 0);
			assert_int_equal(f->required & ~f->ops, 0);
			assert_true(f->doc && f->doc[0] && !strchr(f->doc, '|'));
			assert_true(f->offset < objects[o]->size && f->offset2 < objects[o]->size);
			assert_true((f->kind == KIND_INT ? (int64_t)f->min <= (int64_t)f->max
							 : f->min <= f->max) ||
				    f->words || f->object);
			bool has_words = f->kind == KIND_WORD || f->kind == KIND_WORDS;
			assert_int_equal(f->words != NULL, has_words);
			bool has_object = f->kind == KIND_OBJECT || f->kind == KIND_POINTER ||
					  f->kind == KIND_LIST;
			assert_int_equal(f->object != NULL, has_object);
		}
	}
}

TEST(fields_are_found_by_operation)
{
	assert_int_equal(schema_find(&schema_request, OP_RUN, "task")->kind, KIND_POINTER);
	assert_int_equal(schema_find(&schema_request, OP_WAIT, "task")->kind, KIND_NAME);
	assert_null(schema_find(&schema_request, OP_PING, "task"));
	assert_null(schema_find(&schema_request, OP_RUN, "tas"));
}

TEST(bounds_are_shown_as_people_write_them)
{
	static const struct {
		enum schema_kind kind;
		uint64_t value;
		const char *text;
	} samples[] = {
		{ KIND_SIZE, 0, "0" },
		{ KIND_SIZE, 1, "1" },
		{ KIND_SIZE, 1025, "1025" },
		{ KIND_SIZE, 65536, "64KiB" },
		{ KIND_SIZE, 3ull << 30, "3GiB" },
		{ KIND_DURATION, 1, "1ms" },
		{ KIND_DURATION, 1500, "1500ms" },
		{ KIND_DURATION, 90000, "90s" },
		{ KIND_DURATION, 600000, "10m" },
		{ KIND_DURATION, 365ull * 86400000, "365d" },
		{ KIND_CPUS, 10, "0.01" },
		{ KIND_CPUS, 1500, "1.5" },
		{ KIND_CPUS, 65536000, "65536" },
		{ KIND_UINT, 4096, "4096" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		char out[SCHEMA_BOUND_SIZE];
		schema_format_bound(samples[i].kind, samples[i].value, out);
		assert_string_equal(out, samples[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_operation_has_a_name_and_a_meaning_and_is_found),
		cmocka_unit_test(no_operation_takes_two_fields_of_one_name),
		cmocka_unit_test(every_row_is_whole),
		cmocka_unit_test(fields_are_found_by_operation),
		cmocka_unit_test(bounds_are_shown_as_people_write_them),
	};
	return RUN_TESTS(tests);
}
