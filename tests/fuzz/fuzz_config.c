/* The text of a configuration file from anybody: each fault has a cause and a fix; what is taken is
 * printed as a configuration with the same values. */
#include "daemon/config.h"
#include "daemon/options.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_faults(const struct config_faults *f)
{
	for (size_t i = 0; i < f->n; i++) {
		char text[512];
		config_fault_text(&f->list[i], text, sizeof(text));
		if (!text[0] || !f->list[i].err.hint[0])
			abort();
		for (const char *p = text; *p; p++)
			if ((unsigned char)*p < 0x20 && *p != '\t')
				abort();
	}
}

static void check_print(const struct options *o)
{
	struct options again;
	char *text = NULL;
	size_t len = 0;
	memset(&again, 0, sizeof(again));
	FILE *f = open_memstream(&text, &len);
	if (!f || config_init(&again) < 0)
		abort();
	config_print(o, f);
	fclose(f);
	config_read_text(&again, "printed", text, len, &again.faults);
	/* With the blanks around its =, a line that just fitted may be too long for libinih. */
	bool is_cut = again.faults.n && !strncmp(again.faults.list[0].err.msg, "the line has ", 13);
	if (again.faults.n && !is_cut)
		abort();
	for (size_t i = 0; !is_cut && i < config_key_count; i++)
		if (!config_is_equal(o, &again, i))
			abort();
	free(text);
	options_finish(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct options o;
	memset(&o, 0, sizeof(o));
	if (config_init(&o) < 0)
		abort();
	config_read_text(&o, "fuzz", (const char *)data, size, &o.faults);
	config_check(&o, &o.faults);
	check_faults(&o.faults);
	check_print(&o);
	json_decref(config_to_json(&o));
	options_finish(&o);
	return 0;
}
