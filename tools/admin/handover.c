/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The hand-over to a customer. Only resource group and region are variables: they are all that the provider
 * cannot know. Each command may be repeated, and those that revoke stand alone: they are run months later.
 */
#include "handover.h"

#include <string.h>

#include "base/text.h"
#include "customers.h"
#include "keyurl.h"

#define VAULT_ROLE "Key Vault Crypto Service Encryption User"
#define HSM_ROLE   "Managed HSM Crypto Service Encryption User"
/* https://learn.microsoft.com/azure/role-based-access-control/built-in-roles, and the HSM's own. */
#define VAULT_ROLE_ID "e147488a-f6f5-4113-8e2d-b22465e65bf6"
#define HSM_ROLE_ID   "33413926-3206-4cdd-b39a-83574fe37a17"
/* Evaluated by the customer's shell: who is signed in, and our application's principal in that tenant. */
#define ME	  "\"$(az ad signed-in-user show --query id --output tsv)\""
#define PRINCIPAL "\"$(az ad sp show --id %s --query id --output tsv)\""
#define VAULT	  "$(az keyvault show --name %s --query id --output tsv)"
#define KEYS_MAX  (1 + CONFIG_SPARES_MAX)

struct handover {
	const struct cloud *cloud;
	const char *application;
	const struct customer *customer;
	struct keyurl keys[KEYS_MAX];
	size_t keys_count;
	struct guide guide;
};

/* A cloud of one's own is registered with az by "az cloud register" first. */
static const struct {
	const char *name, *az, *region;
} clouds[] = {
	{ "AzurePublic", "AzureCloud", "westeurope" },
	{ "AzureUSGovernment", "AzureUSGovernment", "usgovvirginia" },
	{ "AzureChina", "AzureChinaCloud", "chinanorth3" },
};

const char *handover_az_cloud(const struct cloud *cloud)
{
	for (size_t i = 0; i < sizeof(clouds) / sizeof(clouds[0]); i++)
		if (strcmp(clouds[i].name, cloud->name) == 0)
			return clouds[i].az;
	return cloud->name;
}

const char *handover_region(const struct cloud *cloud)
{
	for (size_t i = 0; i < sizeof(clouds) / sizeof(clouds[0]); i++)
		if (strcmp(clouds[i].name, cloud->name) == 0)
			return clouds[i].region;
	return clouds[0].region;
}

static const char *key_url(const struct handover *h, size_t i)
{
	return i == 0 ? h->customer->key : h->customer->spare_keys[i - 1];
}

static void introduce(struct handover *h)
{
	struct guide *g = &h->guide;

	guide_title(g, "Hand-over for %s", h->customer->name);
	guide_text(
		g,
		"For the administrator of tenant %s. These steps let your service provider's "
		"application %s use %s, and nothing else of yours. Encrypted disks on the "
		"provider's machines then open only while your vault agrees, and you can end that "
		"at any time.",
		h->customer->tenant_id, h->application,
		h->keys_count > 1 ? "the keys listed below" : "the key listed below");
	for (size_t i = 0; i < h->keys_count; i++)
		guide_text(g, "%s: %s", i == 0 ? "Key" : "Spare key", key_url(h, i));
	guide_text(g,
		   "You need the Azure command line (`az`) and the rights to consent to an "
		   "application (Cloud Application Administrator), to create a vault, and to "
		   "assign roles (Owner of the resource group). Run the numbered steps one after "
		   "another in one shell; each may be repeated.");
}

static void sign_in(struct handover *h)
{
	struct guide *g = &h->guide;

	guide_heading(g, "1. Sign in");
	guide_text(g, "The first two lines are yours to change: the resource group for the vault, "
		      "made if "
		      "it is not there, and the region of both.");
	guide_shell(g,
		    "group=luks-cmk\n"
		    "location=%s\n"
		    "az cloud set --name %s\n"
		    "az login --tenant %s --output none\n",
		    handover_region(h->cloud), handover_az_cloud(h->cloud), h->customer->tenant_id);
	guide_text(g, "If you have several subscriptions, choose the one to use: `az account set "
		      "--subscription NAME`.");
	guide_heading(g, "2. Consent to the application");
	guide_text(
		g,
		"This makes a service principal for the application in your tenant, which by "
		"itself may do nothing. Run the command, or open this page as an administrator:");
	guide_text(g, "https://%s/%s/adminconsent?client_id=%s", h->cloud->authority,
		   h->customer->tenant_id, h->application);
	guide_shell(g,
		    "az ad sp show --id %s --output none 2>/dev/null ||\n"
		    "    az ad sp create --id %s --output none\n",
		    h->application, h->application);
}

