/* Paths: what is there, what can be read and written, how much fits. */
#include "probe.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

static const char *type_name(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return "file";
	case S_IFDIR:
		return "dir";
	case S_IFLNK:
		return "link";
	case S_IFCHR:
		return "char";
	case S_IFBLK:
		return "block";
	case S_IFIFO:
		return "fifo";
	case S_IFSOCK:
		return "socket";
	default:
		return "?";
	}
}

static void out_path(int dirfd, const char *name, const char *shown)
{
	struct stat st;
	char target[4096];
	int r = fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW);
	int error = r < 0 ? errno : 0;
	out_begin("path");
	out_str("path", shown);
	out_int("errno", error);
	if (r == 0) {
		out_str("type", type_name(st.st_mode));
		out_int("mode", st.st_mode & 07777);
		out_int("uid", st.st_uid);
		out_int("gid", st.st_gid);
		out_int("size", st.st_size);
		out_int("nlink", (long long)st.st_nlink);
		out_int("dev", (long long)st.st_dev);
		out_int("ino", (long long)st.st_ino);
		out_int("major", major(st.st_rdev));
		out_int("minor", minor(st.st_rdev));
		ssize_t n =
			S_ISLNK(st.st_mode) ? readlinkat(dirfd, name, target, sizeof(target)) : -1;
		if (n >= 0)
			out_bytes("link", target, (size_t)n);
	}
	out_end();
}

int cmd_stat(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		out_path(AT_FDCWD, argv[i], argv[i]);
	return 0;
}

int cmd_ls(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		DIR *d = opendir(argv[i]);
		out_result("opendir", d ? 0 : -1);
		for (struct dirent *de; d && (de = readdir(d));)
			if (strcmp(de->d_name, ".") && strcmp(de->d_name, ".."))
				out_path(dirfd(d), de->d_name, de->d_name);
		if (d)
			closedir(d);
	}
	return 0;
}

static void walk(const char *dir, int depth)
{
	DIR *d = opendir(dir);
	for (struct dirent *de; d && (de = readdir(d));) {
		if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, ".."))
			continue;
		char path[4096];
		snprintf(path, sizeof(path), "%s%s%s", dir, dir[strlen(dir) - 1] == '/' ? "" : "/",
			de->d_name);
		out_path(AT_FDCWD, path, path);
		struct stat st;
		if (depth > 1 && lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
			walk(path, depth - 1);
	}
	if (d)
		closedir(d);
}

int cmd_tree(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	walk(argv[1], (int)parse_number(argv[2]));
	return 0;
}

int cmd_cat(int argc, char **argv)
{
	static char text[65536];
	for (int i = 1; i < argc; i++) {
		ssize_t n = read_small(argv[i], text, sizeof(text));
		int error = n < 0 ? errno : 0;
		out_begin("cat");
		out_str("path", argv[i]);
		out_int("errno", error);
		if (n >= 0)
			out_bytes("text", text, (size_t)n);
		out_end();
	}
	return 0;
}

static int parse_flags(const char *text)
{
	if (!strcmp(text, "r"))
		return O_RDONLY;
	if (!strcmp(text, "w"))
		return O_WRONLY;
	if (!strcmp(text, "rw"))
		return O_RDWR;
	if (!strcmp(text, "d"))
		return O_PATH;
	if (!strcmp(text, "creat"))
		return O_WRONLY | O_CREAT;
	fprintf(stderr, "probe: flags r, w, rw, d or creat\n");
	exit(2);
}

int cmd_open(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	int flags = parse_flags(argv[1]);
	for (int i = 2; i < argc; i++) {
		int fd = open(argv[i], flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0644);
		int error = fd < 0 ? errno : 0;
		out_begin("open");
		out_str("path", argv[i]);
		out_int("errno", error);
		out_end();
		if (fd >= 0)
			close(fd);
	}
	return 0;
}

static int put_text(const char *path, int flags, mode_t mode, const char *text)
{
	int fd = open(path, flags | O_CLOEXEC | O_NOCTTY, mode);
	if (fd < 0) {
		out_result("open", -1);
		return 0;
	}
	out_result("write", write(fd, text, strlen(text)));
	close(fd);
	return 0;
}

int cmd_write(int argc, char **argv)
{
	return argc < 3 ? 2 : put_text(argv[1], O_WRONLY, 0, argv[2]);
}

int cmd_create(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	return put_text(argv[1], O_WRONLY | O_CREAT | O_TRUNC,
		argc > 3 ? (mode_t)parse_number(argv[3]) : 0644, argv[2]);
}

/* Each line of mountinfo as {id, parent, dev, root, point, options, optional, type, source, super}.
 */
