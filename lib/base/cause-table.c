/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table of causes. Entra's numbers are from
 * learn.microsoft.com/entra/identity-platform/reference-error-codes; those of 700211 to 700236 are not in that
 * list, and known from their own texts only. Codes of Key Vault and Managed HSM are those of API 7.4, matched
 * by code and never by text.
 */
#include "base/cause.h"

#define MACHINE	 CMK_PARTY_MACHINE
#define PROVIDER CMK_PARTY_PROVIDER
#define CUSTOMER CMK_PARTY_CUSTOMER
#define NOBODY	 CMK_PARTY_NOBODY

#define CONSENT		 "the customer has not consented to it there"
#define CONSENT_NEXT	 "the customer consents, or correct tenant_id or client_id"
#define NO_RESOURCE	 "the tenant does not know the vault service"
#define NO_RESOURCE_NEXT "check the cloud, or the customer creates Key Vault's service principal"
/* The same application in each tenant of the public cloud: Azure Key Vault. */
#define NO_RESOURCE_COMMAND "az ad sp create --id cfa8b339-82a2-471a-a3c9-0fc0be7a4093"
#define SCOPE		    "the scope is malformed"
#define SCOPE_NEXT	    "correct the vault suffixes of the [cloud] in luks-cmk.conf"
#define COMPARE_NEXT	    "the provider compares it with the application's federated credential"
#define NOT_MI		    "the assertion is no managed identity's own"
#define NOT_MI_NEXT	    "use a user-assigned managed identity"
#define UNASSIGNED	    "the application is not assigned there"
#define PROXY_BAN	    "a proxy on the path restricts sign-in to other tenants"
#define PROXY_BAN_NEXT	    "allow this tenant there"
#define TRANSIENT	    "the sign-in service is temporarily unable"
#define AGAIN		    "try again"

#define LIST_CREDENTIALS "az ad app federated-credential list --id {application}"
#define SHOW_IDENTITY	 "az identity list --query \"[?clientId=='{identity}']\""
#define SHOW_SP		 "az ad sp show --id {application}"
#define SHOW_CLOUD	 "az cloud show"
#define ASK_IMDS                                                                    \
	"curl -sS --max-time 10 -H Metadata:true \"http://{host}/metadata/instance" \
	"?api-version=2021-02-01\""

#define SHOW_ARC "az connectedmachine show -g GROUP -n MACHINE --query identity"
#define ASK_ARC	 "azcmagent show"
#define SET_ACCOUNT \
	"gcloud compute instances set-service-account INSTANCE --service-account ACCOUNT"
#define ASK_GOOGLE                                          \
	"curl -sS --max-time 10 -H Metadata-Flavor:Google " \
	"\"http://{host}/computeMetadata/v1/instance/\""
#define SHOW_PROGRAM "grep program /etc/luks-cmk/luks-cmk.conf"

#define NO_IDENTITY	  "has no identity {identity} for this machine"
#define ASSIGN_NEXT	  "assign it to {place}, or correct client_id in [identity]"
#define OTHER_IDENTITY	  "answered for another identity than {identity}"
#define ASSIGN_RIGHT	  "assign the right one to {place}"
#define NOT_AZURE	  "is not {service}, or does not serve this machine"
#define NOT_AZURE_NEXT	  "run this on {machine}, or choose another source in [identity]"
#define NO_HEADER	  "did not see our Metadata header"
#define NO_HEADER_NEXT	  "remove the proxy on the path to it"
#define NO_REASON	  "refused the request without a reason"
#define PROXY_NEXT	  "check for a proxy on the path to it"
#define NO_TOKEN	  "gives no token now"
#define NO_TOKEN_NEXT	  "try again, and check that this is {machine}"
#define TOO_OFTEN	  "asks for fewer requests"
#define TOO_OFTEN_NEXT	  "look for a program on this machine that asks it all the time"
#define TOO_OFTEN_COMMAND "ss -tnp dst {host}"
#define BY_PROXY	  "was asked through a proxy, it seems"
#define BY_PROXY_NEXT	  "exempt that address from it"
#define OUT_OF_ORDER	  "is out of order"
#define NEVER_SHOULD	  "answered with a status that it never should"
#define SILENT		  "did not answer in time"
#define REFUSES		  "does not accept connections"
#define CHECK_AZURE \
	"check that this is a virtual machine in Azure, and that nothing blocks the address"
#define CHECK_GOOGLE                                                                     \
	"check that this is a virtual machine of Google Cloud, and that nothing blocks " \
	"the address"

