#include "proto/request_helper.h"

#include "base/limits.h"
#include "base/str.h"

/* ---- good requests ---- */

TEST(a_run_request_with_every_field_is_read)
{
	auto_request struct request *rq = parse_good(
		"{\"op\":\"run\",\"id\":\"r1\",\"framing\":\"raw\",\"detach\":true,\"task\":{"
		"\"argv\":[\"sh\",\"-c\",\"\"],\"env\":{\"A\":\"b=c\",\"E\":\"\"},\"labels\":{"
		"\"team\":\"x y\"},\"name\":\"job-1\","
		"\"cwd\":\"/src\",\"image\":\"/images/"
		"debian\",\"user\":\"root\",\"network\":\"host\",\"profile\":\"strict\","
		"\"tty\":true,\"rows\":24,\"cols\":80,\"stdin\":\"stream\","
		"\"workspace\":{\"path\":\"/home/me\",\"fd\":0,\"mode\":\"rw\",\"target\":\"/"
		"repo\"},"
		"\"mounts\":[{\"fd\":1,\"target\":\"/a\"},{\"path\":\"/b\",\"mode\":\"rw\"}],"
		"\"limits\":{\"wall\":\"1h30m\",\"grace\":\"500ms\",\"queue\":60,\"memory\":"
		"\"2GiB\",\"cpus\":\"1.5\",\"pids\":512,"
		"\"disk\":1073741824,\"inodes\":1000,\"output\":\"1k\",\"open_files\":256,\"file_"
		"size\":\"1m\",\"core\":\"0\"},"
		"\"best_effort\":[\"memory\",\"pids\",\"memory\"],\"on_disconnect\":\"keep\",\"on_"
		"output_limit\":\"kill\"}}");
	assert_int_equal(rq->op, OP_RUN);
	assert_string_equal(rq->id, "r1");
	assert_int_equal(rq->framing, FRAMING_RAW);
	assert_true(rq->detach);
	const struct task_spec *s = rq->spec;
	assert_int_equal(strv_len(s->argv), 3);
	assert_string_equal(s->argv[2], "");
	assert_string_equal(s->env[0], "A=b=c");
	assert_string_equal(s->env[1], "E=");
	assert_null(s->env[2]);
	assert_string_equal(s->labels[0], "team=x y");
	assert_string_equal(s->name, "job-1");
	assert_string_equal(s->cwd, "/src");
	assert_string_equal(s->image, "/images/debian");
	assert_int_equal(s->user, 1);
	assert_int_equal(s->network, 1);
	assert_int_equal(s->profile, 1);
	assert_true(s->tty);
	assert_int_equal(s->rows, 24);
	assert_int_equal(s->cols, 80);
	assert_int_equal(s->stdin_mode, STDIN_STREAM);
	assert_true(s->has_workspace);
	assert_string_equal(s->workspace.source.path, "/home/me");
	assert_int_equal(s->workspace.source.fd, 0);
	assert_int_equal(s->workspace.mode, 2);
	assert_string_equal(s->workspace.target, "/repo");
	assert_int_equal(s->n_mounts, 2);
	assert_int_equal(s->mounts[0].source.fd, 1);
	assert_null(s->mounts[0].source.path);
	assert_int_equal(s->mounts[0].mode, 1);
	assert_int_equal(s->mounts[1].source.fd, -1);
	assert_null(s->mounts[1].target);
	assert_int_equal(s->mounts[1].mode, 2);
	const struct spec_limits *l = &s->limits;
	assert_int_equal(l->wall_ms, 5400000);
	assert_int_equal(l->grace_ms, 500);
	assert_int_equal(l->queue_ms, 60000);
	assert_int_equal(l->memory_bytes, 2147483648);
	assert_int_equal(l->cpu_millis, 1500);
	assert_int_equal(l->pids, 512);
	assert_int_equal(l->disk_bytes, 1073741824);
	assert_int_equal(l->disk_inodes, 1000);
	assert_int_equal(l->output_bytes, 1024);
	assert_int_equal(l->open_files, 256);
	assert_int_equal(l->file_bytes, 1048576);
	assert_int_equal(l->core_bytes, 0);
	assert_int_equal(s->best_effort, BEST_EFFORT_MEMORY | BEST_EFFORT_PIDS);
	assert_int_equal(s->on_disconnect, ON_DISCONNECT_KEEP);
	assert_int_equal(s->on_output_limit, ON_OUTPUT_LIMIT_KILL);
}

