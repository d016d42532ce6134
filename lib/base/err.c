/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of error codes, and how a sentence gets into struct cmk_err. */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

/* Escaping only lengthens a text, so that what vsnprintf() cuts here could not have fitted anyway. */
#define RAW_MAX (CMK_ERR_TEXT_MAX * 2)

struct code_info {
	const char *name;
	enum cmk_class class;
	int errnum;
	enum cmk_party party;
	const char *hint;
	const char *command; /* see cmk_code_command() */
};

static const struct code_info codes[CMK_CODE_COUNT] = {
	[CMK_OK] = { "ok", CMK_CLASS_NONE, 0, CMK_PARTY_NOBODY, "nothing to do", NULL },

	[CMK_NO_NETWORK] = { "no-network", CMK_CLASS_UNREACHABLE, EHOSTUNREACH, CMK_PARTY_MACHINE,
			     "check that the network is up and lets this machine out, then try "
			     "again",
			     "ip route" },
	[CMK_DNS] = { "dns", CMK_CLASS_UNREACHABLE, EHOSTUNREACH, CMK_PARTY_MACHINE,
		      "check the name and this machine's resolver, then try again",
		      "getent hosts {host}" },
	[CMK_TLS] = { "tls", CMK_CLASS_UNREACHABLE, EHOSTUNREACH, CMK_PARTY_MACHINE,
		      "check for a proxy in between, the system's CA certificates and ca_file",
		      "openssl s_client -connect {host}:443 -servername {host} </dev/null" },
	[CMK_CLOCK] = { "clock", CMK_CLASS_UNREACHABLE, EHOSTUNREACH, CMK_PARTY_MACHINE,
			"set this machine's clock, then try again", "timedatectl" },
	[CMK_TIMEOUT] = { "timeout", CMK_CLASS_UNREACHABLE, ETIMEDOUT, CMK_PARTY_MACHINE,
			  "check the network, or raise timeout in luks-cmk.conf, then try again",
			  "curl -sS -o /dev/null --max-time 10 {origin}/" },
	[CMK_THROTTLED] = { "throttled", CMK_CLASS_UNREACHABLE, EHOSTUNREACH, CMK_PARTY_NOBODY,
			    "wait a minute, then try again", NULL },
	[CMK_SERVICE_DOWN] = { "service-down", CMK_CLASS_UNREACHABLE, EHOSTUNREACH,
			       CMK_PARTY_NOBODY, "wait for the service to recover, then try again",
			       NULL },

	[CMK_CONSENT] = { "consent", CMK_CLASS_REFUSED, EACCES, CMK_PARTY_CUSTOMER,
			  "the customer must consent to the application in its tenant",
			  "az ad sp create --id {application}" },
	[CMK_PRINCIPAL_DISABLED] = { "principal-disabled", CMK_CLASS_REFUSED, EACCES,
				     CMK_PARTY_CUSTOMER,
				     "the customer must enable the service principal again",
				     "az ad sp update --id {application} --set "
				     "accountEnabled=true" },
	[CMK_FEDERATION] = { "federation", CMK_CLASS_REFUSED, EACCES, CMK_PARTY_PROVIDER,
			     "compare issuer, subject and audience of the application's federated "
			     "credential with this machine's identity",
			     "az ad app federated-credential create --id {application} "
			     "--parameters "
			     "'{\"name\":\"luks-cmk\",\"issuer\":\"{issuer}\",\"subject\":\"{"
			     "subject}\",\"audiences\":[\"{audience}\"]}'" },
	[CMK_GRANT] = { "grant", CMK_CLASS_REFUSED, EACCES, CMK_PARTY_CUSTOMER,
			"the customer must grant the service principal the role Key Vault Crypto "
			"Service Encryption User",
			"az role assignment create --role \"Key Vault Crypto Service Encryption "
			"User\" --assignee-object-id \"$(az ad sp show --id {application} --query "
			"id -o tsv)\" --assignee-principal-type ServicePrincipal --scope \"$(az "
			"keyvault show -n {vault} --query id -o tsv)/keys/{key}\"" },
	[CMK_FIREWALL] = { "firewall", CMK_CLASS_REFUSED, EACCES, CMK_PARTY_CUSTOMER,
			   "the customer must let this machine's address through the vault's "
			   "firewall",
			   "az keyvault network-rule add -n {vault} --ip-address ADDRESS" },
	[CMK_KEY_DISABLED] = { "key-disabled", CMK_CLASS_REFUSED, EKEYREVOKED, CMK_PARTY_CUSTOMER,
			       "the customer must enable the key's version again",
			       "az keyvault key set-attributes --id {url} --enabled true" },
	[CMK_KEY_GONE] = { "key-gone", CMK_CLASS_REFUSED, ENOKEY, CMK_PARTY_CUSTOMER,
			   "the customer must recover the deleted key or vault",
			   "az keyvault key recover --id https://{vault-host}/deletedkeys/{key}" },
	[CMK_KEY_OPERATION] = { "key-operation", CMK_CLASS_REFUSED, EKEYREJECTED,
				CMK_PARTY_CUSTOMER,
				"the customer must permit wrapKey and unwrapKey for the key",
				"az keyvault key set-attributes --id {url} --ops wrapKey "
				"unwrapKey" },

	[CMK_IDENTITY] = { "identity", CMK_CLASS_SETUP, EINVAL, CMK_PARTY_PROVIDER,
			   "attach the identity to this machine, or correct [identity] in "
			   "luks-cmk.conf",
			   "az vm identity assign -g GROUP -n VM --identities \"$(az identity list "
			   "--query \"[?clientId=='{identity}'].id\" -o tsv)\"" },
	[CMK_TENANT] = { "tenant", CMK_CLASS_SETUP, EINVAL, CMK_PARTY_MACHINE,
			 "correct the customer's tenant_id", "luks-cmk customer show {customer}" },
	[CMK_CONFIG] = { "config", CMK_CLASS_SETUP, EINVAL, CMK_PARTY_MACHINE,
			 "correct the configuration", "sudoedit /etc/luks-cmk/luks-cmk.conf" },
	[CMK_POLICY] = { "policy", CMK_CLASS_SETUP, EPERM, CMK_PARTY_MACHINE,
			 "allow it under [policy] in luks-cmk.conf, if it is meant to be allowed",
			 "sudoedit /etc/luks-cmk/luks-cmk.conf" },
	[CMK_TOKEN] = { "token", CMK_CLASS_SETUP, EBADMSG, CMK_PARTY_MACHINE,
			"restore the token from a header backup, or enrol the volume again",
			"cryptsetup luksDump {device}" },
	[CMK_PROTOCOL] = { "protocol", CMK_CLASS_SETUP, EPROTO, CMK_PARTY_MACHINE,
			   "check for a proxy in between, and for an update of luks-cmk",
			   "curl -v {origin}/" },
	[CMK_SANDBOX] = { "sandbox", CMK_CLASS_SETUP, EOPNOTSUPP, CMK_PARTY_MACHINE,
			  "check that kernel and container allow what luks-cmk needs",
			  "journalctl -b -k" },
	[CMK_HELPER] = { "helper", CMK_CLASS_SETUP, EIO, CMK_PARTY_MACHINE,
			 "install luks-cmk again, all of one release", "luks-cmk --version" },
	[CMK_SYSTEM] = { "system", CMK_CLASS_SETUP, EIO, CMK_PARTY_MACHINE,
			 "see the system's journal", "journalctl -b -p err" },

	[CMK_HEADER_CHANGED] = { "header-changed", CMK_CLASS_HEADER, EKEYREJECTED,
				 CMK_PARTY_MACHINE,
				 "find out who changed the header, and restore it from a backup",
				 "cryptsetup luksDump {device}" },
	[CMK_NULL_CIPHER] = { "null-cipher", CMK_CLASS_HEADER, EKEYREJECTED, CMK_PARTY_MACHINE,
			      "find out who changed the header, and restore it from a backup",
			      "cryptsetup luksDump {device}" },
	[CMK_KEYSLOT] = { "keyslot", CMK_CLASS_HEADER, EKEYREJECTED, CMK_PARTY_MACHINE,
			  "open it in another way, remove the enrolment and enrol it again",
			  "luks-cmk status {device}" },
	[CMK_DEVICE] = { "device", CMK_CLASS_HEADER, ENODEV, CMK_PARTY_MACHINE,
			 "check that it is a LUKS2 device that can be read",
			 "cryptsetup isLuks -v --type luks2 {device}" },
	[CMK_PASSPHRASE] = { "passphrase", CMK_CLASS_HEADER, EKEYREJECTED, CMK_PARTY_MACHINE,
			     "try again with a passphrase or key file that opens the volume",
			     "cryptsetup open --test-passphrase {device}" },

	[CMK_STATE] = { "state", CMK_CLASS_STATE, EBUSY, CMK_PARTY_MACHINE, "see luks-cmk status",
			"luks-cmk status {device}" },
};

