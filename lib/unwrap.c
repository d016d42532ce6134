/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One attempt on one token, with the record that is left of it. */

#include "unwrap.h"

#include <errno.h>
#include <libcryptsetup.h>
#include <string.h>

#include "ask.h"
#include "base/text.h"
#include "describe.h"
#include "format/wire.h"
#include "paths.h"
#include "record.h"

static int ask(struct crypt_device *cd, int token, uint32_t timeout, struct secret *ret,
	       struct cmk_err *err)
{
	const char *uuid = crypt_get_uuid(cd);
	const char *json;
	if (crypt_token_json_get(cd, token, &json) < 0)
		return cmk_err(err, CMK_TOKEN, "token %d cannot be read from the header", token);

	_cleanup_wire_request_ struct wire_request request = { .op = WIRE_UNWRAP,
							       .timeout = timeout };
	int r = describe_header(cd, request.header, err);
	if (r == 0)
		r = describe_check_keyslots(cd, token, err);
	if (r < 0)
		return r;
	(void)text_copy(request.volume, sizeof(request.volume), uuid ? uuid : "");
	request.token = strdup(json);
	if (!request.token)
		return -ENOMEM;

	_cleanup_wire_reply_ struct wire_reply reply = { 0 };
	r = ask_helper(&request, &reply, err);
	if (r < 0)
		return r;
	if (reply.key.len == 0)
		return cmk_err(err, CMK_HELPER, "%s answered without a key; reinstall luks-cmk",
			       HELPER_PATH);
	secret_move(ret, &reply.key);
	return 0;
}

int unwrap_token(struct crypt_device *cd, int token, uint32_t timeout, struct secret *ret,
		 struct cmk_err *err)
{
	int r = ask(cd, token, timeout, ret, err);
	if (r == -ENOMEM)
		cmk_err(err, CMK_SYSTEM, "out of memory");
	if (r < 0)
		record_write(RUN_DIR, crypt_get_uuid(cd), token, err);
	else
		record_remove(RUN_DIR, crypt_get_uuid(cd), token);
	return r;
}
