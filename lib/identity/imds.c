/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Identity from Azure's instance metadata service (IMDS): a managed identity of this virtual machine. */
#include "identity/metadata.h"

static const struct metadata_service service = {
	.who = "the metadata service",
	.what = "Azure's metadata service",
	.machine = "a virtual machine in Azure",
	.assign_to = "the virtual machine",
	.causes = "imds:",
	.api_version = "2018-02-01",
};

static int imds_prepare(struct identity *identity, struct cmk_err *err)
{
	if (!identity->client_id[0])
		return cmk_err(err, CMK_CONFIG,
			       "neither luks-cmk.conf nor the token names a managed identity; set "
			       "client_id in [identity]");
	return metadata_check(identity, err);
}

static int imds_request(struct identity *identity, struct http_request *ret, struct secret *jwt,
			struct cmk_err *err)
{
	(void)jwt;
	return metadata_request(identity, &service, ret, err);
}

static int imds_reply(struct identity *identity, const struct http_reply *reply, struct secret *jwt,
		      struct cmk_err *err)
{
	return metadata_reply(identity, &service, reply, jwt, err);
}

const struct identity_ops identity_imds = {
	.name = "imds",
	.prepare = imds_prepare,
	.request = imds_request,
	.reply = imds_reply,
};
