/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What enroll and format share. */
#include "enrol.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ask.h"
#include "base/io.h"
#include "base/text.h"
#include "command.h"
#include "customers.h"
#include "format/payload.h"
#include "keyurl.h"
#include "paths.h"

#define CONF_FILE CONF_DIR "/luks-cmk.conf"

int enrol_load(struct enrol *ret, const char *customer, bool debug, struct cmk_err *err)
{
	struct token template;
	const struct cloud *cloud;
	int r = config_load(CONF_DIR, &ret->config, err);

	ret->customer_wrong = r >= 0;
	if (r < 0)
		return r;
	r = customer_load(CONF_DIR, customer, &ret->customer, err);
	if (r < 0)
		return r;
	ret->debug = debug;
	cloud = config_cloud(&ret->config, ret->config.provider.cloud);
	if (cloud == NULL)
		return cmk_err(err, CMK_CONFIG, "%s: [provider] cloud '%s' is not known", CONF_FILE,
			       ret->config.provider.cloud);
	r = keyurl_check(cloud, ret->customer.key, err);
	for (size_t i = 0; r >= 0 && i < ret->customer.spare_keys_count; i++)
		r = keyurl_check(cloud, ret->customer.spare_keys[i], err);
	if (r < 0)
		return cmk_err(err, CMK_CONFIG, CUSTOMERS_DIR "/%s.conf: %s", ret->customer.name,
			       err != NULL ? err->text : "");
	ret->customer_wrong = false;
	return enrol_template(ret, ret->customer.key, &template, err);
}

int enrol_template(const struct enrol *enrol, const char *key, struct token *ret,
		   struct cmk_err *err)
{
	const struct config *config = &enrol->config;
	struct token token = { .wrapped_count = 1 };
	struct token_wrapping *wrapping = &token.wrapped[0];

	if (config->provider.client_id[0] == '\0')
		return cmk_err(err, CMK_CONFIG,
			       "%s: [provider] client_id, the id of the multi-tenant application, "
			       "must be set first",
			       CONF_FILE);
	if (config->identity.source[0] == '\0')
		return cmk_err(err, CMK_CONFIG,
			       "%s: [identity] source, such as imds, must be set first", CONF_FILE);
	if (strcmp(config->identity.source, "imds") == 0 && config->identity.client_id[0] == '\0')
		return cmk_err(
			err, CMK_CONFIG,
			"%s: [identity] client_id, of the managed identity, must be set first",
			CONF_FILE);
	(void)text_copy(token.customer, sizeof(token.customer), enrol->customer.name);
	(void)text_copy(token.identity.source, sizeof(token.identity.source),
			config->identity.source);
	(void)text_copy(token.identity.client_id, sizeof(token.identity.client_id),
			config->identity.client_id);
	(void)text_copy(wrapping->vault, sizeof(wrapping->vault), "azure");
	(void)text_copy(wrapping->cloud, sizeof(wrapping->cloud), config->provider.cloud);
	(void)text_copy(wrapping->tenant_id, sizeof(wrapping->tenant_id),
			enrol->customer.tenant_id);
	(void)text_copy(wrapping->client_id, sizeof(wrapping->client_id),
			config->provider.client_id);
	(void)text_copy(wrapping->key, sizeof(wrapping->key), key);
	*ret = token;
	return 0;
}

/* Has the payload wrapped under one key; the helper proves it by an unwrap before it answers. */
static int wrap_one(const struct enrol *enrol, const char *key, const struct wire_request *common,
		    struct token_wrapping *ret, struct cmk_err *err)
{
	_cleanup_wire_reply_ struct wire_reply reply = { 0 };
	_cleanup_free_ char *json = NULL;
	struct wire_request request = *common;
	struct token token;
	int r = enrol_template(enrol, key, &token, err);

	if (r < 0)
		return r;
	json = token_format(&token);
	if (json == NULL)
		return -ENOMEM;
	progress("Wrapping a new key with %s ...", key);
	request.token = json; /* borrowed, as is the payload: nothing here is released twice */
	r = ask_helper(&request, &reply, err);
	if (r < 0)
		return r;
	if (reply.detail == NULL)
		return cmk_err(err, CMK_HELPER, "%s sent no wrapped key", HELPER_PATH);
	r = token_parse(reply.detail, strlen(reply.detail), false, &token, err);
	if (r < 0)
		return r;
	*ret = token.wrapped[0];
	return 0;
}

int enrol_wrap(const struct enrol *enrol, const char *header, const char *uuid,
	       struct secret *ret_payload, struct token *ret, struct cmk_err *err)
{
	const struct customer *customer = &enrol->customer;
	_cleanup_secret_ struct secret payload = { 0 };
	struct wire_request request = { .op = WIRE_WRAP, .debug = enrol->debug };
	struct token token;
	int r = enrol_template(enrol, customer->key, &token, err);

	if (r < 0)
		return r;
	r = payload_new(header, &payload, err);
	if (r < 0)
		return r;
	(void)text_copy(request.header, sizeof(request.header), header);
	(void)text_copy(request.volume, sizeof(request.volume), uuid);
	request.key = payload;
	r = wrap_one(enrol, customer->key, &request, &token.wrapped[0], err);
	for (size_t i = 0; r >= 0 && i < customer->spare_keys_count; i++) {
		r = wrap_one(enrol, customer->spare_keys[i], &request,
			     &token.wrapped[token.wrapped_count], err);
		if (r >= 0)
			token.wrapped_count++;
	}
	if (r < 0)
		return r;
	if (err != NULL)
		err->request_id[0] =
			'\0'; /* of a success: no later error is to be looked up by it */
	secret_move(ret_payload, &payload);
	*ret = token;
	return 0;
}

void enrol_print(const struct luks *luks, const struct luks_enrolment *enrolment,
		 const struct token *token)
{
	char customer[TOKEN_NAME_MAX];
	char url[TOKEN_KEY_MAX];

	text_escape(customer, sizeof(customer), token->customer);
	printf("%s is enrolled for %s: keyslot %d, token %d.\n", luks->name, customer,
	       enrolment->keyslot, enrolment->token);
	for (size_t i = 0; i < token->wrapped_count; i++) {
		text_escape(url, sizeof(url), token->wrapped[i].key);
		printf("  %s %s\n", i == 0 ? "Key  " : "Spare", url);
	}
}
