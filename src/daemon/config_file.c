/*
 * Configuration files: which are read, whether they can be trusted, and their lines. libinih splits
 * the lines; it tells neither the line's number nor all of its faults, so the reader that feeds it
 * counts the lines and gives it good ones only. See config.h.
 */
#include "daemon/config.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"
#include "daemon/options.h"

#include <ini.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTION_MAX 48 /* libinih cuts longer names */

struct source {
	struct options *o;
	struct config_faults *faults;
	const char *file;
	const char *data;
	size_t left;
	unsigned line;
	enum { NO_SECTION, KNOWN_SECTION, UNKNOWN_SECTION } section;
	unsigned *seen; /* by key: the line in which this file has set it, or 0 */
};

static void add_fault(struct source *s, const char *field, const char *cause, const char *fix)
{
	struct err e;
	err_set(&e, ERR_BAD_VALUE, 0, "%s", cause);
	err_hint(&e, "%s", fix);
	snprintf(e.field, sizeof(e.field), "%s", field);
	config_faults_add(s->faults, s->file, s->line, &e);
}

/* ---- names that do not exist ---- */

static const char *nearest_section(const char *name)
{
	const char *names[64];
	size_t n = 0;
	for (size_t i = 0; i < config_key_count && n < ARRAY_SIZE(names); i++)
		if (!n || strcmp(names[n - 1], config_keys[i].section))
			names[n++] = config_keys[i].section;
	return str_nearest(name, names, n);
}

static void unknown_section(struct source *s, const char *name)
{
	char safe[64], cause[128], fix[160] = "dayflyd --print-config shows every section and key";
	const char *near = nearest_section(name);
	str_escape(name, strlen(name), safe, sizeof(safe));
	snprintf(cause, sizeof(cause), "there is no section [%s]", safe);
	if (near)
		snprintf(fix, sizeof(fix), "did you mean [%s]?", near);
	add_fault(s, "", cause, fix);
}

/* The nearest key of its section, else a key of this name in another. */
static void unknown_key(struct source *s, const char *section, const char *name)
{
	char safe[64], cause[160], fix[160] = "dayflyd --print-config shows every section and key";
	const char *names[128];
	size_t n = 0;
	for (size_t i = 0; i < config_key_count && n < ARRAY_SIZE(names); i++)
		if (!strcmp(config_keys[i].section, section))
			names[n++] = config_keys[i].name;
	const char *near = str_nearest(name, names, n);
	str_escape(name, strlen(name), safe, sizeof(safe));
	snprintf(cause, sizeof(cause), "there is no key \"%s\" in [%s]", safe, section);
	if (near)
		snprintf(fix, sizeof(fix), "did you mean %s?", near);
	for (size_t i = 0; !near && i < config_key_count; i++)
		if (!strcmp(config_keys[i].name, name)) {
			snprintf(fix, sizeof(fix), "did you mean the %s of [%s]?", name,
				config_keys[i].section);
			break;
		}
	add_fault(s, "", cause, fix);
}

/* ---- lines ---- */

static bool has_control(const char *line, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (((unsigned char)line[i] < 0x20 && line[i] != '\t') || line[i] == 0x7f)
			return true;
	return false;
}

/* [name], and after it a comment at most. */
static bool check_section(struct source *s, const char *line, size_t len)
{
	char name[SECTION_MAX];
	const char *end = memchr(line, ']', len);
	size_t name_len = end ? (size_t)(end - line) - 1 : 0,
	       rest = end ? (size_t)(end - line) + 1 : len;
	while (rest < len && strchr(" \t", line[rest]))
		rest++;
	s->section = UNKNOWN_SECTION; /* nothing can be said of the keys below it */
	if (!end || (rest < len && line[rest] != ';' && line[rest] != '#')) {
		add_fault(s, "", "this is not a section", "write [name], and nothing after it");
		return false;
	}
	snprintf(name, sizeof(name), "%.*s", (int)(name_len < SECTION_MAX ? name_len : SECTION_MAX),
		line + 1);
	if (name_len >= SECTION_MAX || !config_section_title(name)) {
		unknown_section(s, name);
		return false;
	}
	s->section = KNOWN_SECTION;
	return true;
}

