/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Refusals of Microsoft Entra ID: which of its error numbers (AADSTS…) means what for whom. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "vault/entra.h"
#include "vault/message.h"

struct refusal {
	int64_t number;
	enum cmk_code code;
	const char *sentence; /* what it means; who does what */
};

#define CONSENT                                                                                    \
	"the customer has not consented to it there; the customer consents, or correct tenant_id " \
	"or client_id"
#define NO_RESOURCE                                                                             \
	"the tenant does not know the vault service; check the cloud, or the customer creates " \
	"Key Vault's service principal"
#define SCOPE	  "the scope is malformed; correct the vault suffixes of the [cloud] in luks-cmk.conf"
#define COMPARE	  "; the provider compares it with the application's federated credential"
#define NOT_MI	  "the assertion is no managed identity's own; use a user-assigned managed identity"
#define PROXY_BAN "a proxy on the path restricts sign-in to other tenants; allow this tenant there"
#define TRANSIENT "the sign-in service is temporarily unable; try again"

/*
 * Numbers from learn.microsoft.com/entra/identity-platform/reference-error-codes; those of 700211 to
 * 700236 are not in that list, and known from their own texts only.
 */
static const struct refusal refusals[] = {
	{ 700016, CMK_CONSENT, CONSENT },
	{ 7000229, CMK_CONSENT, CONSENT },
	{ 65001, CMK_CONSENT, CONSENT },
	{ 7000112, CMK_PRINCIPAL_DISABLED,
	  "the customer has disabled its service principal; the customer enables it again, if that "
	  "was not meant" },
	{ 500014, CMK_PRINCIPAL_DISABLED,
	  "the customer has disabled the vault service's own principal; the customer enables it "
	  "again" },
	{ 90002, CMK_TENANT,
	  "there is no such tenant in this cloud; correct tenant_id or the cloud" },
	{ 900023, CMK_TENANT, "that is no tenant's id; correct tenant_id" },
	{ 50034, CMK_TENANT, "the account is not in that tenant; correct tenant_id or client_id" },
	{ 500011, CMK_TENANT, NO_RESOURCE },
	{ 50001, CMK_TENANT, NO_RESOURCE },
	{ 900382, CMK_TENANT,
	  "application and tenant are in different clouds, which cannot work; use an application "
	  "of the tenant's cloud" },
	{ 90038, CMK_TENANT, "the tenant is in another national cloud; correct the cloud" },
	{ 70011, CMK_CONFIG, SCOPE },
	{ 28002, CMK_CONFIG, SCOPE },
	{ 1002012, CMK_CONFIG, SCOPE },
	{ 7000215, CMK_CONFIG,
	  "it wants a client secret, which is never used here; check client_id and authority" },
	{ 70021, CMK_FEDERATION,
	  "no federated credential of the application matches this machine's identity; the "
	  "provider compares issuer, subject and audience, or waits minutes for a new one" },
	{ 700211, CMK_FEDERATION, "no federated credential has the assertion's issuer" COMPARE },
	{ 700212, CMK_FEDERATION, "no federated credential has the assertion's audience" COMPARE },
	{ 700213, CMK_FEDERATION, "no federated credential has the assertion's subject" COMPARE },
	{ 7002137, CMK_FEDERATION, "no federated credential has the assertion's subject" COMPARE },
	{ 7002138, CMK_FEDERATION,
	  "a federated credential differs from the assertion in letter case only; the provider "
	  "corrects it" },
	{ 700236, CMK_FEDERATION,
	  "the assertion comes from another tenant than the application's; the provider uses an "
	  "identity of the application's own tenant" },
	{ 700222, CMK_FEDERATION, NOT_MI },
	{ 700226, CMK_FEDERATION, NOT_MI },
	{ 700229, CMK_FEDERATION, NOT_MI },
	{ 700027, CMK_FEDERATION,
	  "the assertion's signature is not by a key that its issuer publishes; the provider "
	  "checks the issuer" },
	{ 700024, CMK_CLOCK, NULL },
	{ 53003, CMK_GRANT,
	  "a conditional access policy blocks it; the customer exempts the application" },
	{ 50105, CMK_GRANT, "the application is not assigned there; the customer assigns it" },
	{ 501051, CMK_GRANT, "the application is not assigned there; the customer assigns it" },
	{ 50002, CMK_FIREWALL, PROXY_BAN },
	{ 500021, CMK_FIREWALL, PROXY_BAN },
	{ 500022, CMK_FIREWALL, PROXY_BAN },
	{ 90055, CMK_THROTTLED, "it asks for fewer requests; wait a minute, then try again" },
	{ 90006, CMK_SERVICE_DOWN, TRANSIENT },
	{ 90024, CMK_SERVICE_DOWN, TRANSIENT },
	{ 90033, CMK_SERVICE_DOWN, TRANSIENT },
	{ 90090, CMK_SERVICE_DOWN, TRANSIENT },
};

/* RFC 6749, section 5.2: for numbers that are not in the table. */
static const struct {
	const char *error;
	enum cmk_code code;
} errors[] = {
	{ "temporarily_unavailable", CMK_SERVICE_DOWN },
	{ "server_error", CMK_SERVICE_DOWN },
	{ "unauthorized_client", CMK_CONSENT },
	{ "invalid_client", CMK_FEDERATION },
	{ "access_denied", CMK_GRANT },
	{ "invalid_scope", CMK_CONFIG },
	{ "invalid_resource", CMK_TENANT },
};

struct entra_problem {
	char error[64];
	char description[MESSAGE_MAX];
	int64_t number;
};

static const struct refusal *find_refusal(int64_t number)
{
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
		if (refusals[i].number == number)
			return &refusals[i];
	return NULL;
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

static int clock_refusal(const struct http_reply *reply, struct cmk_err *err)
{
	char ours[32], theirs[32];

	format_time(time(NULL), ours);
	format_time(reply->date, theirs);
	return cmk_err(
		err, CMK_CLOCK,
		"%s finds this machine's assertion outside its time of validity "
		"(AADSTS700024); the time is %s here and %s there: set this machine's clock, "
		"or check that the assertion is renewed",
		reply->host, ours, theirs);
}

static enum cmk_code code_of_error(const char *error)
{
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (strcmp(errors[i].error, error) == 0)
			return errors[i].code;
	return CMK_PROTOCOL;
}

int entra_refused(const struct vault_target *target, const struct http_reply *reply,
		  struct cmk_err *err)
{
	const struct token_wrapping *wrapping = &target->wrapping;
	struct entra_problem problem;

	if (!read_problem(reply, &problem))
		return message_status(reply, err);
	const struct refusal *refusal = find_refusal(problem.number);
	if (refusal && refusal->code == CMK_CLOCK)
		return clock_refusal(reply, err);
	if (refusal)
		return cmk_err(err, refusal->code,
			       "%s does not sign application %s in to tenant %s: %s (AADSTS%lld)",
			       reply->host, wrapping->client_id, wrapping->tenant_id,
			       refusal->sentence, (long long)refusal->number);
	if (reply->status == 429 || reply->status >= 500)
		return message_status(reply, err);
	enum cmk_code code = code_of_error(problem.error);
	return cmk_err(err, code, "%s does not sign application %s in to tenant %s: %s; %s",
		       reply->host, wrapping->client_id, wrapping->tenant_id,
		       problem.description[0] ? problem.description : problem.error,
		       cmk_code_hint(code));
}
