/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * luks-cmk provider setup: what the provider runs once in its own tenant. What this machine knows already, from
 * its configuration and its own assertion, stands in the commands; the rest they find out themselves.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "command.h"
#include "customers.h"
#include "guide.h"
#include "handover.h"
#include "lookup.h"

#define CREDENTIAL  "luks-cmk"
#define CONF_FILE   CONF_DIR "/luks-cmk.conf"
#define IDENTITY_OF "az identity show --resource-group \"$group\" --name \"$identity\" --query"

struct setup {
	const struct config *config;
	const struct cloud *cloud;
	const char *source;	      /* of the identity */
	char tenant_id[TOKEN_ID_MAX]; /* empty: az knows, once one is signed in */
	bool has_claims;
	struct lookup_claims claims;
	char machine[65];
	struct guide guide;
};

static bool is_imds(const struct setup *s)
{
	return strcmp(s->source, "imds") == 0;
}

static const char *application(const struct setup *s)
{
	return s->config->provider.client_id;
}

static void introduce(struct setup *s, const struct cmk_err *unknown)
{
	struct guide *g = &s->guide;

	guide_title(g, "The provider's side in cloud %s", s->cloud->name);
	guide_text(
		g,
		"Once, for all customers: a multi-tenant application, an identity of the "
		"machines, and a federated credential by which the one may speak for the other. "
		"No secret is made. You need the Azure command line (`az`), the right to register "
		"applications, and to create identities. Run the numbered steps one after "
		"another in one shell; each may be repeated.");
	if (!s->has_claims) {
		guide_text(
			g,
			"This machine cannot say yet who it is%s%s%s; so the commands find it out.",
			unknown->text[0] != '\0' ? " (" : "", unknown->text,
			unknown->text[0] != '\0' ? ")" : "");
		return;
	}
	guide_heading(g, "What this machine's assertion says");
	guide_text(g, "A federated credential works if it has these, letter by letter:");
	guide_text(g, "Issuer: %s", s->claims.issuer);
	guide_text(g, "Subject: %s", s->claims.subject);
	guide_text(g, "Audience: %s", s->claims.audience);
	if (strcmp(s->claims.audience, s->cloud->audience) != 0)
		guide_text(g,
			   "The audience should be %s, the one of cloud %s: correct what gives the "
			   "assertion out, or `audience` of the cloud.",
			   s->cloud->audience, s->cloud->name);
}

static void sign_in(struct setup *s)
{
	struct guide *g = &s->guide;

	guide_heading(g, "1. Sign in to the provider's tenant");
	if (is_imds(s) && !s->has_claims) {
		guide_text(
			g,
			"The first lines are yours to change: the resource group of the identity, "
			"made if it is not there, and its region; the identity's name; a virtual "
			"machine that gets it, and that machine's resource group.");
		guide_shell(g,
			    "group=luks-cmk\n"
			    "location=%s\n"
			    "identity=luks-cmk\n"
			    "machine=%s\n"
			    "machine_group=\"$group\"\n",
			    handover_region(s->cloud), s->machine);
	}
	guide_shell(g,
		    "az cloud set --name %s\n"
		    "az login%s%s --output none\n",
		    handover_az_cloud(s->cloud), s->tenant_id[0] != '\0' ? " --tenant " : "",
		    s->tenant_id);
}

static void make_application(struct setup *s)
{
	struct guide *g = &s->guide;

	guide_heading(g, "2. The multi-tenant application");
	if (application(s)[0] != '\0') {
		guide_text(g, "%s names it. This makes sure that other tenants can consent to it.",
			   CONF_FILE);
		guide_shell(g,
			    "application=%s\n"
			    "az ad app update --id \"$application\" --sign-in-audience "
			    "AzureADMultipleOrgs --output none\n",
			    application(s));
		return;
	}
	guide_text(
		g,
		"Customers see its name. It needs no API permission, no secret and no "
		"certificate. If customers are to consent in the browser, give it a redirect URI, "
		"any page of yours that says thank you: without one the consent page ends in an "
		"error.");
	guide_shell(
		g, "application=$(az ad app create --display-name \"luks-cmk disk encryption\" \\\n"
		   "    --sign-in-audience AzureADMultipleOrgs --query appId --output tsv)\n");
}

