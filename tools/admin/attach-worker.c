/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A worker gets its tasks through a socket, one at a time, and says through a pipe how far it is. It leads a process
 * group, so that the helper that it waits for ends with it.
 */
#include "attach-worker.h"

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "luks.h"

/* From SIGTERM to SIGKILL. */
#define END_MS 2000

/* libcryptsetup's buffers for a keyslot, twice 256 KiB, are kept for the next volume: new pages cost more than their use. */
#define BUFFER_MAX (1024 * 1024)

/* One message, with the key behind it, if there is one. */
struct task {
	size_t volume; /* index of the job */
	uint32_t timeout;
	int token; /* this and the next: what the key is for */
	char header[HEADER_DESCRIPTION_MAX];
	char device[PATH_MAX];
};
#define TASK_MAX (sizeof(struct task) + LUKS_PASSPHRASE_MAX)

/* The signal that this process got goes to the helper, too. */
static void end_group(int number)
{
	(void)signal(number, SIG_DFL);
	(void)kill(0, number);
}

static void send_event(void *data, struct attach_event *event)
{
	const int *fd = data;

	if (io_write_all(*fd, event, sizeof(*event)) < 0)
		_exit(1);
}

static void be_child(struct attach_workers *workers, pid_t parent)
{
	static const int defaults[] = { SIGINT, SIGHUP, SIGCHLD, SIGTERM };

	for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++)
		(void)signal(defaults[i], SIG_DFL);
	if (setpgid(0, 0) == 0)
		(void)signal(SIGTERM, end_group);
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
	if (getppid() != parent)
		_exit(1);
	(void)sigprocmask(SIG_SETMASK, &workers->mask, NULL);
	/* Locks are not inherited, and keys pass through this process. */
	(void)mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
	/* Open here, another's socket would have no end when the parent has gone. */
	for (size_t i = 0; i < ATTACH_WORKERS_MAX; i++) {
		if (workers->items[i].pid != 0)
			io_closep(&workers->items[i].fd);
	}
	workers->forget(workers->data);
}

/* False when there is none, and will be none. */
static bool next_task(int fd, struct secret *message, struct task *ret)
{
	ssize_t n;

	do
		n = recv(fd, message->data, message->max, 0);
	while (n < 0 && errno == EINTR);
	if (n < (ssize_t)sizeof(*ret))
		return false;
	message->len = (size_t)n;
	memcpy(ret, message->data, sizeof(*ret));
	return true;
}

static void work(const struct attach_workers *workers, int fd)
{
	_cleanup_secret_ struct secret message = { 0 };
	struct attach_settings settings = *workers->settings;
	int events = workers->events;
	struct task task;

	(void)mallopt(M_MMAP_THRESHOLD, BUFFER_MAX);
	(void)mallopt(M_TRIM_THRESHOLD, 2 * BUFFER_MAX);
	if (secret_init(&message, TASK_MAX) < 0)
		return;
	while (next_task(fd, &message, &task)) {
		const struct crypttab_entry *entry = workers->jobs[task.volume].entry;
		_cleanup_secret_ struct secret secret = { 0 };
		const struct attach_key key = { task.token, task.header, &secret };
		const struct attach_volume volume = { task.volume, task.device, entry->name,
						      entry->options, &key };

		/* Without it, the vault is asked. */
		(void)secret_set(&secret, message.data + sizeof(task), message.len - sizeof(task));
		secret_clear(&message);
		settings.timeout = task.timeout;
		attach_one(&volume, &settings, send_event, &events);
	}
}

static int start(struct attach_workers *workers, struct attach_worker *worker)
{
	_cleanup_close_ int ours = -1, theirs = -1;
	pid_t parent = getpid();
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	ours = pair[0];
	theirs = pair[1];
	(void)fflush(NULL); /* or the child would have it to print as well */
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		io_closep(&ours);
		be_child(workers, parent);
		work(workers, theirs);
		_exit(0);
	}
	(void)setpgid(pid, pid); /* whoever is first */
	*worker = (struct attach_worker){ .pid = pid, .fd = TAKE_FD(ours) };
	return 0;
}

