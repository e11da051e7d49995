/* Sockets, terminals, IPC objects, and parts of the kernel that a task has no business with. */
#include "probe.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/netlink.h>
#include <linux/perf_event.h>
#include <mqueue.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/personality.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

static void try_socket(const char *name, long family, long type, long proto)
{
	static const struct {
		const char *how;
		long high;
	} forms[] = { { "plain", 0 }, { "high", 1l << 32 } };
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		long fd = syscall(SYS_socket, family | forms[i].high, type, proto);
		int error = fd < 0 ? errno : 0;
		int pair[2] = { -1, -1 };
		long r = syscall(SYS_socketpair, family | forms[i].high, type, proto, pair);
		int pair_error = r < 0 ? errno : 0;
		out_begin("socket");
		out_str("name", name);
		out_str("how", forms[i].how);
		out_int("errno", error);
		out_int("pair_errno", pair_error);
		out_end();
		if (fd >= 0)
			close((int)fd);
		close(pair[0]);
		close(pair[1]);
	}
}

int cmd_sockets(int argc, char **argv)
{
	static const struct {
		const char *name;
		int family, type, proto;
	} all[] = {
		{ "unix-stream", AF_UNIX, SOCK_STREAM, 0 },
		{ "unix-dgram", AF_UNIX, SOCK_DGRAM, 0 },
		{ "unix-seqpacket", AF_UNIX, SOCK_SEQPACKET, 0 },
		{ "inet-tcp", AF_INET, SOCK_STREAM, 0 },
		{ "inet-udp", AF_INET, SOCK_DGRAM, 0 },
		{ "inet6-tcp", AF_INET6, SOCK_STREAM, 0 },
		{ "inet6-udp", AF_INET6, SOCK_DGRAM, 0 },
		{ "netlink-route", AF_NETLINK, SOCK_RAW, NETLINK_ROUTE },
		{ "netlink-xfrm", AF_NETLINK, SOCK_RAW, NETLINK_XFRM },
		{ "netlink-netfilter", AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER },
		{ "netlink-generic", AF_NETLINK, SOCK_RAW, NETLINK_GENERIC },
		{ "netlink-audit", AF_NETLINK, SOCK_RAW, NETLINK_AUDIT },
		{ "netlink-crypto", AF_NETLINK, SOCK_RAW, NETLINK_CRYPTO },
		{ "netlink-uevent", AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT },
		{ "inet-raw", AF_INET, SOCK_RAW, IPPROTO_ICMP },
		{ "inet6-raw", AF_INET6, SOCK_RAW, IPPROTO_ICMPV6 },
		{ "inet-packet", AF_INET, SOCK_PACKET, 0 },
		{ "sctp", AF_INET, SOCK_STREAM, 132 },
		{ "sctp-seqpacket", AF_INET, SOCK_SEQPACKET, 132 },
		{ "dccp", AF_INET, SOCK_DCCP, 33 },
		{ "mptcp", AF_INET, SOCK_STREAM, 262 },
		{ "udplite", AF_INET, SOCK_DGRAM, 136 },
		{ "l2tp", AF_INET, SOCK_DGRAM, 115 },
		{ "alg", AF_ALG, SOCK_SEQPACKET, 0 },
		{ "vsock", AF_VSOCK, SOCK_STREAM, 0 },
		{ "rds", AF_RDS, SOCK_SEQPACKET, 0 },
		{ "tipc", AF_TIPC, SOCK_SEQPACKET, 0 },
		{ "key", AF_KEY, SOCK_RAW, 2 },
		{ "can", AF_CAN, SOCK_RAW, 1 },
		{ "bluetooth", AF_BLUETOOTH, SOCK_RAW, 1 },
		{ "xdp", 44, SOCK_RAW, 0 },
		{ "packet", AF_PACKET, SOCK_RAW, 0 },
		{ "smc", 43, SOCK_STREAM, 0 },
		{ "kcm", AF_KCM, SOCK_DGRAM, 0 },
		{ "qipcrtr", 42, SOCK_DGRAM, 0 },
		{ "iucv", AF_IUCV, SOCK_STREAM, 0 },
		{ "phonet", AF_PHONET, SOCK_DGRAM, 0 },
		{ "llc", AF_LLC, SOCK_STREAM, 0 },
		{ "x25", AF_X25, SOCK_SEQPACKET, 0 },
		{ "ax25", AF_AX25, SOCK_SEQPACKET, 0 },
		{ "nfc", AF_NFC, SOCK_SEQPACKET, 0 },
		{ "mctp", 45, SOCK_DGRAM, 0 },
	};
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		try_socket(all[i].name, all[i].family, all[i].type, all[i].proto);
	return 0;
}

