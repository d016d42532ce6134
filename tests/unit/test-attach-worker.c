/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Processes that do one task after another: what each gets, what stays behind, and what one's end costs the others. */
#include "rows.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "tools/admin/attach-worker.h"

#define JOBS	3
#define WAIT_MS 20000

struct fixture {
	struct crypttab_entry entries[JOBS];
	struct disk_enrolment enrolment;
	struct attach_settings settings;
	struct attach_job jobs[JOBS];
	struct attach_workers workers;
	int from_workers;
};

/* In a worker: the fixture as it was at the fork. */
static struct fixture *the_fixture;

/* Instead of the real one: says which process it is, and what it was given. */
void attach_one(const struct attach_volume *volume, const struct attach_settings *settings,
		attach_say_fn say, void *data)
{
	struct attach_event event = { .volume = volume->index,
				      .phase = ATTACH_OPEN,
				      .token = getpid() };
	size_t keys = 0;

	for (size_t i = 0; i < JOBS; i++)
		keys += the_fixture->jobs[i].key.data != NULL;
	(void)snprintf(event.host, sizeof(event.host),
		       "%s %s %u s, key %s of token %d, %s, %zu others'", volume->name,
		       volume->device, settings->timeout, (const char *)volume->key->key->data,
		       volume->key->token, volume->key->header, keys);
	while (strcmp(volume->name, "hangs") == 0)
		(void)pause();
	if (strcmp(volume->name, "dies") == 0)
		_exit(3);
	say(data, &event);
}

static void forget(void *data)
{
	struct fixture *fixture = data;

	for (size_t i = 0; i < JOBS; i++)
		secret_done(&fixture->jobs[i].key);
}

static void set_up(struct fixture *fixture, const char *const names[JOBS])
{
	int pair[2];

	memset(fixture, 0, sizeof(*fixture));
	assert_int_equal(pipe(pair), 0);
	assert_true(
		text_copy(fixture->enrolment.header, sizeof(fixture->enrolment.header), "header"));
	for (size_t i = 0; i < JOBS; i++) {
		struct attach_job *job = &fixture->jobs[i];

		assert_true(text_copy(fixture->entries[i].name, CRYPTTAB_NAME_MAX, names[i]));
		*job = (struct attach_job){ .entry = &fixture->entries[i],
					    .index = i,
					    .device = strdup("/dev/x"),
					    .enrolment = &fixture->enrolment,
					    .last.token = 5 };
		assert_int_equal(secret_set(&job->key, "secret", 6), 0);
	}
	fixture->from_workers = pair[0];
	fixture->workers.events = pair[1];
	fixture->workers.jobs = fixture->jobs;
	fixture->workers.settings = &fixture->settings;
	fixture->workers.forget = forget;
	fixture->workers.data = fixture;
	the_fixture = fixture;
}

static void tear_down(struct fixture *fixture)
{
	attach_workers_done(&fixture->workers);
	for (size_t i = 0; i < JOBS; i++) {
		free(fixture->jobs[i].device);
		secret_done(&fixture->jobs[i].key);
	}
	close(fixture->from_workers);
	close(fixture->workers.events);
}

/* The process that had this job, once it has said so. */
static pid_t finish(struct fixture *fixture, struct attach_job *job)
{
	struct pollfd pollfd = { .fd = fixture->from_workers, .events = POLLIN };
	struct attach_worker *worker = job->worker;

	assert_int_equal(poll(&pollfd, 1, WAIT_MS), 1);
	assert_int_equal(read(pollfd.fd, &job->last, sizeof(job->last)), sizeof(job->last));
	assert_int_equal(job->last.volume, job->index);
	assert_int_equal(job->last.token, worker->pid);
	attach_worker_release(worker);
	assert_null(worker->job);
	assert_null(job->worker);
	return job->last.token;
}

static pid_t do_job(struct fixture *fixture, struct attach_job *job, uint32_t timeout)
{
	assert_int_equal(attach_workers_give(&fixture->workers, job, timeout), 0);
	return finish(fixture, job);
}

/* Waits for a process to end, and leaves it to be reaped. */
static void wait_end(pid_t pid)
{
	siginfo_t info;

	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
}

static size_t processes(const struct fixture *fixture)
{
	size_t count = 0;

	for (size_t i = 0; i < ATTACH_WORKERS_MAX; i++)
		count += fixture->workers.items[i].pid != 0;
	return count;
}

