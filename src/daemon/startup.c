/* Before the loop: see startup.h. */
#include "daemon/startup.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/sig.h"
#include "daemon/activation.h"
#include "daemon/past.h"
#include "daemon/privileges.h"
#include "daemon/recovery.h"
#include "daemon/webhooks.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define WARDEN_HELLO_MS 25000

/* Closes from *first on to the one before keep, which our children do not get either. */
static int close_up_to(unsigned *first, int keep)
{
	if (keep < (int)*first)
		return 0;
	if (keep > (int)*first && close_range(*first, (unsigned)keep - 1, 0) < 0)
		return -errno;
	*first = (unsigned)keep + 1;
	return fd_set_cloexec(keep, 1);
}

static int close_inherited(int keep_fd, int other_fd, struct err *e)
{
	unsigned first = 3;
	int r = close_up_to(&first, keep_fd < other_fd ? keep_fd : other_fd);
	if (r == 0)
		r = close_up_to(&first, keep_fd < other_fd ? other_fd : keep_fd);
	if (r == 0 && close_range(first, ~0u, 0) < 0)
		r = -errno;
	return r < 0 ? err_set(e, ERR_INTERNAL, -r, "close inherited descriptors") : 0;
}

static void reset_signals(void)
{
	struct sigaction sa = { .sa_handler = SIG_IGN };
	sig_reset();
	sigaction(SIGXFSZ, &sa, NULL); /* a log file over RLIMIT_FSIZE is an error like any other */
	sigaction(SIGPIPE, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
}

int startup_clean_process(struct startup *s, int keep_fd, struct err *e)
{
	memset(s, 0, sizeof(*s));
	s->listener = (struct listener){ .dir_fd = -1, .fd = -1 };
	s->keeper.fd = s->warden_fd = s->passed_fd = -1;
	journal_init(&s->journal);
	journal_image_init(&s->journal_image);
	int r = fd_reserve_stdio();
	if (r < 0)
		return err_set(e, ERR_INTERNAL, -r, "open /dev/null");
	r = notify_init(&s->notify, e);
	if (r == 0)
		r = activation_take(&s->passed_fd, e);
	if (r == 0)
		r = close_inherited(keep_fd, s->passed_fd, e);
	if (r < 0)
		return r;
	reset_signals();
	umask(077);
	fd_raise_limit();
	/* The directory that we were started in may be removed, or hold up an unmount. */
	return chdir("/") < 0 ? err_set(e, ERR_INTERNAL, errno, "go to /") : 0;
}

/* Whether files without a name can be made there by whoever we are now. */
static int probe_log_dir(const char *path)
{
	auto_close int probe = open(path, O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600);
	return probe < 0 ? -errno : 0;
}

static int choose_log_dir(struct startup *s, const struct options *o, struct err *e)
{
	static const char *const usual[] = { "/var/tmp", "/tmp" };
	if (o->state_dir) {
		int r = probe_log_dir(o->state_dir);
		s->log_dir = o->state_dir;
		if (r == 0)
			return 0;
		r = err_set(e, ERR_INTERNAL, -r, "cannot make files in the state directory %s",
			o->state_dir);
		err_hint(e,
			"it must be on a file system with O_TMPFILE, and writable for user id %u",
			(unsigned)geteuid());
		return r;
	}
	for (size_t i = 0; i < ARRAY_SIZE(usual) && !s->log_dir; i++)
		if (probe_log_dir(usual[i]) == 0)
			s->log_dir = usual[i];
	if (!s->log_dir)
		log_warning("no directory for output files: output is kept in memory (give one "
			    "with --state-dir)");
	return 0;
}

static int wait_warden(struct startup *s, struct err *e)
{
	int fds[FD_PASS_MAX];
	size_t n_fds = 0;
	int r = keeper_wait_readable(s->keeper.fd, WARDEN_HELLO_MS);
	if (r == 0)
		r = keeper_read_answer(&s->keeper, &s->warden_pid);
	if (r < 0)
		return err_set(e, ERR_WARDEN, r == -EPIPE ? 0 : -r, "%s did not start as a keeper",
			s->warden_path);
	if (s->warden_pid <= 0)
		return err_set(e, ERR_WARDEN, -s->warden_pid, "the keeper could not make a warden");
	r = keeper_wait_readable(s->warden_fd, WARDEN_HELLO_MS);
	if (r < 0)
		return err_set(e, ERR_WARDEN, -r, "the warden says nothing");
	ssize_t n = fd_recv(s->warden_fd, &s->hello, sizeof(s->hello), fds, &n_fds);
	if (n > 0)
		fd_close_many(fds, n_fds);
	if (n <= 0)
		return err_set(
			e, ERR_WARDEN, (int)-n, "the warden ended at its start; its log says why");
	r = wire_event_check(&s->hello, (size_t)n);
	if (r == 0 && s->hello.type == WIRE_FAILED) {
		*e = s->hello.failed.err;
		if (!e->hint[0])
			err_hint(e, "`dayfly doctor` finds out why, and prints the fix");
		return err_wrap(e, "%s", e->field[0] ? e->field : "the warden cannot make jails");
	}
	if (r < 0 || s->hello.type != WIRE_HELLO)
		return err_set(e, ERR_WARDEN, EPROTO, "%s is not of this version", s->warden_path);
	return 0;
}

int startup_guard_socket(struct startup *s, struct err *e)
{
	const struct listener *l = &s->listener;
	if (l->is_passed)
		return 0;
	return keeper_guard_socket(&s->keeper, l->path, l->dev, l->ino, l->is_dir_made, e);
}

static int start_warden(struct startup *s, const struct options *o, uid_t owner_uid, struct err *e)
{
	s->keeper_args = (struct keeper_args){
		.upper = options_upper_name(o->upper),
		.state_dir = o->state_dir,
		.owner_uid = owner_uid,
		.ids_base = o->ids_base,
		.ids_count = o->ids_count,
		.total = o->total,
	};
	int r = keeper_find_warden(o->warden_path, &s->warden_path, e);
	if (r == 0)
		r = keeper_start(&s->keeper, s->warden_path, &s->keeper_args, e);
	if (r == 0)
		r = startup_guard_socket(s, e);
	if (r == 0)
		r = keeper_ask_warden(&s->keeper, &s->warden_fd, e);
	if (r == -EPIPE)
		return err_set(e, ERR_WARDEN, 0, "%s did not start as a keeper", s->warden_path);
	return r < 0 ? r : wait_warden(s, e);
}

static int open_listener(struct startup *s, const struct options *o, struct err *e)
{
	if (s->passed_fd < 0)
		return listener_open(&s->listener, o->socket_path, s->is_root_mode, e);
	int r = listener_adopt(&s->listener, fd_take(&s->passed_fd), e);
	if (r == 0 && strcmp(s->listener.path, o->socket_path) != 0)
		log_warning("the service manager passed %s: %s is not used", s->listener.path,
			o->socket_path);
	return r;
}

static int open_journal(struct startup *s, const char *dir, struct err *e)
{
	return dir ? journal_open(&s->journal, dir, &s->journal_image, e) : 0;
}

/* Beside the journal; without one, where the administrator wants what lasts to be. */
static int choose_outbox_dir(
	struct startup *s, const struct options *o, const char *journal_dir, struct err *e)
{
	const char *dir = journal_dir ? journal_dir : o->state_dir;
	s->outbox_dir = dir ? strdup(dir) : NULL;
	return dir && !s->outbox_dir ? err_set(e, ERR_INTERNAL, ENOMEM, "find the outbox") : 0;
}

/* Artifacts may be large: on the disk, wherever something of the user's is. */
static int choose_uploads_dir(
	struct startup *s, const struct options *o, const char *journal_dir, struct err *e)
{
	const char *dir = o->state_dir	   ? o->state_dir
			  : s->history_dir ? s->history_dir
					   : journal_dir;
	if (!dir)
		return 0;
	s->uploads_dir = strdup(dir);
	if (asprintf(&s->spool_dir, "%s/dayfly-%u.spools", dir, (unsigned)geteuid()) < 0)
		s->spool_dir = NULL;
	return s->uploads_dir && s->spool_dir
		       ? 0
		       : err_set(e, ERR_INTERNAL, ENOMEM, "find the place of uploads");
}

static int read_targets(struct startup *s, const struct options *o, uid_t owner, struct err *e)
{
	int r = upload_targets_parse(o->uploads.targets, &s->targets, e);
	return r < 0 ? r : upload_targets_read_secrets(&s->targets, owner, e);
}

int startup_run(struct startup *s, const struct options *o, struct err *e)
{
	struct identity id;
	struct rlimit nofile = { 1024, 1024 };
	auto_free char *journal_dir = NULL;
	s->is_root_mode = geteuid() == 0;
	getrlimit(RLIMIT_NOFILE, &nofile);
	s->open_files_hard = nofile.rlim_max == RLIM_INFINITY ? UINT32_MAX : nofile.rlim_max;
	/* Descriptors on their way through sockets are counted for the user, and whoever has a
	 * limit of open files below that count passes none on. Rootless, a task is the same user:
	 * with a lower limit than ours it cannot keep us from passing on ours. */
	s->task_open_files = s->open_files_hard - (s->is_root_mode ? 0 : s->open_files_hard / 4);

	int r = s->is_root_mode ? privileges_find(o->user, (uid_t)o->ids_base, &id, e) : 0;
	if (r == 0)
		r = open_listener(s, o, e);
	if (r == 0)
		r = start_warden(s, o, s->is_root_mode ? id.uid : 0, e);
	if (r == 0)
		r = recovery_choose_dir(
			o, s->listener.path, s->is_root_mode ? &id : NULL, &journal_dir, e);
	if (r == 0)
		r = webhooks_read_keys(o, s->is_root_mode ? id.uid : geteuid(), &s->hook_keys, e);
	if (r == 0)
		r = read_targets(s, o, s->is_root_mode ? id.uid : geteuid(), e);
	if (r == 0)
		past_choose_dir(o, s->listener.path, s->is_root_mode, journal_dir, &s->history_dir,
			&s->history_makes_dirs);
	if (r == 0)
		past_choose_git_dir(o, s->listener.path, s->is_root_mode ? &id : NULL, journal_dir,
			&s->git_dir, &s->git_makes_dirs);
	if (r == 0 && s->is_root_mode)
		r = privileges_drop(&id, e);
	if (r == 0)
		r = choose_log_dir(s, o, e);
	if (r == 0)
		r = open_journal(s, journal_dir, e);
	if (r == 0)
		r = choose_outbox_dir(s, o, journal_dir, e);
	if (r == 0)
		r = choose_uploads_dir(s, o, journal_dir, e);
	s->journal.is_private = !s->is_root_mode && !o->state_dir;
	return r < 0 ? r : listener_start(&s->listener, e);
}

void startup_finish(struct startup *s)
{
	fd_close(&s->warden_fd);
	fd_close(&s->passed_fd);
	journal_image_finish(&s->journal_image);
	journal_close(&s->journal);
	listener_close(&s->listener);
	keeper_close(&s->keeper, true);
	signature_wipe(&s->hook_keys);
	upload_targets_finish(&s->targets);
	free(s->uploads_dir);
	free(s->spool_dir);
	s->uploads_dir = s->spool_dir = NULL;
	free(s->outbox_dir);
	s->outbox_dir = NULL;
	free(s->warden_path);
	free(s->history_dir);
	free(s->git_dir);
	s->git_dir = NULL;
	s->warden_path = s->history_dir = NULL;
}
