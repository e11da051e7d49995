/* What an entry of a tar may be: see entry.h. Runs in dayfly-unpack. Pure. */
#include "unpack/entry.h"

#include <string.h>
#include <sys/stat.h>

#define PATH_BYTES 4096

/* Relative, and without ".." anywhere. */
static bool is_inside(const char *path)
{
	if (path[0] == '/' || strlen(path) >= PATH_BYTES)
		return false;
	for (const char *p = path; *p;) {
		size_t len = strcspn(p, "/");
		if (len == 2 && p[0] == '.' && p[1] == '.')
			return false;
		p += len;
		p += *p == '/';
	}
	return true;
}

bool entry_is_top(const struct entry *en)
{
	/* "." and slashes only: "./", "././" */
	for (const char *p = en->path; *p; p++)
		if (*p != '/' && !(*p == '.' && (p[1] == '/' || p[1] == '\0')))
			return false;
	return en->path[0] == '.';
}

const char *entry_refusal(const struct entry *en, struct entry_room *room)
{
	if (!en->path || !en->path[0])
		return "it has no name";
	if (!is_inside(en->path))
		return "its name is absolute, has \"..\" in it or is too long";
	if (en->hardlink && !is_inside(en->hardlink))
		return "it is a hard link to something outside";
	if (!en->hardlink && !S_ISREG(en->type) && !S_ISDIR(en->type) && !S_ISLNK(en->type))
		return "it is a device, a FIFO, a socket or unknown";
	if (room->entries == 0)
		return "there are more entries than limits.inodes allows";
	room->entries--;
	/* A hard link of pax may bring contents, which go into the file. */
	if (!S_ISREG(en->type) && !en->hardlink)
		return NULL;
	if (en->size < 0 || (uint64_t)en->size > room->bytes)
		return "it would be more bytes than limits.disk allows";
	room->bytes -= (uint64_t)en->size;
	return NULL;
}