/* Whether libinih may have the line. */
static bool check_line(struct source *s, const char *line, size_t len, size_t room)
{
	if (len == 0 || line[0] == '#' || line[0] == ';')
		return false;
	if (memchr(line, '\0', len)) {
		add_fault(s, "", "the line has a NUL byte", "this is no text file; write it anew");
		return false;
	}
	if (has_control(line, len) || !str_is_utf8(line, len)) {
		add_fault(s, "", "the line has control characters, or is not UTF-8",
			"write it as plain text");
		return false;
	}
	if (len > room) {
		char cause[96], fix[96];
		snprintf(cause, sizeof(cause), "the line has %zu bytes", len);
		snprintf(fix, sizeof(fix), "libinih takes at most %zu; an option may be longer",
			room);
		add_fault(s, "", cause, fix);
		return false;
	}
	if (line[0] == '[')
		return check_section(s, line, len);
	if (!memchr(line, '=', len)) {
		add_fault(s, "", "this is neither a section nor a key with its value",
			"write [section], or key = value");
		return false;
	}
	if (s->section == NO_SECTION)
		add_fault(s, "", "this key stands in no section", "write [section] above it");
	return s->section == KNOWN_SECTION;
}

/* As fgets(): one line. Blanks before it go, or libinih would take it for more of the value above.
 */
static char *read_line(char *out, int size, void *arg)
{
	struct source *s = arg;
	if (!s->left || size < 8)
		return NULL;
	const char *line = s->data, *newline = memchr(line, '\n', s->left);
	size_t len = newline ? (size_t)(newline - line) : s->left;
	s->data += len + !!newline;
	s->left -= len + !!newline;
	s->line++;
	if (s->line == 1 && len >= 3 && !memcmp(line, "\xef\xbb\xbf", 3)) {
		line += 3;
		len -= 3;
	}
	while (len && strchr(" \t", line[0]) && line[0]) {
		line++;
		len--;
	}
	while (len && (line[len - 1] == '\r' || line[len - 1] == ' ' || line[len - 1] == '\t'))
		len--;
	if (!check_line(s, line, len, (size_t)size - 3))
		len = 0;
	memcpy(out, line, len);
	out[len] = '\n';
	out[len + 1] = '\0';
	return out;
}

static int on_key(void *arg, const char *section, const char *name, const char *value)
{
	struct source *s = arg;
	size_t key = config_find(section, name);
	struct err e;
	if (key == config_key_count) {
		unknown_key(s, section, name);
		return 1;
	}
	if (s->seen[key] && !config_is_list(&config_keys[key])) {
		char field[96], cause[96];
		snprintf(field, sizeof(field), "%s.%s", section, name);
		snprintf(cause, sizeof(cause), "was set in line %u already", s->seen[key]);
		add_fault(s, field, cause, "keep one of the two lines");
		return 1;
	}
	s->seen[key] = s->line;
	if (value[0] == ';') {
		/* Or it would be read back as a comment when it is printed. */
		add_fault(s, "", "the value begins with ;", "put a blank before a comment");
		return 1;
	}
	const struct config_origin from = {
		.kind = CONFIG_FROM_FILE, .file = (char *)s->file, .line = s->line
	};
	if (config_assign(s->o, key, value, &from, &e) < 0)
		config_faults_add(s->faults, s->file, s->line, &e);
	return 1;
}

void config_read_text(
	struct options *o, const char *file, const char *data, size_t len, struct config_faults *f)
{
	auto_free unsigned *seen = calloc(config_key_count, sizeof(*seen));
	struct source s = {
		.o = o, .faults = f, .file = file, .data = data, .left = len, .seen = seen
	};
	size_t n = f->n;
	int r = seen ? ini_parse_stream(read_line, &s, on_key, &s) : -2;
	if (r < 0) {
		add_fault(&s, "", "no memory to read it", "free some");
	} else if (r > 0 && f->n == n) {
		s.line = (unsigned)r;
		add_fault(&s, "", "this is neither a section nor a key with its value",
			"write [section], or key = value");
	}
}

/* ---- files ---- */

static void fault_of_file(
	struct config_faults *f, const char *path, const char *fix, int errnum, const char *cause)
{
	struct err e;
	err_set(&e, ERR_BAD_VALUE, errnum, "%s", cause);
	err_hint(&e, "%s", fix);
	config_faults_add(f, path, 0, &e);
}

/* Who can write the configuration can do what the daemon can. */
static bool is_safe(int fd, const char *path, uid_t owner, struct config_faults *f)
{
	struct stat st;
	char cause[128], fix[400];
	if (fstat(fd, &st) < 0) {
		fault_of_file(f, path, "", errno, "look at it");
		return false;
	}
	if (st.st_uid != 0 && st.st_uid != owner) {
		snprintf(cause, sizeof(cause),
			"belongs to user id %u, who could change what the daemon does", st.st_uid);
		snprintf(fix, sizeof(fix), "chown %u %.300s", owner, path);
		fault_of_file(f, path, fix, 0, cause);
		return false;
	}
	if (st.st_mode & 022) {
		snprintf(cause, sizeof(cause), "can be written by others (mode %04o)",
			st.st_mode & 07777);
		snprintf(fix, sizeof(fix), "chmod go-w %.300s", path);
		fault_of_file(f, path, fix, 0, cause);
		return false;
	}
	return true;
}

