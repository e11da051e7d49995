/* Hashes by a worker. */
#include "loop.h"

#include "base/fd.h"
#include "daemon/upload_hash.h"

#include <string.h>
#include <sys/mman.h>

struct outcome {
	int n;
	char hex[65];
};

static void on_hash(void *owner, const char *hex)
{
	struct outcome *o = owner;
	o->n++;
	snprintf(o->hex, sizeof(o->hex), "%s", hex ? hex : "none");
}

TEST(a_part_of_a_file_is_hashed)
{
	struct outcome o = { 0 };
	struct upload_hash *h;
	uv_loop_t loop;
	auto_close int fd = memfd_create("data", MFD_CLOEXEC);
	assert_int_equal(write(fd, "xxabcyy", 7), 7);
	uv_loop_init(&loop);
	assert_int_equal(upload_hash_start(&loop, fd, 2, 3, on_hash, &o, &h), 0);
	loop_run_until(&loop, o.n);
	assert_string_equal(
		o.hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	/* It is shorter than it should be. */
	assert_int_equal(upload_hash_start(&loop, fd, 2, 6, on_hash, &o, &h), 0);
	loop_run_until(&loop, o.n == 2);
	assert_string_equal(o.hex, "none");
	/* And it can be taken back. */
	assert_int_equal(upload_hash_start(&loop, fd, 2, 3, on_hash, &o, &h), 0);
	upload_hash_cancel(&h);
	assert_null(h);
	upload_hash_cancel(&h);
	loop_assert_empty(&loop);
	assert_int_equal(o.n, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_part_of_a_file_is_hashed),
	};
	return RUN_TESTS(tests);
}
