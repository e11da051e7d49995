/* The scripts of git's jails: see script.h. */
#include "git/script.h"

/*
 * Only the one ref comes, no tags, and no submodules but by this script, one by one. Locks are
 * those of a fetch that was killed: this is the only one here. What was fetched is kept by a ref of
 * its own, or it would not be found again. What is said of submodules is read by modules.c, which
 * believes none of it; a path that git has to quote is refused there.
 */
const char git_script_fetch[] =
	"set -e\n"
	"trap '' XFSZ\n" /* or git dies without a word */
	"url=$1 ref=$2 depth=$3 dir=$4 modules=$5\n"
	"say() {\n"
	"	echo had $1\n"
	"	echo commit \"$2\"\n"
	"	[ \"$modules\" ] || return 0\n"
	"	git -c core.quotePath=false ls-tree -r --full-tree \"$2\" |\n"
	"		sed -n 's/^160000 commit \\([0-9a-f]*\\)\\t/link \\1 /p' | head -n 100\n"
	"	git config --blob \"$2:.gitmodules\" --get-regexp '^submodule\\..*\\.(path|url)$' "
	"\\\n"
	"		2>/dev/null | sed 's/^/module /' || true\n"
	"	echo end\n"
	"}\n"
	"mkdir -p \"$dir\"\n"
	"cd \"$dir\"\n"
	"[ -e HEAD ] || git init -q --bare .\n"
	"rm -f ./*.lock objects/pack/tmp_* refs/dayfly/*.lock\n"
	"if [ ${#ref} = 40 ] && git rev-parse -q --verify \"refs/dayfly/$ref\" >/dev/null; then\n"
	"	say 1 \"$ref\"\n"
	"	exit\n"
	"fi\n"
	"git fetch -q --no-tags --no-recurse-submodules --no-write-fetch-head --update-shallow \\\n"
	"	${depth:+--depth=1} -- \"$url\" \"+$ref:refs/dayfly/new\" || {\n"
	"	status=$?\n"
	"	rm -f objects/pack/tmp_*\n"
	"	exit $status\n"
	"}\n"
	"commit=$(git rev-parse -q --verify 'refs/dayfly/new^{commit}') || exit 73\n"
	"had=0\n"
	"git rev-parse -q --verify \"refs/dayfly/$commit\" >/dev/null && had=1\n"
	"git update-ref \"refs/dayfly/$commit\" \"$commit\"\n"
	"git update-ref -d refs/dayfly/new\n"
	"say $had \"$commit\"\n";

/*
 * The sizes are looked at first: a commit of a few bytes can stand for any number of files. Every
 * object is hashed on its way into the tree's own repository; then every file is compared with the
 * commit by an index that knows nothing yet, and there must be no other file. Submodules come after
 * what they lie in, each in a repository of its own where it is seen (".git/modules" would make a
 * place of a name), in a directory that is empty and lies where its path says: no link leads there.
 */
