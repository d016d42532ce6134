/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The sources of an identity, and which one this machine uses for this token. */
#include "identity/identity.h"

#include <errno.h>
#include <string.h>

#include "base/cause.h"
#include "base/io.h"
#include "base/text.h"

static const struct identity_ops *const sources[] = {
	&identity_imds, &identity_arc, &identity_gcp, &identity_file, &identity_exec,
};

static const struct identity_ops *find_source(const char *name)
{
	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++)
		if (strcmp(sources[i]->name, name) == 0)
			return sources[i];
	return NULL;
}

static int check_source(const struct identity_ops *ops, const char *source, bool chosen_here,
			struct cmk_err *err)
{
	if (!ops) {
		int r = cmk_err(err, CMK_IDENTITY,
				"this luks-cmk knows no identity source '%s'; set source in "
				"[identity] of luks-cmk.conf, or update luks-cmk",
				source);
		cause_set(err, "identity:source");
		return r;
	}
	if (ops->machine_only && !chosen_here)
		return cmk_err(err, CMK_CONFIG,
			       "the token names the identity source '%s', which only this machine "
			       "may choose; set source in [identity] of luks-cmk.conf",
			       source);
	return 0;
}

/* Copies what the source needs to know. False where something is too long. */
static bool copy_settings(struct identity *identity, const struct config *config,
			  const char *client_id, const struct cloud *cloud)
{
	const char *path = identity->ops == &identity_exec ? config->identity.program
							   : config->identity.file;

	identity->timeout = config->network.timeout;
	return text_copy(identity->client_id, sizeof(identity->client_id), client_id) &&
	       text_copy(identity->metadata, sizeof(identity->metadata), cloud->metadata) &&
	       text_copy(identity->address, sizeof(identity->address), cloud->metadata) &&
	       text_copy(identity->audience, sizeof(identity->audience), cloud->audience) &&
	       text_copy(identity->path, sizeof(identity->path), path);
}

int identity_init(struct identity *ret, const struct config *config,
		  const struct token_identity *from_token, const struct cloud *cloud,
		  struct cmk_err *err)
{
	const char *source = config->identity.source;
	const char *client_id = config->identity.client_id;
	struct identity identity = { 0 };

	if (!source[0])
		source = from_token->source;
	if (!client_id[0])
		client_id = from_token->client_id;
	identity.ops = find_source(source);
	int r = check_source(identity.ops, source, config->identity.source[0], err);
	if (r < 0)
		return r;
	if (!copy_settings(&identity, config, client_id, cloud))
		return cmk_err(err, CMK_CONFIG,
			       "a setting in [identity] or [cloud %s] of luks-cmk.conf is too "
			       "long; shorten it",
			       cloud->name);
	r = identity.ops->prepare ? identity.ops->prepare(&identity, err) : 0;
	if (r < 0) {
		identity_done(&identity);
		return r;
	}
	*ret = identity;
	return 0;
}

void identity_done(struct identity *identity)
{
	secret_done(&identity->held);
	if (identity->folder > 0)
		io_closep(&identity->folder);
	memset(identity, 0, sizeof(*identity));
}

int identity_held(struct identity *identity, struct http_request *request, struct secret *jwt,
		  struct cmk_err *err)
{
	(void)request;
	if (secret_set(jwt, identity->held.data, identity->held.len) < 0)
		return cmk_err_errno(err, CMK_SYSTEM, ENOMEM, "the identity cannot be kept");
	return 0;
}

bool identity_trim_jwt(struct secret *text)
{
	while (text->len > 0 && strchr(" \t\r\n", text->data[text->len - 1]) &&
	       text->data[text->len - 1])
		text->data[--text->len] = '\0';
	return text->len <= IDENTITY_JWT_MAX && identity_is_jwt(text);
}

bool identity_is_jwt(const struct secret *text)
{
	size_t parts = 1, part_len = 0;

	for (size_t i = 0; i < text->len; i++) {
		uint8_t c = text->data[i];
		bool in_alphabet = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
				   (c >= '0' && c <= '9') || c == '-' || c == '_';
		if (in_alphabet) {
			part_len++;
			continue;
		}
		if (c != '.' || part_len == 0)
			return false;
		parts++;
		part_len = 0;
	}
	return parts == 3 && part_len > 0;
}
