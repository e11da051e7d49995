/* Names of folders: see key.h. */
#include "git/key.h"

#include <nettle/sha2.h>
#include <stdint.h>
#include <string.h>

void git_key_make(const char *text, char out[GIT_KEY_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	struct sha256_ctx ctx;
	uint8_t sum[SHA256_DIGEST_SIZE];
	sha256_init(&ctx);
	sha256_update(&ctx, strlen(text), (const uint8_t *)text);
	sha256_digest(&ctx, sizeof(sum), sum);
	for (size_t i = 0; i < sizeof(sum); i++) {
		out[2 * i] = digits[sum[i] >> 4];
		out[2 * i + 1] = digits[sum[i] & 15];
	}
	out[GIT_KEY_LEN] = '\0';
}
