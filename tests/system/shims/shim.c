/*
 * Preloaded into dayflyd by fault tests: lets one allocation fail, or all from one on, the
 * real-time clock jump, and files whose path has some text in it hang or fail when they are synced.
 * What is to happen stands in the file that DAYFLY_SHIM names, mapped here and written by the test.
 * Only dayflyd is touched: the keeper and the warden inherit the environment, but are other
 * programs.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct control {
	int countdown; /* the allocation that fails: 1 is the next; 0: none */
	int failed;    /* how many have */
	long long jump_s;
	int stays; /* not only that allocation fails, but all after it */
	volatile int sync_hangs;
	int sync_errno;
	volatile int syncs; /* how many of these files there have been */
	char sync_path[32]; /* "": none */
};

static struct control *control;

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("DAYFLY_SHIM");
	if (!path || strcmp(program_invocation_short_name, "dayflyd") != 0)
		return;
	int fd = open(path, O_RDWR | O_CLOEXEC);
	void *p = fd < 0 ? MAP_FAILED
			 : mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (p != MAP_FAILED)
		control = p;
}

static int fails(void)
{
	if (!control || control->countdown <= 0)
		return 0;
	if (control->countdown > 1) {
		control->countdown--;
		return 0;
	}
	if (!control->stays)
		control->countdown = 0;
	control->failed++;
	errno = ENOMEM;
	return 1;
}

void *malloc(size_t size)
{
	return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	return fails() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
	return fails() ? NULL : __libc_realloc(p, size);
}

/* Returns whether it is to fail, with errno. */
static int sync_fails(int fd)
{
	char link[32], path[512];
	if (!control || !control->sync_path[0])
		return 0;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, sizeof(path) - 1);
	if (n < 0)
		return 0;
	path[n] = '\0';
	if (!strstr(path, control->sync_path))
		return 0;
	control->syncs++;
	while (control->sync_hangs)
		usleep(2000);
	errno = control->sync_errno;
	return errno != 0;
}

int fdatasync(int fd)
{
	return sync_fails(fd) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

int clock_gettime(clockid_t id, struct timespec *ts)
{
	int r = (int)syscall(SYS_clock_gettime, id, ts);
	if (r == 0 && id == CLOCK_REALTIME && control)
		ts->tv_sec += control->jump_s;
	return r;
}
