/* Headers of tars: see tar.h. */
#include "base/tar.h"

#include <string.h>

/* Octal as long as it fits, else the bytes themselves behind a mark, as GNU tar does it. */
void tar_set_number(char *field, size_t size, uint64_t value)
{
	if (value >> (3 * (size - 1)) == 0) {
		for (size_t i = size - 1; i > 0; i--, value >>= 3)
			field[i - 1] = (char)('0' + (value & 7));
		return;
	}
	for (size_t i = size; i > 1; i--, value >>= 8)
		field[i - 1] = (char)(value & 0xff);
	field[0] = (char)0x80;
}

void tar_finish_header(struct tar_header *h, char type, uint64_t size)
{
	unsigned sum = 0;
	h->type = type;
	tar_set_number(h->size, sizeof(h->size), size);
	memcpy(h->magic, "ustar  ", sizeof(h->magic));
	memset(h->checksum, ' ', sizeof(h->checksum));
	for (size_t i = 0; i < sizeof(*h); i++)
		sum += ((const unsigned char *)h)[i];
	tar_set_number(h->checksum, 7, sum);
	h->checksum[6] = '\0';
}