static void make_vault(struct handover *h, unsigned step, const struct keyurl *key)
{
	struct guide *g = &h->guide;

	guide_heading(g, "%u. The vault %s", step, key->store);
	guide_text(g,
		   "With roles instead of access policies, and with purge protection: without it, "
		   "somebody can delete the key beyond recovery, and the data with it. The last "
		   "command lets you, who are signed in, make keys.");
	guide_shell(g,
		    "az group create --name \"$group\" --location \"$location\" --output none\n"
		    "az keyvault show --name %s --output none 2>/dev/null ||\n"
		    "    az keyvault create --name %s --resource-group \"$group\" "
		    "--location \"$location\" \\\n"
		    "        --sku premium --enable-rbac-authorization true "
		    "--retention-days 90 --output none\n"
		    "az keyvault update --name %s --enable-purge-protection true --output none\n"
		    "az role assignment create --role \"Key Vault Crypto Officer\" \\\n"
		    "    --assignee-object-id " ME " \\\n"
		    "    --assignee-principal-type User --scope \"" VAULT "\" --output none\n",
		    key->store, key->store, key->store, key->store);
}

static void find_hsm(struct handover *h, unsigned step, const struct keyurl *key)
{
	struct guide *g = &h->guide;

	guide_heading(g, "%u. The Managed HSM %s", step, key->store);
	guide_text(
		g,
		"It must exist and be activated, which takes a ceremony of your own: its security "
		"domain. These commands turn on its purge protection, without which somebody "
		"can delete the key beyond recovery, and let you, who are signed in, make keys. "
		"Its roles are its own, not Azure's.");
	guide_shell(g,
		    "az keyvault update-hsm --hsm-name %s --enable-purge-protection true "
		    "--output none\n"
		    "az keyvault role assignment create --hsm-name %s --scope /keys \\\n"
		    "    --role \"Managed HSM Crypto User\" --assignee-object-id " ME " \\\n"
		    "    --assignee-principal-type User --output none\n",
		    key->store, key->store);
}

static void make_key(struct handover *h, unsigned step, size_t i)
{
	struct guide *g = &h->guide;
	const struct keyurl *key = &h->keys[i];
	const char *option = key->hsm ? "--hsm-name" : "--vault-name";

	guide_heading(g, "%u. The key %s in %s", step, key->key, key->store);
	if (key->versioned) {
		guide_text(g, "Disks will be wrapped by this version, which exists:");
		guide_shell(g, "az keyvault key show --id %s --query key.kid --output tsv\n",
			    key_url(h, i));
		return;
	}
	guide_text(
		g,
		"It never leaves the hardware, and may wrap and unwrap and nothing else. The role "
		"from the step before takes some minutes to work: until then the command is "
		"refused, and tried again.");
	guide_shell(g,
		    "for attempt in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do\n"
		    "    az keyvault key show %s %s --name %s --output none 2>/dev/null && break\n"
		    "    az keyvault key create %s %s --name %s --kty RSA-HSM --size 3072 \\\n"
		    "        --ops wrapKey unwrapKey --output none && break\n"
		    "    sleep 20\n"
		    "done\n",
		    option, key->store, key->key, option, key->store, key->key);
}

static void give_role(struct handover *h, unsigned step, const struct keyurl *key)
{
	struct guide *g = &h->guide;

	guide_heading(g, "%u. The role on the key %s in %s", step, key->key, key->store);
	guide_text(g,
		   "%s (%s) lets the application read the public key, wrap and unwrap; on this one "
		   "key. "
		   "It takes some minutes to work. It goes to the object id that the application's "
		   "service principal has in your tenant, which is not its id elsewhere.",
		   key->hsm ? HSM_ROLE : VAULT_ROLE, key->hsm ? HSM_ROLE_ID : VAULT_ROLE_ID);
	if (key->hsm)
		guide_shell(g,
			    "az keyvault role assignment create --hsm-name %s --scope /keys/%s \\\n"
			    "    --role \"" HSM_ROLE "\" --assignee-object-id \\\n"
			    "    " PRINCIPAL " \\\n"
			    "    --assignee-principal-type ServicePrincipal --output none\n",
			    key->store, key->key, h->application);
	else
		guide_shell(g,
			    "az role assignment create --role \"" VAULT_ROLE "\" \\\n"
			    "    --assignee-object-id " PRINCIPAL " \\\n"
			    "    --assignee-principal-type ServicePrincipal \\\n"
			    "    --scope \"" VAULT "/keys/%s\" --output none\n",
			    h->application, key->store, key->key);
}

/* Whether an earlier key of the list lies in the same vault. */
static bool has_store(const struct handover *h, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (h->keys[j].hsm == h->keys[i].hsm &&
		    strcmp(h->keys[j].store, h->keys[i].store) == 0)
			return true;
	return false;
}

static void set_up(struct handover *h)
{
	unsigned step = 3;

	for (size_t i = 0; i < h->keys_count; i++) {
		const struct keyurl *key = &h->keys[i];

		if (!has_store(h, i))
			(key->hsm ? find_hsm : make_vault)(h, step++, key);
		make_key(h, step++, i);
		give_role(h, step++, key);
	}
	guide_heading(&h->guide, "%u. Network and log", step++);
	guide_text(
		&h->guide,
		"If the vault has a firewall, allow the addresses from which the provider's "
		"machines go out, or agree on a private endpoint. Turn on its diagnostic logs "
		"(AuditEvent): each unlock is one KeyUnwrap by application %s, with the machine's "
		"name in the client information.",
		h->application);
	guide_heading(&h->guide, "%u. Tell the provider that it is done", step);
	guide_text(&h->guide,
		   "It tests all of it with `luks-cmk check --customer %s`, which changes "
		   "nothing.",
		   h->customer->name);
}

