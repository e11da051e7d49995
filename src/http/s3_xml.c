/* The little XML of S3: see s3_xml.h. */
#include "http/s3_xml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *text;
	char c;
} entities[] = { { "&amp;", '&' }, { "&lt;", '<' }, { "&gt;", '>' }, { "&quot;", '"' },
	{ "&apos;", '\'' }, { "&#34;", '"' }, { "&#38;", '&' }, { "&#39;", '\'' }, { NULL, 0 } };

/* Behind the opening tag NAME at s; NULL: there is another, or it is empty. */
static const char *behind_tag(const char *s, const char *name)
{
	size_t n = strlen(name);
	if (*s != '<' || strncmp(s + 1, name, n) != 0 || !strchr(" \t\r\n>", s[1 + n]) || !s[1 + n])
		return NULL;
	s += 1 + n;
	/* Attributes: nothing that looks like a tag. */
	s += strcspn(s, "<>");
	return *s == '>' && s[-1] != '/' ? s + 1 : NULL;
}

/* Behind what may stand before the root, and its tag. */
static const char *behind_root(const char *xml, const char *root)
{
	xml += strspn(xml, " \t\r\n");
	if (!strncmp(xml, "<?xml", 5)) {
		const char *end = strstr(xml, "?>");
		if (!end)
			return NULL;
		xml = end + 2;
		xml += strspn(xml, " \t\r\n");
	}
	return behind_tag(xml, root);
}

bool s3_xml_is(const char *xml, const char *root)
{
	return behind_root(xml, root) != NULL;
}

/* One character of text at *s, which moves on; 0: none that is allowed. */
static char next_char(const char **s)
{
	if (**s == '&') {
		for (size_t i = 0; entities[i].text; i++) {
			size_t n = strlen(entities[i].text);
			if (!strncmp(*s, entities[i].text, n)) {
				*s += n;
				return entities[i].c;
			}
		}
		return 0;
	}
	return **s > ' ' && **s <= '~' && **s != '<' && **s != '>' ? *(*s)++ : 0;
}

bool s3_xml_value(const char *xml, const char *root, const char *name, char *out, size_t size)
{
	const char *s = behind_root(xml, root), *text = NULL;
	size_t n = 0, name_len = strlen(name);
	for (; s && !text && (s = strchr(s, '<')); s++)
		text = behind_tag(s, name);
	while (text && *text && *text != '<') {
		char c = next_char(&text);
		if (!c || n + 1 >= size)
			return false;
		out[n++] = c;
	}
	if (!text || !n || strncmp(text, "</", 2) != 0 || strncmp(text + 2, name, name_len) != 0 ||
		text[2 + name_len] != '>')
		return false;
	out[n] = '\0';
	return true;
}

static void print_escaped(FILE *out, const char *s)
{
	for (; *s; s++) {
		size_t i = 0;
		while (entities[i].text && entities[i].c != *s)
			i++;
		if (entities[i].text)
			fputs(entities[i].text, out);
		else
			fputc(*s, out);
	}
}

char *s3_xml_complete(char *const *etags, size_t n)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	if (!out)
		return NULL;
	fputs("<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">", out);
	for (size_t i = 0; i < n; i++) {
		fprintf(out, "<Part><PartNumber>%zu</PartNumber><ETag>", i + 1);
		print_escaped(out, etags[i]);
		fputs("</ETag></Part>", out);
	}
	fputs("</CompleteMultipartUpload>", out);
	bool is_whole = !ferror(out);
	if (fclose(out) == 0 && is_whole)
		return text;
	free(text);
	return NULL;
}