static void make_identity(struct setup *s)
{
	struct guide *g = &s->guide;

	guide_heading(g, "3. The machines' identity");
	if (!is_imds(s)) {
		guide_text(g, "The source `%s` of this machine gives it.", s->source);
		return;
	}
	guide_text(g,
		   "It must be user-assigned, and in the application's tenant. Every process on a "
		   "machine that has it can speak in its name.");
	if (s->has_claims) {
		guide_text(g,
			   "This machine has it: client id %s, principal id %s. To give it to "
			   "another: "
			   "`az vm identity assign --resource-group GROUP --name MACHINE "
			   "--identities RESOURCE-ID`.",
			   s->config->identity.client_id, s->claims.subject);
		return;
	}
	guide_shell(
		g,
		"az group create --name \"$group\" --location \"$location\" --output none\n"
		"az identity create --resource-group \"$group\" --name \"$identity\" \\\n"
		"    --location \"$location\" --output none\n"
		"client=$(" IDENTITY_OF " clientId --output tsv)\n"
		"subject=$(" IDENTITY_OF " principalId --output tsv)\n"
		"az vm identity assign --resource-group \"$machine_group\" --name \"$machine\" \\\n"
		"    --identities \"$(" IDENTITY_OF " id --output tsv)\" --output none\n");
}

static void make_credential(struct setup *s)
{
	struct guide *g = &s->guide;

	guide_heading(g, "4. The federated credential");
	guide_text(
		g,
		"Issuer, subject and audience are compared letter by letter, and wrong ones are "
		"accepted here and fail only later. The subject is the identity's principal id, "
		"not its client id. A new credential works after some minutes; until then some of "
		"Entra's nodes refuse it and others do not.");
	if (s->has_claims)
		guide_shell(g,
			    "issuer='%s'\n"
			    "subject='%s'\n",
			    s->claims.issuer, s->claims.subject);
	else
		guide_shell(g,
			    "tenant=$(az account show --query tenantId --output tsv)\n"
			    "issuer=\"https://%s/$tenant/v2.0\"\n",
			    s->cloud->authority);
	guide_shell(g,
		    "credential='{\"name\": \"" CREDENTIAL "\", \"issuer\": \"'\"$issuer\"'\", "
		    "\"subject\": \"'\"$subject\"'\",\n"
		    "    \"audiences\": [\"%s\"]}'\n"
		    "az ad app federated-credential show --id \"$application\" \\\n"
		    "    --federated-credential-id " CREDENTIAL " --output none 2>/dev/null ||\n"
		    "    az ad app federated-credential create --id \"$application\" \\\n"
		    "        --parameters \"$credential\" --output none\n",
		    s->cloud->audience);
	guide_text(g, "If the application has one of this name already, compare it with "
		      "`az ad app federated-credential list --id APPLICATION`.");
}

/* With what the source needs besides its name. A path that is odd is left out, for the reader to write. */
static void print_other_source(struct setup *s)
{
	const struct {
		const char *name, *value;
	} settings[] = {
		{ "client_id", s->config->identity.client_id },
		{ "file", s->config->identity.file },
		{ "program", s->config->identity.program },
	};

	guide_shell(&s->guide,
		    "printf '[provider]\\ncloud = %%s\\nclient_id = %%s\\n\\n"
		    "[identity]\\nsource = %%s\\n' \\\n"
		    "    %s \"$application\" %s\n",
		    s->cloud->name, s->source);
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		if (text_is_plain(settings[i].value))
			guide_shell(&s->guide, "printf '%s = %%s\\n' '%s'\n", settings[i].name,
				    settings[i].value);
	}
}