TEST(a_run_request_with_no_more_than_it_needs_has_the_defaults)
{
	auto_request struct request *rq = parse_task("");
	const struct task_spec *s = rq->spec;
	static const struct spec_limits none;
	assert_int_equal(rq->framing, FRAMING_JSON);
	assert_false(rq->detach);
	assert_null(s->env);
	assert_null(s->labels);
	assert_null(s->name);
	assert_null(s->cwd);
	assert_null(s->image);
	assert_int_equal(s->user, 0);
	assert_int_equal(s->network, 0);
	assert_int_equal(s->profile, 0);
	assert_int_equal(s->stdin_mode, STDIN_NONE);
	assert_int_equal(s->on_disconnect, ON_DISCONNECT_KILL);
	assert_int_equal(s->on_output_limit, ON_OUTPUT_LIMIT_DROP);
	assert_false(s->has_workspace);
	assert_int_equal(s->workspace.source.fd, -1);
	assert_int_equal(s->n_mounts, 0);
	assert_memory_equal(&s->limits, &none, sizeof(none));
}

TEST(a_workspace_is_copy_on_write_when_nothing_is_said)
{
	auto_request struct request *rq = parse_task("\"workspace\":{\"path\":\"/w\"}");
	assert_true(rq->spec->has_workspace);
	assert_int_equal(rq->spec->workspace.mode, 0);
	assert_int_equal(rq->spec->workspace.source.fd, -1);
	assert_null(rq->spec->workspace.target);
}

TEST(every_other_operation_is_read)
{
	static const struct {
		const char *line;
		enum op op;
	} good[] = {
		{ "{\"op\":\"attach\",\"id\":\"a\",\"task\":\"t-0\",\"after\":9007199254740992,"
		  "\"framing\":\"raw\"}",
			OP_ATTACH },
		{ "{\"op\":\"input\",\"id\":\"a\",\"task\":\"t-0\",\"text\":\"x\",\"eof\":true}",
			OP_INPUT },
		{ "{\"op\":\"input\",\"id\":\"a\",\"task\":\"t-0\",\"bytes\":1048576}", OP_INPUT },
		{ "{\"op\":\"input\",\"id\":\"a\",\"task\":\"t-0\",\"eof\":true}", OP_INPUT },
		{ "{\"op\":\"resize\",\"id\":\"a\",\"task\":\"t-0\",\"rows\":1,\"cols\":65535}",
			OP_RESIZE },
		{ "{\"op\":\"signal\",\"id\":\"a\",\"task\":\"t-0\",\"signal\":\"sigterm\"}",
			OP_SIGNAL },
		{ "{\"op\":\"cancel\",\"id\":\"a\",\"task\":\"job.1\"}", OP_CANCEL },
		{ "{\"op\":\"list\",\"id\":\"a\",\"all\":true,\"label\":\"team=x\"}", OP_LIST },
		{ "{\"op\":\"inspect\",\"id\":\"a\",\"task\":\"t-0\"}", OP_INSPECT },
		{ "{\"op\":\"wait\",\"id\":\"a\",\"task\":\"t-0\"}", OP_WAIT },
		{ "{\"op\":\"logs\",\"id\":\"a\",\"task\":\"t-0\",\"follow\":true,\"after\":0}",
			OP_LOGS },
		{ "{\"op\":\"info\",\"id\":\"a\"}", OP_INFO },
		{ " \t{ \"id\" : \"a\" , \"op\" : \"ping\" } \r", OP_PING },
	};
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		auto_request struct request *rq = parse_good(good[i].line);
		assert_int_equal(rq->op, good[i].op);
	}
}

static const char *list_line(const char *op, const char *key, const char *rest)
{
	static char line[1024];
	snprintf(line, sizeof(line), "{\"op\":\"%s\",\"id\":\"a\",\"label\":\"%s%s\"}", op, key,
		rest);
	return line;
}

TEST(a_label_to_list_by_is_one_that_a_task_can_have)
{
	static const char *const ops[] = { "list", "events", "history" };
	static const char *const good[] = { "a", "a=", "a=b c", "a=b=c", "A-1_.x=\xc3\xa9" };
	static const char *const bad[] = { "a b", "=x", "-a", " a", "a b=c", "\xc3\xa9" };
	char value[LIMIT_LABEL_BYTES + 2];
	for (size_t op = 0; op < ARRAY_SIZE(ops); op++) {
		for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
			request_destroy(parse_good(list_line(ops[op], good[i], "")));
		}
		for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
			struct err e = assert_refused(
				list_line(ops[op], bad[i], ""), ERR_BAD_VALUE, "label");
			assert_non_null(strstr(e.msg, "is not a name"));
			assert_non_null(strstr(e.hint, "a key has at most"));
		}
		memset(value, 'x', sizeof(value) - 1);
		value[sizeof(value) - 1] = '\0';
		assert_refused(list_line(ops[op], "k=", value), ERR_TOO_LARGE, "label");
		request_destroy(parse_good(list_line(ops[op], "k=", value + 1)));
		value[LIMIT_NAME_BYTES + 1] = '\0';
		assert_refused(list_line(ops[op], value, "=v"), ERR_BAD_VALUE, "label");
		request_destroy(parse_good(list_line(ops[op], value + 1, "=v")));
	}
}

