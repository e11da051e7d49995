/* Addresses that are never connected to: see addr.h. */
#include "http/addr.h"

#include "base/cleanup.h"

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define IP4(a, b, c, d) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (d))

/* RFC 6890 and its successors, and what clouds have put elsewhere. */
static const struct {
	uint32_t net;
	uint8_t bits;
} denied4[] = {
	{ IP4(0, 0, 0, 0), 8 },	       /* this host: connects to loopback */
	{ IP4(10, 0, 0, 0), 8 },       /* private */
	{ IP4(100, 64, 0, 0), 10 },    /* behind a carrier's NAT; metadata of Alibaba */
	{ IP4(127, 0, 0, 0), 8 },      /* loopback */
	{ IP4(168, 63, 129, 16), 32 }, /* Azure's own services, though the address is public */
	{ IP4(169, 254, 0, 0), 16 },   /* link-local; metadata of most clouds */
	{ IP4(172, 16, 0, 0), 12 },    /* private */
	{ IP4(192, 0, 0, 0), 24 },     /* protocols; metadata of Oracle */
	{ IP4(192, 0, 2, 0), 24 },     /* documentation */
	{ IP4(192, 88, 99, 0), 24 },   /* relays of 6to4 */
	{ IP4(192, 168, 0, 0), 16 },   /* private */
	{ IP4(198, 18, 0, 0), 15 },    /* benchmarks */
	{ IP4(198, 51, 100, 0), 24 },  /* documentation */
	{ IP4(203, 0, 113, 0), 24 },   /* documentation */
	{ IP4(224, 0, 0, 0), 4 },      /* multicast */
	{ IP4(240, 0, 0, 0), 4 },      /* reserved; broadcast */
};

/* Within 2000::/3, all that is assigned; what lies outside is denied as a whole. */
static const struct {
	uint8_t net[16];
	uint8_t bits;
} denied6[] = {
	{ { 0x20, 0x01 }, 23 },		    /* protocols: Teredo, ORCHID, benchmarks */
	{ { 0x20, 0x01, 0x0d, 0xb8 }, 32 }, /* documentation */
	{ { 0x3f, 0xff }, 20 },		    /* documentation */
};

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };	    /* ::ffff:0:0/96 */
static const uint8_t nat64[12] = { 0x00, 0x64, 0xff, 0x9b };	    /* 64:ff9b::/96 */
static const uint8_t isatap[4] = { 0x00, 0x00, 0x5e, 0xfe };	    /* of the lower half */
static const uint8_t isatap_global[4] = { 0x02, 0x00, 0x5e, 0xfe }; /* the same, "universal" */

static bool has_prefix(const uint8_t *a, const uint8_t *net, unsigned bits)
{
	unsigned bytes = bits / 8, rest = bits % 8;
	if (memcmp(a, net, bytes) != 0)
		return false;
	return !rest || (a[bytes] ^ net[bytes]) >> (8 - rest) == 0;
}

static bool is_denied4(const uint8_t *a)
{
	uint32_t ip = IP4(a[0], a[1], a[2], a[3]);
	for (size_t i = 0; i < ARRAY_SIZE(denied4); i++)
		if ((ip ^ denied4[i].net) >> (32 - denied4[i].bits) == 0)
			return true;
	return false;
}

/* Those that stand for an IPv4 address are judged by that one. */
static bool is_denied6(const uint8_t *a)
{
	if (!memcmp(a, mapped, sizeof(mapped)) || !memcmp(a, nat64, sizeof(nat64)))
		return is_denied4(a + 12);
	if ((a[0] & 0xe0) != 0x20)
		return true;
	if (a[0] == 0x20 && a[1] == 0x02) /* 6to4: 2002::/16 */
		return is_denied4(a + 2);
	if ((!memcmp(a + 8, isatap, 4) || !memcmp(a + 8, isatap_global, 4)) && is_denied4(a + 12))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(denied6); i++)
		if (has_prefix(a, denied6[i].net, denied6[i].bits))
			return true;
	return false;
}

bool addr_is_denied(const struct sockaddr *sa, socklen_t len)
{
	if (sa->sa_family == AF_INET && len >= sizeof(struct sockaddr_in))
		return is_denied4(
			(const uint8_t *)&((const struct sockaddr_in *)(const void *)sa)->sin_addr);
	if (sa->sa_family == AF_INET6 && len >= sizeof(struct sockaddr_in6))
		return is_denied6(
			((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr.s6_addr);
	return true;
}
