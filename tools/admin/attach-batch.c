/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Volumes of one vault that are to be opened together. */
#include "attach-batch.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/spawn.h"
#include "base/text.h"
#include "format/config.h"
#include "luks.h"
#include "paths.h"
#include "record.h"

/* Of a batch's questions together: they wait in a socket's buffer, of which the kernel takes a part for itself. */
#define QUESTION_MAX 98304
/* Of its replies: each is a key or a sentence. */
#define REPLIES_MAX (WIRE_BATCH_MAX * 2048)

struct question {
	struct secret text;
	struct attach_job *members[WIRE_BATCH_MAX];
	size_t count;
};

static bool may_join(const struct attach_job *job, const struct attach_settings *settings)
{
	return job->device != NULL && job->worker == NULL && !job->asked && job->key.len == 0 &&
	       !attach_job_is_over(job) && job->enrolment != NULL && job->enrolment->count == 1 &&
	       job->enrolment->header[0] != '\0' &&
	       (settings->dry_run || !luks_mapping_exists(job->entry->name));
}

/* One sign-in, one vault. */
static bool belong_together(const struct attach_job *a, const struct attach_job *b)
{
	const struct token_wrapping *x = &a->enrolment->token.wrapped[0];
	const struct token_wrapping *y = &b->enrolment->token.wrapped[0];

	return strcmp(a->last.host, b->last.host) == 0 && strcmp(x->tenant_id, y->tenant_id) == 0 &&
	       strcmp(x->client_id, y->client_id) == 0 && strcmp(x->cloud, y->cloud) == 0;
}

/* False if there is no more room. */
static bool add(struct question *question, struct attach_job *job,
		const struct attach_settings *settings)
{
	_cleanup_secret_ struct secret message = { 0 };
	struct wire_request request = { .op = WIRE_UNWRAP,
					.debug = settings->debug,
					.timeout = settings->timeout,
					.token = job->enrolment->json };

	(void)text_copy(request.header, sizeof(request.header), job->enrolment->header);
	(void)text_copy(request.volume, sizeof(request.volume), job->last.uuid);
	if (question->count == WIRE_BATCH_MAX ||
	    wire_encode_request(&request, &message, NULL) < 0 ||
	    message.len > question->text.max - question->text.len ||
	    secret_append(&question->text, message.data, message.len) < 0)
		return false;
	question->members[question->count++] = job;
	return true;
}

static bool start(struct attach_batch *batch, const struct question *question)
{
	if (secret_init(&batch->replies, REPLIES_MAX) < 0)
		return false;
	if (spawn_ask_start(HELPER_PATH, &question->text, &batch->fd, &batch->pid) < 0) {
		secret_done(&batch->replies);
		batch->pid = 0;
		return false;
	}
	batch->taken = 0;
	batch->count = question->count;
	memcpy(batch->members, question->members, sizeof(batch->members));
	for (size_t i = 0; i < batch->count; i++)
		batch->members[i]->asked = true;
	return true;
}

/* The volumes that go with the first. */
static bool start_one(struct attach_batch *batch, struct attach_job *jobs, size_t count,
		      const struct attach_settings *settings)
{
	struct question question = { 0 };
	bool started;

	if (secret_init(&question.text, QUESTION_MAX) < 0)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (may_join(&jobs[i], settings) && belong_together(&jobs[0], &jobs[i]) &&
		    !add(&question, &jobs[i], settings))
			break;
	}
	started = question.count > 1 && start(batch, &question);
	secret_done(&question.text);
	return started;
}

/* Others may be under way since earlier: for volumes that were there before. */
static struct attach_batch *find_place(struct attach_batches *batches)
{
	for (size_t i = 0; i < ATTACH_BATCHES_MAX; i++) {
		if (batches->items[i].pid == 0)
			return &batches->items[i];
	}
	return NULL;
}

void attach_batches_start(struct attach_batches *batches, struct attach_job *jobs, size_t count,
			  const struct attach_settings *settings)
{
	struct attach_batch *batch;

	if (settings->claim || settings->untried || settings->typed != NULL ||
	    settings->timeout == CONFIG_TIMEOUT_FOREVER || (!settings->dry_run && !luks_can_map()))
		return;
	for (size_t i = 0; i < count && (batch = find_place(batches)) != NULL; i++) {
		if (may_join(&jobs[i], settings))
			(void)start_one(batch, &jobs[i], count - i, settings);
	}
}

int attach_batches_fd(const struct attach_batches *batches, size_t index)
{
	return batches->items[index].pid != 0 ? batches->items[index].fd : -1;
}

static void take_reply(struct attach_batch *batch, struct wire_reply *reply,
		       void (*answered)(struct attach_job *job, void *data), void *data)
{
	struct attach_job *job;

	if (reply->place == 0 || reply->place > batch->count)
		return;
	job = batch->members[reply->place - 1];
	if (!job->asked)
		return;
	job->asked = false;
	/* Meanwhile it may have become too late. */
	if (attach_job_is_over(job))
		return;
	if (reply->err.code == CMK_OK && reply->key.len > 0)
		secret_move(&job->key, &reply->key);
	else if (reply->err.code != CMK_OK)
		attach_job_fail(job, &reply->err);
	answered(job, data);
}

/* Reads what is there; false at the end. */
static bool read_some(struct attach_batch *batch)
{
	struct secret *replies = &batch->replies;
	ssize_t n;

	if (replies->len == replies->max)
		return false;
	n = recv(batch->fd, replies->data + replies->len, replies->max - replies->len,
		 MSG_DONTWAIT);
	if (n > 0)
		replies->len += (size_t)n;
	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static void end(struct attach_batch *batch)
{
	(void)kill(batch->pid, SIGKILL);
	while (waitpid(batch->pid, NULL, 0) < 0 && errno == EINTR)
		;
	io_closep(&batch->fd);
	secret_done(&batch->replies);
	for (size_t i = 0; i < batch->count; i++)
		batch->members[i]->asked = false;
	batch->pid = 0;
}

static void receive(struct attach_batch *batch,
		    void (*answered)(struct attach_job *job, void *data), void *data)
{
	bool more = read_some(batch);
	int r;

	do {
		_cleanup_secret_ struct secret message = { 0 };
		_cleanup_wire_reply_ struct wire_reply reply = { 0 };

		r = wire_next(&batch->replies, &batch->taken, &message, NULL);
		if (r > 0 && wire_decode_reply(&message, &reply, NULL) == 0)
			take_reply(batch, &reply, answered, data);
	} while (r > 0);
	if (!more || (r < 0 && r != -EAGAIN))
		end(batch);
}

void attach_batches_receive(struct attach_batches *batches,
			    void (*answered)(struct attach_job *job, void *data), void *data)
{
	for (size_t i = 0; i < ATTACH_BATCHES_MAX; i++) {
		if (batches->items[i].pid != 0)
			receive(&batches->items[i], answered, data);
	}
}

void attach_batches_end(struct attach_batches *batches)
{
	for (size_t i = 0; i < ATTACH_BATCHES_MAX; i++) {
		if (batches->items[i].pid != 0)
			end(&batches->items[i]);
	}
}
