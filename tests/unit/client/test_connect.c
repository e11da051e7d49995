#include "harness.h"

#include "base/fd.h"

#include <dayfly/client.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char dir[] = "/tmp/dayfly-test-XXXXXX";
static char path[64];

static int listen_at(const char *where)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", where);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 5), 0);
	return fd;
}

static int begin(void **state)
{
	memcpy(dir + sizeof(dir) - 7, "XXXXXX", 6);
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/sock", dir);
	return 0;
}

static int end(void **state)
{
	unlink(path);
	rmdir(dir);
	unsetenv("DAYFLY_SOCKET");
	return 0;
}

TEST(a_named_socket_is_connected_to)
{
	struct dayfly_client *c = NULL;
	struct dayfly_error e;
	int listener = listen_at(path);
	assert_int_equal(dayfly_connect(path, 0, &c, &e), 0);
	assert_string_equal(dayfly_client_path(c), path);
	assert_true(fcntl(dayfly_client_fd(c), F_GETFD) & FD_CLOEXEC);
	dayfly_client_free(c);
	fd_close(&listener);
}

TEST(the_environment_names_a_socket)
{
	struct dayfly_client *c = NULL;
	struct dayfly_error e;
	int listener = listen_at(path);
	setenv("DAYFLY_SOCKET", path, 1);
	assert_int_equal(dayfly_connect(NULL, 0, &c, &e), 0);
	assert_string_equal(dayfly_client_path(c), path);
	dayfly_client_free(c);
	fd_close(&listener);
	/* What was named is not replaced by anything else. */
	assert_int_equal(dayfly_connect(NULL, DAYFLY_CONNECT_AUTOSTART, &c, &e), -ECONNREFUSED);
}

TEST(the_private_place_of_the_user_is_found)
{
	struct dayfly_client *c = NULL;
	struct dayfly_error e;
	char sub[64], socket_path[80];
	snprintf(sub, sizeof(sub), "%s/dayfly", dir);
	snprintf(socket_path, sizeof(socket_path), "%s/dayfly.sock", sub);
	assert_int_equal(mkdir(sub, 0700), 0);
	setenv("XDG_RUNTIME_DIR", dir, 1);
	int listener = listen_at(socket_path);
	assert_int_equal(dayfly_connect(NULL, 0, &c, &e), 0);
	assert_string_equal(dayfly_client_path(c), socket_path);
	dayfly_client_free(c);
	fd_close(&listener);
	unsetenv("XDG_RUNTIME_DIR");
	unlink(socket_path);
	rmdir(sub);
}

TEST(failures_are_told)
{
	struct dayfly_client *c = NULL;
	struct dayfly_error e;
	char longer[300];
	assert_int_equal(dayfly_connect(path, 0, &c, &e), -ENOENT);
	assert_string_equal(e.code, "connect_failed");
	assert_int_equal(e.errnum, ENOENT);
	assert_non_null(strstr(e.message, path));
	assert_true(e.hint[0]);
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(dayfly_connect(longer, 0, &c, &e), -ENAMETOOLONG);
	assert_int_equal(dayfly_connect("", 0, &c, NULL), -ECONNREFUSED);
	assert_int_equal(dayfly_connect_fd(-1, &c, &e), -EBADF);
	assert_null(c);
	dayfly_client_free(c);
}

TEST(the_version_is_that_of_the_header)
{
	assert_string_equal(dayfly_version(), DAYFLY_VERSION_TEXT);
}

#define IN_DIR(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_DIR(a_named_socket_is_connected_to),
		IN_DIR(the_environment_names_a_socket),
		IN_DIR(the_private_place_of_the_user_is_found),
		IN_DIR(failures_are_told),
		cmocka_unit_test(the_version_is_that_of_the_header),
	};
	return RUN_TESTS(tests);
}
