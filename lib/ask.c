/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One conversation with the helper, and what it means when there is none. */

#include "ask.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "base/backoff.h"
#include "base/spawn.h"
#include "paths.h"

static int no_answer(int status, struct cmk_err *err)
{
	/* The helper's own watchdog: see tools/helper/main.c. */
	if (status >= 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
		return cmk_err(err, CMK_TIMEOUT,
			       "%s did not finish within the configured time; raise [network] "
			       "timeout or look "
			       "at the network's speed",
			       HELPER_PATH);
	if (status >= 0 && WIFSIGNALED(status))
		return cmk_err(err, CMK_HELPER,
			       "%s was ended by signal %d (%s) before it answered; look in the "
			       "journal and try "
			       "again",
			       HELPER_PATH, WTERMSIG(status), strsignal(WTERMSIG(status)));
	return cmk_err(err, CMK_HELPER, "%s ended without an answer; reinstall luks-cmk",
		       HELPER_PATH);
}

static int ask_once(const struct wire_request *request, struct wire_reply *ret, struct cmk_err *err)
{
	*ret = (struct wire_reply){ 0 };
	_cleanup_secret_ struct secret question = { 0 };
	int r = wire_encode_request(request, &question, err);
	if (r < 0)
		return r;

	_cleanup_secret_ struct secret answer = { 0 };
	int status = -1;
	r = spawn_ask(HELPER_PATH, &question, WIRE_MESSAGE_MAX, &answer, &status);
	if (r == -ENOMEM)
		return cmk_err(err, CMK_SYSTEM, "out of memory while starting %s", HELPER_PATH);
	if (r < 0)
		return cmk_err_errno(err, CMK_HELPER, -r,
				     "cannot run %s (in an initramfs: rebuild the image); it "
				     "belongs to luks-cmk",
				     HELPER_PATH);
	if (answer.len == 0)
		return no_answer(status, err);

	_cleanup_wire_reply_ struct wire_reply reply = { 0 };
	r = wire_decode_reply(&answer, &reply, err);
	if (r < 0)
		return r;
	*ret = reply;
	reply = (struct wire_reply){ 0 };
	if (err)
		*err = ret->err;
	return cmk_code_errno(ret->err.code);
}

int ask_helper(const struct wire_request *request, struct wire_reply *ret, struct cmk_err *err)
{
	for (;;) {
		int r = ask_once(request, ret, err);
		if (r >= 0 || !ret->again)
			return r;
		backoff_pause(ret->err.code == CMK_THROTTLED);
		wire_reply_done(ret);
	}
}
