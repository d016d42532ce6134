/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Why something failed: a stable code for programs and one sentence for people. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * The codes are part of the interface: their names are printed in brackets at the end of every error
 * line, kept in failure records and described one by one in docs/errors.md. New ones may be added;
 * none changes its meaning. The numbers travel only between the plugin or tool and the helper of the
 * same release.
 */
enum cmk_code {
	CMK_OK = 0,
	/* Unreachable: the only class that is worth another attempt. */
	CMK_NO_NETWORK,
	CMK_DNS,
	CMK_TLS,
	CMK_CLOCK,
	CMK_TIMEOUT,
	CMK_THROTTLED,
	CMK_SERVICE_DOWN,
	/* Refused by the customer's side. */
	CMK_CONSENT,
	CMK_PRINCIPAL_DISABLED,
	CMK_FEDERATION,
	CMK_GRANT,
	CMK_FIREWALL,
	CMK_KEY_DISABLED,
	CMK_KEY_GONE,
	CMK_KEY_OPERATION,
	/* Set up wrongly, on this machine or in the provider's tenant. */
	CMK_IDENTITY,
	CMK_TENANT,
	CMK_CONFIG,
	CMK_POLICY,
	CMK_TOKEN,
	CMK_PROTOCOL,
	CMK_SANDBOX,
	CMK_HELPER,
	CMK_SYSTEM,
	/* The LUKS2 header or the device that should hold it. */
	CMK_HEADER_CHANGED,
	CMK_NULL_CIPHER,
	CMK_KEYSLOT,
	CMK_DEVICE,
	CMK_PASSPHRASE,
	/* Local state forbids what was asked. */
	CMK_STATE,
	CMK_CODE_COUNT
};

enum cmk_class {
	CMK_CLASS_NONE = 0,
	CMK_CLASS_SETUP,       /* exit status 1 */
	CMK_CLASS_HEADER,      /* exit status 1 */
	CMK_CLASS_REFUSED,     /* exit status 3 */
	CMK_CLASS_UNREACHABLE, /* exit status 4 */
	CMK_CLASS_STATE,       /* exit status 5 */
};

/* Who can put it right. */
enum cmk_party {
	CMK_PARTY_NOBODY = 0, /* it passes by itself: wait, then try again */
	CMK_PARTY_MACHINE,    /* whoever administers this machine and its network */
	CMK_PARTY_PROVIDER,   /* who owns the application and the machine's identity */
	CMK_PARTY_CUSTOMER,   /* who owns the key */
};

/* Long enough for a sentence with a key's URL in it; longer text is cut. */
#define CMK_ERR_TEXT_MAX 768
/* A GUID and its final NUL. */
#define CMK_REQUEST_ID_MAX 37
/* "AADSTS7002138", "ForbiddenByConnection", "imds:identity-not-found" and a final NUL. */
#define CMK_CAUSE_MAX 40

/*
 * A zeroed struct is "no error". Nothing is allocated, so running out of memory can be reported too.
 * text names who answered, what, and the next step; it never ends in a full stop or a newline and holds
 * only printable characters (see text_escape()). request_id is the x-ms-client-request-id under which
 * the customer finds the call in its own audit log; empty when no request got that far. cause is what the
 * service itself called it, where that says more than the code: see base/cause.h.
 */
struct cmk_err {
	enum cmk_code code;
	char text[CMK_ERR_TEXT_MAX];
	char request_id[CMK_REQUEST_ID_MAX];
	char cause[CMK_CAUSE_MAX];
};

/*
 * Fills err (which may be NULL) and returns the negative errno that belongs to code, so that
 * "return cmk_err(err, CMK_PROTOCOL, ...)" is one line. Whatever the arguments hold, from a header or a
 * network, comes out printable. An earlier error in err is replaced, its cause too; its request_id is kept.
 */
int cmk_err(struct cmk_err *err, enum cmk_code code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The same for a failed system call: appends ": " and the text of errnum. */
int cmk_err_errno(struct cmk_err *err, enum cmk_code code, int errnum, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* "key-disabled" and the like; never NULL ("unknown" for a number that is no code). */
const char *cmk_code_name(enum cmk_code code);
/* The reverse; false for an unknown name. */
bool cmk_code_parse(const char *name, enum cmk_code *ret_code);
enum cmk_class cmk_code_class(enum cmk_code code);
/* "unreachable", "refused", "setup", "header", "state"; "none" for CMK_OK. */
const char *cmk_class_name(enum cmk_class class);
/* The tool's exit status for a code: 0, 1, 3, 4 or 5 (2 is for wrong usage). */
int cmk_code_exit(enum cmk_code code);
/* The negative errno that cmk_err() returns for a code; 0 for CMK_OK. */
int cmk_code_errno(enum cmk_code code);

/* Fixed hint that goes with a code: who must do what next. Used where a sentence has no better one. */
const char *cmk_code_hint(enum cmk_code code);

/* Who acts as a rule, and what that one runs first: a template for cause_expand(), or NULL. */
enum cmk_party cmk_code_party(enum cmk_code code);
const char *cmk_code_command(enum cmk_code code);
/* "nobody", "machine", "provider", "customer". */
const char *cmk_party_name(enum cmk_party party);