static void revoke_key(struct handover *h, const struct keyurl *key)
{
	const char *option = key->hsm ? "--hsm-name" : "--vault-name";

	guide_heading(&h->guide, "Revoke: disable the key %s in %s", key->key, key->store);
	guide_text(
		&h->guide,
		"Works at once, and is the switch to use if in doubt. The machines then say "
		"[key-disabled]. Every version is disabled, because a disk stays with the version "
		"that wrapped it. To undo: the same with `--enabled true`.");
	guide_shell(
		&h->guide,
		"for id in $(az keyvault key list-versions %s %s --name %s \\\n"
		"    --query '[].kid' --output tsv); do\n"
		"    az keyvault key set-attributes --id \"$id\" --enabled false --output none\n"
		"done\n",
		option, key->store, key->key);
}

static void revoke_role(struct handover *h, const struct keyurl *key)
{
	guide_heading(&h->guide, "Revoke: take the role on the key %s in %s away", key->key,
		      key->store);
	guide_text(&h->guide,
		   "Works after minutes. The machines then say [grant]. To undo: the step "
		   "that gave the role.");
	if (key->hsm)
		guide_shell(&h->guide,
			    "az keyvault role assignment delete --hsm-name %s --scope /keys/%s \\\n"
			    "    --role \"" HSM_ROLE "\" --assignee-object-id \\\n"
			    "    " PRINCIPAL "\n",
			    key->store, key->key, h->application);
	else
		guide_shell(&h->guide,
			    "az role assignment delete --role \"" VAULT_ROLE "\" \\\n"
			    "    --assignee " PRINCIPAL " \\\n"
			    "    --scope \"" VAULT "/keys/%s\"\n",
			    h->application, key->store, key->key);
}

static void revoke(struct handover *h)
{
	struct guide *g = &h->guide;

	for (size_t i = 0; i < h->keys_count; i++) {
		revoke_key(h, &h->keys[i]);
		revoke_role(h, &h->keys[i]);
	}
	if (h->keys_count > 1)
		guide_text(g, "Each key alone opens the disks: revoke all of them.");
	guide_heading(g, "Revoke: disable the service principal");
	guide_text(g,
		   "Ends the application's access to everything of yours, as soon as the access "
		   "tokens that are out have expired: about an hour as a rule, up to a day in some "
		   "tenants. The machines then say [principal-disabled]. To undo: the same with "
		   "`accountEnabled=true`.");
	guide_shell(g, "az ad sp update --id %s --set accountEnabled=false\n", h->application);
	guide_heading(g, "What revoking does, and what it cannot do");
	guide_text(g,
		   "From then on no machine opens a disk, and the provider sees which of these it "
		   "was. Undone, the next attempt works again; nothing on the machines has to "
		   "change.");
	guide_text(
		g,
		"It cannot close what is open: a disk in use stays readable until it is closed, "
		"and the machine's administrator can read its volume key meanwhile. A volume key "
		"that was copied, another way into the disk (a passphrase), or an old backup of "
		"its header outlives your key until the disk is encrypted anew. An expiry date is "
		"no switch: the vault goes on unwrapping with an expired key.");
}

static int prepare(struct handover *h, struct cmk_err *err)
{
	int r = 0;

	if (h->application[0] == '\0')
		return cmk_err(err, CMK_CONFIG,
			       CONF_DIR "/luks-cmk.conf names no application for the customer to "
					"consent to; set client_id in [provider], see luks-cmk "
					"provider setup");
	h->keys_count = 1 + h->customer->spare_keys_count;
	for (size_t i = 0; r >= 0 && i < h->keys_count; i++)
		r = keyurl_split(h->cloud, key_url(h, i), &h->keys[i], err);
	return r;
}

int customer_handover(struct call *call, struct cmk_err *err)
{
	static struct config config; /* large, and there is one */
	struct customer customer;
	bool markdown = false;
	const struct command_option options[] = { { .name = "markdown", .flag = &markdown } };
	int r = options_parse(call, options, 1, 1, 1);

	if (r != 0)
		return r;
	struct handover h = { .guide = GUIDE(markdown), .customer = &customer };
	r = customers_config(&config, &h.cloud, err);
	if (r >= 0)
		r = customer_load(CONF_DIR, call->argv[0], &customer, err);
	h.application = config.provider.client_id;
	if (r >= 0)
		r = prepare(&h, err);
	if (r < 0)
		return r;
	introduce(&h);
	sign_in(&h);
	set_up(&h);
	revoke(&h);
	r = guide_print(&h.guide);
	buf_done(&h.guide.out);
	if (r < 0)
		(void)cmk_err_errno(err, CMK_SYSTEM, -r, "the hand-over cannot be written");
	return r;
}
