/* The text of /proc/self/mountinfo after a line with a path: a mount that is found has an absolute
 * point, and what lies below it is a relative path that fits. */
#include "fuzz/text.h"
#include "jail/cgroup_parse.h"
#include "jail/doctor_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_found(const struct cgroup_mount *m)
{
	size_t len = strnlen(m->below, sizeof(m->below));
	if (m->point[0] != '/' || !memchr(m->point, '\0', sizeof(m->point)) ||
		len == sizeof(m->below))
		abort();
	if (len && (m->below[0] == '/' || m->below[len - 1] == '/'))
		abort();
}

/* A cgroup mount is one of cgroup v2 for both readers. */
static void check_cgroup(const char *mountinfo, const char *path)
{
	struct cgroup_mount m;
	int r = cgroup_parse_mount(mountinfo, path, &m);
	if (r == 0)
		check_found(&m);
	if (r == 0 && !strstr(mountinfo, "cgroup2"))
		abort();
	if (cgroup_parse_has_v1(mountinfo) && !strstr(mountinfo, "cgroup"))
		abort();
}

static void check_doctor(const char *mountinfo, const char *dir)
{
	char below[64], fs[16];
	size_t n = doctor_list_below(mountinfo, dir, NULL, below, sizeof(below));
	if ((n > 0) != (below[0] != '\0') && dir[0])
		abort();
	if (n && strncmp(below, dir, strnlen(dir, sizeof(below) - 1)) != 0)
		abort();
	doctor_filesystem(mountinfo, dir, fs, sizeof(fs));
	if (!memchr(fs, '\0', sizeof(fs)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *path = text_of(data, size);
	const char *mountinfo = cut_line(path);
	check_cgroup(mountinfo, path);
	check_doctor(mountinfo, path);
	free(path);
	return 0;
}
