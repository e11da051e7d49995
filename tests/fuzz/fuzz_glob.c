/* A pattern and a path: every pattern that is one can be asked anything, a path without what is
 * special in it matches itself as a pattern, and what leads to a match may lead on. */
#include "base/beneath.h"
#include "base/glob.h"
#include "fuzz/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_leads(const char *pattern, char *path)
{
	for (char *slash = path; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		/* Or the directory itself matches. */
		if (!glob_may_lead(pattern, path) && !glob_matches(pattern, path))
			abort();
		*slash = '/';
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *pattern = text_of(data, size < 512 ? size : 512);
	char *path = cut_line(pattern);
	if (!beneath_path_is_clean(path) || !glob_is_valid(pattern)) {
		free(pattern);
		return 0;
	}
	if (glob_matches(pattern, path))
		check_leads(pattern, path);
	else
		glob_may_lead(pattern, path);
	if (!strpbrk(path, "*?[\\") && !glob_matches(path, path))
		abort();
	free(pattern);
	return 0;
}