/* An impossible number, from a foreign release for example, reads as this. */
static const struct code_info unknown = { "unknown",
					  CMK_CLASS_SETUP,
					  EIO,
					  CMK_PARTY_MACHINE,
					  "install luks-cmk again, all of one release",
					  NULL };

static const struct code_info *code_info(enum cmk_code code)
{
	unsigned index = (unsigned)code;

	return index < CMK_CODE_COUNT ? &codes[index] : &unknown;
}

static __attribute__((format(printf, 3, 0))) void
fill(struct cmk_err *err, enum cmk_code code, const char *format, va_list args, const char *suffix)
{
	char raw[RAW_MAX];
	int len;

	/* The arguments may point into err->text: it is written only after they were read. */
	len = vsnprintf(raw, sizeof(raw), format, args);
	if (len < 0)
		raw[0] = '\0';
	if (suffix && len >= 0 && (size_t)len < sizeof(raw))
		snprintf(raw + len, sizeof(raw) - (size_t)len, ": %s", suffix);
	err->code = code;
	err->cause[0] = '\0';
	text_escape(err->text, sizeof(err->text), raw);
}

int cmk_err(struct cmk_err *err, enum cmk_code code, const char *format, ...)
{
	va_list args;

	if (err) {
		va_start(args, format);
		fill(err, code, format, args, NULL);
		va_end(args);
	}
	return cmk_code_errno(code);
}

