/* A comment in a tar: see change_stamp.h. */
#include "cli/change_stamp.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/tar.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void fill_header(struct tar_header *h, size_t len)
{
	unsigned sum = 0;
	*h = (struct tar_header){ .type = 'g' };
	snprintf(h->name, sizeof(h->name), "pax_global_header");
	snprintf(h->mode, sizeof(h->mode), "%07o", 0666u);
	snprintf(h->uid, sizeof(h->uid), "%07o", 0u);
	snprintf(h->gid, sizeof(h->gid), "%07o", 0u);
	snprintf(h->size, sizeof(h->size), "%011zo", len);
	snprintf(h->mtime, sizeof(h->mtime), "%011o", 0u);
	memcpy(h->magic,
		"ustar\0"
		"00",
		sizeof(h->magic));
	memset(h->checksum, ' ', sizeof(h->checksum));
	for (size_t i = 0; i < sizeof(*h); i++)
		sum += ((const unsigned char *)h)[i];
	snprintf(h->checksum, sizeof(h->checksum), "%06o", sum);
}

int change_stamp_write(int fd, const struct change_stamp *s)
{
	struct {
		struct tar_header header;
		char text[TAR_BLOCK];
	} blocks = { 0 };
	_Static_assert(sizeof(blocks) == CHANGE_STAMP_BYTES, "a header and a block");
	char word[128];
	int n = snprintf(word, sizeof(word),
		" comment=dayfly %" PRId64 ".%09ld %" PRIu64 " %" PRIu64 "\n",
		(int64_t)s->base.tv_sec, s->base.tv_nsec, s->inode, s->device);
	/* The length counts its own two digits. */
	int len = snprintf(blocks.text, sizeof(blocks.text), "%d%s", n + 2, word);
	fill_header(&blocks.header, (size_t)len);
	return fd_write_all(fd, &blocks, sizeof(blocks));
}

bool change_stamp_parse(const char *text, struct change_stamp *ret)
{
	struct change_stamp s;
	int64_t sec;
	unsigned len;
	int end = 0;
	/* One without a device, as they were once, does not tell which directory it was. */
	if (sscanf(text, "%2u comment=dayfly %" SCNd64 ".%9ld %" SCNu64 " %" SCNu64 "%n", &len,
		    &sec, &s.base.tv_nsec, &s.inode, &s.device, &end) != 5 ||
		strcmp(text + end, "\n") != 0 || len != strlen(text))
		return false;
	s.base.tv_sec = sec;
	/* A moment that has not been yet would forbid nothing. */
	if (sec <= 0 || s.base.tv_nsec < 0 || sec > (int64_t)(clock_real_ns() / NS_PER_S))
		return false;
	*ret = s;
	return true;
}
