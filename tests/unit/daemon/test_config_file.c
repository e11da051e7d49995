/* Configuration files: lines, names that do not exist, and whom a file may belong to. */
#include "daemon/config_helper.h"

#include "base/str.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
	const char *text;
	const char *fault;
	const char *fix;
} bad[] = {
	{ "[ceilings]\nwal = 1h\n", "test.conf:2: there is no key \"wal\" in [ceilings]",
		"did you mean wall?" },
	{ "[daemon]\nhost_network = yes\n",
		"test.conf:2: there is no key \"host_network\" in [daemon]",
		"did you mean the host_network of [policy]?" },
	{ "[daemon]\nzzzzzzzzzz = 1\n", "test.conf:2: there is no key \"zzzzzzzzzz\" in [daemon]",
		"--print-config" },
	{ "[ceiling]\nwall = nonsense\n", "test.conf:1: there is no section [ceiling]",
		"did you mean [ceilings]?" },
	{ "[]\n", "test.conf:1: there is no section []", "--print-config" },
	{ "\n\n[daemon\n", "test.conf:3: this is not a section", "[name]" },
	{ "[daemon] x\n", "test.conf:1: this is not a section", "[name]" },
	{ "max_tasks = 4\n", "test.conf:1: this key stands in no section", "[section]" },
	{ "[daemon]\nmax_tasks\n",
		"test.conf:2: this is neither a section nor a key with its value", "key = value" },
	{ "[daemon]\nmax_tasks: 4\n",
		"test.conf:2: this is neither a section nor a key with its value", "key = value" },
	{ "[daemon]\nmax_tasks ; = 4\n",
		"test.conf:2: this is neither a section nor a key with its value", "key = value" },
	{ "[daemon]\nmax_tasks = 4\n# between\nmax_tasks = 4\n",
		"test.conf:4: daemon.max_tasks: was set in line 2 already", "keep one" },
	{ "[daemon]\nmax_tasks = 4\n[daemon]\nmax_tasks = 5\n",
		"test.conf:4: daemon.max_tasks: was set in line 2 already", "keep one" },
	{ "[daemon]\nmax_tasks = many\n",
		"test.conf:2: daemon.max_tasks: \"many\" is not a whole number",
		"write it as 100" },
	{ "[daemon]\nuser =;x\n", "test.conf:2: the value begins with ;", "a blank before" },
	{ "[daemon]\nuser = a\001b\n",
		"test.conf:2: the line has control characters, or is not UTF-8", "plain text" },
	{ "[daemon]\nuser = \xff\n",
		"test.conf:2: the line has control characters, or is not UTF-8", "plain text" },
};

TEST(a_bad_line_is_told_with_its_place_and_a_fix)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct options o;
		begin(&o);
		read_text(&o, bad[i].text);
		assert_fault(&o, bad[i].fault, bad[i].fix);
		options_finish(&o);
	}
}

TEST(every_fault_of_a_file_is_told)
{
	struct options o;
	begin(&o);
	read_text(&o,
		"[daemon]\nmax_tasks = 0\nnonsense\n[what]\na = b\n[ceilings]\nwall = 0\nx=1\n");
	assert_int_equal(o.faults.n, 5);
	assert_int_equal(o.faults.list[4].line, 8);
	options_finish(&o);
}

TEST(blanks_comments_and_ends_of_lines_are_no_matter)
{
	struct options o;
	begin(&o);
	read_text(&o,
		"\xef\xbb\xbf# first\r\n  [daemon]  ; a comment\r\n\tmax_tasks=5\r\n   upper   =  "
		"disk   ; why\r\n; more\r\n\r\n[ceilings]\nwall = 1h");
	assert_int_equal(o.faults.n, 0);
	assert_value(&o, "daemon", "max_tasks", "5");
	assert_value(&o, "daemon", "upper", "disk");
	assert_value(&o, "ceilings", "wall", "1h");
	options_finish(&o);
}

TEST(a_line_that_begins_with_a_blank_is_not_more_of_the_one_above)
{
	struct options o;
	begin(&o);
	read_text(&o, "[access]\nusers = 1\n  groups = 2\n");
	assert_int_equal(o.faults.n, 0);
	assert_int_equal(o.allow_uids.n, 1);
	assert_int_equal(o.allow_gids.n, 1);
	options_finish(&o);
}