TEST(input_bytes_come_from_text_or_base64)
{
	auto_request struct request *text = parse_good(
		"{\"op\":\"input\",\"id\":\"a\",\"task\":\"t-0\",\"text\":\"\\u00e9\\n\"}");
	assert_int_equal(text->data_len, 3);
	assert_memory_equal(text->data, "\xc3\xa9\n", 3);
	auto_request struct request *b64 =
		parse_good("{\"op\":\"input\",\"id\":\"a\",\"task\":\"t-0\",\"base64\":\"AP8A\"}");
	assert_int_equal(b64->data_len, 3);
	assert_memory_equal(b64->data, "\0\xff\0", 3);
	auto_request struct request *none =
		parse_good("{\"op\":\"input\",\"id\":\"a\",\"task\":\"t-0\",\"text\":\"\"}");
	assert_int_equal(none->data_len, 0);
	assert_non_null(none->data);
}

/* ---- the tag ---- */

static char *tag_of_refused(const char *line)
{
	struct request *rq = NULL;
	char *id = NULL;
	struct err e;
	assert_true(request_parse(line, strlen(line), &rq, &id, &e) < 0);
	return id;
}

TEST(the_tag_of_a_refused_request_is_given_back_when_it_can_be_read)
{
	auto_free char *unknown_op = tag_of_refused("{\"op\":\"no\",\"id\":\"tag \\u00e9\\n\"}");
	assert_string_equal(unknown_op, "tag \xc3\xa9\n");
	auto_free char *no_op = tag_of_refused("{\"id\":\"7\"}");
	assert_string_equal(no_op, "7");
	auto_free char *bad_field = tag_of_refused("{\"id\":\"8\",\"op\":\"ping\",\"x\":1}");
	assert_string_equal(bad_field, "8");
	assert_null(tag_of_refused("{\"id\":7,\"op\":\"ping\"}"));
	assert_null(tag_of_refused("{\"id\":\"\",\"op\":\"ping\"}"));
	assert_null(tag_of_refused("{\"id\":\"8\",\"op\":\"ping\""));
}

TEST(a16_the_tag_is_a_string_of_bounded_length)
{
	char line[4300], tag[4098];
	memset(tag, 'a', sizeof(tag) - 1);
	tag[sizeof(tag) - 1] = '\0';
	snprintf(line, sizeof(line), "{\"op\":\"ping\",\"id\":\"%s\"}", tag);
	assert_refused(line, ERR_TOO_LARGE, "id");
	assert_null(tag_of_refused(line));
	tag[LIMIT_TAG_BYTES + 1] = '\0';
	snprintf(line, sizeof(line), "{\"op\":\"ping\",\"id\":\"%s\"}", tag);
	assert_refused(line, ERR_TOO_LARGE, "id");
	tag[LIMIT_TAG_BYTES] = '\0';
	snprintf(line, sizeof(line), "{\"op\":\"ping\",\"id\":\"%s\"}", tag);
	request_destroy(parse_good(line));
	assert_refused("{\"op\":\"ping\"}", ERR_MISSING_FIELD, "id");
	assert_refused("{\"op\":\"ping\",\"id\":\"\"}", ERR_BAD_VALUE, "id");
	assert_refused("{\"op\":\"ping\",\"id\":1}", ERR_WRONG_TYPE, "id");
	assert_refused("{\"op\":\"ping\",\"id\":null}", ERR_WRONG_TYPE, "id");
}

/* ---- what is not a request ---- */

#define RAW(s)                                                                                     \
	{                                                                                          \
		s, sizeof(s) - 1                                                                   \
	}

