/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a failed transfer means: libcurl's result, OpenSSL's reason and the system's, as one sentence. */
#include <errno.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cause.h"
#include "net/http-internal.h"

/* What this machine takes for the time; a machine without a battery boots in 1970 or when it was built. */
static void format_now(char out[static 32])
{
	time_t now = time(NULL);
	struct tm utc;

	if (!gmtime_r(&now, &utc) || strftime(out, 32, "%Y-%m-%d %H:%M UTC", &utc) == 0)
		out[0] = '\0';
}

static int certificate_error(const struct http_call *call, struct cmk_err *err)
{
	long verify = X509_V_OK;
	char now[32];

	(void)curl_easy_getinfo(call->easy, CURLINFO_SSL_VERIFYRESULT, &verify);
	format_now(now);
	if (verify == X509_V_ERR_CERT_NOT_YET_VALID)
		return cmk_err(err, CMK_CLOCK,
			       "the certificate of %s is not yet valid by this machine's clock, "
			       "which says %s; set the clock",
			       call->who, now);
	if (verify == X509_V_ERR_CERT_HAS_EXPIRED)
		return cmk_err(err, CMK_TLS,
			       "the certificate of %s has expired by this machine's clock, which "
			       "says %s; if that is right, something on the path answered in its "
			       "place",
			       call->who, now);
	/* A name that does not match is libcurl's own finding, of which OpenSSL knows nothing. */
	if (verify != X509_V_OK && verify != X509_V_ERR_UNSPECIFIED)
		return cmk_err(err, CMK_TLS,
			       "the certificate of %s is not trusted: %s; check for a proxy that "
			       "opens TLS, the system's roots, and ca_file in luks-cmk.conf",
			       call->who, X509_verify_cert_error_string(verify));
	return cmk_err(err, CMK_TLS,
		       "the certificate of %s is for another name (%s); check for a proxy that "
		       "opens TLS, and that the name leads to the right machine",
		       call->who, call->error);
}

static int handshake_error(const struct http_call *call, struct cmk_err *err)
{
	return cmk_err(err, CMK_TLS,
		       "TLS with %s failed: %s; check for a proxy or firewall that interferes",
		       call->who, call->error[0] ? call->error : curl_easy_strerror(call->result));
}

static bool is_no_network(long os_errno)
{
	return os_errno == ENETUNREACH || os_errno == EHOSTUNREACH || os_errno == EADDRNOTAVAIL ||
	       os_errno == ENETDOWN || os_errno == EHOSTDOWN;
}

/* The system's words where there are any, else libcurl's. */
static const char *reason(const struct http_call *call, char *buffer, size_t size)
{
	long os_errno = 0;

	(void)curl_easy_getinfo(call->easy, CURLINFO_OS_ERRNO, &os_errno);
	if (os_errno != 0)
		return strerror_r((int)os_errno, buffer, size);
	return call->error[0] ? call->error : curl_easy_strerror(call->result);
}

/* "WHO MEANING: why; NEXT", by the table of causes; which is the whole name's beginning. */
static int by_cause(const struct http_call *call, const char *which, const char *name,
		    const char *who, const char *why, struct cmk_err *err)
{
	const struct cause_names names = { .host = call->reply.host };
	char full[CMK_CAUSE_MAX], meaning[CMK_ERR_TEXT_MAX / 2];

	(void)snprintf(full, sizeof(full), "%s%s", which, name);
	const struct cause *cause = cause_find(full);
	if (!cause)
		return cmk_err(err, CMK_SERVICE_DOWN, "%s does not answer: %s", who, why);
	(void)cause_expand(meaning, sizeof(meaning), cause->meaning, &names, false);
	int r = cmk_err(err, cause->code, "%s %s: %s; %s", who, meaning, why, cause->next);
	cause_set(err, cause->name);
	return r;
}

/* A proxy that was asked for a tunnel and answered otherwise. Its number is the only thing it may say. */
static int tunnel_error(const struct http_call *call, long status, struct cmk_err *err)
{
	const char *name = status == 407 ? "407" : "4xx";
	char who[HTTP_URL_MAX], why[32];

	(void)snprintf(who, sizeof(who), "the proxy %s", call->http->proxy);
	(void)snprintf(why, sizeof(why), "HTTP %ld", status);
	return by_cause(call, "proxy:", status >= 500 ? "5xx" : name, who, why, err);
}

