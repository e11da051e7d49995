/* How findings are printed. The warden links no JSON library; one object on a line needs none. */
#include "jail/doctor_priv.h"

#include "base/str.h"

#include <string.h>

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

void doctor_write_json(FILE *out, const char *check, const struct doctor_finding *f)
{
	fputs("{\"check\":", out);
	doctor_write_string(out, check);
	fprintf(out, ",\"status\":\"%s\",\"needed\":%s,\"why\":", doctor_status_name(f->status),
		f->needed ? "true" : "false");
	doctor_write_string(out, f->why);
	fputs(",\"fix\":", out);
	doctor_write_string(out, f->fix);
	fputs("}\n", out);
}

void doctor_write_text(FILE *out, const char *check, const struct doctor_finding *f)
{
	char why[2 * sizeof(f->why)];
	str_escape(f->why, strlen(f->why), why, sizeof(why));
	fprintf(out, "%-8s %s%s%s\n", doctor_status_name(f->status), check, why[0] ? ": " : "",
		why);
	if (f->fix[0])
		fprintf(out, "         fix: %s\n", f->fix);
}
