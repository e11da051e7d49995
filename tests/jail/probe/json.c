/* JSON lines, written by hand: the probe links nothing. */
#include "probe.h"

#include <errno.h>
#include <stdio.h>

static bool first = true;

static void put_string(const char *s, size_t len)
{
	putchar('"');
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];
		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < 0x20 || c >= 0x7f)
			printf("\\u%04x", c); /* bytes above 0x7f as Latin-1 */
		else
			putchar(c);
	}
	putchar('"');
}

static void put_comma(void)
{
	if (!first)
		putchar(',');
	first = false;
}

static void put_key(const char *key)
{
	put_comma();
	printf("\"%s\":", key);
}

void out_begin(const char *what)
{
	putchar('{');
	first = true;
	out_str("what", what);
}

void out_int(const char *key, long long value)
{
	put_key(key);
	printf("%lld", value);
}

void out_hex(const char *key, unsigned long long value)
{
	put_key(key);
	printf("\"0x%llx\"", value);
}

void out_bytes(const char *key, const char *data, size_t len)
{
	put_key(key);
	put_string(data, len);
}

void out_str(const char *key, const char *value)
{
	size_t len = 0;
	while (value && value[len])
		len++;
	put_key(key);
	if (value)
		put_string(value, len);
	else
		printf("null");
}

void out_bool(const char *key, bool value)
{
	put_key(key);
	printf(value ? "true" : "false");
}

void out_list_begin(const char *key)
{
	put_key(key);
	putchar('[');
	first = true;
}

void out_item_int(long long value)
{
	put_comma();
	printf("%lld", value);
}

void out_item_str(const char *value)
{
	size_t len = 0;
	while (value[len])
		len++;
	put_comma();
	put_string(value, len);
}

void out_list_end(void)
{
	putchar(']');
	first = false;
}

void out_end(void)
{
	printf("}\n");
	fflush(stdout);
	first = true;
}

void out_result(const char *what, long long ret)
{
	int error = ret < 0 ? errno : 0;
	out_begin(what);
	out_int("ret", ret);
	out_int("errno", error);
	out_end();
}
