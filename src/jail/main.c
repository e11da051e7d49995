/* dayfly-warden: only the command line. What it does stands in keeper.c, warden.c and doctor.c. */
#include "jail/doctor.h"
#include "jail/keeper.h"
#include "jail/seccomp.h"
#include "jail/steps.h"
#include "jail/title.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/units.h"

#include <getopt.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

static const char usage[] =
	"usage: dayfly-warden --keeper [--upper auto|tmpfs|disk] [--state-dir DIR] [--ids "
	"BASE:COUNT]\n"
	"                     [--total MEMORY:SWAP:CPUMILLIS:PIDS] [--unpack FILE]\n"
	"                     [--log-level LEVEL]\n"
	"       dayfly-warden --probe [--state-dir DIR]\n"
	"       dayfly-warden --print-steps | --print-seccomp [dev|strict] | --version\n"
	"\n"
	"Makes jails for dayflyd, which starts it; not meant to be started by hand.\n"
	"--probe is what `dayfly doctor` runs.\n";

enum {
	OPT_KEEPER = 256,
	OPT_UPPER,
	OPT_STATE_DIR,
	OPT_IDS,
	OPT_OWNER,
	OPT_TOTAL,
	OPT_UNPACK,
	OPT_LOG_LEVEL,
	OPT_PROBE,
	OPT_STEPS,
	OPT_SECCOMP,
	OPT_VERSION,
	OPT_HELP
};

static const struct option options[] = {
	{ "keeper", no_argument, NULL, OPT_KEEPER },
	{ "upper", required_argument, NULL, OPT_UPPER },
	{ "state-dir", required_argument, NULL, OPT_STATE_DIR },
	{ "ids", required_argument, NULL, OPT_IDS },
	{ "owner", required_argument, NULL, OPT_OWNER },
	{ "total", required_argument, NULL, OPT_TOTAL },
	{ "unpack", required_argument, NULL, OPT_UNPACK },
	{ "log-level", required_argument, NULL, OPT_LOG_LEVEL },
	{ "probe", no_argument, NULL, OPT_PROBE },
	{ "print-steps", no_argument, NULL, OPT_STEPS },
	{ "print-seccomp", optional_argument, NULL, OPT_SECCOMP },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ "help", no_argument, NULL, OPT_HELP },
	{ NULL, 0, NULL, 0 },
};

static int print_seccomp(const char *profile)
{
	bool strict = profile && !strcmp(profile, "strict");
	return seccomp_filter_print(stdout, strict ? PLAN_PROFILE_STRICT : PLAN_PROFILE_DEV) < 0;
}

/* All ranges, dayfly's own among them, must end before the last id, which is none. */
static int parse_ids(const char *text, struct warden_options *o)
{
	unsigned long long base, count;
	int end = 0;
	if (sscanf(text, "%llu:%llu%n", &base, &count, &end) != 2 || text[end] ||
		base < IDS_PER_TASK || base > UINT32_MAX || !count || count > IDS_SLOT_COUNT ||
		base + (count + 1) * IDS_PER_TASK > UINT32_MAX)
		return -1;
	o->ids_base = (uint32_t)base;
	o->ids_count = (int)count;
	return 0;
}

/* A user; 0 for none. */
static int parse_owner(const char *text, uint32_t *ret)
{
	uint64_t uid;
	if (units_parse_uint(text, UINT32_MAX - 1, &uid) < 0)
		return -1;
	*ret = (uint32_t)uid;
	return 0;
}

/* The limits of all tasks together; 0 for none. */
static int parse_total(const char *text, struct plan_limits *l)
{
	unsigned long long memory, swap, cpu_millis, pids;
	int end = 0;
	if (sscanf(text, "%llu:%llu:%llu:%llu%n", &memory, &swap, &cpu_millis, &pids, &end) != 4 ||
		text[end] || cpu_millis > PLAN_CPU_MILLIS_MAX || pids > PLAN_PIDS_MAX)
		return -1;
	*l = (struct plan_limits){
		.memory_bytes = memory, .swap_bytes = swap, .cpu_millis = cpu_millis, .pids = pids
	};
	return 0;
}

int main(int argc, char **argv)
{
	static struct warden_options o; /* its texts live as long as the process */
	enum log_level level = LOG_LEVEL_INFO;
	int action = OPT_HELP, c;
	title_init(argc, argv);
	/* What is freed is needed again with the next jail: pages that are given back have to be
	 * made anew each time. */
	mallopt(M_TRIM_THRESHOLD, 4 << 20);
	mallopt(M_MMAP_THRESHOLD, 4 << 20);
	if (fd_reserve_stdio() < 0)
		return 1;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == OPT_UPPER)
			o.upper = strdup(optarg);
		else if (c == OPT_STATE_DIR)
			o.state_dir = strdup(optarg);
		else if (c == OPT_UNPACK)
			o.unpack = strdup(optarg);
		else if (c == OPT_IDS && parse_ids(optarg, &o) == 0)
			continue;
		else if (c == OPT_OWNER && parse_owner(optarg, &o.owner_uid) == 0)
			continue;
		else if (c == OPT_TOTAL && parse_total(optarg, &o.total) == 0)
			continue;
		else if (c == OPT_LOG_LEVEL && log_level_parse(optarg, &level) == 0)
			continue;
		else if (c == '?' || c == OPT_LOG_LEVEL || c == OPT_IDS || c == OPT_TOTAL ||
			 c == OPT_OWNER)
			return fputs(usage, stderr), 2;
		else
			action = c;
	}
	log_init("dayfly-warden", level);
	switch (action) {
	case OPT_KEEPER: {
		int r = keeper_seal_executable(argv);
		if (r < 0)
			log_warning("running from the file itself, not from a sealed copy: %s",
				strerror(-r));
		return keeper_main(&o);
	}
	case OPT_PROBE:
		return doctor_main(
			&(struct doctor_options){ .out = stdout, .state_dir = o.state_dir });
	case OPT_STEPS:
		steps_print(stdout);
		return 0;
	case OPT_SECCOMP:
		return print_seccomp(optind < argc ? argv[optind] : NULL);
	case OPT_VERSION:
		puts("dayfly-warden " DAYFLY_VERSION);
		return 0;
	default:
		fputs(usage, stdout);
		return 0;
	}
}
