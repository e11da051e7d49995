/* The name of a repository's folder in the cache. */
#ifndef DAYFLY_GIT_KEY_H
#define DAYFLY_GIT_KEY_H

#define GIT_KEY_LEN  64
#define GIT_KEY_SIZE (GIT_KEY_LEN + 1)

/* The SHA-256 of a text, in hexadecimal. */
void git_key_make(const char *text, char out[GIT_KEY_SIZE]);

#endif