#define POLICY	    "has an access policy that does not let the application do this"
#define POLICY_NEXT "the customer adds get, wrapKey and unwrapKey for keys to it"
#define POLICY_COMMAND                                           \
	"az keyvault set-policy -n {vault} --spn {application} " \
	"--key-permissions get wrapKey unwrapKey"
#define NO_ROLE	     "gives application {application} no right to the key"
#define NO_ROLE_NEXT "the customer assigns the role {role} on it, which takes minutes to work"
#define HSM_COMMAND                                                                          \
	"az keyvault role assignment create --hsm-name {vault} --role \"Managed HSM Crypto " \
	"Service "                                                                           \
	"Encryption User\" --assignee {application} --scope /keys/{key}"
#define PRIVATE_COMMAND "az keyvault show -n {vault} --query properties.publicNetworkAccess"
#define EXTEND_COMMAND	"az keyvault key set-attributes --id {url} --expires DATE"
#define RECOVER_VAULT	"az keyvault recover -n {vault}"

static const struct cause table[] = {
	/* Entra ID; follows "HOST does not sign application A in to tenant T: ". */
	{ "AADSTS700016", CMK_CONSENT, CUSTOMER, CONSENT, CONSENT_NEXT, NULL },
	{ "AADSTS7000229", CMK_CONSENT, CUSTOMER, CONSENT, CONSENT_NEXT, NULL },
	{ "AADSTS65001", CMK_CONSENT, CUSTOMER, CONSENT, CONSENT_NEXT, NULL },
	{ "AADSTS7000112", CMK_PRINCIPAL_DISABLED, CUSTOMER,
	  "the customer has disabled its service principal",
	  "the customer enables it again, if that was not meant", NULL },
	{ "AADSTS500014", CMK_PRINCIPAL_DISABLED, CUSTOMER,
	  "the customer has disabled the vault service's own principal",
	  "the customer enables it again",
	  "az ad sp update --id cfa8b339-82a2-471a-a3c9-0fc0be7a4093 --set accountEnabled=true" },
	{ "AADSTS90002", CMK_TENANT, MACHINE, "there is no such tenant in this cloud",
	  "correct tenant_id or the cloud", NULL },
	{ "AADSTS900023", CMK_TENANT, MACHINE, "that is no tenant's id", "correct tenant_id",
	  NULL },
	{ "AADSTS50034", CMK_TENANT, MACHINE, "the account is not in that tenant",
	  "correct tenant_id or client_id", NULL },
	{ "AADSTS500011", CMK_TENANT, CUSTOMER, NO_RESOURCE, NO_RESOURCE_NEXT,
	  NO_RESOURCE_COMMAND },
	{ "AADSTS50001", CMK_TENANT, CUSTOMER, NO_RESOURCE, NO_RESOURCE_NEXT, NO_RESOURCE_COMMAND },
	{ "AADSTS900382", CMK_TENANT, PROVIDER,
	  "application and tenant are in different clouds, which cannot work",
	  "use an application of the tenant's cloud", SHOW_CLOUD },
	{ "AADSTS90038", CMK_TENANT, MACHINE, "the tenant is in another national cloud",
	  "correct the cloud", NULL },
	{ "AADSTS70011", CMK_CONFIG, MACHINE, SCOPE, SCOPE_NEXT, NULL },
	{ "AADSTS28002", CMK_CONFIG, MACHINE, SCOPE, SCOPE_NEXT, NULL },
	{ "AADSTS1002012", CMK_CONFIG, MACHINE, SCOPE, SCOPE_NEXT, NULL },
	{ "AADSTS7000215", CMK_CONFIG, MACHINE,
	  "it wants a client secret, which is never used here", "check client_id and authority",
	  NULL },
	{ "AADSTS70021", CMK_FEDERATION, PROVIDER,
	  "no federated credential of the application matches this machine's identity",
	  "the provider compares issuer, subject and audience, or waits minutes for a new one",
	  NULL },
	{ "AADSTS700211", CMK_FEDERATION, PROVIDER,
	  "no federated credential has the assertion's issuer", COMPARE_NEXT, NULL },
	{ "AADSTS700212", CMK_FEDERATION, PROVIDER,
	  "no federated credential has the assertion's audience", COMPARE_NEXT, NULL },
	{ "AADSTS700213", CMK_FEDERATION, PROVIDER,
	  "no federated credential has the assertion's subject", COMPARE_NEXT, NULL },
	{ "AADSTS7002137", CMK_FEDERATION, PROVIDER,
	  "no federated credential has the assertion's subject", COMPARE_NEXT, NULL },
	{ "AADSTS7002138", CMK_FEDERATION, PROVIDER,
	  "a federated credential differs from the assertion in letter case only",
	  "the provider corrects it", LIST_CREDENTIALS },
	{ "AADSTS700236", CMK_FEDERATION, PROVIDER,
	  "the assertion comes from another tenant than the application's",
	  "the provider uses an identity of the application's own tenant", SHOW_IDENTITY },
	{ "AADSTS700222", CMK_FEDERATION, PROVIDER, NOT_MI, NOT_MI_NEXT, SHOW_IDENTITY },
	{ "AADSTS700226", CMK_FEDERATION, PROVIDER, NOT_MI, NOT_MI_NEXT, SHOW_IDENTITY },
	{ "AADSTS700229", CMK_FEDERATION, PROVIDER, NOT_MI, NOT_MI_NEXT, SHOW_IDENTITY },
	{ "AADSTS700027", CMK_FEDERATION, PROVIDER,
	  "the assertion's signature is not by a key that its issuer publishes",
	  "the provider checks the issuer", LIST_CREDENTIALS },
	{ "AADSTS50166", CMK_FEDERATION, PROVIDER,
	  "the sign-in service cannot read the issuer's keys",
	  "the provider makes the issuer's OpenID configuration reachable from the Internet",
	  "curl -sS {issuer}/.well-known/openid-configuration" },
	{ "AADSTS50027", CMK_FEDERATION, PROVIDER, "the assertion is no JWT that can be read",
	  "the provider checks what makes it", LIST_CREDENTIALS },
	{ "AADSTS700024", CMK_CLOCK, MACHINE, "the assertion is outside its time of validity",
	  "set this machine's clock, or check that the assertion is renewed", NULL },
	{ "AADSTS53003", CMK_GRANT, CUSTOMER, "a conditional access policy blocks it",
	  "the customer exempts the application", SHOW_SP },
	{ "AADSTS50105", CMK_GRANT, CUSTOMER, UNASSIGNED, "the customer assigns it", SHOW_SP },
	{ "AADSTS501051", CMK_GRANT, CUSTOMER, UNASSIGNED, "the customer assigns it", SHOW_SP },
	{ "AADSTS50002", CMK_FIREWALL, PROVIDER, PROXY_BAN, PROXY_BAN_NEXT, "ip route" },
	{ "AADSTS500021", CMK_FIREWALL, PROVIDER, PROXY_BAN, PROXY_BAN_NEXT, "ip route" },
	{ "AADSTS500022", CMK_FIREWALL, PROVIDER, PROXY_BAN, PROXY_BAN_NEXT, "ip route" },
	{ "AADSTS90055", CMK_THROTTLED, NOBODY, "it asks for fewer requests",
	  "wait a minute, then try again", NULL },
	{ "AADSTS90006", CMK_SERVICE_DOWN, NOBODY, TRANSIENT, AGAIN, NULL },
	{ "AADSTS90024", CMK_SERVICE_DOWN, NOBODY, TRANSIENT, AGAIN, NULL },
	{ "AADSTS90033", CMK_SERVICE_DOWN, NOBODY, TRANSIENT, AGAIN, NULL },
	{ "AADSTS90090", CMK_SERVICE_DOWN, NOBODY, TRANSIENT, AGAIN, NULL },
	/* Other numbers, by what RFC 6749, section 5.2, calls them; their meaning is what Entra says. */
	{ "entra:temporarily_unavailable", CMK_SERVICE_DOWN, NOBODY, "", AGAIN, NULL },
	{ "entra:server_error", CMK_SERVICE_DOWN, NOBODY, "", AGAIN, NULL },
	{ "entra:unauthorized_client", CMK_CONSENT, CUSTOMER, "", CONSENT_NEXT, NULL },
	{ "entra:invalid_client", CMK_FEDERATION, PROVIDER, "",
	  "compare issuer, subject and audience of the application's federated credential with "
	  "this "
	  "machine's identity",
	  LIST_CREDENTIALS },
	{ "entra:access_denied", CMK_GRANT, CUSTOMER, "", "the customer looks at its sign-in log",
	  SHOW_SP },
	{ "entra:invalid_scope", CMK_CONFIG, MACHINE, "", SCOPE_NEXT, NULL },
	{ "entra:invalid_resource", CMK_TENANT, CUSTOMER, "", NO_RESOURCE_NEXT,
	  NO_RESOURCE_COMMAND },

	/* Key Vault and Managed HSM; follows the vault's name. */
	{ "ForbiddenByRbac", CMK_GRANT, CUSTOMER, NO_ROLE, NO_ROLE_NEXT, NULL },
	{ "hsm:AccessDenied", CMK_GRANT, CUSTOMER, NO_ROLE, NO_ROLE_NEXT, HSM_COMMAND },
	{ "AccessDenied", CMK_GRANT, CUSTOMER, POLICY, POLICY_NEXT, POLICY_COMMAND },
	{ "ForbiddenByPolicy", CMK_GRANT, CUSTOMER, POLICY, POLICY_NEXT, POLICY_COMMAND },
	{ "ForbiddenByFirewall", CMK_FIREWALL, CUSTOMER,
	  "does not let this machine's address through its firewall",
	  "the customer allows it, or both set up a private link", NULL },
	{ "ForbiddenByConnection", CMK_FIREWALL, CUSTOMER, "is not open to the public network",
	  "the customer allows this machine's address, or both set up a private link and its name "
	  "resolution",
	  PRIVATE_COMMAND },
	{ "KeyDisabled", CMK_KEY_DISABLED, CUSTOMER, "says that the key is disabled",
	  "the customer enables it again, if that was not meant", NULL },
	{ "KeyOperationForbidden", CMK_KEY_OPERATION, CUSTOMER,
	  "says that the key does not permit this",
	  "the customer adds unwrapKey to the key's permitted operations", NULL },
	{ "KeyNotFound", CMK_KEY_GONE, CUSTOMER,
	  "has no such key: it was deleted, purged, or never existed",
	  "the customer recovers it, or compares its name", NULL },
	{ "ObjectIsBeingDeleted", CMK_KEY_GONE, CUSTOMER, "says that the key is being deleted",
	  "the customer recovers it", NULL },
	{ "ObjectIsDeletedButRecoverable", CMK_KEY_GONE, CUSTOMER, "says that the key is deleted",
	  "the customer recovers it", NULL },
	{ "VaultNotFound", CMK_KEY_GONE, CUSTOMER, "says that the vault is gone",
	  "the customer recovers it, and its role assignments", RECOVER_VAULT },
	{ "BadParameter", CMK_KEY_OPERATION, MACHINE,
	  "cannot unwrap this with this version of the key",
	  "the value was wrapped by another key, or is damaged: enrol the volume again",
	  "luks-cmk enroll {device} --customer {customer}" },
	{ "AKV10032", CMK_TENANT, MACHINE,
	  "belongs to another tenant than {tenant}, which signed the application in",
	  "correct the customer's tenant_id", NULL },
	{ "AKV10022", CMK_CONFIG, MACHINE, "does not take access tokens for {scope}",
	  "correct the vault suffixes of cloud {cloud} in luks-cmk.conf", NULL },
	{ "vault:401", CMK_GRANT, CUSTOMER,
	  "does not accept the access token of application {application}",
	  "the customer checks that the application may use this vault", SHOW_SP },
	{ "vault:403", CMK_GRANT, CUSTOMER, "does not let the application do this",
	  "the customer checks its rights", NULL },
	{ "vault:404", CMK_KEY_GONE, CUSTOMER, "has no such key or vault",
	  "the customer recovers it", NULL },
	{ "vault:other", CMK_PROTOCOL, MACHINE, "refused for a reason that is not known here",
	  "check for an update of luks-cmk", "luks-cmk --version" },
	{ "Throttled", CMK_THROTTLED, NOBODY, "asks for fewer requests (HTTP 429)",
	  "wait a minute, then try again", NULL },

	/* What is found here of a key that the vault describes; the sentences tell more. */
	{ "key:outside-its-time", CMK_KEY_OPERATION, CUSTOMER,
	  "the key is outside its time of validity, and wraps nothing new",
	  "the customer extends it, or creates a new version", EXTEND_COMMAND },
	{ "key:unsuitable", CMK_KEY_OPERATION, CUSTOMER,
	  "the key is of a type or size that cannot be used", "the customer creates another",
	  "az keyvault key create --vault-name {vault} --name {key} --kty RSA --size 3072 --ops "
	  "wrapKey unwrapKey" },
	{ "key:unsuitable-hsm", CMK_KEY_OPERATION, CUSTOMER,
	  "the key is of a type or size that cannot be used",
	  "the customer creates an RSA key, or an AES key of 256 bits",
	  "az keyvault key create --hsm-name {vault} --name {key} --kty oct-HSM --size 256 --ops "
	  "wrapKey unwrapKey" },
	{ "key:expired", CMK_POLICY, CUSTOMER,
	  "the key has expired, and this machine's configuration says expired_keys = refuse",
	  "the customer extends the key's expiry, or rotates it", EXTEND_COMMAND },

	/* The metadata service; follows "the metadata service at ADDRESS ". */
	{ "imds:identity-not-found", CMK_IDENTITY, PROVIDER, NO_IDENTITY, ASSIGN_NEXT, NULL },
	{ "imds:other-identity", CMK_IDENTITY, PROVIDER, OTHER_IDENTITY, ASSIGN_RIGHT, NULL },
	{ "imds:not-azure", CMK_IDENTITY, MACHINE, NOT_AZURE, NOT_AZURE_NEXT, ASK_IMDS },
	{ "imds:invalid_resource", CMK_CONFIG, MACHINE, "knows no audience '{audience}'",
	  "correct audience in the [cloud] section of luks-cmk.conf", NULL },
	{ "imds:no-header", CMK_PROTOCOL, MACHINE, NO_HEADER, NO_HEADER_NEXT, ASK_IMDS },
	{ "imds:no-reason", CMK_PROTOCOL, MACHINE, NO_REASON, PROXY_NEXT, ASK_IMDS },
	{ "imds:404", CMK_SERVICE_DOWN, MACHINE, NO_TOKEN, NO_TOKEN_NEXT, ASK_IMDS },
	{ "imds:410", CMK_SERVICE_DOWN, NOBODY, "is being updated", "it is back within 70 seconds",
	  NULL },
	{ "imds:429", CMK_THROTTLED, MACHINE, TOO_OFTEN, TOO_OFTEN_NEXT, TOO_OFTEN_COMMAND },
	{ "imds:502", CMK_SERVICE_DOWN, MACHINE, BY_PROXY, BY_PROXY_NEXT, ASK_IMDS },
	{ "imds:5xx", CMK_SERVICE_DOWN, NOBODY, OUT_OF_ORDER, AGAIN, NULL },
	{ "imds:other", CMK_PROTOCOL, MACHINE, NEVER_SHOULD, PROXY_NEXT, ASK_IMDS },
	{ "imds:refused", CMK_SERVICE_DOWN, MACHINE, REFUSES, CHECK_AZURE, ASK_IMDS },
	{ "imds:timeout", CMK_TIMEOUT, MACHINE, SILENT, CHECK_AZURE, ASK_IMDS },

	/* Azure Arc's agent: the same protocol, so what has no row here is in the rows above. */
	{ "arc:identity-not-found", CMK_IDENTITY, PROVIDER, NO_IDENTITY, ASSIGN_NEXT, SHOW_ARC },
	{ "arc:other-identity", CMK_IDENTITY, PROVIDER, OTHER_IDENTITY, ASSIGN_RIGHT, SHOW_ARC },
	{ "arc:no-echo", CMK_IDENTITY, MACHINE,
	  "does not say that its answer is for identity {identity}, so it may be for another",
	  "update it, or remove client_id from [identity]", "azcmagent version" },
	{ "arc:not-azure", CMK_IDENTITY, MACHINE, NOT_AZURE, NOT_AZURE_NEXT, ASK_ARC },
	{ "arc:no-header", CMK_PROTOCOL, MACHINE, NO_HEADER, NO_HEADER_NEXT, ASK_ARC },
	{ "arc:no-reason", CMK_PROTOCOL, MACHINE, NO_REASON, PROXY_NEXT, ASK_ARC },
	{ "arc:404", CMK_SERVICE_DOWN, MACHINE, NO_TOKEN, NO_TOKEN_NEXT, ASK_ARC },
	{ "arc:502", CMK_SERVICE_DOWN, MACHINE, BY_PROXY, BY_PROXY_NEXT, ASK_ARC },
	{ "arc:other", CMK_PROTOCOL, MACHINE, NEVER_SHOULD, PROXY_NEXT, ASK_ARC },
	{ "arc:refused", CMK_SERVICE_DOWN, MACHINE, REFUSES,
	  "check that the agent is installed and runs", ASK_ARC },
	{ "arc:timeout", CMK_TIMEOUT, MACHINE, SILENT, "check that the agent runs", ASK_ARC },
	/* What is found here of it. */
	{ "arc:agent", CMK_IDENTITY, MACHINE, "the agent is not there, or not what it should be",
	  "install the agent, connect the machine, and ask as root", ASK_ARC },

	/* Google's metadata server; follows "Google's metadata server at ADDRESS ". */
	{ "gcp:404", CMK_IDENTITY, PROVIDER, "knows no service account of this machine",
	  "attach one to the instance", SET_ACCOUNT },
	{ "gcp:403", CMK_IDENTITY, PROVIDER, "does not let this machine have an identity",
	  "check the instance's service account", SET_ACCOUNT },
	{ "gcp:400", CMK_CONFIG, MACHINE, "refuses the audience '{audience}'",
	  "correct audience in the [cloud] section of luks-cmk.conf", NULL },
	{ "gcp:429", CMK_THROTTLED, MACHINE, TOO_OFTEN, TOO_OFTEN_NEXT, TOO_OFTEN_COMMAND },
	{ "gcp:5xx", CMK_SERVICE_DOWN, NOBODY, OUT_OF_ORDER, AGAIN, NULL },
	{ "gcp:other", CMK_PROTOCOL, MACHINE, NEVER_SHOULD, PROXY_NEXT, ASK_GOOGLE },
	{ "gcp:not-google", CMK_IDENTITY, MACHINE, "is not Google's metadata server",
	  "run this on a virtual machine of Google Cloud, or choose another source in [identity]",
	  ASK_GOOGLE },
	{ "gcp:refused", CMK_SERVICE_DOWN, MACHINE, REFUSES, CHECK_GOOGLE, ASK_GOOGLE },
	{ "gcp:timeout", CMK_TIMEOUT, MACHINE, SILENT, CHECK_GOOGLE, ASK_GOOGLE },

	/* Other sources of an identity: what is wrong on this machine. */
	{ "identity:file", CMK_IDENTITY, MACHINE, "the file that holds the identity cannot be used",
	  "check that the program runs that writes it", "grep file /etc/luks-cmk/luks-cmk.conf" },
	{ "identity:program", CMK_IDENTITY, MACHINE,
	  "the program that tells the identity failed, or printed no JWT",
	  "run it by hand as the helper's user", SHOW_PROGRAM },
	{ "identity:program-slow", CMK_TIMEOUT, MACHINE,
	  "the program that tells the identity did not end in time",
	  "run it by hand, and check what it waits for", SHOW_PROGRAM },
	{ "identity:program-later", CMK_SERVICE_DOWN, MACHINE,
	  "the program that tells the identity says that it cannot now",
	  "try again, and check what it asks", SHOW_PROGRAM },
	{ "identity:source", CMK_IDENTITY, MACHINE, "this luks-cmk knows no such source",
	  "set source in [identity] of luks-cmk.conf, or update luks-cmk",
	  "sudoedit /etc/luks-cmk/luks-cmk.conf" },

	/* The network between; follows who was to be reached, or the name of the proxy. */
	{ "net:refused", CMK_SERVICE_DOWN, MACHINE, REFUSES,
	  "check that nothing on the path blocks them, and try again",
	  "curl -v --max-time 10 https://{host}/" },
	{ "proxy:refused", CMK_SERVICE_DOWN, MACHINE, REFUSES,
	  "check the proxy setting in luks-cmk.conf, and the proxy",
	  "sudoedit /etc/luks-cmk/luks-cmk.conf" },
	{ "net:timeout", CMK_TIMEOUT, MACHINE, SILENT,
	  "check the network, or raise timeout in luks-cmk.conf",
	  "curl -sS -o /dev/null --max-time 10 https://{host}/" },
	{ "proxy:timeout", CMK_TIMEOUT, MACHINE, SILENT,
	  "check the network and the proxy, or raise timeout in luks-cmk.conf",
	  "curl -sS -o /dev/null --max-time 10 https://{host}/" },
	{ "proxy:5xx", CMK_SERVICE_DOWN, MACHINE, "cannot connect to {host}",
	  "check the proxy, and that it reaches the host",
	  "curl -v --max-time 10 https://{host}/" },
	{ "proxy:407", CMK_CONFIG, MACHINE, "wants a password, which luks-cmk does not offer",
	  "allow this machine there", NULL },
	{ "proxy:4xx", CMK_CONFIG, MACHINE, "refuses to connect to {host}", "allow that host there",
	  NULL },
};

size_t cause_table(const struct cause **ret)
{
	*ret = table;
	return sizeof(table) / sizeof(table[0]);
}
