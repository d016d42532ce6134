/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Azure's own metadata protocol, which a virtual machine's service and Azure Arc's agent both speak. */
#pragma once

#include "identity/identity.h"

/* Who is asked, in words for sentences. */
struct metadata_service {
	const char *who;	 /* "the metadata service" */
	const char *what;	 /* "Azure's metadata service" */
	const char *machine;	 /* "a virtual machine in Azure" */
	const char *assign_to;	 /* "the virtual machine" */
	const char *causes;	 /* begins the names of its causes: "imds:" */
	const char *api_version; /* "2018-02-01" */
	bool must_echo; /* an answer that does not say which identity it is for may be for another */
};

/* CMK_CONFIG without an audience. */
int metadata_check(const struct identity *identity, struct cmk_err *err);
/*
 *	GET /metadata/identity/oauth2/token?api-version=VERSION
 *		&resource=AUDIENCE[&client_id=GUID] HTTP/1.1
 *	Host: the identity's address
 *	Metadata: true
 *
 * 1, or negative: cmk_err().
 */
int metadata_request(const struct identity *identity, const struct metadata_service *service,
		     struct http_request *ret, struct cmk_err *err);
/* 0 and jwt filled, or the sentence for what was answered instead. */
int metadata_reply(const struct identity *identity, const struct metadata_service *service,
		   const struct http_reply *reply, struct secret *jwt, struct cmk_err *err);
