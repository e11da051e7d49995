/* A plan as the warden receives it: refused, or valid and with no other bytes for the same plan. */
#include "plan/plan.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct plan *plan = NULL;
	struct buf b;
	if (plan_decode(data, size, &plan, NULL) < 0)
		return 0;
	buf_init(&b, 0);
	if (plan_check(plan, NULL) < 0 || plan_source_count(plan) > 256 ||
		plan_encode(plan, &b) < 0)
		abort();
	if (buf_len(&b) != size || memcmp(buf_data(&b), data, size))
		abort();
	buf_finish(&b);
	plan_destroy(plan);
	return 0;
}
