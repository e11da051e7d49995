/* Making a bundle: see bundle.h. */
#include "cli/bundle.h"

#include "base/cleanup.h"
#include "base/str.h"
#include "cli/git_here.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GIT_AT "/git"

#define SUBMODULE_STATUS      65
#define SUBMODULE_STATUS_TEXT "65"

/* ---- before the task ---- */

/* "NAME <EMAIL> SECONDS ZONE", as the user's configuration has it; no guess of git's. */
static void find_author(struct bundle *b, const char *dir)
{
	static const char *const args[] = { "-c", "user.useConfigOnly=true", "var",
		"GIT_AUTHOR_IDENT", NULL };
	auto_free char *out = NULL;
	struct err e;
	char *open, *close;
	if (git_here(dir, args, &out, NULL, &e) > 0 && str_is_utf8(out, strlen(out)) &&
		(open = strstr(out, " <")) && (close = strchr(open, '>')) && open != out) {
		snprintf(b->name, sizeof(b->name), "%.*s", (int)(open - out), out);
		snprintf(b->email, sizeof(b->email), "%.*s", (int)(close - open - 2), open + 2);
	}
	/* Cut short it may not be UTF-8 any more. */
	if (!b->email[0] || !str_is_utf8(b->name, strlen(b->name)) ||
		!str_is_utf8(b->email, strlen(b->email))) {
		snprintf(b->name, sizeof(b->name), "dayfly");
		snprintf(b->email, sizeof(b->email), "dayfly@localhost");
	}
}

/* Cuts off a line. NULL: there is none. */
static char *next_line(char **text)
{
	char *line = *text, *end = strchr(line, '\n');
	if (!end)
		return NULL;
	*end = '\0';
	*text = end + 1;
	return line;
}

static int no_repository(const char *dir, const char *why, struct err *e)
{
	err_set(e, ERR_BAD_VALUE, 0, "a bundle needs a commit: %.150s %s", dir, why);
	err_hint(e, "take the changes as a .tar or a .patch");
	return -EINVAL;
}

static int find_repository(struct bundle *b, const char *dir, struct err *e)
{
	static const char *const args[] = { "rev-parse", "--path-format=absolute",
		"--show-toplevel", "--git-common-dir", "HEAD^{commit}", NULL };
	auto_free char *out = NULL, *real = realpath(dir, NULL);
	struct err why = { 0 };
	if (!real)
		return err_set(e, ERR_SOURCE, errno, "find %s", dir);
	ssize_t n = git_here(real, args, &out, NULL, &why);
	if (n < 0) {
		err_set(e, ERR_BAD_VALUE, 0, "a bundle needs a commit: %.180s", why.msg);
		err_hint(e, "take the changes as a .tar or a .patch");
		return -EINVAL;
	}
	char *rest = out, *top = next_line(&rest), *common = top ? next_line(&rest) : NULL,
	     *commit = common ? next_line(&rest) : NULL;
	/* A path with a line break in it is one more line. */
	if (!commit || *rest || (strlen(commit) != 40 && strlen(commit) != 64))
		return no_repository(real, "has a repository with a strange name", e);
	if (strcmp(top, real) != 0)
		return no_repository(real, "is not the top of a work tree of git", e);
	snprintf(b->base, sizeof(b->base), "%s", commit);
	b->git_dir = strdup(common);
	return b->git_dir ? 0 : err_set(e, ERR_INTERNAL, ENOMEM, "find the repository");
}

int bundle_begin(struct bundle *b, const char *dir, struct err *e)
{
	*b = (struct bundle){ 0 };
	int r = dir ? find_repository(b, dir, e) : 0;
	if (r == 0)
		find_author(b, dir ? dir : "/");
	return r;
}

void bundle_finish(struct bundle *b)
{
	free(b->git_dir);
	b->git_dir = NULL;
}

/* ---- after it ---- */

/*
 * Attributes of the repository's own stand above any that the files bring along: so each file is
 * what it is, no filter runs. Its index is the commit's; what the task touched is taken out and put
 * in by name. A path below a gitlink would put a directory in its place, with nothing of the
 * submodule in it but that; one that is gone as a whole is another matter. Lines are told apart by
 * line breaks, so a name's own becomes another byte.
 */