TEST(k4_bytes_that_are_no_request_are_refused)
{
	static const struct {
		const char *bytes;
		size_t len;
	} bad[] = {
		RAW(""),
		RAW(" "),
		RAW("\r"),
		RAW("{"),
		RAW("}"),
		RAW("[]"),
		RAW("[{}]"),
		RAW("null"),
		RAW("true"),
		RAW("1"),
		RAW("\"x\""),
		RAW("ping"),
		RAW("{\"op\":\"ping\",\"id\":\"1\"} x"),
		RAW("{\"op\":\"ping\",\"id\":\"1\"}{}"),
		RAW("{\"op\":\"ping\",\"id\":\"1\"}\0"),
		RAW("{\"op\":\"ping\",\"id\":\"1\",}"),
		RAW("{'op':'ping'}"),
		RAW("{op:\"ping\",\"id\":\"1\"}"),
		RAW("\xef\xbb\xbf{\"op\":\"ping\",\"id\":\"1\"}"),
		RAW("\xff\xfe{\0\"\0"),
		RAW("{\"op\":\"ping\",\"id\":\"1\" /* c */}"),
		RAW("{\"op\":\"ping\",\"id\":\"1\"//\n}"),
		RAW("{\"op\":\"ping\",\"id\":\"a\tb\"}"),
		RAW("{\"op\":\"ping\",\"id\":\"a\nb\"}"),
		RAW("{\"op\":\"ping\",\"id\":\"\\x41\"}"),
		RAW("{\"op\":\"ping\",\"id\":\"\\u12\"}"),
		RAW("{\"op\":\"ping\",\"id\":\"\\"),
		RAW("{\"op\":\"ping\",\"id\":\"1"),
		RAW("\0"),
		RAW("\0{\"op\":\"ping\",\"id\":\"1\"}"),
		RAW("{\"op\"\0:\"ping\",\"id\":\"1\"}"),
		RAW("{\"op\":\"ping\" \"id\":\"1\"}"),
		RAW("{\"op\":\"ping\",\"id\":01}"),
		RAW("{\"op\":\"ping\",\"id\":+1}"),
		RAW("{\"op\":\"ping\",\"id\":.5}"),
		RAW("{\"op\":\"ping\",\"id\":0x10}"),
	};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err e = parse_bad(bad[i].bytes, bad[i].len);
		if (e.code != ERR_PROTOCOL)
			fail_msg("case %zu: %s", i, err_code_name(e.code));
	}
}

TEST(k4_nan_and_infinity_are_no_json)
{
	assert_task_refused("\"limits\":{\"wall\":NaN}", ERR_PROTOCOL, "");
	assert_task_refused("\"limits\":{\"wall\":Infinity}", ERR_PROTOCOL, "");
	assert_task_refused("\"limits\":{\"wall\":-Infinity}", ERR_PROTOCOL, "");
}

TEST(k4_numbers_too_large_for_the_machine_are_refused_with_their_position)
{
	static const char *const bad[] = { "1e400", "1E9999", "-1e400", "9223372036854775808",
		"-9223372036854775809", "123456789012345678901234567890" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char members[128];
		snprintf(members, sizeof(members), "\"limits\":{\"pids\":%s}", bad[i]);
		struct err e = assert_task_refused(members, ERR_OUT_OF_RANGE, "");
		assert_non_null(strstr(e.msg, "byte "));
	}
}

TEST(k4_invalid_utf8_is_refused)
{
	static const char *const bad[] = { "\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80",
		"\xed\xa0\x80", "\xed\xbf\xbf", "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80", "\xff",
		"\xc3", "\xe2\x82", "\\ud800", "\\udc00", "\\ud800\\ud800", "\\ud800x" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char line[128];
		snprintf(line, sizeof(line), "{\"op\":\"ping\",\"id\":\"a%s\"}", bad[i]);
		assert_refused(line, ERR_PROTOCOL, "");
		snprintf(line, sizeof(line), "{\"op\":\"ping\",\"id\":\"1\",\"a%s\":1}", bad[i]);
		assert_refused(line, ERR_PROTOCOL, "");
	}
}

TEST(k4_nul_in_any_string_is_refused)
{
	struct err e = assert_refused("{\"op\":\"ping\",\"id\":\"a\\u0000b\"}", ERR_PROTOCOL, "");
	assert_non_null(strstr(e.msg, "NUL"));
	assert_refused("{\"op\":\"ping\",\"id\":\"1\",\"a\\u0000b\":1}", ERR_PROTOCOL, "");
	assert_task_refused("\"env\":{\"A\":\"x\\u0000y\"}", ERR_PROTOCOL, "");
	assert_task_refused("\"cwd\":\"/x\\u0000y\"", ERR_PROTOCOL, "");
	assert_refused("{\"op\":\"run\",\"id\":\"1\",\"task\":{\"argv\":[\"a\\u0000\"]}}",
		ERR_PROTOCOL, "");
}

