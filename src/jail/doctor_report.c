/* How findings are printed. The warden links no JSON library; one object on a line needs none. */
#include "jail/doctor_priv.h"

#include "base/cleanup.h"
#include "base/str.h"

static const char *const status_names[] = {
	[DOCTOR_OK] = "ok",
	[DOCTOR_DEGRADED] = "degraded",
	[DOCTOR_MISSING] = "missing",
};

const char *doctor_status_name(enum doctor_status s)
{
	return status_names[s];
}

static void write_char(FILE *out, unsigned char c)
{
	if (c == '"' || c == '\\')
		fprintf(out, "\\%c", c);
	else if (c == '\n')
		fputs("\\n", out);
	else if (c == '\t')
		fputs("\\t", out);
	else if (c < 0x20 || c == 0x7f)
		fprintf(out, "\\u%04x", c);
	else
		fputc(c, out);
}

/* Bytes of the character at s, 0 if they are not UTF-8. */
static size_t char_len(const char *s)
{
	for (size_t n = 1; n <= 4; n++) {
		if (str_utf8_prefix(s, n) == n)
			return n;
		if (s[n] == '\0')
			return 0;
	}
	return 0;
}

void doctor_write_string(FILE *out, const char *s)
{
	fputc('"', out);
	while (*s) {
		size_t n = char_len(s);
		if (n == 0)
			fputs("\\ufffd", out);
		for (size_t i = 0; i < n; i++)
			write_char(out, (unsigned char)s[i]);
		s += n ? n : 1;
	}
	fputc('"', out);
}

void doctor_write_json(FILE *out, const struct doctor_label *label, const struct doctor_finding *f)
{
	const struct {
		const char *key, *text;
	} texts[] = {
		{ "group", label->group },
		{ "for", label->feature },
		{ "why", f->why },
		{ "fix", f->fix },
	};
	fputs("{\"check\":", out);
	doctor_write_string(out, label->name);
	fprintf(out, ",\"status\":\"%s\",\"needed\":%s", doctor_status_name(f->status),
		f->needed ? "true" : "false");
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		fprintf(out, ",\"%s\":", texts[i].key);
		doctor_write_string(out, texts[i].text);
	}
	fputs("}\n", out);
}