static int connect_error(const struct http_call *call, struct cmk_err *err)
{
	const char *proxy = call->plain ? NULL : call->http->proxy;
	long os_errno = 0;
	char text[128], who[HTTP_URL_MAX];

	(void)curl_easy_getinfo(call->easy, CURLINFO_OS_ERRNO, &os_errno);
	const char *why = reason(call, text, sizeof(text));
	(void)snprintf(who, sizeof(who), "%s%s", proxy ? "the proxy " : "",
		       proxy ? proxy : call->who);
	if (is_no_network(os_errno))
		return cmk_err(err, CMK_NO_NETWORK,
			       "%s cannot be reached from this machine: %s; check its network: "
			       "address, route and cable or interface",
			       who, why);
	if (proxy)
		return by_cause(call, "proxy:", "refused", who, why, err);
	return by_cause(call, call->causes, "refused", who, why, err);
}

/* What a timer of libcurl says was done, in microseconds; the first that is missing is where it hangs. */
static bool reached(const struct http_call *call, CURLINFO timer)
{
	curl_off_t us = 0;

	return curl_easy_getinfo(call->easy, timer, &us) == CURLE_OK && us > 0;
}

static const char *phase(const struct http_call *call)
{
	if (reached(call, CURLINFO_PRETRANSFER_TIME_T))
		return "while waiting for the answer";
	/* libcurl's timer of the connection runs until TLS stands. */
	return call->tls_begun ? "while TLS was being set up" : "while connecting";
}

static int timeout_error(const struct http_call *call, struct cmk_err *err)
{
	const char *which = call->http->proxy && !call->plain ? "proxy:" : call->causes;
	char why[64];

	if (!reached(call, CURLINFO_NAMELOOKUP_TIME_T))
		return cmk_err(
			err, CMK_DNS,
			"the resolver did not answer for the name of %s within %lld.%lld s; check "
			"this machine's resolver",
			call->who, (long long)(http_call_ms(call) / 1000),
			(long long)(http_call_ms(call) % 1000 / 100));
	(void)snprintf(why, sizeof(why), "%lld.%lld s %s", (long long)(http_call_ms(call) / 1000),
		       (long long)(http_call_ms(call) % 1000 / 100), phase(call));
	return by_cause(call, which, "timeout", call->who, why, err);
}

static int dns_error(const struct http_call *call, struct cmk_err *err)
{
	if (call->result == CURLE_COULDNT_RESOLVE_PROXY)
		return cmk_err(
			err, CMK_DNS,
			"the name of the proxy %s is not known here; check the proxy setting "
			"in luks-cmk.conf, and this machine's resolver",
			call->http->proxy);
	return cmk_err(err, CMK_DNS,
		       "the name of %s is not known here; check this machine's resolver, and that "
		       "the name still exists",
		       call->who);
}

static int protocol_error(const struct http_call *call, struct cmk_err *err)
{
	if (call->too_long || call->result == CURLE_FILESIZE_EXCEEDED)
		return cmk_err(err, CMK_PROTOCOL,
			       "%s sent more than the %d bytes that an answer may have; check for "
			       "something on the path that answers in its place",
			       call->who, HTTP_REPLY_MAX);
	return cmk_err(err, CMK_PROTOCOL,
		       "%s sent no proper HTTP answer (%s); check for something on the path that "
		       "answers in its place",
		       call->who, call->error[0] ? call->error : curl_easy_strerror(call->result));
}

static int broken_error(const struct http_call *call, struct cmk_err *err)
{
	char text[128];

	return cmk_err(err, CMK_SERVICE_DOWN,
		       "%s broke off before its answer was complete: %s; try again", call->who,
		       reason(call, text, sizeof(text)));
}

int http_error(const struct http_call *call, struct cmk_err *err)
{
	long tunnel = 0;

	(void)curl_easy_getinfo(call->easy, CURLINFO_HTTP_CONNECTCODE, &tunnel);
	if (call->result == CURLE_OUT_OF_MEMORY)
		return -ENOMEM;
	if (call->result == CURLE_OPERATION_TIMEDOUT)
		return timeout_error(call, err);
	if (tunnel != 0 && tunnel / 100 != 2)
		return tunnel_error(call, tunnel, err);
	if (call->too_long)
		return protocol_error(call, err);

	/* libcurl has a hundred codes; those not named here cannot happen with our options. */
	switch ((int)call->result) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return dns_error(call, err);
	case CURLE_COULDNT_CONNECT:
	case CURLE_PROXY:
		return connect_error(call, err);
	case CURLE_PEER_FAILED_VERIFICATION:
		return certificate_error(call, err);
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_INVALIDCERTSTATUS:
		return handshake_error(call, err);
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
		return broken_error(call, err);
	default:
		return protocol_error(call, err);
	}
}
