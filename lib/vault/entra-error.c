/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Refusals of Microsoft Entra ID: which of its error numbers (AADSTS…) means what for whom. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cause.h"
#include "base/text.h"
#include "vault/entra.h"
#include "vault/message.h"

struct entra_problem {
	char error[64];
	char description[MESSAGE_MAX];
	char correlation_id[CMK_REQUEST_ID_MAX];
	int64_t number;
};

static const struct cause *find_refusal(int64_t number)
{
	char name[CMK_CAUSE_MAX];

	(void)snprintf(name, sizeof(name), "AADSTS%lld", (long long)number);
	return cause_find(name);
}

/* The number in "AADSTS700016: Application …"; 0 if there is none. */
static int64_t number_in(const char *description)
{
	const char *found = strstr(description, "AADSTS");
	int64_t number = 0;

	if (!found)
		return 0;
	found += strlen("AADSTS");
	for (; *found >= '0' && *found <= '9' && number < 1000000000; found++)
		number = number * 10 + (*found - '0');
	return number;
}

/* The first number of error_codes that the table knows, else the first, else that of the description. */
static int64_t find_number(const struct json *json, const struct json_node *codes,
			   const char *description)
{
	int64_t first = 0;
	const struct json_node *node = NULL;

	while (codes && (node = json_next(json, codes, node))) {
		int64_t number;
		if (!json_get_int(json, node, &number))
			continue;
		if (find_refusal(number))
			return number;
		if (first == 0)
			first = number;
	}
	return first ? first : number_in(description);
}

/* false if the reply is none of Entra's. */
static bool read_problem(const struct http_reply *reply, struct entra_problem *ret)
{
	_cleanup_json_ struct json *json = NULL;

	*ret = (struct entra_problem){ 0 };
	if (message_json(reply, &json, NULL) < 0)
		return false;
	const struct json_node *root = json_root(json);
	if (!json_copy_string(json, json_member(json, root, "error"), ret->error,
			      sizeof(ret->error)))
		return false;
	(void)json_copy_string(json, json_member(json, root, "error_description"), ret->description,
			       sizeof(ret->description));
	ret->number = find_number(json, json_member(json, root, "error_codes"), ret->description);
	if (!json_copy_string(json, json_member(json, root, "correlation_id"), ret->correlation_id,
			      sizeof(ret->correlation_id)) ||
	    !text_is_guid(ret->correlation_id))
		ret->correlation_id[0] = '\0';
	message_shorten(ret->description);
	return true;
}

static void format_time(int64_t when, char out[static 32])
{
	time_t time = (time_t)when;
	struct tm utc;

	if (when == 0 || !gmtime_r(&time, &utc) ||
	    strftime(out, 32, "%Y-%m-%d %H:%M:%S UTC", &utc) == 0)
		memcpy(out, "unknown", sizeof("unknown"));
}

static int clock_refusal(const struct http_reply *reply, const struct cause *cause,
			 struct cmk_err *err)
{
	char ours[32], theirs[32];

	format_time(time(NULL), ours);
	format_time(reply->date, theirs);
	return cmk_err(err, CMK_CLOCK,
		       "%s finds that %s (%s); the time is %s here and %s there: %s", reply->host,
		       cause->meaning, cause->name, ours, theirs, cause->next);
}

static int known(const struct vault_target *target, const struct http_reply *reply,
		 const struct cause *cause, struct cmk_err *err)
{
	const struct token_wrapping *wrapping = &target->wrapping;

	if (cause->code == CMK_CLOCK)
		return clock_refusal(reply, cause, err);
	return cmk_err(err, cause->code,
		       "%s does not sign application %s in to tenant %s: %s; %s (%s)", reply->host,
		       wrapping->client_id, wrapping->tenant_id, cause->meaning, cause->next,
		       cause->name);
}

/* Its own words, and the id under which Entra's side finds them: it need not be the one that we sent. */
static int unknown(const struct vault_target *target, const struct http_reply *reply,
		   const struct entra_problem *problem, struct cmk_err *err)
{
	const struct token_wrapping *wrapping = &target->wrapping;
	bool has_id = problem->correlation_id[0] != '\0';
	char name[sizeof(problem->error) + sizeof("entra:")];

	(void)snprintf(name, sizeof(name), "entra:%s", problem->error);
	const struct cause *cause = cause_find(name);
	enum cmk_code code = cause ? cause->code : CMK_PROTOCOL;
	int r = cmk_err(err, code, "%s does not sign application %s in to tenant %s: %s%s%s%s; %s",
			reply->host, wrapping->client_id, wrapping->tenant_id,
			problem->description[0] ? problem->description : problem->error,
			has_id ? " (correlation id " : "", problem->correlation_id,
			has_id ? ")" : "", cause ? cause->next : cmk_code_hint(code));
	cause_set(err, cause ? name : "");
	return r;
}

int entra_refused(const struct vault_target *target, const struct http_reply *reply,
		  struct cmk_err *err)
{
	struct entra_problem problem;

	if (!read_problem(reply, &problem))
		return message_status(reply, err);
	const struct cause *cause = find_refusal(problem.number);
	if (!cause && (reply->status == 429 || reply->status >= 500))
		return message_status(reply, err);
	if (!cause)
		return unknown(target, reply, &problem, err);
	int r = known(target, reply, cause, err);
	cause_set(err, cause->name);
	return r;
}

/* The table's next steps are about a customer's tenant_id; here is none yet. */
static int no_tenant(const char *domain, const struct http_reply *reply, const char *why,
		     const char *number, struct cmk_err *err)
{
	return cmk_err(err, CMK_TENANT,
		       "%s knows no tenant %s: %s%s%s%s; correct the domain or the cloud, or give "
		       "the tenant's id",
		       reply->host, domain, why, number[0] ? " (" : "", number,
		       number[0] ? ")" : "");
}

/* With status 400 (AADSTS90002, AADSTS900023) or 404 as a rule. */
int entra_tenant_refused(const char *domain, const struct http_reply *reply, struct cmk_err *err)
{
	struct entra_problem problem;
	int r;

	if (!read_problem(reply, &problem))
		return message_status(reply, err);
	const struct cause *cause = find_refusal(problem.number);
	if (!cause && reply->status != 400 && reply->status != 404)
		return message_status(reply, err);
	if (!cause)
		return no_tenant(domain, reply,
				 problem.description[0] ? problem.description : problem.error, "",
				 err);
	if (cause->code == CMK_TENANT)
		r = no_tenant(domain, reply, cause->meaning, cause->name, err);
	else
		r = cmk_err(err, cause->code, "%s does not say whose domain %s is: %s; %s (%s)",
			    reply->host, domain, cause->meaning, cause->next, cause->name);
	cause_set(err, cause->name);
	return r;
}
