/* M3, J12: records that are there whole or not at all. */
#include "harness.h"

#include "daemon/outbox_store.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64];

static int setup(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/dayfly-outbox-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	char command[128];
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	FILE *f = popen(command, "r");
	return f && pclose(f) == 0 ? 0 : -1;
}

static struct outbox_store opened(void)
{
	struct outbox_store s;
	struct err e;
	assert_int_equal(outbox_store_init(&s, NULL, dir, "outbox", &e), 0);
	return s;
}

static void write_one(struct outbox_store *s, const char *name, const char *body)
{
	json_t *head = json_pack("{s:s}", "name", name);
	assert_int_equal(outbox_store_write(s, name, head, body, strlen(body)), 0);
	json_decref(head);
}

static void check_one(struct outbox_store *s, const char *name, const char *wanted)
{
	json_t *head = NULL;
	char *body = NULL;
	size_t len = 0;
	assert_int_equal(outbox_store_read(s, name, &head, &body, &len), 0);
	assert_string_equal(json_string_value(json_object_get(head, "name")), name);
	assert_int_equal(len, strlen(wanted));
	assert_string_equal(body, wanted);
	json_decref(head);
	free(body);
}

TEST(the_directory_comes_with_the_first_record_and_goes_with_the_last)
{
	struct outbox_store s = opened();
	struct stat st;
	assert_int_equal(s.dir_fd, -1);
	assert_int_equal(access(s.path, F_OK), -1);
	write_one(&s, "a.event", "");
	assert_int_equal(stat(s.path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(outbox_store_remove(&s, "a.event"), 0);
	assert_int_equal(outbox_store_remove(&s, "a.event"), -ENOENT);
	char *path = strdup(s.path);
	outbox_store_finish(&s);
	assert_int_equal(access(path, F_OK), -1);
	free(path);
}

TEST(M3_another_daemon_finds_what_was_written)
{
	struct outbox_store s = opened();
	write_one(&s, "a.event", "body\nof \"a\"");
	write_one(&s, "a.event", "written once more");
	write_one(&s, "b.event", "");
	outbox_store_finish(&s);
	s = opened();
	check_one(&s, "a.event", "written once more");
	check_one(&s, "b.event", "");
	json_t *head;
	char *body;
	size_t len;
	assert_int_equal(outbox_store_read(&s, "c.event", &head, &body, &len), -ENOENT);
	outbox_store_finish(&s);
}

TEST(J5_only_one_has_it_at_a_time)
{
	struct outbox_store s = opened(), t;
	struct err e;
	write_one(&s, "a.event", "x");
	assert_int_equal(outbox_store_init(&t, NULL, dir, "outbox", &e), -EBUSY);
	assert_null(t.path);
	outbox_store_finish(&t);
	outbox_store_finish(&s);
	s = opened();
	outbox_store_finish(&s);
}

static void put_file(const char *store, const char *name, const char *data, size_t len)
{
	int dir_fd = open(store, O_DIRECTORY | O_RDONLY);
	int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_int_equal(write(fd, data, len), len);
	close(fd);
	close(dir_fd);
}

static void count(void *owner, const char *name, const json_t *head, size_t body_len)
{
	++*(size_t *)owner;
	assert_int_equal(body_len, 1);
}

TEST(J12_what_is_damaged_is_set_aside_and_the_rest_is_read)
{
	struct outbox_store s = opened();
	size_t n = 0, n_bad = 0;
	write_one(&s, "good.event", "x");
	write_one(&s, "other.promise", "x");
	static const char *const bad[] = { "", "dayfly-outbox 1 00000000 0 0\n", "nonsense\n{}x",
		"dayfly-outbox 2 00000000 2 1\n{}x", "dayfly-outbox 1 00000000 2 1\n{}x",
		"dayfly-outbox 1 00000000 99999999999999999999 1\n{}x",
		"dayfly-outbox 1 00000000 18446744073709551615 4\n{}x", "no line end at all" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char name[32];
		snprintf(name, sizeof(name), "bad%zu.event", i);
		put_file(s.path, name, bad[i], strlen(bad[i]));
	}
	put_file(s.path, ".new-half.event", "half", 4);
	assert_int_equal(symlinkat("/etc/passwd", s.dir_fd, "link.event"), 0);
	assert_int_equal(mkfifoat(s.dir_fd, "fifo.event", 0600), 0);
	assert_int_equal(outbox_store_each(&s, ".event", count, &n, &n_bad), 0);
	assert_int_equal(n, 1);
	assert_int_equal(n_bad, ARRAY_SIZE(bad) + 2);
	assert_int_equal(faccessat(s.dir_fd, "bad0.event.bad", F_OK, 0), 0);
	assert_int_equal(faccessat(s.dir_fd, ".new-half.event", F_OK, 0), -1);
	/* Once. */
	n = n_bad = 0;
	assert_int_equal(outbox_store_each(&s, ".event", count, &n, &n_bad), 0);
	assert_int_equal(n, 1);
	assert_int_equal(n_bad, 0);
	outbox_store_finish(&s);
}

TEST(M9_what_is_damaged_is_removed_where_it_may_be_secret)
{
	struct outbox_store s = opened();
	size_t n = 0, n_bad = 0;
	s.has_secrets = true;
	write_one(&s, "good.event", "x");
	put_file(s.path, "bad.event", "nonsense", 8);
	put_file(s.path, "bad.other", "nonsense", 8);
	assert_int_equal(symlinkat("/etc/passwd", s.dir_fd, "link.event"), 0);
	assert_int_equal(outbox_store_each(&s, ".event", count, &n, &n_bad), 0);
	assert_int_equal(n, 1);
	assert_int_equal(n_bad, 2);
	static const char *const gone[] = { "bad.event", "bad.event.bad", "link.event",
		"link.event.bad" };
	for (size_t i = 0; i < ARRAY_SIZE(gone); i++)
		assert_int_equal(faccessat(s.dir_fd, gone[i], F_OK, AT_SYMLINK_NOFOLLOW), -1);
	assert_int_equal(faccessat(s.dir_fd, "bad.other", F_OK, 0), 0);
	check_one(&s, "good.event", "x");
	outbox_store_finish(&s);
}

/* ---- memory ---- */

#define SECRET "hush-hush-5d1f"

static bool is_watching;
static size_t n_left; /* blocks that were freed with the secret in them */

void __real_free(void *p);
void __wrap_free(void *p);
void __wrap_free(void *p)
{
	if (is_watching && p && memmem(p, malloc_usable_size(p), SECRET, strlen(SECRET)))
		n_left++;
	__real_free(p);
}

static void take_none(void *owner, const char *name, const json_t *head, size_t body_len)
{
}

TEST(M9_nothing_of_a_record_stays_in_memory)
{
	struct outbox_store s = opened();
	char body[9000];
	size_t n_bad = 0, len = 0;
	json_t *head = json_pack("{s:s}", "url", "https://h/x?sig=" SECRET), *got = NULL;
	char *read = NULL;
	memset(body, 'x', sizeof(body));
	memcpy(body + 4000, SECRET, strlen(SECRET));
	memcpy(body + 8000, SECRET, strlen(SECRET));
	is_watching = true;
	assert_int_equal(outbox_store_write(&s, "a.event", head, body, sizeof(body)), 0);
	assert_int_equal(n_left, 0);
	assert_int_equal(outbox_store_each(&s, ".event", take_none, NULL, &n_bad), 0);
	assert_int_equal(n_left, 0);
	assert_int_equal(outbox_store_read(&s, "a.event", &got, &read, &len), 0);
	assert_int_equal(n_left, 0);
	/* A damaged one too. */
	put_file(s.path, "bad.event", body, sizeof(body));
	assert_int_equal(outbox_store_each(&s, ".event", take_none, NULL, &n_bad), 0);
	assert_int_equal(n_bad, 1);
	assert_int_equal(n_left, 0);
	/* The control. */
	free(read);
	is_watching = false;
	assert_int_equal(n_left, 1);
	json_decref(got);
	json_decref(head);
	outbox_store_finish(&s);
}

TEST(every_flipped_byte_is_noticed)
{
	struct outbox_store s = opened();
	char data[256];
	write_one(&s, "a.event", "x");
	int fd = openat(s.dir_fd, "a.event", O_RDWR);
	ssize_t n = read(fd, data, sizeof(data));
	for (ssize_t i = 0; i < n; i++) {
		char flipped = data[i] ^ 4;
		json_t *head = NULL;
		char *body = NULL;
		size_t len;
		assert_int_equal(pwrite(fd, &flipped, 1, i), 1);
		int r = outbox_store_read(&s, "a.event", &head, &body, &len);
		/* A sum may be written in another case. */
		if (r == 0)
			fail_msg("byte %zd: %c for %c", i, flipped, data[i]);
		assert_int_equal(pwrite(fd, &data[i], 1, i), 1);
	}
	close(fd);
	check_one(&s, "a.event", "x");
	outbox_store_finish(&s);
}

TEST(J12_a_directory_that_others_have_a_hand_in_is_not_used)
{
	char path[128];
	struct outbox_store s;
	struct err e;
	snprintf(path, sizeof(path), "%s/dayfly-%u.outbox", dir, (unsigned)geteuid());
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(chmod(path, 0770), 0);
	assert_int_equal(outbox_store_init(&s, NULL, dir, "outbox", &e), -EPERM);
	assert_null(s.path);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(symlink("/tmp", path), 0);
	assert_true(outbox_store_init(&s, NULL, dir, "outbox", &e) < 0);
	assert_int_equal(unlink(path), 0);
}

TEST(where_there_is_none_nothing_is_kept)
{
	struct outbox_store s;
	struct err e;
	size_t n = 0, n_bad = 0;
	json_t *head = json_object();
	assert_int_equal(outbox_store_init(&s, NULL, NULL, "outbox", &e), 0);
	assert_int_equal(outbox_store_write(&s, "a.event", head, "", 0), -ENOENT);
	assert_int_equal(outbox_store_remove(&s, "a.event"), -ENOENT);
	assert_int_equal(outbox_store_each(&s, ".event", count, &n, &n_bad), 0);
	json_decref(head);
	outbox_store_finish(&s);
}

TEST(a_name_leads_nowhere_else)
{
	struct outbox_store s = opened();
	static const char *const bad[] = { "", ".", "..", "../a", "a/b", "/tmp/a", ".new-a" };
	json_t *head = json_object();
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(outbox_store_write(&s, bad[i], head, "", 0), -EINVAL);
	json_decref(head);
	outbox_store_finish(&s);
}

#define DIR_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		DIR_TEST(the_directory_comes_with_the_first_record_and_goes_with_the_last),
		DIR_TEST(M3_another_daemon_finds_what_was_written),
		DIR_TEST(J5_only_one_has_it_at_a_time),
		DIR_TEST(J12_what_is_damaged_is_set_aside_and_the_rest_is_read),
		DIR_TEST(M9_what_is_damaged_is_removed_where_it_may_be_secret),
		DIR_TEST(M9_nothing_of_a_record_stays_in_memory),
		DIR_TEST(every_flipped_byte_is_noticed),
		DIR_TEST(J12_a_directory_that_others_have_a_hand_in_is_not_used),
		DIR_TEST(where_there_is_none_nothing_is_kept),
		DIR_TEST(a_name_leads_nowhere_else),
	};
	return RUN_TESTS(tests);
}
