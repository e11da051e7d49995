#include "harness.h"

#include "base/limits.h"
#include "plan/plan_samples.h"

#include <errno.h>

static void assert_strings_equal(char *const *a, char *const *b)
{
	assert_int_equal(strv_len(a), strv_len(b));
	for (size_t i = 0; i < strv_len(a); i++)
		assert_string_equal(a[i], b[i]);
}

static void assert_text_equal(const char *a, const char *b)
{
	assert_int_equal(a == NULL, b == NULL);
	if (a)
		assert_string_equal(a, b);
}

static void assert_mount_equal(const struct plan_mount *a, const struct plan_mount *b)
{
	assert_int_equal(a->source.fd_index, b->source.fd_index);
	assert_text_equal(a->source.path, b->source.path);
	assert_text_equal(a->target, b->target);
	assert_int_equal(a->mode, b->mode);
	assert_int_equal(a->is_own, b->is_own);
}

static void assert_plan_equal(const struct plan *a, const struct plan *b)
{
	assert_text_equal(a->task, b->task);
	assert_strings_equal(a->argv, b->argv);
	assert_strings_equal(a->env, b->env);
	assert_text_equal(a->cwd, b->cwd);
	assert_int_equal(a->user, b->user);
	assert_int_equal(a->network, b->network);
	assert_int_equal(a->profile, b->profile);
	assert_int_equal(a->image, b->image);
	assert_int_equal(a->image_source.fd_index, b->image_source.fd_index);
	assert_text_equal(a->image_source.path, b->image_source.path);
	assert_int_equal(a->has_workspace, b->has_workspace);
	assert_mount_equal(&a->workspace, &b->workspace);
	assert_int_equal(a->n_mounts, b->n_mounts);
	for (size_t i = 0; i < a->n_mounts; i++)
		assert_mount_equal(&a->mounts[i], &b->mounts[i]);
	assert_int_equal(a->tty, b->tty);
	assert_int_equal(a->rows, b->rows);
	assert_int_equal(a->cols, b->cols);
	assert_int_equal(a->has_stdin, b->has_stdin);
	assert_int_equal(a->changes_fd_index, b->changes_fd_index);
	assert_true(a->changes_bytes == b->changes_bytes);
	assert_int_equal(a->changes_ms, b->changes_ms);
	assert_int_equal(a->n_inputs, b->n_inputs);
	assert_int_equal(a->n_tars, b->n_tars);
	for (size_t i = 0; i < a->n_tars; i++) {
		assert_int_equal(a->tars[i].fd_index, b->tars[i].fd_index);
		assert_text_equal(a->tars[i].target, b->tars[i].target);
	}
	for (size_t i = 0; i < a->n_inputs; i++) {
		assert_int_equal(a->inputs[i].kind, b->inputs[i].kind);
		assert_text_equal(a->inputs[i].path, b->inputs[i].path);
		assert_int_equal(a->inputs[i].mode, b->inputs[i].mode);
		assert_int_equal(a->inputs[i].bytes, b->inputs[i].bytes);
	}
	assert_strings_equal(a->image_roots, b->image_roots);
	assert_strings_equal(a->workspace_roots, b->workspace_roots);
	assert_strings_equal(a->hidden, b->hidden);
	assert_memory_equal(&a->limits, &b->limits, sizeof(a->limits));
}

static void assert_round_trip(struct plan *p)
{
	struct buf b;
	struct err e;
	auto_plan struct plan *back = NULL;
	buf_init(&b, 0);
	assert_int_equal(plan_encode(p, &b), 0);
	assert_int_equal(plan_decode(buf_data(&b), buf_len(&b), &back, &e), 0);
	assert_plan_equal(p, back);
	buf_finish(&b);
}

TEST(a_plan_survives_encoding_and_decoding)
{
	auto_plan struct plan *small = sample_small();
	auto_plan struct plan *full = sample_full();
	assert_round_trip(small);
	assert_round_trip(full);
	full->workspace.mode = PLAN_MODE_COW;
	full->changes_fd_index = 3;
	full->changes_bytes = UINT64_MAX;
	full->changes_ms = 1;
	assert_round_trip(full);
}

static void assert_not_decoded(const void *data, size_t len)
{
	struct plan *back = NULL;
	struct err e;
	assert_true(plan_decode(data, len, &back, &e) < 0);
	assert_null(back);
	assert_true(plan_decode(data, len, &back, NULL) < 0);
}