static void configure(struct setup *s)
{
	struct guide *g = &s->guide;
	const char *client_id = s->config->identity.client_id;

	guide_heading(g, "5. What goes onto the machines");
	guide_text(g,
		   "This prints what " CONF_FILE " needs on each machine; see luks-cmk.conf(5) for "
		   "the rest of it.");
	if (!is_imds(s))
		print_other_source(s);
	else
		guide_shell(g,
			    "%s%s%sprintf '[provider]\\ncloud = %%s\\nclient_id = %%s\\n\\n"
			    "[identity]\\nsource = imds\\nclient_id = %%s\\n' \\\n"
			    "    %s \"$application\" \"$client\"\n",
			    s->has_claims ? "client=" : "", s->has_claims ? client_id : "",
			    s->has_claims ? "\n" : "", s->cloud->name);
	guide_text(g,
		   "The machines need a way out by tcp/443 to %s and to the customers' vaults, and "
		   "DNS for both; and to the metadata service at %s, which no proxy may stand in "
		   "front of.",
		   s->cloud->authority, s->cloud->metadata);
	guide_text(g, "Then, for each customer: `luks-cmk customer add`, and send what "
		      "`luks-cmk customer handover` prints.");
}

/* What it says of itself helps, and is not needed: a new machine has no identity yet. */
static int find_out(struct setup *s, const char *tenant, bool debug, struct cmk_err *unknown,
		    struct cmk_err *err)
{
	const char *source = s->config->identity.source;
	int r = 0;

	s->source = source[0] != '\0' ? source : "imds";
	if (gethostname(s->machine, sizeof(s->machine) - 1) < 0 ||
	    !text_is_name(s->machine, sizeof(s->machine) - 1))
		(void)text_copy(s->machine, sizeof(s->machine), "VM");
	if (!text_is_plain(s->cloud->audience))
		return cmk_err(err, CMK_CONFIG,
			       CONF_FILE
			       ": the audience '%s' of cloud %s cannot stand in a command; "
			       "correct it",
			       s->cloud->audience, s->cloud->name);
	if (source[0] != '\0') {
		r = lookup_claims(debug, &s->claims, unknown);
		s->has_claims = r == 0;
		if (r < 0 && !is_imds(s)) {
			*err = *unknown;
			return r;
		}
	}
	(void)text_copy(s->tenant_id, sizeof(s->tenant_id), s->claims.tenant_id);
	return tenant != NULL ? lookup_tenant(tenant, debug, s->tenant_id, err) : 0;
}

static int provider_setup(struct call *call, struct cmk_err *err)
{
	static struct config config; /* large, and there is one */
	struct cmk_err unknown = { 0 };
	const char *tenant = NULL;
	bool markdown = false;
	const struct command_option options[] = {
		{ .name = "markdown", .flag = &markdown },
		{ .name = "tenant", .value = &tenant },
	};
	int r = options_parse(call, options, sizeof(options) / sizeof(options[0]), 0, 0);

	if (r != 0)
		return r;
	struct setup s = { .config = &config, .guide = GUIDE(markdown) };
	r = customers_config(&config, &s.cloud, err);
	if (r >= 0)
		r = find_out(&s, tenant, call->debug, &unknown, err);
	if (r < 0)
		return r;
	introduce(&s, &unknown);
	sign_in(&s);
	make_application(&s);
	make_identity(&s);
	make_credential(&s);
	configure(&s);
	r = guide_print(&s.guide);
	buf_done(&s.guide.out);
	if (r < 0)
		(void)cmk_err_errno(err, CMK_SYSTEM, -r, "the instructions cannot be written");
	return r;
}

int cmd_provider(struct call *call, struct cmk_err *err)
{
	const char *verb = call->argc > 1 ? call->argv[1] : "";

	if (strcmp(verb, "--help") == 0 || strcmp(verb, "-h") == 0)
		return STATUS_HELP;
	if (strcmp(verb, "setup") != 0)
		return usage_error(call, "provider wants setup");
	call->argc--;
	call->argv++;
	return provider_setup(call, err);
}