int cmd_mounts(int argc, char **argv)
{
	static char text[1 << 20];
	char *save_line = NULL;
	if (read_small("/proc/self/mountinfo", text, sizeof(text)) < 0) {
		out_result("mountinfo", -1);
		return 1;
	}
	for (char *line = strtok_r(text, "\n", &save_line); line;
		line = strtok_r(NULL, "\n", &save_line)) {
		static const char *const head[] = { "id", "parent", "dev", "root", "point",
			"options" };
		static const char *const tail[] = { "type", "source", "super" };
		char *save = NULL, *word = strtok_r(line, " ", &save);
		out_begin("mount");
		for (size_t i = 0; word && i < 6; i++, word = strtok_r(NULL, " ", &save))
			out_str(head[i], word);
		out_list_begin("optional");
		for (; word && strcmp(word, "-"); word = strtok_r(NULL, " ", &save))
			out_item_str(word);
		out_list_end();
		word = strtok_r(NULL, " ", &save);
		for (size_t i = 0; word && i < 3; i++, word = strtok_r(NULL, " ", &save))
			out_str(tail[i], word);
		out_end();
	}
	return 0;
}

static void out_process(const char *pid)
{
	char path[300], stat_text[1024], line[4096] = "";
	snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	if (read_small(path, stat_text, sizeof(stat_text)) < 0)
		return;
	char *open_paren = strchr(stat_text, '('), *close_paren = strrchr(stat_text, ')');
	if (!open_paren || !close_paren)
		return;
	*close_paren = '\0';
	char state = close_paren[2];
	int ppid = (int)strtol(close_paren + 4, NULL, 10);
	snprintf(path, sizeof(path), "/proc/%s/cmdline", pid);
	ssize_t n = read_small(path, line, sizeof(line));
	out_begin("process");
	out_int("pid", strtol(pid, NULL, 10));
	out_int("ppid", ppid);
	out_str("comm", open_paren + 1);
	out_bytes("state", &state, 1);
	out_bytes("cmdline", line, n > 0 ? (size_t)n : 0);
	out_end();
}

int cmd_procs(int argc, char **argv)
{
	DIR *d = opendir("/proc");
	if (!d) {
		out_result("opendir", -1);
		return 1;
	}
	for (struct dirent *de; (de = readdir(d));)
		if (de->d_name[0] >= '0' && de->d_name[0] <= '9')
			out_process(de->d_name);
	closedir(d);
	return 0;
}

int cmd_fill(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	static char block[1 << 16];
	memset(block, 0xa5, sizeof(block));
	unsigned long long max = parse_number(argv[2]), done = 0;
	int fd = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int error = fd < 0 ? errno : 0;
	while (fd >= 0 && done < max && !error) {
		ssize_t n = write(fd, block, sizeof(block));
		if (n < 0)
			error = errno;
		else
			done += (unsigned long long)n;
	}
	unlink(argv[1]);
	out_begin("fill");
	out_int("bytes", (long long)done);
	out_int("errno", error);
	out_end();
	return 0;
}

int cmd_inodes(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	unsigned long long max = parse_number(argv[2]), n = 0;
	int error = 0;
	char path[4096];
	for (; n < max && !error; n++) {
		snprintf(path, sizeof(path), "%s/inode-%llu", argv[1], n);
		int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd < 0) {
			error = errno;
			break;
		}
		close(fd);
	}
	for (unsigned long long i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/inode-%llu", argv[1], i);
		unlink(path);
	}
	out_begin("inodes");
	out_int("files", (long long)n);
	out_int("errno", error);
	out_end();
	return 0;
}

int cmd_xattr(int argc, char **argv)
{
	char value[256];
	if (argc < 4)
		return 2;
	out_result("setxattr", setxattr(argv[1], argv[2], argv[3], strlen(argv[3]), 0));
	ssize_t n = getxattr(argv[1], argv[2], value, sizeof(value));
	out_result("getxattr", n);
	return 0;
}

/* Exchanges two names as fast as it can: whoever walks the tree meanwhile sees both. */
int cmd_swap(int argc, char **argv)
{
	if (argc < 4)
		return 2;
	time_t end = time(NULL) + (time_t)parse_number(argv[3]);
	long long count = 0;
	int r = 0;
	while (r == 0 && time(NULL) < end) {
		r = renameat2(AT_FDCWD, argv[1], AT_FDCWD, argv[2], RENAME_EXCHANGE);
		count++;
	}
	out_result("renameat2", r);
	out_begin("swap");
	out_int("count", count);
	out_end();
	return 0;
}
