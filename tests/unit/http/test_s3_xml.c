/* What S3 servers say, and what hostile ones might. */
#include "harness.h"

#include "base/cleanup.h"
#include "http/s3_xml.h"

#include <stdlib.h>
#include <string.h>

#define ROOT "InitiateMultipartUploadResult"

static void assert_value(const char *xml, const char *expected)
{
	char out[32] = "untouched";
	bool is_there = s3_xml_value(xml, ROOT, "UploadId", out, sizeof(out));
	assert_int_equal(is_there, expected != NULL);
	if (expected)
		assert_string_equal(out, expected);
}

TEST(an_upload_id_is_found_in_what_servers_say)
{
	assert_value("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<" ROOT
		     " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Bucket>b</Bucket>\n"
		     "<Key>k</Key><UploadId>VXBs.b2Fk_-~</UploadId></" ROOT ">",
		"VXBs.b2Fk_-~");
	assert_value("<" ROOT "><UploadId>a&amp;b&quot;</UploadId></" ROOT ">", "a&b\"");
	/* An element whose name only begins so is another. */
	assert_value("<" ROOT "><UploadIdX>1</UploadIdX><UploadId>2</UploadId></" ROOT ">", "2");
}

TEST(what_is_not_of_that_form_has_no_value)
{
	static const char *const bad[] = { "", "<", "<" ROOT, "<" ROOT ">", "<" ROOT "/>",
		"<Error><UploadId>1</UploadId></Error>",
		"<" ROOT "><UploadId></UploadId></" ROOT ">", "<" ROOT "><UploadId/><UploadId",
		"<" ROOT "><UploadId>1", "<" ROOT "><UploadId>1<", "<" ROOT "><UploadId>1</Upload>",
		"<" ROOT "><UploadId>1</UploadIdX>", "<" ROOT "><UploadId>a b</UploadId>",
		"<" ROOT "><UploadId>a\r\nX: y</UploadId>",
		"<" ROOT "><UploadId>\xc3\xa9</UploadId>", "<" ROOT "><UploadId>&x;</UploadId>",
		"<" ROOT "><UploadId>&#10;</UploadId>", "<" ROOT "><UploadId><b>1</b></UploadId>",
		"<" ROOT "><UploadId>0123456789012345678901234567890123</UploadId>",
		"<?xml <" ROOT "><UploadId>1</UploadId>",
		"<!DOCTYPE x><" ROOT "><UploadId>1</UploadId>" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_value(bad[i], NULL);
}

TEST(an_error_is_told_from_a_result)
{
	char code[32];
	const char *xml = "\n \n<?xml version=\"1.0\"?><Error><Code>NoSuchUpload</Code></Error>";
	assert_true(s3_xml_is(xml, "Error"));
	assert_false(s3_xml_is(xml, "CompleteMultipartUploadResult"));
	assert_true(s3_xml_value(xml, "Error", "Code", code, sizeof(code)));
	assert_string_equal(code, "NoSuchUpload");
	assert_true(s3_xml_is(
		"<CompleteMultipartUploadResult xmlns='x'>", "CompleteMultipartUploadResult"));
}

TEST(the_list_of_parts_is_escaped)
{
	char a[] = "\"abc\"", b[] = "<&>";
	char *const etags[] = { a, b };
	auto_free char *text = s3_xml_complete(etags, 2);
	assert_string_equal(text,
		"<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
		"<Part><PartNumber>1</PartNumber><ETag>&quot;abc&quot;</ETag></Part>"
		"<Part><PartNumber>2</PartNumber><ETag>&lt;&amp;&gt;</ETag></Part>"
		"</CompleteMultipartUpload>");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_upload_id_is_found_in_what_servers_say),
		cmocka_unit_test(what_is_not_of_that_form_has_no_value),
		cmocka_unit_test(an_error_is_told_from_a_result),
		cmocka_unit_test(the_list_of_parts_is_escaped),
	};
	return RUN_TESTS(tests);
}
