/* Loading libcurl: see curl.h. */
#include "http/curl.h"

#include "base/cleanup.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <string.h>

/* The same interface, with TLS by OpenSSL or by GnuTLS. */
static const char *const names[] = { "libcurl.so.4", "libcurl-gnutls.so.4" };

static bool find_all(void *library, struct curl *ret)
{
	/* A pointer to a function is not one to an object: hence the copy. */
#define X(name)                                                                                    \
	void *name = dlsym(library, "curl_" #name);                                                \
	if (!name)                                                                                 \
		return false;                                                                      \
	memcpy(&ret->name, &name, sizeof(name));
	CURL_FUNCTIONS(X)
#undef X
	return true;
}

const struct curl *curl_load(void)
{
	static struct curl loaded;
	static bool is_loaded;
	for (size_t i = 0; i < ARRAY_SIZE(names) && !is_loaded; i++) {
		/* Never closed: it has threads and handlers of its own. */
		void *library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
		is_loaded = library && find_all(library, &loaded);
	}
	return is_loaded ? &loaded : NULL;
}