static int connect_unix(const char *name, bool abstract)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	size_t len = strlen(name);
	if (len > sizeof(sa.sun_path) - 2)
		return 2;
	memcpy(sa.sun_path + (abstract ? 1 : 0), name, len);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	out_result(
		"connect", connect(fd, (struct sockaddr *)&sa,
				   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1)));
	close(fd);
	return 0;
}

static int connect_ip(const char *address, const char *port, int type)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)parse_number(port)) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = v4.sin_port };
	bool is_v6 = strchr(address, ':') != NULL;
	if (inet_pton(is_v6 ? AF_INET6 : AF_INET, address,
		    is_v6 ? (void *)&v6.sin6_addr : &v4.sin_addr) != 1)
		return 2;
	int fd = socket(is_v6 ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		out_result("socket", -1);
		return 0;
	}
	struct timeval limit = { .tv_sec = 3 };
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	int r = is_v6 ? connect(fd, (struct sockaddr *)&v6, sizeof(v6))
		      : connect(fd, (struct sockaddr *)&v4, sizeof(v4));
	out_result("connect", r);
	if (r == 0)
		out_result("send", send(fd, "x", 1, MSG_NOSIGNAL));
	close(fd);
	return 0;
}

int cmd_connect(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "unix"))
		return connect_unix(argv[2], false);
	if (argc == 3 && !strcmp(argv[1], "abstract"))
		return connect_unix(argv[2], true);
	if (argc == 4 && !strcmp(argv[1], "tcp"))
		return connect_ip(argv[2], argv[3], SOCK_STREAM);
	if (argc == 4 && !strcmp(argv[1], "udp"))
		return connect_ip(argv[2], argv[3], SOCK_DGRAM);
	return 2;
}

int cmd_net(int argc, char **argv)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct if_nameindex *list = if_nameindex();
	for (struct if_nameindex *i = list; i && i->if_name; i++) {
		struct ifreq rq = { 0 };
		snprintf(rq.ifr_name, sizeof(rq.ifr_name), "%s", i->if_name);
		int r = ioctl(fd, SIOCGIFFLAGS, &rq);
		out_begin("interface");
		out_str("name", i->if_name);
		out_bool("up", r == 0 && (rq.ifr_flags & IFF_UP));
		out_bool("loopback", r == 0 && (rq.ifr_flags & IFF_LOOPBACK));
		out_end();
	}
	if (list)
		if_freenameindex(list);
	close(fd);
	return 0;
}

static void try_terminal_ioctl(const char *name, int fd, unsigned long cmd, void *arg)
{
	out_begin("ioctl");
	out_str("name", name);
	out_int("errno", syscall(SYS_ioctl, fd, cmd, arg) < 0 ? errno : 0);
	out_int("high_errno", syscall(SYS_ioctl, fd, cmd | 1ul << 32, arg) < 0 ? errno : 0);
	out_end();
}

int cmd_tiocsti(int argc, char **argv)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	out_result("openpt", master);
	if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0)
		return 1;
	const char *name = ptsname(master);
	setsid();
	int slave = open(name ? name : "", O_RDWR | O_CLOEXEC);
	out_result("open_slave", slave);
	ioctl(slave, TIOCSCTTY, 0);
	char c = 'x', linux_cmd[8] = { 2 };
	int discipline = 0;
	struct termios t;
	struct winsize w;
	try_terminal_ioctl("TIOCSTI", slave, TIOCSTI, &c);
	try_terminal_ioctl("TIOCLINUX", slave, TIOCLINUX, linux_cmd);
	try_terminal_ioctl("TIOCSETD", slave, TIOCSETD, &discipline);
	try_terminal_ioctl("TCGETS", slave, TCGETS, &t);
	try_terminal_ioctl("TIOCGWINSZ", slave, TIOCGWINSZ, &w);
	out_result("dev_tty", open("/dev/tty", O_RDWR | O_CLOEXEC));
	return 0;
}