TEST(k4_duplicate_keys_are_refused_at_every_depth)
{
	assert_refused("{\"op\":\"ping\",\"op\":\"ping\",\"id\":\"1\"}", ERR_PROTOCOL, "");
	assert_refused("{\"op\":\"ping\",\"\\u006fp\":\"info\",\"id\":\"1\"}", ERR_PROTOCOL, "");
	assert_task_refused("\"env\":{\"A\":\"1\",\"A\":\"2\"}", ERR_PROTOCOL, "");
	assert_task_refused("\"network\":\"none\",\"network\":\"host\"", ERR_PROTOCOL, "");
	assert_task_refused("\"limits\":{\"wall\":1,\"wall\":2}", ERR_PROTOCOL, "");
}

/* ---- operations and fields ---- */

TEST(unknown_operations_are_refused_with_the_nearest_one)
{
	struct err e = assert_refused("{\"op\":\"atach\",\"id\":\"1\"}", ERR_UNKNOWN_OP, "op");
	assert_string_equal(e.hint, "did you mean \"attach\"?");
	e = assert_refused("{\"op\":\"frobnicate\",\"id\":\"1\"}", ERR_UNKNOWN_OP, "op");
	assert_string_equal(e.hint, "");
	assert_refused("{\"op\":\"\",\"id\":\"1\"}", ERR_UNKNOWN_OP, "op");
	assert_refused("{\"op\":\"RUN\",\"id\":\"1\"}", ERR_UNKNOWN_OP, "op");
	assert_refused("{\"op\":\"run \",\"id\":\"1\"}", ERR_UNKNOWN_OP, "op");
	assert_refused("{\"id\":\"1\"}", ERR_MISSING_FIELD, "op");
	assert_refused("{}", ERR_MISSING_FIELD, "op");
	assert_refused("{\"op\":5,\"id\":\"1\"}", ERR_WRONG_TYPE, "op");
	assert_refused("{\"op\":null,\"id\":\"1\"}", ERR_WRONG_TYPE, "op");
	assert_refused("{\"op\":[\"run\"],\"id\":\"1\"}", ERR_WRONG_TYPE, "op");
}

TEST(j19_a_hostile_name_is_shown_escaped_and_short)
{
	struct err e = assert_refused(
		"{\"op\":\"x\\n<0>y\\u001b[2J\",\"id\":\"1\"}", ERR_UNKNOWN_OP, "op");
	assert_null(strchr(e.msg, '\n'));
	assert_null(strchr(e.msg, '\x1b'));
	e = assert_refused(
		"{\"op\":\"ping\",\"id\":\"1\",\"a\\nb\":1}", ERR_UNKNOWN_FIELD, "a\\x0ab");
	assert_null(strchr(e.msg, '\n'));
}

TEST(k5_unknown_fields_are_refused_with_the_nearest_name)
{
	static const struct {
		const char *members, *field, *hint;
	} bad[] = {
		{ "\"netwrok\":\"none\"", "task.netwrok", "did you mean \"network\"?" },
		{ "\"limits\":{\"memroy\":1}", "task.limits.memroy", "did you mean \"memory\"?" },
		{ "\"workspace\":{\"path\":\"/w\",\"mod\":\"ro\"}", "task.workspace.mod",
			"did you mean \"mode\"?" },
		{ "\"mounts\":[{\"path\":\"/w\"},{\"pat\":\"/w\"}]", "task.mounts[1].pat",
			"did you mean \"path\"?" },
		{ "\"wall\":5", "task.wall", "it belongs inside \"limits\"" },
		{ "\"zzzzzz\":5", "task.zzzzzz", "" },
		{ "\"Network\":\"none\"", "task.Network", "did you mean \"network\"?" },
		{ "\"\":1", "task.", "" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err e = assert_task_refused(bad[i].members, ERR_UNKNOWN_FIELD, bad[i].field);
		assert_string_equal(e.hint, bad[i].hint);
	}
	struct err e = assert_refused("{\"op\":\"run\",\"id\":\"1\",\"argv\":[\"a\"],\"task\":{}}",
		ERR_UNKNOWN_FIELD, "argv");
	assert_string_equal(e.hint, "it belongs inside \"task\"");
}

TEST(k5_a_field_of_another_operation_is_refused)
{
	static const char *const bad[] = {
		"{\"op\":\"ping\",\"id\":\"1\",\"task\":\"t-0\"}",
		"{\"op\":\"wait\",\"id\":\"1\",\"task\":\"t-0\",\"signal\":\"TERM\"}",
		"{\"op\":\"list\",\"id\":\"1\",\"framing\":\"raw\"}",
		"{\"op\":\"cancel\",\"id\":\"1\",\"task\":\"t-0\",\"detach\":true}",
		"{\"op\":\"run\",\"id\":\"1\",\"task\":{\"argv\":[\"a\"]},\"after\":1}",
		"{\"op\":\"attach\",\"id\":\"1\",\"task\":\"t-0\",\"follow\":true}",
	};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err e = assert_refused(bad[i], ERR_UNKNOWN_FIELD, NULL);
		assert_non_null(strstr(e.hint, "takes a field of that name"));
	}
}

