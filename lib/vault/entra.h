/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Microsoft Entra ID: an assertion of the machine for an access token in the customer's tenant. */
#pragma once

#include "vault/vault.h"

/* For struct vault_ops: see there. */
int entra_warm(const struct vault_target *target, struct http_request *ret, struct cmk_err *err);
int entra_greet(const struct vault_target *target, const struct http_reply *reply,
		struct cmk_err *err);
int entra_request(const struct vault_target *target, const struct secret *jwt,
		  struct http_request *ret, struct cmk_err *err);
int entra_reply(const struct vault_target *target, const struct http_reply *reply,
		struct vault_credential *ret, struct cmk_err *err);
/*
 * entra-tenant.c: the id of the tenant that a domain belongs to, from its public discovery document. Asked
 * without any credential. CMK_TENANT where there is no such tenant in this cloud.
 */
int entra_tenant_request(const struct cloud *cloud, const char *domain, struct http_request *ret,
			 struct cmk_err *err);
int entra_tenant_reply(const struct cloud *cloud, const char *domain,
		       const struct http_reply *reply, char ret[static TOKEN_ID_MAX],
		       struct cmk_err *err);
/* entra-error.c: the code and sentence for a reply that is no success. Always negative. */
int entra_refused(const struct vault_target *target, const struct http_reply *reply,
		  struct cmk_err *err);
int entra_tenant_refused(const char *domain, const struct http_reply *reply, struct cmk_err *err);
