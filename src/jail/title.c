/* The command line as others see it: see title.h. The kernel shows the memory in which the
 * arguments were passed. */
#include "jail/title.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

static char *area;
static size_t area_size;

void title_init(int argc, char **argv)
{
	if (argc < 1)
		return;
	char *end = argv[0] + strlen(argv[0]) + 1;
	for (int i = 1; i < argc && argv[i] == end; i++)
		end = argv[i] + strlen(argv[i]) + 1;
	area = argv[0];
	area_size = (size_t)(end - area);
}

void title_set(const char *text)
{
	if (!area)
		return;
	memset(area, 0, area_size);
	snprintf(area, area_size, "%s", text);
}

void title_name(const char *name)
{
	prctl(PR_SET_NAME, name);
	title_set(name);
}
