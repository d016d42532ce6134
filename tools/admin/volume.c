/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A volume's enrolments as JSON. */
#include "volume.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "output.h"

static void json_wrapping(struct buf *b, const struct token_wrapping *wrapping)
{
	char host[TOKEN_KEY_MAX];
	char name[TOKEN_KEY_MAX];

	token_key_host(wrapping->key, host, sizeof(host));
	token_key_name(wrapping->key, name, sizeof(name));
	buf_json_next(b);
	buf_puts(b, "{");
	output_member(b, "vault", wrapping->vault);
	output_member(b, "cloud", wrapping->cloud);
	output_member(b, "tenant_id", wrapping->tenant_id);
	output_member(b, "client_id", wrapping->client_id);
	output_member(b, "key", wrapping->key);
	output_member(b, "host", host);
	output_member(b, "key_name", name);
	output_member(b, "key_version", token_key_version(wrapping->key));
	output_member(b, "alg", wrapping->alg);
	output_member(b, "created", wrapping->created);
	buf_puts(b, "}");
}

static void json_token(struct buf *b, const struct luks *luks, int number,
		       const struct token *token)
{
	buf_json_next(b);
	buf_puts(b, "{");
	buf_json_int(b, "token", number);
	output_member(b, "customer", token->customer);
	output_slots(b, "keyslots", luks_token_slots(luks, number));
	buf_json_name(b, "identity");
	buf_puts(b, "{");
	output_member(b, "source", token->identity.source);
	output_member(b, "client_id", token->identity.client_id);
	buf_puts(b, "}");
	buf_json_name(b, "wrapped");
	buf_puts(b, "[");
	for (size_t i = 0; i < token->wrapped_count; i++)
		json_wrapping(b, &token->wrapped[i]);
	buf_puts(b, "]}");
}

void volume_slot_owner(const struct luks *luks, int slot, char *out, size_t size)
{
	size_t used = 0;

	(void)snprintf(out, size, "passphrase or key file");
	for (int t = 0; t < LUKS_SLOTS_MAX; t++) {
		const char *type = luks_token_type(luks, t);
		char shown[64];
		int n;

		if (type == NULL || (luks_token_slots(luks, t) & UINT32_C(1) << slot) == 0)
			continue;
		text_escape(shown, sizeof(shown), type);
		n = snprintf(out + used, size - used, "%s%s (token %d)", used > 0 ? ", " : "",
			     shown, t);
		if (n < 0 || (size_t)n >= size - used)
			return;
		used += (size_t)n;
	}
}

static void json_other_slots(struct buf *b, const struct luks *luks, uint32_t slots)
{
	buf_json_name(b, "other_keyslots");
	buf_puts(b, "[");
	for (int i = 0; i < LUKS_SLOTS_MAX; i++) {
		char owner[512];

		if ((slots & UINT32_C(1) << i) == 0)
			continue;
		volume_slot_owner(luks, i, owner, sizeof(owner));
		buf_json_next(b);
		buf_puts(b, "{");
		buf_json_int(b, "keyslot", i);
		buf_json_member(b, "opened_by", owner);
		buf_puts(b, "}");
	}
	buf_puts(b, "]");
}

int volume_json(struct buf *b, struct luks *luks, struct cmk_err *err)
{
	uint32_t bypass = luks_bypass_slots(luks);
	uint32_t active = luks_active_slots(luks);
	int t = LUKS_NONE;

	output_member(b, "device", luks->name);
	output_member(b, "uuid", luks->uuid);
	output_member(b, "label", luks->label);
	output_member(b, "header", luks->header);
	buf_json_name(b, "tokens");
	buf_puts(b, "[");
	while ((t = luks_next_token(luks, t)) != LUKS_NONE) {
		struct token token;
		int r = luks_token(luks, t, &token, err);

		if (r < 0)
			return r;
		json_token(b, luks, t, &token);
	}
	buf_puts(b, "]");
	json_other_slots(b, luks, bypass);
	buf_json_bool(b, "only_way_in", active != 0 && bypass == 0);
	return 0;
}