static void ipc_objects(key_t key, int create)
{
	int flags = create ? IPC_CREAT | 0666 : 0;
	out_result("shm", shmget(key, 4096, flags));
	out_result("sem", semget(key, 1, flags));
	out_result("msg", msgget(key, flags));
	char name[32];
	snprintf(name, sizeof(name), "/probe-%d", (int)key);
	mqd_t mq = mq_open(name, create ? O_RDWR | O_CREAT : O_RDWR, 0666, NULL);
	out_result("mq", mq);
	int shm = shm_open(name, create ? O_RDWR | O_CREAT : O_RDWR, 0666);
	out_result("posix_shm", shm);
}

static void ipc_remove(key_t key)
{
	char name[32];
	snprintf(name, sizeof(name), "/probe-%d", (int)key);
	shmctl(shmget(key, 0, 0), IPC_RMID, NULL);
	semctl(semget(key, 0, 0), 0, IPC_RMID);
	msgctl(msgget(key, 0), IPC_RMID, NULL);
	mq_unlink(name);
	shm_unlink(name);
}

int cmd_ipc(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	key_t key = (key_t)parse_number(argv[2]);
	if (!strcmp(argv[1], "remove"))
		ipc_remove(key);
	else
		ipc_objects(key, !strcmp(argv[1], "create"));
	return 0;
}

static void try_keys(void)
{
	long key = syscall(SYS_add_key, "user", "probe", "secret", 6, -2 /* process keyring */);
	out_result("add_key", key);
	out_result("request_key", syscall(SYS_request_key, "user", "probe", NULL, 0));
	char text[64];
	out_result("keyctl_read", syscall(SYS_keyctl, 11, key, text, sizeof(text), 0));
	out_result("keyctl_session", syscall(SYS_keyctl, 0, -3, 0, 0, 0));
}

static void try_personality(void)
{
	static const struct {
		const char *name;
		unsigned long value;
	} all[] = { { "PER_LINUX", 0 }, { "PER_LINUX32", 8 }, { "UNAME26", 0x20000 },
		{ "UNAME26_LINUX32", 0x20008 }, { "ADDR_NO_RANDOMIZE", 0x40000 },
		{ "query", 0xffffffff }, { "READ_IMPLIES_EXEC", 0x400000 },
		{ "READ_IMPLIES_EXEC_high", 1ul << 32 | 0x400000 }, { "MMAP_PAGE_ZERO", 0x100000 },
		{ "PER_SVR4", 0x4100001 } };
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		out_begin("personality");
		out_str("name", all[i].name);
		out_int("errno", syscall(SYS_personality, all[i].value) < 0 ? errno : 0);
		out_end();
		syscall(SYS_personality, 0);
	}
}

int cmd_kernel(int argc, char **argv)
{
	struct io_uring_params params = { 0 };
	long ring = syscall(SYS_io_uring_setup, 8, &params);
	out_result("io_uring_setup", ring);
	out_result("io_uring_enter", syscall(SYS_io_uring_enter, ring, 0, 0, 0, NULL, 0));
	out_result("io_uring_register",
		syscall(SYS_io_uring_register, ring, 1 /* unregister buffers */, NULL, 0));
	out_result("userfaultfd", syscall(SYS_userfaultfd, 0));
	out_result("userfaultfd_user_mode", syscall(SYS_userfaultfd, 1));
	try_keys();
	union bpf_attr map = {
		.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1
	};
	out_result("bpf", syscall(SYS_bpf, BPF_MAP_CREATE, &map, sizeof(map)));
	struct perf_event_attr perf = { .type = PERF_TYPE_SOFTWARE,
		.size = sizeof(perf),
		.config = PERF_COUNT_SW_TASK_CLOCK,
		.exclude_kernel = 1,
		.exclude_hv = 1 };
	out_result("perf_event_open", syscall(SYS_perf_event_open, &perf, 0, -1, -1, 0));
	out_result("memfd_secret", syscall(447, 0));
	out_result("memfd_create", memfd_create("probe", MFD_CLOEXEC));
	out_result("kcmp", syscall(SYS_kcmp, getpid(), getpid(), 0, 0, 1));
	out_result("unknown_call", syscall(999));
	try_personality();
	return 0;
}
