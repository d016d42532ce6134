/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * luks-cmk-helper: the only program that speaks to the network, or parses what it says. Started by the
 * plugin or the tool with a socket on descriptor 3; reads one request, gives up its rights, answers, and
 * is gone. Nothing is freed at the end: a look-up that hangs must not delay the answer.
 */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "answer.h"
#include "batch.h"
#include "base/io.h"
#include "base/spawn.h"
#include "paths.h"
#include "sandbox.h"

#define READ_REQUEST_MS 10000
/* The kernel ends us this many seconds after the deadline, should anything block for longer. */
#define WATCHDOG_MARGIN_S 1

static int read_requests(struct batch *batch, struct cmk_err *err)
{
	_cleanup_secret_ struct secret messages = { 0 };
	if (secret_init(&messages, WIRE_BATCH_BYTES_MAX) < 0)
		return -ENOMEM;
	int r = io_read_all(SPAWN_FD, &messages, io_now_ms() + READ_REQUEST_MS);
	if (r < 0)
		return cmk_err_errno(err, CMK_HELPER, -r, "the helper cannot read its request");
	return batch_decode(&messages, batch, err);
}

static void arm_watchdog(int64_t deadline_ms)
{
	int64_t left = (deadline_ms - io_now_ms() + 999) / 1000;
	(void)alarm((left > 0 ? (unsigned)left : 0) + WATCHDOG_MARGIN_S);
}

/* From the sandbox on its death is ours; this is for the moments before. */
static bool asker_is_gone(void)
{
	struct pollfd asker = { .fd = SPAWN_FD };
	return poll(&asker, 1, 0) > 0 && (asker.revents & POLLHUP);
}

static int answer_request(struct batch *batch, struct wire_reply *reply, struct cmk_err *err)
{
	int64_t started_ms = io_now_ms();
	int r = read_requests(batch, err);
	if (r < 0)
		return r;
	struct answer *answer = &batch->answers[0];
	r = answer_configure(answer, started_ms, err);
	if (r < 0)
		return r;
	arm_watchdog(answer->deadline_ms);
	r = answer_prepare(answer, err);
	if (r == 0)
		batch_prepare(batch);
	if (r == 0)
		r = sandbox_enter(answer_folder(answer), err);
	if (r < 0)
		return r;
	if (asker_is_gone())
		return cmk_err(err, CMK_HELPER, "the program that asked is gone");
	return batch->count > 1 ? batch_serve(batch, SPAWN_FD, err)
				: answer_serve(answer, reply, err);
}

static bool started_right(void)
{
	struct stat status;
	return fstat(SPAWN_FD, &status) == 0 && S_ISSOCK(status.st_mode);
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "--version") == 0)
		return printf("luks-cmk-helper %s\n", PROJECT_VERSION) > 0 ? 0 : 1;
	if (argc > 1 || !started_right()) {
		(void)fprintf(stderr,
			      "luks-cmk-helper is started by cryptsetup's luks-cmk plugin and by "
			      "luks-cmk(8), never by hand\n");
		return 2;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	/* A host whose files are limited to a size: only the token cache is lost. */
	(void)signal(SIGXFSZ, SIG_IGN);
	sandbox_memory();

	static struct batch batch;
	struct wire_reply reply = { 0 };
	struct cmk_err err = { 0 };
	int r = answer_request(&batch, &reply, &err);
	/* Each has its own by then. */
	if (r == 0 && batch.count > 1)
		_exit(0);
	if (r < 0 && err.code == CMK_OK)
		cmk_err_errno(&err, CMK_SYSTEM, -r, "the helper failed");
	reply.err = err;

	struct secret message = { 0 };
	if (wire_encode_reply(&reply, &message, &err) < 0)
		_exit(1);
	int sent = io_write_all(SPAWN_FD, message.data, message.len);
	secret_done(&message);
	wire_reply_done(&reply);
	_exit(sent < 0 ? 1 : 0);
}
