/* What the system's own files say: read to explain findings, never to decide one. */
#include "jail/doctor_priv.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"
#include "jail/mountinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Names enough to know what is the matter. */
#define LIST_MAX 4

long doctor_sysctl(const char *name, long fallback)
{
	auto_free char *text = NULL;
	char path[128], *end;
	snprintf(path, sizeof(path), "/proc/sys/%s", name);
	if (fd_read_file(AT_FDCWD, path, 256, &text) <= 0)
		return fallback;
	long v = strtol(text, &end, 10);
	return end == text ? fallback : v;
}

const char *doctor_newuidmap_package(const char *distro)
{
	static const struct {
		const char *id, *command;
	} known[] = {
		{ "debian", "sudo apt-get install uidmap" },
		{ "ubuntu", "sudo apt-get install uidmap" },
		{ "fedora", "sudo dnf install shadow-utils" },
		{ "rhel", "sudo dnf install shadow-utils" },
		{ "arch", "sudo pacman -S shadow" },
		{ "alpine", "sudo apk add shadow-subids" },
		{ "suse", "sudo zypper install shadow" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (!strcmp(distro, known[i].id))
			return known[i].command;
	return NULL;
}

int doctor_parse_os_release(const char *text, const char *key, char *ret, size_t size)
{
	size_t key_len = strlen(key);
	for (const char *line = text; *line;) {
		size_t len = strcspn(line, "\n");
		if (len > key_len && !strncmp(line, key, key_len) && line[key_len] == '=') {
			const char *v = line + key_len + 1;
			size_t n = len - key_len - 1;
			if (n >= 2 && (v[0] == '"' || v[0] == '\'') && v[n - 1] == v[0]) {
				v++;
				n -= 2;
			}
			if (n >= size)
				return -ENOENT;
			memcpy(ret, v, n);
			ret[n] = '\0';
			return 0;
		}
		line += len + (line[len] == '\n');
	}
	return -ENOENT;
}

char *doctor_read(const char *path)
{
	char *text = NULL;
	return fd_read_file(AT_FDCWD, path, 4u << 20, &text) >= 0 ? text : NULL;
}

/* Whether a path is at or below a directory. */
static bool is_at_or_below(const char *path, const char *dir)
{
	size_t len = strcmp(dir, "/") ? strlen(dir) : 0;
	return path[0] == '/' && !strncmp(path, dir, len) &&
	       (path[len] == '/' || path[len] == '\0');
}

static bool is_one_of(const char *text, const char *const *list)
{
	while (list && *list && strcmp(*list, text) != 0)
		list++;
	return list && *list;
}

size_t doctor_list_below(
	const char *mountinfo, const char *dir, const char *const *except, char *ret, size_t size)
{
	char point[512];
	struct mount_line m;
	size_t n = 0, len = 0;
	ret[0] = '\0';
	for (const char *line = mountinfo; *line; line = mountinfo_next(line)) {
		if (!mountinfo_split(line, &m) ||
			!mountinfo_unescape(m.point, point, sizeof(point)) || !strcmp(point, dir) ||
			!is_at_or_below(point, dir) || is_one_of(point, except))
			continue;
		if (n++ < LIST_MAX && len < size)
			len += (size_t)snprintf(
				ret + len, size - len, "%s%s", len ? ", " : "", point);
	}
	if (n > LIST_MAX && len < size)
		snprintf(ret + len, size - len, " and %zu more", n - LIST_MAX);
	return n;
}

void doctor_filesystem(const char *mountinfo, const char *path, char *ret, size_t size)
{
	char point[512];
	struct mount_line m;
	size_t longest = 0;
	ret[0] = '\0';
	/* Of two at the same point the later one is on top. */
	for (const char *line = mountinfo; *line; line = mountinfo_next(line)) {
		if (!mountinfo_split(line, &m) ||
			!mountinfo_unescape(m.point, point, sizeof(point)) ||
			strlen(point) < longest || !is_at_or_below(path, point))
			continue;
		longest = strlen(point);
		mountinfo_unescape(m.type, ret, size);
	}
}

void doctor_fix_sysctl(struct doctor_finding *f, const char *name, const char *value)
{
	doctor_fix(f,
		"echo '%s = %s' | sudo tee /etc/sysctl.d/90-dayfly-%s.conf && sudo sysctl --system",
		name, value, strrchr(name, '.') + 1);
}

static void learn_distro(struct doctor *d)
{
	static const char *const families[] = { "debian", "ubuntu", "fedora", "rhel", "arch",
		"alpine", "suse" };
	auto_free char *text = NULL;
	char like[128] = "";
	if (fd_read_file(AT_FDCWD, "/etc/os-release", 65536, &text) <= 0 &&
		fd_read_file(AT_FDCWD, "/usr/lib/os-release", 65536, &text) <= 0)
		return;
	doctor_parse_os_release(text, "ID", d->distro, sizeof(d->distro));
	doctor_parse_os_release(text, "ID_LIKE", like, sizeof(like));
	/* A derivative is taken for the first family that it names, as far as packages go. */
	for (size_t i = 0; !doctor_newuidmap_package(d->distro) && i < ARRAY_SIZE(families); i++)
		if (strstr(like, families[i]))
			snprintf(d->distro, sizeof(d->distro), "%s", families[i]);
}

static void learn_container(struct doctor *d)
{
	static const struct {
		const char *path, *name;
	} marks[] = {
		{ "/run/.containerenv", "podman" },
		{ "/.dockerenv", "docker" },
		{ "/var/run/secrets/kubernetes.io", "kubernetes" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
		if (access(marks[i].path, F_OK) == 0) {
			snprintf(d->container, sizeof(d->container), "%s", marks[i].name);
			return;
		}
	}
	/* systemd's own note: readable by all, unlike /proc/1/environ. */
	auto_free char *text = NULL;
	if (fd_read_file(AT_FDCWD, "/run/systemd/container", 64, &text) > 0)
		snprintf(
			d->container, sizeof(d->container), "%.*s", (int)strcspn(text, "\n"), text);
}

void doctor_learn_host(struct doctor *d)
{
	const struct passwd *pw = getpwuid(d->uid);
	if (pw)
		snprintf(d->user, sizeof(d->user), "%s", pw->pw_name);
	else
		snprintf(d->user, sizeof(d->user), "%u", d->uid);
	ssize_t n = readlink("/proc/self/exe", d->self, sizeof(d->self) - 1);
	d->self[n > 0 ? n : 0] = '\0';
	learn_distro(d);
	learn_container(d);
}