static const char script[] =
	"set -e\n"
	"base=$1 task=$2 git=$(cd \"$3\" && pwd)\n"
	"[ \"${#base}\" = 64 ] && format=sha256 || format=sha1\n"
	"git init -q --bare --template= --object-format=$format /tmp/bundle\n"
	"export GIT_DIR=/tmp/bundle GIT_INDEX_FILE=/tmp/bundle/index GIT_WORK_TREE=/changes/b\n"
	"export GIT_ALTERNATE_OBJECT_DIRECTORIES=\"$git/objects\"\n"
	"mkdir -p /tmp/bundle/info\n"
	"echo '* -text -ident !filter !working-tree-encoding' >/tmp/bundle/info/attributes\n"
	"[ ! -e \"$git/shallow\" ] || cat \"$git/shallow\" >/tmp/bundle/shallow\n"
	"cd /changes/b\n"
	"git read-tree \"$base\"\n"
	"git ls-files -s -z | tr '\\n\\0' '\\001\\n' >/tmp/bundle/files\n"
	"tr '\\n\\0' '\\001\\n' <../list >/tmp/bundle/gone\n"
	"tr '\\n\\0' '\\001\\n' <../new >/tmp/bundle/came\n"
	"cd /tmp/bundle\n"
	"sub=$(awk '\n"
	"	FILENAME == \"files\" {\n"
	"		if (/^160000 /) { links[\"./\" substr($0, index($0, \"\\t\") + 1)]; n++ }\n"
	"		next\n"
	"	}\n"
	"	FILENAME == \"gone\" && !looks { if ($0 in links) gone[$0]; next }\n"
	"	n {\n"
	"		path = $0\n"
	"		while (match(path, \"/[^/]*$\")) {\n"
	"			path = substr(path, 1, RSTART - 1)\n"
	"			if (path in links && (FILENAME == \"came\" || !(path in gone))) {\n"
	"				print substr(path, 3)\n"
	"				exit\n"
	"			}\n"
	"		}\n"
	"	}' files gone looks=1 gone came)\n"
	"[ -z \"$sub\" ] || { printf %s \"$sub\" >&2; exit " SUBMODULE_STATUS_TEXT "; }\n"
	"cd /changes/b\n"
	"git update-index -z --force-remove --stdin <../list\n"
	"git update-index -z --add --replace --stdin <../new\n"
	"tree=$(git write-tree --missing-ok)\n"
	"commit=$(echo \"What the dayfly task $task changed\" |\n"
	"	git commit-tree \"$tree\" -p \"$base\")\n"
	"branch=refs/heads/dayfly/$task\n"
	"git update-ref \"$branch\" \"$commit\"\n"
	"git symbolic-ref HEAD \"$branch\"\n"
	"exec git bundle create -q - HEAD \"$branch\" \"^$base\"\n";

bool bundle_judge(int64_t status, const char *said, struct err *e)
{
	char name[400];
	if (status != SUBMODULE_STATUS || !said[0])
		return false;
	str_escape(said, strlen(said), name, sizeof(name));
	err_set(e, ERR_BAD_VALUE, 0,
		"the task changed files of the submodule %.150s, which a commit of this "
		"repository cannot hold",
		name);
	err_hint(e, "take the changes as a .tar or a .patch");
	return true;
}

int bundle_describe(
	const struct bundle *b, struct dayfly_task *t, const char *task, struct dayfly_error *e)
{
	const char *const argv[] = { "sh", "-c", script, "sh", b->base, task,
		b->git_dir ? GIT_AT : ".git", NULL };
	const char *const env[][2] = { { "GIT_AUTHOR_NAME", b->name },
		{ "GIT_AUTHOR_EMAIL", b->email }, { "GIT_COMMITTER_NAME", b->name },
		{ "GIT_COMMITTER_EMAIL", b->email } };
	int r = dayfly_task_set_argv(t, argv);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(env); i++)
		r = dayfly_task_set_env(t, env[i][0], env[i][1]);
	if (r == 0 && b->git_dir)
		r = dayfly_task_add_mount(t, b->git_dir, GIT_AT, DAYFLY_MODE_RO, e);
	return r;
}

/* ---- a branch ---- */

static int name_ref(const char *branch, char ref[512], struct err *e)
{
	int n = snprintf(ref, 512, "refs/heads/%s", branch);
	return n < 512 ? 0 : err_set(e, ERR_BAD_VALUE, ENAMETOOLONG, "name a branch");
}

int bundle_check_branch(const char *dir, const char *branch, struct err *e)
{
	char ref[512];
	auto_free char *name = NULL, *there = NULL;
	const char *const check[] = { "check-ref-format", "--branch", branch, NULL },
			  *const list[] = { "for-each-ref", "--format=%(refname)", ref, NULL };
	int r = name_ref(branch, ref, e);
	if (r < 0)
		return r;
	/* "@{-1}" is one too, of another name. */
	if (git_here(dir, check, &name, NULL, e) < 0 ||
		strncmp(name, branch, strlen(branch)) != 0 ||
		strcmp(name + strlen(branch), "\n") != 0)
		return err_set(e, ERR_BAD_VALUE, 0, "it is no name for a branch");
	if (git_here(dir, list, &there, NULL, e) < 0)
		return -EIO;
	if (!*there)
		return 0;
	err_set(e, ERR_BAD_VALUE, 0, "there is such a branch, and it is not moved");
	err_hint(e, "give another name");
	return -EEXIST;
}

int bundle_make_branch(const char *dir, const char *branch, const char *file, struct err *e)
{
	char ref[512], commit[72];
	auto_free char *path = realpath(file, NULL), *heads = NULL, *out = NULL;
	const char *const unpack[] = { "bundle", "unbundle", path, NULL }, *const make[] = {
		"update-ref", "-m", "dayfly run", ref, commit, "", NULL
	};
	int r = name_ref(branch, ref, e);
	if (r < 0 || !path)
		return r < 0 ? r : err_set(e, ERR_INTERNAL, errno, "find the bundle");
	/* "COMMIT HEAD" and the branch's line. */
	if (git_here(dir, unpack, &heads, NULL, e) < 0)
		return -EIO;
	snprintf(commit, sizeof(commit), "%.*s", (int)strcspn(heads, " "), heads);
	/* The empty old value: only if there is none. */
	return git_here(dir, make, &out, NULL, e) < 0 ? -EIO : 0;
}