static int hand_over(struct attach_worker *worker, struct attach_job *job, uint32_t timeout)
{
	_cleanup_secret_ struct secret message = { 0 };
	struct task task = { .volume = job->index, .timeout = timeout, .token = job->last.token };
	int r = secret_init(&message, TASK_MAX);

	if (r < 0)
		return r;
	if (!text_copy(task.device, sizeof(task.device), job->device))
		return -ENAMETOOLONG;
	if (job->enrolment != NULL)
		(void)text_copy(task.header, sizeof(task.header), job->enrolment->header);
	r = secret_append(&message, &task, sizeof(task));
	if (r == 0)
		r = secret_append(&message, job->key.data, job->key.len);
	if (r < 0)
		return r;
	if (send(worker->fd, message.data, message.len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return -errno;
	job->keyed = job->key.len > 0;
	secret_done(&job->key);
	job->worker = worker;
	worker->job = job;
	return 0;
}

/* A place without a process. */
static struct attach_worker *find_place(struct attach_workers *workers)
{
	for (size_t i = 0; i < ATTACH_WORKERS_MAX; i++) {
		if (workers->items[i].pid == 0)
			return &workers->items[i];
	}
	return NULL;
}

void attach_workers_prepare(struct attach_workers *workers, size_t count)
{
	for (size_t i = 0; i < count && i < ATTACH_WORKERS_MAX; i++) {
		if (workers->items[i].pid == 0 && start(workers, &workers->items[i]) < 0)
			return;
	}
}

int attach_workers_give(struct attach_workers *workers, struct attach_job *job, uint32_t timeout)
{
	struct attach_worker *place;
	int r;

	for (size_t i = 0; i < ATTACH_WORKERS_MAX; i++) {
		struct attach_worker *worker = &workers->items[i];

		if (worker->pid == 0 || worker->job != NULL || worker->ending_ms != 0)
			continue;
		r = hand_over(worker, job, timeout);
		if (r != -EPIPE && r != -ECONNRESET)
			return r;
		/* It has died while it had nothing to do. */
		attach_worker_end(worker, io_now_ms());
	}
	place = find_place(workers);
	if (place == NULL)
		return 1;
	r = start(workers, place);
	return r < 0 ? r : hand_over(place, job, timeout);
}

void attach_worker_release(struct attach_worker *worker)
{
	worker->job->worker = NULL;
	worker->job = NULL;
}

void attach_worker_end(struct attach_worker *worker, int64_t now_ms)
{
	if (worker->ending_ms == 0) {
		worker->ending_ms = now_ms;
		(void)kill(-worker->pid, SIGTERM);
	} else if (now_ms - worker->ending_ms > END_MS) {
		(void)kill(-worker->pid, SIGKILL);
	}
}

bool attach_worker_reap(struct attach_worker *worker, int *ret_status)
{
	pid_t pid = waitpid(worker->pid, ret_status, WNOHANG);

	if (pid == 0 || (pid < 0 && errno == EINTR))
		return false;
	if (pid < 0)
		*ret_status = -1;
	/* The group may outlive its leader. */
	(void)kill(-worker->pid, SIGKILL);
	io_closep(&worker->fd);
	worker->pid = 0;
	return true;
}

void attach_workers_done(struct attach_workers *workers)
{
	for (size_t i = 0; i < ATTACH_WORKERS_MAX; i++) {
		struct attach_worker *worker = &workers->items[i];

		if (worker->pid == 0)
			continue;
		(void)kill(-worker->pid, SIGKILL);
		while (waitpid(worker->pid, NULL, 0) < 0 && errno == EINTR)
			;
		io_closep(&worker->fd);
		worker->pid = 0;
	}
}
