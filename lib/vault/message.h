/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What all services' replies have in common: JSON where it is due, and failures that need no reading. */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "net/http.h"

/* A service's words about a refusal; what is longer is left out, for its code says enough. */
#define MESSAGE_MAX 4096
/* So much of them is repeated in a sentence. */
#define MESSAGE_SHOWN 200

/* The reply's request id becomes err's, whatever the outcome. err may be NULL. */
void message_note_id(const struct http_reply *reply, struct cmk_err *err);
/* Parses the reply's body; ret refers to it. CMK_PROTOCOL. */
int message_json(const struct http_reply *reply, struct json **ret, struct cmk_err *err);
/* json_read() of a value in it; node may be NULL. CMK_PROTOCOL. */
int message_read(const struct http_reply *reply, const struct json *json,
		 const struct json_node *node, const struct json_field *fields, size_t count,
		 void *out, struct cmk_err *err);
/* Cuts text after its first line, and to what a sentence may repeat. */
void message_shorten(char *text);
/* The sentence for a status that speaks for itself: redirects, 408, 429, 5xx, or nonsense. Negative. */
int message_status(const struct http_reply *reply, struct cmk_err *err);