TEST(a_plan_cut_off_anywhere_is_refused)
{
	auto_plan struct plan *p = sample_full();
	struct buf b;
	buf_init(&b, 0);
	assert_int_equal(plan_encode(p, &b), 0);
	for (size_t len = 0; len < buf_len(&b); len++) {
		/* A copy of that size, so that a read beyond the end is seen. */
		auto_free char *copy = malloc(len ? len : 1);
		memcpy(copy, buf_data(&b), len);
		assert_not_decoded(copy, len);
	}
	buf_finish(&b);
}

TEST(bytes_after_the_plan_are_refused)
{
	auto_plan struct plan *p = sample_full();
	struct buf b;
	buf_init(&b, 0);
	assert_int_equal(plan_encode(p, &b), 0);
	buf_put_u8(&b, 0);
	assert_not_decoded(buf_data(&b), buf_len(&b));
	buf_finish(&b);
}

TEST(a_changed_byte_gives_a_valid_plan_or_none)
{
	auto_plan struct plan *p = sample_full();
	struct buf b;
	buf_init(&b, 0);
	assert_int_equal(plan_encode(p, &b), 0);
	for (size_t i = 0; i < buf_len(&b); i++) {
		static const uint8_t values[] = { 0x00, 0x01, 0x7f, 0x80, 0xff };
		for (size_t j = 0; j < ARRAY_SIZE(values); j++) {
			char old = buf_data(&b)[i];
			auto_plan struct plan *back = NULL;
			buf_data(&b)[i] = (char)values[j];
			if (plan_decode(buf_data(&b), buf_len(&b), &back, NULL) == 0)
				assert_int_equal(plan_check(back, NULL), 0);
			else
				assert_null(back);
			buf_data(&b)[i] = old;
		}
	}
	buf_finish(&b);
}

TEST(other_magic_and_other_versions_are_refused)
{
	auto_plan struct plan *p = sample_small();
	struct buf b;
	buf_init(&b, 0);
	assert_int_equal(plan_encode(p, &b), 0);
	buf_data(&b)[0] ^= 1;
	assert_not_decoded(buf_data(&b), buf_len(&b));
	buf_data(&b)[0] ^= 1;
	buf_data(&b)[4]++;
	assert_not_decoded(buf_data(&b), buf_len(&b));
	buf_finish(&b);
}

TEST(a_lying_count_costs_no_memory)
{
	struct buf b;
	buf_init(&b, 0);
	buf_put_u32(&b, PLAN_MAGIC);
	buf_put_u32(&b, PLAN_VERSION);
	buf_put_str(&b, "t-00");
	buf_put_u32(&b, UINT32_MAX);
	assert_not_decoded(buf_data(&b), buf_len(&b));
	buf_finish(&b);
}

TEST(a_plan_over_the_bound_is_refused_unread)
{
	auto_free char *big = calloc(1, LIMIT_PLAN_BYTES + 1);
	struct plan *back = NULL;
	assert_int_equal(plan_decode(big, LIMIT_PLAN_BYTES + 1, &back, NULL), -EMSGSIZE);
}

TEST(a_decoded_plan_meets_the_rules_of_every_plan)
{
	auto_plan struct plan *p = sample_full();
	struct buf b;
	buf_init(&b, 0);
	free(p->mounts[0].target);
	p->mounts[0].target = strdup("/a/../../etc");
	assert_int_equal(plan_encode(p, &b), 0);
	assert_not_decoded(buf_data(&b), buf_len(&b));
	buf_finish(&b);
}

TEST(encoding_into_a_full_buffer_fails)
{
	auto_plan struct plan *p = sample_full();
	struct buf all;
	buf_init(&all, 0);
	assert_int_equal(plan_encode(p, &all), 0);
	for (size_t max = 1; max < buf_len(&all); max++) {
		struct buf b;
		buf_init(&b, max);
		assert_int_equal(plan_encode(p, &b), -ENOBUFS);
		buf_finish(&b);
	}
	buf_finish(&all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plan_survives_encoding_and_decoding),
		cmocka_unit_test(a_plan_cut_off_anywhere_is_refused),
		cmocka_unit_test(bytes_after_the_plan_are_refused),
		cmocka_unit_test(a_changed_byte_gives_a_valid_plan_or_none),
		cmocka_unit_test(other_magic_and_other_versions_are_refused),
		cmocka_unit_test(a_lying_count_costs_no_memory),
		cmocka_unit_test(a_plan_over_the_bound_is_refused_unread),
		cmocka_unit_test(a_decoded_plan_meets_the_rules_of_every_plan),
		cmocka_unit_test(encoding_into_a_full_buffer_fails),
	};
	return RUN_TESTS(tests);
}