static bool is_readable_file(int fd, const char *path, struct config_faults *f)
{
	struct stat st;
	char fix[128];
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		fault_of_file(f, path, "give the path of a text file", 0, "is not a regular file");
		return false;
	}
	if (st.st_size > CONFIG_FILE_MAX) {
		snprintf(fix, sizeof(fix), "a configuration has at most %u KiB",
			CONFIG_FILE_MAX >> 10);
		fault_of_file(f, path, fix, 0, "is too large");
		return false;
	}
	return true;
}

static void read_content(
	struct options *o, int fd, const char *path, char ***files, struct config_faults *f)
{
	auto_free char *data = malloc(CONFIG_FILE_MAX);
	size_t len = 0;
	ssize_t n = data ? 1 : -1;
	/* It may grow while it is read: then it is cut, and the cut line is a fault or is not. */
	while (n > 0 && len < CONFIG_FILE_MAX) {
		n = read(fd, data + len, CONFIG_FILE_MAX - len);
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n > 0)
			len += (size_t)n;
	}
	if (n < 0) {
		fault_of_file(f, path, "", data ? errno : ENOMEM, "cannot be read");
		return;
	}
	config_read_text(o, path, data, len, f);
	if (strv_add(files, path) < 0)
		fault_of_file(f, path, "", ENOMEM, "remember its name");
}

static void read_file(struct options *o, int dirfd, const char *name, const char *path, uid_t owner,
	bool is_required, char ***files, struct config_faults *f)
{
	char fix[160];
	/* O_NONBLOCK: a FIFO must not stop the start. */
	auto_close int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 && errno == ENOENT && !is_required)
		return;
	if (fd < 0) {
		int errnum = errno;
		snprintf(fix, sizeof(fix), "make it readable for user id %u, as its directory",
			(unsigned)geteuid());
		fault_of_file(f, path, errnum == EACCES ? fix : "check the path", errnum,
			"cannot be opened");
		return;
	}
	if (is_readable_file(fd, path, f) && is_safe(fd, path, owner, f))
		read_content(o, fd, path, files, f);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_drop_in(const char *name)
{
	size_t len = strlen(name);
	return name[0] != '.' && len > 5 && !strcmp(name + len - 5, ".conf");
}

/* The names in a drop-in folder that count: all or none, as what is left out may be a ceiling. */
static int list_names(DIR *dir, char ***ret)
{
	size_t n = 0;
	int r = 0;
	*ret = NULL;
	for (struct dirent *entry; r == 0 && (entry = readdir(dir));) {
		if (is_drop_in(entry->d_name))
			r = ++n > CONFIG_FILES_MAX ? -E2BIG : strv_add(ret, entry->d_name);
	}
	if (r < 0) {
		strv_free(*ret);
		*ret = NULL;
	} else if (n) {
		qsort(*ret, n, sizeof(**ret), compare_names);
	}
	return r;
}

static void fault_of_list(struct config_faults *f, const char *path, int errnum)
{
	char cause[64];
	snprintf(cause, sizeof(cause), "has over %d files", CONFIG_FILES_MAX);
	fault_of_file(f, path, "put what they set into fewer files", 0,
		errnum == E2BIG ? cause : "no memory to list it");
}

static void read_folder(
	struct options *o, const char *path, uid_t owner, char ***files, struct config_faults *f)
{
	auto_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		if (errno != ENOENT)
			fault_of_file(f, path, "make it a readable directory, or remove it", errno,
				"cannot be opened");
		return;
	}
	if (!is_safe(fd, path, owner, f))
		return;
	auto_closedir DIR *dir = fdopendir(fd);
	if (!dir)
		return fault_of_file(f, path, "", errno, "cannot be read");
	fd = -1; /* the stream's now */
	char **names;
	int r = list_names(dir, &names);
	if (r < 0)
		fault_of_list(f, path, -r);
	for (size_t i = 0; names && names[i]; i++) {
		auto_free char *full = NULL;
		if (asprintf(&full, "%s/%s", path, names[i]) < 0)
			full = NULL;
		else
			read_file(o, dirfd(dir), names[i], full, owner, true, files, f);
	}
	strv_free(names);
}

void config_read_files(struct options *o, const char *path, uid_t owner, bool is_required,
	char ***files, struct config_faults *f)
{
	auto_free char *folder = NULL;
	read_file(o, AT_FDCWD, path, path, owner, is_required, files, f);
	if (asprintf(&folder, "%s.d", path) < 0) {
		folder = NULL;
		return;
	}
	read_folder(o, folder, owner, files, f);
}
