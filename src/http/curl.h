/*
 * libcurl, loaded when it is first needed: with it come thirty libraries, which would more than
 * double the memory and the start-up time of every dayflyd, and most never send anything. One
 * thread only.
 */
#ifndef DAYFLY_HTTP_CURL_H
#define DAYFLY_HTTP_CURL_H

#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

#define CURL_FUNCTIONS(X)                                                                          \
	X(global_init)                                                                             \
	X(easy_init)                                                                               \
	X(easy_setopt)                                                                             \
	X(easy_getinfo)                                                                            \
	X(easy_strerror)                                                                           \
	X(easy_cleanup)                                                                            \
	X(multi_init)                                                                              \
	X(multi_setopt)                                                                            \
	X(multi_assign)                                                                            \
	X(multi_add_handle)                                                                        \
	X(multi_remove_handle)                                                                     \
	X(multi_socket_action)                                                                     \
	X(multi_info_read)                                                                         \
	X(multi_cleanup)                                                                           \
	X(slist_append)                                                                            \
	X(slist_free_all)                                                                          \
	X(url)                                                                                     \
	X(url_set)                                                                                 \
	X(url_get)                                                                                 \
	X(url_strerror)                                                                            \
	X(url_cleanup)                                                                             \
	X(free)                                                                                    \
	X(getdate)

struct curl {
#define X(name) __typeof__(&curl_##name) name;
	CURL_FUNCTIONS(X)
#undef X
};

/* NULL: it is not installed, or lacks a function. */
const struct curl *curl_load(void);

#endif
