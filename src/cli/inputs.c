/* Files and secrets that go with a task: see inputs.h. */
#include "cli/inputs.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFAULT_MODE 0644

/* What it is called in the jail; the names of our own files may be any bytes. */
static int check_name(const char *text, size_t len, struct err *e)
{
	return str_is_utf8(text, len)
		       ? 0
		       : err_set(e, ERR_BAD_VALUE, 0, "its name in the jail is not UTF-8");
}

int input_check_file(const char *text, struct err *e)
{
	const char *equals = strchr(text, '=');
	if (text[0] == '/' && equals && equals[1])
		return check_name(text, (size_t)(equals - text), e);
	err_set(e, ERR_BAD_VALUE, 0, "\"%s\" is not PATH=FILE", text);
	err_hint(e, "write where it is to be in the jail, and what: /etc/app.conf=./app.conf");
	return -EINVAL;
}

int input_check_secret(const char *text, struct err *e)
{
	const char *equals = strchr(text, '=');
	if (*text && equals != text && (!equals || equals[1]))
		return check_name(text, strcspn(text, "="), e);
	/* Not shown: it may be the secret itself. */
	err_set(e, ERR_BAD_VALUE, 0, "it is not NAME=FILE or NAME");
	err_hint(e, "write token=./token.txt, or TOKEN for what is in our variable TOKEN");
	return -EINVAL;
}

/* DIR is absolute: another "=" is of the file's name. */
static const char *tar_file(const char *text)
{
	const char *equals = text[0] == '/' ? strchr(text, '=') : NULL;
	return equals ? equals + 1 : text;
}

int input_check_tar(const char *text, struct err *e)
{
	if (*tar_file(text))
		return check_name(text, (size_t)(tar_file(text) - text), e);
	err_set(e, ERR_BAD_VALUE, 0, "\"%s\" names no file", text);
	err_hint(e, "write where it is to be unpacked, and what: /opt/src=./src.tar.gz, or - for "
		    "our stdin");
	return -EINVAL;
}

bool input_tar_is_stdin(const char *text)
{
	return !strcmp(tar_file(text), "-");
}

/* The text before "=" (the caller's) and after it; NULL: there is none. */
static int split(const char *text, char **ret_name, const char **ret_rest, struct err *e)
{
	const char *equals = strchr(text, '=');
	*ret_rest = equals ? equals + 1 : NULL;
	*ret_name = equals ? strndup(text, (size_t)(equals - text)) : strdup(text);
	return *ret_name ? 0 : err_set(e, ERR_INTERNAL, ENOMEM, "read options");
}

int input_read(const char *path, size_t max, char **ret, size_t *ret_len, struct err *e)
{
	/* Also of a pipe, as a shell gives one for <(command). */
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return err_set(e, ERR_SOURCE, errno, "open %s", path);
	/* One byte more shows that there are too many. */
	char *data = *ret = malloc(max + 1);
	if (!data)
		return err_set(e, ERR_INTERNAL, ENOMEM, "read %s", path);
	size_t len = 0;
	ssize_t n = 1;
	while (n != 0 && len <= max) {
		n = read(fd, data + len, max + 1 - len);
		if (n < 0 && errno != EINTR)
			return err_set(e, ERR_SOURCE, errno, "read %s", path);
		len += n > 0 ? (size_t)n : 0;
	}
	*ret_len = len;
	return len <= max ? 0
			  : err_set(e, ERR_TOO_LARGE, 0, "%s has more than %zu bytes", path, max);
}

static int added(int r, const char *name, struct err *e)
{
	return r < 0 ? err_set(e, ERR_BAD_VALUE, -r, "add %s", name) : 0;
}

int input_add_file(struct dayfly_task *t, const char *text, struct err *e)
{
	auto_free char *path = NULL;
	auto_free char *data = NULL;
	const char *file;
	size_t len = 0;
	struct stat st;
	int r = split(text, &path, &file, e);
	if (r == 0)
		r = input_read(file ? file : "", LIMIT_FILE_BYTES, &data, &len, e);
	if (r < 0)
		return r;
	mode_t mode = stat(file, &st) == 0 && S_ISREG(st.st_mode) ? st.st_mode & 0777 : 0;
	return added(dayfly_task_add_file(t, path, data, len, mode ? mode : DEFAULT_MODE), path, e);
}

static int no_variable(const char *name, struct err *e)
{
	err_set(e, ERR_BAD_VALUE, 0, "there is no variable %s", name);
	err_hint(e, "export %s, or write %s=FILE for what is in a file", name, name);
	return -EINVAL;
}

int input_add_secret(struct dayfly_task *t, const char *text, struct err *e)
{
	auto_free char *name = NULL;
	char *data = NULL;
	const char *file;
	size_t len = 0;
	int r = split(text, &name, &file, e);
	if (r < 0)
		return r;
	if (!file) {
		const char *value = getenv(name);
		if (!value)
			return no_variable(name, e);
		return added(dayfly_task_add_secret(t, name, value, strlen(value)), name, e);
	}
	r = input_read(file, LIMIT_SECRET_BYTES, &data, &len, e);
	if (r == 0)
		r = added(dayfly_task_add_secret(t, name, data, len), name, e);
	if (data)
		explicit_bzero(data, len);
	free(data);
	return r;
}

int input_add_tar(struct dayfly_task *t, const char *text, struct err *e)
{
	const char *file = tar_file(text);
	size_t len = (size_t)(file - text);
	auto_free char *dir = len ? strndup(text, len - 1) : NULL;
	auto_close int opened = -1;
	struct dayfly_error why;
	int fd = STDIN_FILENO;
	if (len && !dir)
		return err_set(e, ERR_INTERNAL, ENOMEM, "read options");
	if (!input_tar_is_stdin(text)) {
		fd = opened = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
		if (fd < 0)
			return err_set(e, ERR_SOURCE, errno, "open %s", file);
	} else if (isatty(fd)) {
		return err_set(e, ERR_BAD_VALUE, 0, "our stdin is a terminal: no tar comes there");
	}
	int r = dayfly_task_add_tar(t, fd, dir, &why);
	return r < 0 ? err_set(e, ERR_BAD_VALUE, -r, "%s", why.message) : 0;
}
