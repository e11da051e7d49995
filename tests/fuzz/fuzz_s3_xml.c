/* What an S3 server answers, as a text: a value that is found is short, visible, and stands in it.
 */
#include "fuzz/text.h"
#include "http/s3_xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = text_of(data, size), value[40];
	bool is_there = s3_xml_value(text, "InitiateMultipartUploadResult", "UploadId", value,
				sizeof(value)) ||
			s3_xml_value(text, "Error", "Code", value, sizeof(value));
	for (const char *p = value; is_there && *p; p++)
		if (*p <= ' ' || *p > '~')
			abort();
	if (is_there && (!value[0] || strlen(value) >= sizeof(value)))
		abort();
	if (is_there && !s3_xml_is(text, "InitiateMultipartUploadResult") &&
		!s3_xml_is(text, "Error"))
		abort();
	free(text);
	return 0;
}