int cmk_err_errno(struct cmk_err *err, enum cmk_code code, int errnum, const char *format, ...)
{
	char buffer[128];
	va_list args;

	if (err) {
		va_start(args, format);
		fill(err, code, format, args, strerror_r(errnum, buffer, sizeof(buffer)));
		va_end(args);
	}
	return cmk_code_errno(code);
}

const char *cmk_code_name(enum cmk_code code)
{
	return code_info(code)->name;
}

bool cmk_code_parse(const char *name, enum cmk_code *ret_code)
{
	for (unsigned i = 0; i < CMK_CODE_COUNT; i++) {
		if (strcmp(codes[i].name, name) == 0) {
			*ret_code = (enum cmk_code)i;
			return true;
		}
	}
	return false;
}

enum cmk_class cmk_code_class(enum cmk_code code)
{
	return code_info(code)->class;
}

const char *cmk_class_name(enum cmk_class class)
{
	switch (class) {
	case CMK_CLASS_NONE:
		return "none";
	case CMK_CLASS_SETUP:
		return "setup";
	case CMK_CLASS_HEADER:
		return "header";
	case CMK_CLASS_REFUSED:
		return "refused";
	case CMK_CLASS_UNREACHABLE:
		return "unreachable";
	case CMK_CLASS_STATE:
		return "state";
	}
	return "unknown";
}

int cmk_code_exit(enum cmk_code code)
{
	switch (cmk_code_class(code)) {
	case CMK_CLASS_NONE:
		return 0;
	case CMK_CLASS_REFUSED:
		return 3;
	case CMK_CLASS_UNREACHABLE:
		return 4;
	case CMK_CLASS_STATE:
		return 5;
	case CMK_CLASS_SETUP:
	case CMK_CLASS_HEADER:
		return 1;
	}
	return 1;
}

int cmk_code_errno(enum cmk_code code)
{
	return -code_info(code)->errnum;
}

const char *cmk_code_hint(enum cmk_code code)
{
	return code_info(code)->hint;
}

enum cmk_party cmk_code_party(enum cmk_code code)
{
	return code_info(code)->party;
}

const char *cmk_code_command(enum cmk_code code)
{
	return code_info(code)->command;
}

const char *cmk_party_name(enum cmk_party party)
{
	switch (party) {
	case CMK_PARTY_NOBODY:
		return "nobody";
	case CMK_PARTY_MACHINE:
		return "machine";
	case CMK_PARTY_PROVIDER:
		return "provider";
	case CMK_PARTY_CUSTOMER:
		return "customer";
	}
	return "unknown";
}
