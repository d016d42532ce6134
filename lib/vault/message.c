/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What all services' replies have in common. */
#include "vault/message.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define WHO_MAX 288

static void who(const struct http_reply *reply, char out[static WHO_MAX])
{
	(void)snprintf(out, WHO_MAX, "%s's answer", reply->host);
}

void message_note_id(const struct http_reply *reply, struct cmk_err *err)
{
	if (err)
		(void)text_copy(err->request_id, sizeof(err->request_id), reply->request_id);
}

int message_json(const struct http_reply *reply, struct json **ret, struct cmk_err *err)
{
	char subject[WHO_MAX];

	who(reply, subject);
	return json_parse(http_reply_text(reply), reply->body.len, subject, CMK_PROTOCOL, ret, err);
}

int message_read(const struct http_reply *reply, const struct json *json,
		 const struct json_node *node, const struct json_field *fields, size_t count,
		 void *out, struct cmk_err *err)
{
	char subject[WHO_MAX];

	who(reply, subject);
	if (!node)
		return cmk_err(err, CMK_PROTOCOL, "%s lacks a part that it must have; %s", subject,
			       cmk_code_hint(CMK_PROTOCOL));
	return json_read(json, node, fields, count, out, subject, CMK_PROTOCOL, err);
}

void message_shorten(char *text)
{
	size_t len = strcspn(text, "\r\n");

	if (len > MESSAGE_SHOWN) {
		len = MESSAGE_SHOWN;
		/* Not in the middle of a character of UTF-8. */
		while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
			len--;
	}
	while (len > 0 && (text[len - 1] == '.' || text[len - 1] == ' '))
		len--;
	text[len] = '\0';
}

int message_status(const struct http_reply *reply, struct cmk_err *err)
{
	if (reply->status == 429)
		return cmk_err(
			err, CMK_THROTTLED,
			"%s asks for fewer requests (HTTP 429); wait a minute, then try again",
			reply->host);
	if (reply->status >= 500 || reply->status == 408)
		return cmk_err(err, CMK_SERVICE_DOWN,
			       "%s is out of order (HTTP %ld); wait for it to recover, then try "
			       "again",
			       reply->host, reply->status);
	if (reply->status / 100 == 3)
		return cmk_err(err, CMK_PROTOCOL,
			       "%s redirects elsewhere (HTTP %ld), which is never followed; check "
			       "for a portal or proxy on the path",
			       reply->host, reply->status);
	return cmk_err(err, CMK_PROTOCOL,
		       "%s answered with HTTP %ld and nothing readable; something on the path may "
		       "have answered in its place: check for a portal or proxy",
		       reply->host, reply->status);
}
