/* dayfly apply. */
#include "base/cleanup.h"
#include "base/fd.h"
#include "cli/message.h"
#include "cli/options.h"
#include "cli/verbs.h"
#include "cli/write_back.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct apply_options {
	bool is_dry, asks, is_unchecked;
};

static const struct option_def options[] = {
	{ OPTION_FLAG, 'n', "dry-run", NULL, offsetof(struct apply_options, is_dry), NULL, NULL,
		"list the changes, and say whether they can be made; write nothing" },
	{ OPTION_FLAG, 0, "ask", NULL, offsetof(struct apply_options, asks), NULL, NULL,
		"list them on the terminal, and ask first" },
	{ OPTION_FLAG, 0, "unchecked", NULL, offsetof(struct apply_options, is_unchecked), NULL,
		NULL, "over files too that changed since, or that nothing is known of" },
};

static const struct command command = {
	.name = "apply",
	.operands = "TAR [DIR]",
	.summary = "Writes the changes of a task, which dayfly run --changes TAR took, to DIR (or "
		   "here), as --apply\n"
		   "would have done: all or none, each file whole, nothing through a link or out "
		   "of DIR, and nothing\n"
		   "over a file that is not as the task saw it. That is known of the directory "
		   "that the task had.",
	.more = "A patch is applied by git apply, a bundle taken by git fetch.\n\n"
		"  dayfly run --workspace . --changes out.tar -- make format\n"
		"  dayfly apply --dry-run out.tar && dayfly apply out.tar\n",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.min_operands = 1,
	.max_operands = 2,
	.usage_status = 2,
	.failure_status = 1,
};

/* What somebody may take for a tar of changes. */
static const struct {
	const char *begins, *is, *fix;
} others[] = {
	{ "diff --git ", "a patch", "git apply takes it" },
	{ "--- ", "a patch", "git apply or patch takes it" },
	{ "# v2 git bundle\n", "a bundle", "git fetch takes it" },
	{ "# v3 git bundle\n", "a bundle", "git fetch takes it" },
	{ "\x1f\x8b", "compressed", "unpack it with gunzip first" },
	{ "\x28\xb5\x2f\xfd", "compressed", "unpack it with unzstd first" },
	{ "\xfd"
	  "7zXZ",
		"compressed", "unpack it with unxz first" },
};

static int failed(const char *path, const char *why, const char *fix)
{
	message_error("apply %s: %s", path, why);
	message_detail("fix", fix);
	return -EINVAL;
}

static int open_tar(const char *path)
{
	char begin[16] = "";
	struct stat st;
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0)
		return failed(path, strerror(errno),
			"name a tar that dayfly run --changes FILE.tar wrote");
	if (!S_ISREG(st.st_mode))
		return failed(path, "it is no regular file, and it is read more than once",
			"write what it gives to a file, and name that");
	ssize_t n = pread(fd, begin, sizeof(begin), 0);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		size_t len = strlen(others[i].begins);
		if (n < (ssize_t)len || memcmp(begin, others[i].begins, len) != 0)
			continue;
		message_error("apply %s: it is %s and no tar", path, others[i].is);
		message_detail("fix", others[i].fix);
		return -EINVAL;
	}
	return fd_take(&fd);
}

/* So that an interruption comes between two files, and is told. */
static void block_signals(void)
{
	static const int ours[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	sigset_t set;
	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
		sigaddset(&set, ours[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static int apply(const struct apply_options *o, const char *path, const char *dir)
{
	bool keeps;
	struct write_back w = { .when = o->asks && !o->is_dry ? "ask" : "",
		.is_later = true,
		.is_dry = o->is_dry,
		.is_unchecked = o->is_unchecked,
		.tty_fd = -1 };
	struct write_back_tar t = {
		.fd = open_tar(path), .path = path, .workspace_fd = -1, .is_ok = true
	};
	int r = t.fd < 0 ? t.fd : 0;
	if (r == 0 && (t.workspace_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		r = failed(dir, strerror(errno),
			"name a directory that is there and can be read, or none for this one");
	if (r == 0)
		r = write_back_begin_later(&w, dir);
	if (r == 0) {
		block_signals();
		r = write_back_end(&w, &t, &keeps);
	}
	write_back_finish(&w);
	fd_close(&t.workspace_fd);
	fd_close(&t.fd);
	return r;
}

int verb_apply(int argc, char **argv)
{
	struct apply_options o = { 0 };
	auto_free char **operands = NULL;
	int status = options_begin(&command, argc, argv, &o, &operands);
	if (status >= 0)
		return status;
	int r = apply(&o, operands[0], operands[1] ? operands[1] : ".");
	return r < 0 ? command.failure_status : 0;
}