TEST(needed_fields_are_named_when_absent)
{
	static const struct {
		const char *line, *field;
	} bad[] = {
		{ "{\"op\":\"run\",\"id\":\"1\"}", "task" },
		{ "{\"op\":\"run\",\"id\":\"1\",\"task\":{}}", "task.argv" },
		{ "{\"op\":\"attach\",\"id\":\"1\"}", "task" },
		{ "{\"op\":\"signal\",\"id\":\"1\",\"task\":\"t-0\"}", "signal" },
		{ "{\"op\":\"resize\",\"id\":\"1\",\"task\":\"t-0\",\"rows\":1}", "cols" },
		{ "{\"op\":\"input\",\"id\":\"1\",\"task\":\"t-0\"}", "text" },
		{ "{\"op\":\"input\",\"id\":\"1\",\"task\":\"t-0\",\"eof\":false}", "text" },
		{ "{\"op\":\"run\",\"id\":\"1\",\"task\":{\"argv\":[\"a\"],\"workspace\":{}}}",
			"task.workspace" },
		{ "{\"op\":\"run\",\"id\":\"1\",\"task\":{\"argv\":[\"a\"],\"mounts\":[{\"target\":"
		  "\"/x\"}]}}",
			"task.mounts[0]" },
		{ "{\"op\":\"run\",\"id\":\"1\",\"task\":{\"argv\":[\"a\"],\"mounts\":[{\"fd\":0}]}"
		  "}",
			"task.mounts[0].target" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_refused(bad[i].line, ERR_MISSING_FIELD, bad[i].field);
}

TEST(what_would_count_for_nothing_is_refused)
{
	static const struct {
		const char *alone, *not, *beside, *field;
	} cases[] = {
		{ "\"rows\":1", "\"tty\":false", "\"tty\":true", "task.rows" },
		{ "\"cols\":1", "\"stdin\":\"stream\"", "\"tty\":true", "task.cols" },
		{ "\"limits\":{\"artifacts\":\"1g\"}", "\"tty\":true",
			"\"artifacts\":{\"files\":[]}", "task.limits.artifacts" },
		{ "\"limits\":{\"artifact_files\":1}", "\"tty\":true",
			"\"artifacts\":{\"files\":[]}", "task.limits.artifact_files" },
	};
	static const char form[] =
		"{\"op\":\"run\",\"id\":\"1\",\"task\":{\"argv\":[\"a\"],%s,%s}}";
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char line[200];
		snprintf(line, sizeof(line), form, cases[i].alone, cases[i].not );
		assert_refused(line, ERR_BAD_VALUE, cases[i].field);
		snprintf(line, sizeof(line), form, cases[i].alone, cases[i].beside);
		auto_request struct request *rq = parse_good(line);
		assert_non_null(rq);
	}
}

TEST(what_the_address_of_a_repository_has_no_use_for_is_refused)
{
	static const struct {
		const char *url, *field, *value;
		bool is_good;
	} cases[] = {
		{ "https://h/x", "ssh_key", "\"k\"", false },
		{ "ssh://h/x", "ssh_key", "\"k\"", true },
		{ "git@h:x", "ssh_key", "\"\"", true },
		{ "https://h/x", "agent", "0", false },
		{ "h:x", "agent", "0", true },
		{ "h:x", "credentials", "\"c\"", false },
		{ "https://h/x", "credentials", "\"c\"", true },
		{ "http://h/x", "known_hosts", "\"h\"", false },
		{ "ssh://h/x", "known_hosts", "\"h\"", true },
		{ "/srv/x", "ca", "\"p\"", false },
		{ "/srv/x", "ca", "\"p\",\"submodules\":true", true },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char line[250], field[64];
		snprintf(line, sizeof(line),
			"{\"op\":\"run\",\"id\":\"1\",\"task\":{\"argv\":[\"a\"],\"source\":{"
			"\"git\":{"
			"\"url\":\"%s\",\"%s\":%s}}}}",
			cases[i].url, cases[i].field, cases[i].value);
		snprintf(field, sizeof(field), "task.source.git.%s", cases[i].field);
		if (!cases[i].is_good) {
			assert_refused(line, ERR_BAD_VALUE, field);
			continue;
		}
		auto_request struct request *rq = parse_good(line);
		assert_non_null(rq);
	}
}

TEST(only_one_kind_of_input_can_be_given)
{
	static const char *const bad[] = {
		"{\"op\":\"input\",\"id\":\"1\",\"task\":\"a\",\"text\":\"a\",\"base64\":\"AAAA\"}",
		"{\"op\":\"input\",\"id\":\"1\",\"task\":\"a\",\"text\":\"\",\"base64\":\"\"}",
		"{\"op\":\"input\",\"id\":\"1\",\"task\":\"a\",\"text\":\"a\",\"bytes\":1}",
		"{\"op\":\"input\",\"id\":\"1\",\"task\":\"a\",\"base64\":\"AA==\",\"bytes\":1}",
	};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_refused(bad[i], ERR_BAD_VALUE, NULL);
}

TEST(k10_input_lengths_are_bounded)
{
	static const char *const bad[] = { "0", "-1", "-0", "1048577", "4294967295", "4294967296",
		"9007199254740993" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char line[128];
		snprintf(line, sizeof(line),
			"{\"op\":\"input\",\"id\":\"1\",\"task\":\"t-0\",\"bytes\":%s}", bad[i]);
		assert_refused(line, ERR_OUT_OF_RANGE, "bytes");
	}
	assert_refused("{\"op\":\"input\",\"id\":\"1\",\"task\":\"t-0\",\"bytes\":\"5\"}",
		ERR_WRONG_TYPE, "bytes");
	assert_refused("{\"op\":\"input\",\"id\":\"1\",\"task\":\"t-0\",\"base64\":\"A\"}",
		ERR_BAD_VALUE, "base64");
}

TEST(k11_a_command_must_be_there_and_not_empty)
{
	assert_refused(
		"{\"op\":\"run\",\"id\":\"1\",\"task\":{\"argv\":[]}}", ERR_BAD_VALUE, "task.argv");
	assert_refused("{\"op\":\"run\",\"id\":\"1\",\"task\":{\"argv\":[\"\"]}}", ERR_BAD_VALUE,
		"task.argv[0]");
	assert_refused("{\"op\":\"run\",\"id\":\"1\",\"task\":{\"argv\":[\"\",\"a\"]}}",
		ERR_BAD_VALUE, "task.argv[0]");
	assert_refused("{\"op\":\"run\",\"id\":\"1\",\"task\":{\"argv\":\"true\"}}", ERR_WRONG_TYPE,
		"task.argv");
	assert_refused("{\"op\":\"run\",\"id\":\"1\",\"task\":{\"argv\":[\"a\",1]}}",
		ERR_WRONG_TYPE, "task.argv[1]");
	assert_refused("{\"op\":\"run\",\"id\":\"1\",\"task\":{\"argv\":[[\"a\"]]}}",
		ERR_WRONG_TYPE, "task.argv[0]");
}

TEST(a16_what_is_not_a_name_is_no_task)
{
	static const char *const bad[] = { "..", ".", "a/b", "-rf", "x\\n", " t-0", "t-0 ",
		"/etc/passwd", "a b", "\\u00e9", "*" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char line[128], members[64];
		snprintf(line, sizeof(line), "{\"op\":\"wait\",\"id\":\"1\",\"task\":\"%s\"}",
			bad[i]);
		assert_refused(line, ERR_BAD_VALUE, "task");
		snprintf(members, sizeof(members), "\"name\":\"%s\"", bad[i]);
		assert_task_refused(members, ERR_BAD_VALUE, "task.name");
	}
	assert_refused("{\"op\":\"wait\",\"id\":\"1\",\"task\":\"\"}", ERR_BAD_VALUE, "task");
	assert_refused("{\"op\":\"wait\",\"id\":\"1\",\"task\":{\"argv\":[\"a\"]}}", ERR_WRONG_TYPE,
		"task");
	assert_refused("{\"op\":\"run\",\"id\":\"1\",\"task\":\"t-0\"}", ERR_WRONG_TYPE, "task");
}

TEST(a16_a_name_that_looks_like_a_task_id_is_refused)
{
	assert_task_refused("\"name\":\"t-0\"", ERR_BAD_VALUE, "task.name");
	assert_task_refused("\"name\":\"t-deadbeef\"", ERR_BAD_VALUE, "task.name");
	request_destroy(parse_task("\"name\":\"t-test\""));
	request_destroy(parse_task("\"name\":\"t\""));
}

TEST(an_image_is_host_or_an_absolute_path)
{
	request_destroy(parse_task("\"image\":\"host\""));
	request_destroy(parse_task("\"image\":\"/\""));
	assert_task_refused("\"image\":\"debian\"", ERR_BAD_VALUE, "task.image");
	assert_task_refused("\"image\":\"../x\"", ERR_BAD_VALUE, "task.image");
	assert_task_refused("\"image\":\"\"", ERR_BAD_VALUE, "task.image");
}

TEST(files_and_secrets_are_read)
{
	auto_request struct request *rq = parse_task(
		"\"files\":[{\"path\":\"/a\",\"text\":\"t\"},{\"path\":\"/b\",\"base64\":"
		"\"AP8=\",\"mode\":\"755\"}],\"secrets\":[{\"name\":\"s\",\"text\":\"\"}]");
	const struct task_spec *s = rq->spec;
	assert_int_equal(s->n_files, 2);
	assert_string_equal(s->files[0].path, "/a");
	assert_int_equal(s->files[0].data_len, 1);
	assert_int_equal(s->files[0].mode, 0);
	assert_int_equal(s->files[1].data_len, 2);
	assert_memory_equal(s->files[1].data, "\0\377", 2);
	assert_int_equal(s->files[1].mode, 0755);
	assert_int_equal(s->n_secrets, 1);
	assert_string_equal(s->secrets[0].name, "s");
	assert_int_equal(s->secrets[0].data_len, 0);
	assert_non_null(s->secrets[0].data);
}

TEST(a_file_has_a_path_and_one_content)
{
	assert_task_refused("\"files\":[{\"path\":\"/a\"}]", ERR_MISSING_FIELD, "task.files[0]");
	assert_task_refused("\"files\":[{\"text\":\"\"}]", ERR_MISSING_FIELD, "task.files[0].path");
	assert_task_refused(
		"\"files\":[{\"path\":\"a\",\"text\":\"\"}]", ERR_BAD_VALUE, "task.files[0].path");
	assert_task_refused("\"files\":[{\"path\":\"/a\",\"text\":\"\",\"base64\":\"AA==\"}]",
		ERR_BAD_VALUE, "task.files[0].base64");
	assert_task_refused("\"secrets\":[{\"name\":\"s\"}]", ERR_MISSING_FIELD, "task.secrets[0]");
	assert_task_refused("\"secrets\":[{\"name\":\"../s\",\"text\":\"\"}]", ERR_BAD_VALUE,
		"task.secrets[0].name");
	assert_task_refused("\"secrets\":[{\"name\":\"s\",\"base64\":\"A\"}]", ERR_BAD_VALUE,
		"task.secrets[0].base64");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_run_request_with_every_field_is_read),
		cmocka_unit_test(a_run_request_with_no_more_than_it_needs_has_the_defaults),
		cmocka_unit_test(a_workspace_is_copy_on_write_when_nothing_is_said),
		cmocka_unit_test(every_other_operation_is_read),
		cmocka_unit_test(a_label_to_list_by_is_one_that_a_task_can_have),
		cmocka_unit_test(input_bytes_come_from_text_or_base64),
		cmocka_unit_test(the_tag_of_a_refused_request_is_given_back_when_it_can_be_read),
		cmocka_unit_test(a16_the_tag_is_a_string_of_bounded_length),
		cmocka_unit_test(k4_bytes_that_are_no_request_are_refused),
		cmocka_unit_test(k4_nan_and_infinity_are_no_json),
		cmocka_unit_test(
			k4_numbers_too_large_for_the_machine_are_refused_with_their_position),
		cmocka_unit_test(k4_invalid_utf8_is_refused),
		cmocka_unit_test(k4_nul_in_any_string_is_refused),
		cmocka_unit_test(k4_duplicate_keys_are_refused_at_every_depth),
		cmocka_unit_test(unknown_operations_are_refused_with_the_nearest_one),
		cmocka_unit_test(j19_a_hostile_name_is_shown_escaped_and_short),
		cmocka_unit_test(k5_unknown_fields_are_refused_with_the_nearest_name),
		cmocka_unit_test(k5_a_field_of_another_operation_is_refused),
		cmocka_unit_test(needed_fields_are_named_when_absent),
		cmocka_unit_test(what_would_count_for_nothing_is_refused),
		cmocka_unit_test(what_the_address_of_a_repository_has_no_use_for_is_refused),
		cmocka_unit_test(only_one_kind_of_input_can_be_given),
		cmocka_unit_test(k10_input_lengths_are_bounded),
		cmocka_unit_test(k11_a_command_must_be_there_and_not_empty),
		cmocka_unit_test(a16_what_is_not_a_name_is_no_task),
		cmocka_unit_test(a16_a_name_that_looks_like_a_task_id_is_refused),
		cmocka_unit_test(an_image_is_host_or_an_absolute_path),
		cmocka_unit_test(files_and_secrets_are_read),
		cmocka_unit_test(a_file_has_a_path_and_one_content),
	};
	return RUN_TESTS(tests);
}
