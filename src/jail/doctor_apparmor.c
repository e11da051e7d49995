/* AppArmor, which on several systems takes all rights from the user namespaces of programs that
 * have no profile. */
#include "jail/doctor_priv.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define INSTALLED DAYFLY_LIBEXECDIR "/dayfly-warden"
#define PROFILE	  DAYFLY_DOCDIR "/apparmor/dayfly"

void doctor_apparmor_label(char *ret, size_t size)
{
	/* The second is the file of whichever security module is first. */
	static const char *const files[] = { "/proc/self/attr/apparmor/current",
		"/proc/self/attr/current" };
	ret[0] = '\0';
	if (access("/sys/module/apparmor", F_OK) < 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(files) && !ret[0]; i++) {
		auto_free char *text = doctor_read(files[i]);
		if (text)
			str_escape(text, strcspn(text, "\n"), ret, size);
	}
}

void doctor_apparmor_note(struct err *e)
{
	char label[128];
	doctor_apparmor_label(label, sizeof(label));
	if (!e || !str_starts(label, "unprivileged_userns"))
		return;
	size_t len = strlen(e->msg);
	snprintf(e->msg + len, sizeof(e->msg) - len, " (under the AppArmor profile %s)", label);
}

bool doctor_is_plain_path(const char *path)
{
	static const char plain[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._+-";
	return path[0] == '/' && path[strspn(path, plain)] == '\0';
}

/* The shipped profile attaches by path; for another place it has to be written for that place. */
void doctor_hint_apparmor(const struct doctor *d, struct doctor_finding *f)
{
	doctor_why(f,
		"kernel.apparmor_restrict_unprivileged_userns=1 and no profile allows it to %s",
		d->self);
	if (!strcmp(d->self, INSTALLED) && access(PROFILE, R_OK) == 0)
		doctor_fix(f, "sudo install -m644 " PROFILE " /etc/apparmor.d/dayfly && sudo "
			      "apparmor_parser -r /etc/apparmor.d/dayfly");
	else if (doctor_is_plain_path(d->self))
		doctor_fix(f,
			"printf 'abi <abi/4.0>,\\ninclude <tunables/global>\\nprofile dayfly-here "
			"%s "
			"flags=(unconfined) {\\n  userns,\\n}\\n' | sudo tee "
			"/etc/apparmor.d/dayfly-here && "
			"sudo apparmor_parser -r /etc/apparmor.d/dayfly-here   # whoever can "
			"replace that "
			"file gets the right too",
			d->self);
	else
		doctor_fix(f, "sudo make install   # a profile attaches by path, and this one "
			      "cannot stand in it");
}
