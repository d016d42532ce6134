/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the vault tells of a key: its newest version, or the one asked for. */
#include <errno.h>
#include <openssl/bn.h>
#include <stdio.h>
#include <string.h>

#include "base/b64.h"
#include "base/cause.h"
#include "base/text.h"
#include "vault/azure-internal.h"
#include "vault/message.h"

struct key_material {
	char kid[TOKEN_KEY_MAX];
	char kty[16];
	struct secret n;
	struct secret e;
};

struct key_attributes {
	bool enabled;
	int64_t nbf;
	int64_t exp;
	int64_t created;
	char recovery_level[64];
};

static const struct json_field material_fields[] = {
	JSON_FIELD(struct key_material, kid, "kid", JSON_KIND_STRING, true),
	JSON_FIELD(struct key_material, kty, "kty", JSON_KIND_STRING, true),
	JSON_FIELD_SECRET(struct key_material, n, "n",
			  B64URL_LEN(sizeof(((struct vault_key *)0)->n)), false),
	JSON_FIELD_SECRET(struct key_material, e, "e",
			  B64URL_LEN(sizeof(((struct vault_key *)0)->e)), false),
};

/* Times beyond 32 bits are in use. */
static const struct json_field attribute_fields[] = {
	JSON_FIELD(struct key_attributes, enabled, "enabled", JSON_KIND_BOOL, true),
	JSON_FIELD(struct key_attributes, nbf, "nbf", JSON_KIND_INT, false),
	JSON_FIELD(struct key_attributes, exp, "exp", JSON_KIND_INT, false),
	JSON_FIELD(struct key_attributes, created, "created", JSON_KIND_INT, false),
	JSON_FIELD(struct key_attributes, recovery_level, "recoveryLevel", JSON_KIND_STRING, false),
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Key Vault and Managed HSM: "RSA-HSM" is an RSA key that never was outside of an HSM, "oct-HSM" an AES key. */
static const struct azure_kind kinds[] = {
	{ "RSA", "RSA-OAEP-256", false },
	{ "RSA-HSM", "RSA-OAEP-256", false },
	{ "oct-HSM", "A256KW", true },
};

const struct azure_kind *azure_kind_find(const char *kty)
{
	for (size_t i = 0; i < COUNT(kinds); i++)
		if (strcmp(kinds[i].kty, kty) == 0)
			return &kinds[i];
	return NULL;
}

/* RFC 7517, section 4.3: without key_ops, a key may be used for everything. */
static bool permits(const struct json *json, const struct json_node *key, const char *operation)
{
	const struct json_node *operations = json_member(json, key, "key_ops");
	const struct json_node *node = NULL;

	if (json_node_type(operations) != JSON_ARRAY)
		return true;
	while ((node = json_next(json, operations, node))) {
		char name[32];
		if (json_copy_string(json, node, name, sizeof(name)) &&
		    strcmp(name, operation) == 0)
			return true;
	}
	return false;
}

/* size bounds the number. 0, -ENOMEM, -EBADMSG. */
static int read_number(const struct secret *text, uint8_t *out, size_t size, size_t *ret_len)
{
	_cleanup_secret_ struct secret bytes = { 0 };

	int r = b64url_decode((const char *)text->data, text->len, &bytes);
	if (r < 0)
		return r;
	if (bytes.len > size || bytes.len == 0)
		return -EBADMSG;
	memcpy(out, bytes.data, bytes.len);
	*ret_len = bytes.len;
	return 0;
}

static int modulus_bits(const struct vault_key *key)
{
	BIGNUM *n = BN_bin2bn(key->n, (int)key->n_len, NULL);
	int bits = n ? BN_num_bits(n) : 0;

	BN_free(n);
	return bits;
}

/* Passes the result on: no other version of the key would do either. */
static int unsuitable(int r, struct cmk_err *err)
{
	cause_set(err, "key:unsuitable");
	return r;
}

static int read_rsa(const struct vault_target *target, const struct key_material *material,
		    struct vault_key *ret, struct cmk_err *err)
{
	int r = -EBADMSG;
	if (material->n.len > 0 && material->e.len > 0)
		r = read_number(&material->n, ret->n, sizeof(ret->n), &ret->n_len);
	if (r == 0)
		r = read_number(&material->e, ret->e, sizeof(ret->e), &ret->e_len);
	if (r == -EBADMSG)
		return cmk_err(err, CMK_PROTOCOL,
			       "%s tells no usable public key of %s; check for something on the "
			       "path that answers in its place",
			       target->host, ret->kid);
	if (r == 0 && modulus_bits(ret) < AZURE_RSA_BITS_MIN)
		return unsuitable(cmk_err(err, CMK_KEY_OPERATION,
					  "key %s has %d bits; at least %d are needed: the "
					  "customer creates a longer one",
					  ret->kid, modulus_bits(ret), AZURE_RSA_BITS_MIN),
				  err);
	return r;
}

/* What is public of the key. */
static int read_material(const struct vault_target *target, const struct key_material *material,
			 struct vault_key *ret, struct cmk_err *err)
{
	const struct azure_kind *kind = azure_kind_find(material->kty);

	if (!kind)
		return unsuitable(cmk_err(err, CMK_KEY_OPERATION,
					  "key %s is of type %s; an RSA key is needed, or in a "
					  "Managed HSM an AES key (oct-HSM): the customer creates "
					  "one",
					  ret->kid, material->kty),
				  err);
	return kind->symmetric ? 0 : read_rsa(target, material, ret, err);
}

static int read_key(const struct vault_target *target, const struct http_reply *reply,
		    struct key_material *material, struct vault_key *ret, struct cmk_err *err)
{
	_cleanup_json_ struct json *json = NULL;
	struct key_attributes attributes = { 0 };
	struct azure_url url;

	int r = message_json(reply, &json, err);
	if (r < 0)
		return r;
	const struct json_node *key = json_member(json, json_root(json), "key");
	r = message_read(reply, json, key, material_fields, COUNT(material_fields), material, err);
	if (r == 0)
		r = message_read(reply, json, json_member(json, json_root(json), "attributes"),
				 attribute_fields, COUNT(attribute_fields), &attributes, err);
	if (r == 0)
		r = azure_check_kid(target, material->kid, &url, err);
	if (r < 0)
		return r;
	(void)snprintf(ret->kid, sizeof(ret->kid), "%s/keys/%s/%s", target->origin, url.name,
		       url.version);
	(void)text_copy(ret->kty, sizeof(ret->kty), material->kty);
	(void)text_copy(ret->recovery_level, sizeof(ret->recovery_level),
			attributes.recovery_level);
	ret->enabled = attributes.enabled;
	ret->not_before = attributes.nbf;
	ret->expires = attributes.exp;
	ret->created = attributes.created;
	ret->can_wrap = permits(json, key, "wrapKey");
	ret->can_unwrap = permits(json, key, "unwrapKey");
	return read_material(target, material, ret, err);
}

int azure_describe_reply(const struct vault_target *target, const struct http_reply *reply,
			 struct vault_key *ret, struct cmk_err *err)
{
	struct key_material material = { 0 };
	struct vault_key key = { 0 };

	message_note_id(reply, err);
	if (reply->status != 200)
		return azure_refused(target, reply, AZURE_DESCRIBE, err);
	int r = read_key(target, reply, &material, &key, err);
	secret_done(&material.n);
	secret_done(&material.e);
	if (r == 0)
		*ret = key;
	return r;
}