const char git_script_checkout[] =
	"set -e\n"
	"trap '' XFSZ\n"
	"commit=$1 depth=$2 origin=$3 bytes=$4 files=$5\n"
	"tab=$(printf '\\t')\n"
	"list() {\n"
	"	git --git-dir=\"$1\" ls-tree -r -l --full-tree \"$2\"\n"
	"}\n"
	"lists() {\n"
	"	list " GIT_JAIL_MIRROR " \"$commit\"\n"
	"	while IFS=$tab read -r key id url path; do\n"
	"		list \"" GIT_JAIL_MIRROR "/modules/$key\" \"$id\"\n"
	"	done <" GIT_JAIL_MODULES "\n"
	"}\n"
	"links=$(lists | awk -v bytes=\"$bytes\" -v files=\"$files\" '\n"
	"	$2 == \"blob\" { sum += int(($4 + 4095) / 4096) * 4096 }\n"
	"	$2 == \"commit\" { links++ }\n"
	"	sum > bytes || NR > files { bad = 1; exit }\n"
	"	END { if (bad) exit 1; print links + 0 }') || exit 74\n"
	"put() {\n"
	"	git init -q .\n"
	"	mkdir -p .git/info\n"
	"	echo '* -text -ident !filter !working-tree-encoding' >.git/info/attributes\n"
	"	git fetch -q --no-tags --no-recurse-submodules --no-write-fetch-head \\\n"
	"		--update-shallow ${depth:+--depth=1} -- \"file://$1\" \"$2\"\n"
	"	git remote add origin \"$3\"\n"
	"	git checkout -q --detach \"$2\" --\n"
	"	[ \"$(git rev-parse HEAD)\" = \"$2\" ] || exit 75\n"
	"	if [ -s " GIT_JAIL_MODULES " ]; then git config submodule.active .; fi\n"
	"	export GIT_INDEX_FILE=/tmp/index\n"
	"	rm -f /tmp/index\n"
	"	git read-tree \"$2\"\n"
	"	git update-index -q --really-refresh >/dev/null || exit 75\n"
	"	[ -z \"$(git ls-files -o | head -c 1)\" ] || exit 75\n"
	"	unset GIT_INDEX_FILE\n"
	"}\n"
	"cd " GIT_JAIL_TREE "\n"
	"put " GIT_JAIL_MIRROR " \"$commit\" \"$origin\"\n"
	"while IFS=$tab read -r key id url path; do\n"
	"	cd \"" GIT_JAIL_TREE "/$path\" && [ \"$(pwd -P)\" = \"" GIT_JAIL_TREE
	"/$path\" ] &&\n"
	"		[ -z \"$(ls -A)\" ] || exit 76\n"
	"	put \"" GIT_JAIL_MIRROR "/modules/$key\" \"$id\" \"$url\" </dev/null\n"
	"done <" GIT_JAIL_MODULES "\n"
	"cd " GIT_JAIL_TREE "\n"
	"set -- $(du -sk .)\n"
	"echo kib \"$1\"\n"
	"echo submodules $links\n";

/*
 * Nothing of the host counts (GIT_CONFIG_NOSYSTEM, and this is the user's file). What fsck is not
 * to mind are faults of old programs that do no harm, and stand in well-known repositories.
 */
const char git_script_config[] =
	"[safe]\n"
	"	directory = *\n"
	"[init]\n"
	"	defaultBranch = main\n"
	"	templateDir =\n"
	"[core]\n"
	"	hooksPath = /dev/null\n"
	"	fsmonitor = false\n"
	"	autocrlf = false\n"
	"[protocol]\n"
	"	version = 2\n"
	"[transfer]\n"
	"	fsckObjects = true\n"
	"	unpackLimit = 1\n"
	"[fetch]\n"
	"	recurseSubmodules = false\n"
	"	writeCommitGraph = false\n"
	"[fetch \"fsck\"]\n"
	"	zeroPaddedFilemode = ignore\n"
	"	badTimezone = ignore\n"
	"	missingSpaceBeforeDate = ignore\n"
	"	missingSpaceBeforeEmail = ignore\n"
	"	missingEmail = ignore\n"
	"	zeroPaddedDate = ignore\n"
	"	nullSha1 = ignore\n"
	"[uploadpack]\n"
	"	allowAnySHA1InWant = true\n"
	"[http]\n"
	"	followRedirects = false\n"
	"	lowSpeedLimit = 100\n"
	"	lowSpeedTime = 60\n"
	"[credential]\n"
	/* What is not taken is not to be forgotten: it cannot be written. */
	"	helper = \"!f() { [ $1 != get ] || git credential-store "
	"--file=/run/secrets/credentials get; }; f\"\n"
	"[gc]\n"
	"	auto = 0\n"
	"[maintenance]\n"
	"	auto = false\n"
	"[advice]\n"
	"	detachedHead = false\n"
	"[submodule]\n"
	"	recurse = false\n";
