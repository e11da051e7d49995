/* The tables of docs/protocol.md, printed from the schema: see schema.h. A test compares the
 * document with them. */
#include "proto/schema.h"

#include "base/cleanup.h"
#include "base/limits.h"

#include <inttypes.h>
#include <string.h>

static const char *const types[KIND_COUNT] = {
	[KIND_OP] = "string",
	[KIND_STRING] = "string",
	[KIND_NAME] = "string",
	[KIND_TASK_NAME] = "string",
	[KIND_LABEL] = "string",
	[KIND_PATH] = "string",
	[KIND_SIGNAL] = "string",
	[KIND_SIZE] = "size",
	[KIND_DURATION] = "duration",
	[KIND_CPUS] = "number or string",
	[KIND_UINT] = "integer",
	[KIND_INT] = "integer",
	[KIND_FD] = "integer",
	[KIND_MODE] = "string",
	[KIND_TIME] = "time",
	[KIND_BOOL] = "boolean",
	[KIND_WORD] = "string",
	[KIND_WORDS] = "list of strings",
	[KIND_STRINGS] = "list of strings",
	[KIND_ENV] = "object of strings",
	[KIND_LABELS] = "object of strings",
	[KIND_TEXT] = "string",
	[KIND_BASE64] = "string",
	[KIND_OBJECT] = "object",
	[KIND_POINTER] = "object",
	[KIND_LIST] = "list of objects",
};

/* GitHub's anchor of a heading: lower case, without marks. */
static void print_anchor(FILE *out, const char *title)
{
	for (; *title; title++)
		if (!strchr(".[]`", *title))
			fputc(*title, out);
}

static void print_words(FILE *out, const struct schema_word *words)
{
	for (size_t i = 0; words[i].name; i++)
		fprintf(out, "%s`%s`", i ? ", " : "", words[i].name);
}

static void print_range(FILE *out, const struct schema_field *f)
{
	char min[SCHEMA_BOUND_SIZE], max[SCHEMA_BOUND_SIZE];
	schema_format_bound(f->kind, f->min, min);
	schema_format_bound(f->kind, f->max, max);
	fprintf(out, "%s to %s", min, max);
}

static void print_allowed(FILE *out, const struct schema_field *f)
{
	switch (f->kind) {
	case KIND_OP:
		fputs("an operation", out);
		break;
	case KIND_NAME:
	case KIND_TASK_NAME:
		fprintf(out, "a name of at most %" PRIu64 " bytes", f->max);
		break;
	case KIND_LABEL:
		fprintf(out, "\"key\" or \"key=value\", of at most %" PRIu64 " bytes", f->max);
		break;
	case KIND_PATH:
		fprintf(out, "an absolute path of at most %" PRIu64 " bytes", f->max);
		break;
	case KIND_SIGNAL:
		fputs("a signal", out);
		break;
	case KIND_SIZE:
	case KIND_DURATION:
	case KIND_CPUS:
	case KIND_UINT:
	case KIND_INT:
	case KIND_FD:
		print_range(out, f);
		break;
	case KIND_TIME:
		fputs("a moment as RFC 3339 has it", out);
		break;
	case KIND_MODE:
		fprintf(out, "an octal number from %04o to %04o", (unsigned)f->min,
			(unsigned)f->max);
		break;
	case KIND_BOOL:
		fputs("`true`, `false`", out);
		break;
	case KIND_WORD:
	case KIND_WORDS:
		print_words(out, f->words);
		break;
	case KIND_STRINGS:
		fprintf(out, "%" PRIu64 " to %" PRIu64 " entries of at most %u bytes", f->min,
			f->max, LIMIT_ARG_BYTES - 1);
		break;
	case KIND_ENV:
		fprintf(out, "at most %" PRIu64 " entries", f->max);
		break;
	case KIND_LABELS:
		fprintf(out,
			"at most %" PRIu64 " entries; keys are names, values have at most %d bytes",
			f->max, LIMIT_LABEL_BYTES);
		break;
	case KIND_OBJECT:
	case KIND_POINTER:
	case KIND_LIST:
		if (f->kind == KIND_LIST)
			fprintf(out, "at most %" PRIu64 " of ", f->max);
		fprintf(out, "[`%s`](#", f->object->title);
		print_anchor(out, f->object->title);
		fputc(')', out);
		break;
	default:
		fprintf(out, "%s%" PRIu64 " bytes", f->min ? "1 to " : "at most ", f->max);
		break;
	}
}

static void print_field(FILE *out, const struct schema_field *f, bool is_required)
{
	fprintf(out, "| `%s` | %s | ", f->name, types[f->kind]);
	print_allowed(out, f);
	if (is_required)
		fputs(" | **needed**", out);
	else if (f->kind == KIND_WORD)
		fprintf(out, " | `%s`", f->words[0].name);
	else
		fprintf(out, " | %s", f->absent ? f->absent : "");
	fprintf(out, " | %s |\n", f->doc);
}

static void print_head(FILE *out)
{
	fputs("| Field | Type | Allowed | If absent | Meaning |\n|---|---|---|---|---|\n", out);
}

static void print_object(FILE *out, const struct schema_object *object)
{
	fprintf(out, "\n### `%s`\n\n", object->title);
	print_head(out);
	for (size_t i = 0; i < object->n_fields; i++)
		print_field(out, &object->fields[i], object->fields[i].required);
}

static bool is_common(const struct schema_field *f)
{
	return f->ops == OPS_ALL;
}

static void print_operation(FILE *out, enum op op)
{
	const struct schema_object *object = &schema_request;
	bool has_fields = false;
	fprintf(out, "\n### `%s`\n\n`%s` %s.\n", op_name(op), op_name(op), op_meaning(op));
	for (size_t i = 0; i < object->n_fields; i++) {
		const struct schema_field *f = &object->fields[i];
		if (is_common(f) || !(f->ops & OP_BIT(op)))
			continue;
		if (!has_fields) {
			fputc('\n', out);
			print_head(out);
			has_fields = true;
		}
		print_field(out, f, f->required & OP_BIT(op));
	}
	if (!has_fields)
		fputs("It takes no other field.\n", out);
}

void schema_print_markdown(FILE *out)
{
	fputs("### Every operation\n\n", out);
	print_head(out);
	for (size_t i = 0; i < schema_request.n_fields; i++)
		if (is_common(&schema_request.fields[i]))
			print_field(out, &schema_request.fields[i], true);
	for (unsigned op = 0; op < OP_COUNT; op++)
		print_operation(out, (enum op)op);

	const struct schema_object *objects[] = { &schema_task, &schema_workspace, &schema_mount,
		&schema_source, &schema_git, &schema_file, &schema_secret, &schema_tar,
		&schema_limits, &schema_concurrency, &schema_webhook, &schema_changes,
		&schema_artifacts, &schema_artifact, &schema_upload };
	for (size_t i = 0; i < ARRAY_SIZE(objects); i++)
		print_object(out, objects[i]);

	fputs("\n### Error codes\n\n| Code | Meaning |\n|---|---|\n", out);
	for (unsigned i = 0; i < ERR_CODE_COUNT; i++)
		fprintf(out, "| `%s` | %s |\n", err_code_name((enum err_code)i),
			err_code_meaning((enum err_code)i));
}
