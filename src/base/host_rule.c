/* Rules that name hosts: see host_rule.h. */
#include "base/host_rule.h"

#include "base/units.h"

#include <string.h>
#include <strings.h>

size_t host_rule_split(const char *rule, uint64_t *ret_port)
{
	const char *end = rule[0] == '[' ? strchr(rule, ']') : NULL;
	*ret_port = 0;
	if (rule[0] == '[' && !end)
		return 0;
	size_t len = end ? (size_t)(end + 1 - rule) : strcspn(rule, ":");
	if (!rule[len])
		return len;
	if (rule[len] != ':' || units_parse_uint(rule + len + 1, 65535, ret_port) < 0 || !*ret_port)
		return 0;
	return len;
}

bool host_rule_covers(const char *rule, size_t len, const char *host)
{
	size_t host_len = strlen(host);
	if (!len || !host_len)
		return false;
	if (rule[0] != '*')
		return host_len == len && !strncasecmp(rule, host, len);
	len--; /* with the dot: at least one character before it */
	return !len || (host_len > len && !strncasecmp(rule + 1, host + host_len - len, len));
}