static void test_one_after_another(void **state)
{
	static const char *const names[JOBS] = { "a", "b", "c" };
	struct fixture f;
	pid_t pid;

	(void)state;
	set_up(&f, names);
	secret_done(&f.jobs[2].key);
	pid = do_job(&f, &f.jobs[0], 7);
	assert_string_equal(f.jobs[0].last.host,
			    "a /dev/x 7 s, key secret of token 5, header, 0 others'");
	assert_int_equal(do_job(&f, &f.jobs[1], 6), pid);
	assert_string_equal(f.jobs[1].last.host,
			    "b /dev/x 6 s, key secret of token 5, header, 0 others'");
	/* What the one before had is not there any more. */
	assert_int_equal(do_job(&f, &f.jobs[2], 5), pid);
	assert_string_equal(f.jobs[2].last.host,
			    "c /dev/x 5 s, key  of token 5, header, 0 others'");
	assert_int_equal(processes(&f), 1);
	assert_true(f.jobs[0].keyed && f.jobs[1].keyed && !f.jobs[2].keyed);
	tear_down(&f);
}

static void test_the_key_leaves(void **state)
{
	static const char *const names[JOBS] = { "hangs", "b", "c" };
	struct fixture f;

	(void)state;
	set_up(&f, names);
	assert_int_equal(attach_workers_give(&f.workers, &f.jobs[0], 1), 0);
	assert_null(f.jobs[0].key.data);
	assert_int_equal(f.jobs[0].key.len, 0);
	assert_int_equal(f.jobs[1].key.len, 6);
	tear_down(&f);
}

/* One that has to be ended, or that dies, is the loss of its own volume. */
static void test_ends(void **state)
{
	static const struct {
		const char *name;
		const char *volume;
		int status; /* as of wait(2) */
	} rows[] = {
		{ "ended", "hangs", SIGTERM },
		{ "dies", "dies", 3 << 8 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *const names[JOBS] = { rows[i].volume, "b", "c" };
		struct attach_worker *worker;
		struct fixture f;
		int status = 0;
		pid_t pid;

		set_up(&f, names);
		assert_int_equal(attach_workers_give(&f.workers, &f.jobs[0], 1), 0);
		pid = do_job(&f, &f.jobs[1], 1);
		worker = f.jobs[0].worker;
		CHECK(rows[i].name, worker->pid != pid);
		if (rows[i].status == SIGTERM)
			attach_worker_end(worker, io_now_ms());
		wait_end(worker->pid);
		CHECK(rows[i].name, attach_worker_reap(worker, &status));
		CHECK_INT(rows[i].name, status, rows[i].status);
		CHECK(rows[i].name, worker->job == &f.jobs[0] && f.jobs[0].worker == worker);
		attach_worker_release(worker);
		CHECK_INT(rows[i].name, do_job(&f, &f.jobs[2], 1), pid);
		CHECK_INT(rows[i].name, processes(&f), 1);
		tear_down(&f);
	}
}

/* Nothing is lost with one that has nothing to do. */
static void test_dies_idle(void **state)
{
	static const char *const names[JOBS] = { "a", "b", "c" };
	struct attach_worker *worker;
	struct fixture f;
	int status = 0;
	pid_t pid;

	(void)state;
	set_up(&f, names);
	attach_workers_prepare(&f.workers, 1);
	worker = &f.workers.items[0];
	pid = worker->pid;
	assert_int_equal(kill(pid, SIGKILL), 0);
	wait_end(pid);
	assert_int_not_equal(do_job(&f, &f.jobs[0], 1), pid);
	assert_string_equal(f.jobs[0].last.host,
			    "a /dev/x 1 s, key secret of token 5, header, 0 others'");
	assert_true(attach_worker_reap(worker, &status));
	assert_null(worker->job);
	assert_int_equal(status, SIGKILL);
	tear_down(&f);
}

static void test_room(void **state)
{
	static const char *const names[JOBS] = { "a", "b", "c" };
	struct fixture f;

	(void)state;
	set_up(&f, names);
	attach_workers_prepare(&f.workers, ATTACH_WORKERS_MAX + 1);
	assert_int_equal(processes(&f), ATTACH_WORKERS_MAX);
	for (size_t i = 0; i < ATTACH_WORKERS_MAX; i++)
		attach_worker_end(&f.workers.items[i], io_now_ms());
	assert_int_equal(attach_workers_give(&f.workers, &f.jobs[0], 1), 1);
	assert_null(f.jobs[0].worker);
	assert_int_equal(f.jobs[0].key.len, 6);
	tear_down(&f);
}

/* Each sees that the parent closes its socket, though others were started after it. */
static void test_no_more_tasks(void **state)
{
	static const char *const names[JOBS] = { "a", "b", "c" };
	struct fixture f;
	int status = -1;

	(void)state;
	set_up(&f, names);
	attach_workers_prepare(&f.workers, 2);
	close(f.workers.items[0].fd);
	f.workers.items[0].fd = -1;
	assert_int_equal(waitpid(f.workers.items[0].pid, &status, 0), f.workers.items[0].pid);
	assert_int_equal(status, 0);
	f.workers.items[0].pid = 0;
	tear_down(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_after_another),
		cmocka_unit_test(test_the_key_leaves),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_dies_idle),
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_no_more_tasks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
