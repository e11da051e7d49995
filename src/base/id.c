/* Random identifiers: see id.h. */
#include "base/id.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

int id_make_task(char out[ID_TASK_SIZE])
{
	uint8_t raw[16];
	if (getrandom(raw, sizeof(raw), 0) != (ssize_t)sizeof(raw))
		return errno ? -errno : -EIO;
	memcpy(out, "t-", 2);
	for (size_t i = 0; i < sizeof(raw); i++)
		snprintf(out + 2 + 2 * i, 3, "%02x", raw[i]);
	return 0;
}

bool id_is_task_prefix(const char *text)
{
	size_t len = strlen(text);
	return len >= 3 && len < ID_TASK_SIZE && !strncmp(text, "t-", 2) &&
	       strspn(text + 2, "0123456789abcdef") == len - 2;
}

bool id_is_task(const char *text)
{
	return strlen(text) == ID_TASK_SIZE - 1 && id_is_task_prefix(text);
}
