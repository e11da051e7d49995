/* Leaving root: see privileges.h. */
#include "daemon/privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DEFAULT_USER "dayfly"

int privileges_find(const char *name, uid_t unnamed, struct identity *ret, struct err *e)
{
	errno = 0;
	const struct passwd *pw = getpwnam(name ? name : DEFAULT_USER);
	if (!pw && name)
		return err_set(
			e, ERR_BAD_VALUE, errno ? errno : ENOENT, "--user: no user \"%s\"", name);
	if (pw && (pw->pw_uid == 0 || pw->pw_gid == 0))
		return err_set(e, ERR_BAD_VALUE, EINVAL, "user %s is root or in the group root",
			pw->pw_name);
	ret->uid = pw ? pw->pw_uid : unnamed;
	ret->gid = pw ? pw->pw_gid : unnamed;
	return 0;
}

static int drop_bounding_set(struct err *e)
{
	for (unsigned long cap = 0;; cap++) {
		int r = prctl(PR_CAPBSET_READ, cap, 0, 0, 0);
		if (r < 0)
			return 0; /* past the last capability of this kernel */
		if (r == 1 && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return err_set(e, ERR_INTERNAL, errno,
				"drop capability %lu from the bounding set", cap);
	}
}

static int clear_capabilities(struct err *e)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2], seen[2];
	memset(none, 0, sizeof(none));
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return err_set(e, ERR_INTERNAL, errno, "clear ambient capabilities");
	if (syscall(SYS_capset, &header, none) < 0)
		return err_set(e, ERR_INTERNAL, errno, "clear capabilities");
	if (syscall(SYS_capget, &header, seen) < 0 || memcmp(seen, none, sizeof(none)) != 0)
		return err_set(e, ERR_INTERNAL, EPERM, "capabilities are left after the drop");
	return 0;
}

static int verify_ids(const struct identity *id, struct err *e)
{
	uid_t ru, eu, su;
	gid_t rg, eg, sg;
	if (getresuid(&ru, &eu, &su) < 0 || getresgid(&rg, &eg, &sg) < 0)
		return err_set(e, ERR_INTERNAL, errno, "read ids");
	if (ru != id->uid || eu != id->uid || su != id->uid || rg != id->gid || eg != id->gid ||
		sg != id->gid || getgroups(0, NULL) != 0)
		return err_set(e, ERR_INTERNAL, EPERM, "ids are not as set");
	if (setuid(0) == 0)
		return err_set(e, ERR_INTERNAL, EPERM, "the way back to root is open");
	return 0;
}

int privileges_drop(const struct identity *id, struct err *e)
{
	/* The bounding set first: dropping from it needs CAP_SETPCAP. */
	int r = drop_bounding_set(e);
	if (r < 0)
		return r;
	if (setgroups(0, NULL) < 0)
		return err_set(e, ERR_INTERNAL, errno, "drop supplementary groups");
	if (setresgid(id->gid, id->gid, id->gid) < 0)
		return err_set(e, ERR_INTERNAL, errno, "become group %u", id->gid);
	if (setresuid(id->uid, id->uid, id->uid) < 0)
		return err_set(e, ERR_INTERNAL, errno, "become user %u", id->uid);
	r = clear_capabilities(e);
	if (r < 0)
		return r;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_set(e, ERR_INTERNAL, errno, "set no_new_privs");
	return verify_ids(id, e);
}