TEST(a_nul_byte_is_told)
{
	static const char text[] = "[daemon]\nmax_tasks = 4\0"
				   "5\n";
	struct options o;
	begin(&o);
	config_read_text(&o, "test.conf", text, sizeof(text) - 1, &o.faults);
	assert_fault(&o, "test.conf:2: the line has a NUL byte", "write it anew");
	options_finish(&o);
}

TEST(a_line_that_the_library_would_cut_is_told)
{
	struct options o;
	char text[80000] = "[daemon]\nstate_dir = /";
	memset(text + strlen(text), 'x', sizeof(text) - 64);
	begin(&o);
	read_text(&o, text);
	assert_int_equal(o.faults.n, 1);
	assert_int_equal(o.faults.list[0].line, 2);
	assert_non_null(strstr(o.faults.list[0].err.msg, "bytes"));
	/* A comment may be as long as it likes. */
	config_faults_finish(&o.faults);
	memcpy(text, "########\n#", 10);
	read_text(&o, text);
	assert_int_equal(o.faults.n, 0);
	options_finish(&o);
}

/* ---- files ---- */

struct place {
	char dir[64], file[96], folder[96];
};

static void write_file(const char *path, const char *text, mode_t mode)
{
	unlink(path);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void make_place(struct place *p)
{
	snprintf(p->dir, sizeof(p->dir), "/tmp/dayfly-config-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	snprintf(p->file, sizeof(p->file), "%s/d.conf", p->dir);
	snprintf(p->folder, sizeof(p->folder), "%s/d.conf.d", p->dir);
	assert_int_equal(mkdir(p->folder, 0755), 0);
	chmod(p->folder, 0755);
}

static void drop_in(const struct place *p, const char *name, const char *text)
{
	char path[160];
	snprintf(path, sizeof(path), "%s/%s", p->folder, name);
	write_file(path, text, 0644);
}

static void remove_place(const struct place *p)
{
	static const char *const names[] = { "d.conf", "d.conf.d/10-a.conf", "d.conf.d/20-b.conf",
		"d.conf.d/.hidden.conf", "d.conf.d/30-c.conf~", "d.conf.d", "" };
	char path[160];
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", p->dir, names[i]);
		remove(path);
	}
}

static void read_place(struct options *o, const struct place *p, bool is_required)
{
	begin(o);
	config_read_files(o, p->file, geteuid(), is_required, &o->files, &o->faults);
}

TEST(drop_ins_are_read_after_the_file_in_the_order_of_their_names)
{
	struct place p;
	struct options o;
	make_place(&p);
	write_file(p.file, "[daemon]\nmax_tasks = 1\nmax_queue = 1\n[access]\nusers = 1\n", 0644);
	drop_in(&p, "20-b.conf", "[daemon]\nmax_tasks = 20\n[access]\nusers = 2\n");
	drop_in(&p, "10-a.conf", "[daemon]\nmax_tasks = 10\nmax_queue = 10\n");
	drop_in(&p, ".hidden.conf", "nonsense\n");
	drop_in(&p, "30-c.conf~", "nonsense\n");
	read_place(&o, &p, true);
	assert_int_equal(o.faults.n, 0);
	assert_int_equal(o.max_tasks, 20);
	assert_int_equal(o.max_queue, 10);
	assert_int_equal(o.allow_uids.n, 2);
	assert_int_equal(strv_len(o.files), 3);
	auto_free char *origin = config_origin_text(&o, key("daemon", "max_tasks"));
	assert_non_null(strstr(origin, "/d.conf.d/20-b.conf:2"));
	options_finish(&o);
	remove_place(&p);
}

static void assert_refused(const struct place *p, const char *cause, const char *fix)
{
	struct options o;
	read_place(&o, p, true);
	assert_int_equal(o.faults.n, 1);
	if (!strstr(o.faults.list[0].err.msg, cause) || !strstr(o.faults.list[0].err.hint, fix))
		fail_msg("%s / %s", o.faults.list[0].err.msg, o.faults.list[0].err.hint);
	assert_int_equal(o.max_tasks, 64);
	options_finish(&o);
}

TEST(drop_ins_beyond_their_number_are_a_fault_and_not_left_out)
{
	struct place p;
	char name[32], path[160];
	make_place(&p);
	write_file(p.file, "", 0644);
	for (int i = 0; i < CONFIG_FILES_MAX + 1; i++) {
		struct options o;
		snprintf(name, sizeof(name), "%03d.conf", i);
		drop_in(&p, name, "");
		if (i < CONFIG_FILES_MAX - 1)
			continue;
		read_place(&o, &p, true);
		assert_int_equal(o.faults.n, i == CONFIG_FILES_MAX);
		options_finish(&o);
	}
	assert_refused(&p, "has over 256 files", "fewer files");
	for (int i = 0; i < CONFIG_FILES_MAX + 1; i++) {
		snprintf(path, sizeof(path), "%s/%03d.conf", p.folder, i);
		assert_int_equal(remove(path), 0);
	}
	remove_place(&p);
}

TEST(a_file_that_is_not_there_is_a_fault_only_if_it_was_named)
{
	struct place p;
	struct options o;
	make_place(&p);
	read_place(&o, &p, false);
	assert_int_equal(o.faults.n, 0);
	options_finish(&o);
	read_place(&o, &p, true);
	assert_int_equal(o.faults.n, 1);
	assert_int_equal(o.faults.list[0].err.errnum, ENOENT);
	options_finish(&o);
	remove_place(&p);
}

TEST(what_others_could_have_written_is_refused_with_the_fix)
{
	struct place p;
	make_place(&p);
	write_file(p.file, "[daemon]\nmax_tasks = 1\n", 0664);
	assert_refused(
		&p, "can be written by others (mode 0664)", "chmod go-w /tmp/dayfly-config-");
	chmod(p.file, 0646);
	assert_refused(&p, "can be written by others", "chmod go-w");
	if (geteuid() == 0) {
		chmod(p.file, 0644);
		assert_int_equal(chown(p.file, 4711, 4711), 0);
		assert_refused(&p, "belongs to user id 4711", "chown 0 ");
	}
	write_file(p.file, "", 0644);
	chmod(p.folder, 0777);
	drop_in(&p, "10-a.conf", "[daemon]\nmax_tasks = 1\n");
	assert_refused(&p, "can be written by others (mode 0777)", "chmod go-w");
	remove_place(&p);
}

TEST(what_is_no_readable_file_is_refused)
{
	struct place p;
	make_place(&p);
	assert_int_equal(mkdir(p.file, 0755), 0);
	assert_refused(&p, "is not a regular file", "text file");
	rmdir(p.file);
	assert_int_equal(mkfifo(p.file, 0644), 0);
	assert_refused(&p, "is not a regular file", "text file");
	write_file(p.file, "", 0644);
	assert_int_equal(truncate(p.file, CONFIG_FILE_MAX + 1), 0);
	assert_refused(&p, "is too large", "256 KiB");
	if (geteuid() != 0) {
		chmod(p.file, 0);
		assert_refused(&p, "cannot be opened", "make it readable");
	}
	remove_place(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bad_line_is_told_with_its_place_and_a_fix),
		cmocka_unit_test(every_fault_of_a_file_is_told),
		cmocka_unit_test(blanks_comments_and_ends_of_lines_are_no_matter),
		cmocka_unit_test(a_line_that_begins_with_a_blank_is_not_more_of_the_one_above),
		cmocka_unit_test(a_nul_byte_is_told),
		cmocka_unit_test(a_line_that_the_library_would_cut_is_told),
		cmocka_unit_test(drop_ins_are_read_after_the_file_in_the_order_of_their_names),
		cmocka_unit_test(drop_ins_beyond_their_number_are_a_fault_and_not_left_out),
		cmocka_unit_test(a_file_that_is_not_there_is_a_fault_only_if_it_was_named),
		cmocka_unit_test(what_others_could_have_written_is_refused_with_the_fix),
		cmocka_unit_test(what_is_no_readable_file_is_refused),
	};
	return RUN_TESTS(tests);
}
