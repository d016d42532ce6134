/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whom we trust, and how little of it is read: roots by hash, private roots, OpenSSL's own files. */
#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <string.h>
#include <time.h>

#include "net/http-internal.h"

static void bio_freep(BIO **bio)
{
	BIO_free(*bio);
}

static void roots_freep(struct stack_st_X509 **roots)
{
	sk_X509_pop_free(*roots, X509_free);
}

/* Whether reading stopped at the end of the text, not at something broken (PEM_read_bio_X509(3)). */
static bool pem_at_end(void)
{
	unsigned long last = ERR_peek_last_error();

	ERR_clear_error();
	return ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE;
}

int http_tls_roots(const struct secret *pem, struct stack_st_X509 **ret, struct cmk_err *err)
{
	if (pem->len > INT_MAX)
		return cmk_err(err, CMK_CONFIG,
			       "the ca_file is too long; name one with the "
			       "roots needed only");
	__attribute__((cleanup(bio_freep))) BIO *bio = BIO_new_mem_buf(pem->data, (int)pem->len);
	__attribute__((cleanup(roots_freep))) struct stack_st_X509 *roots = sk_X509_new_null();
	if (!bio || !roots)
		return cmk_err_errno(err, CMK_SYSTEM, ENOMEM, "the ca_file cannot be read");

	for (;;) {
		X509 *root = PEM_read_bio_X509(bio, NULL, NULL, NULL);
		if (!root)
			break;
		if (sk_X509_push(roots, root) <= 0) {
			X509_free(root);
			return cmk_err_errno(err, CMK_SYSTEM, ENOMEM, "the ca_file cannot be read");
		}
	}
	if (!pem_at_end() || sk_X509_num(roots) == 0)
		return cmk_err(err, CMK_CONFIG,
			       "the ca_file holds no certificate, or a broken "
			       "one; it must be a list of certificates in PEM "
			       "form");
	*ret = roots;
	roots = NULL;
	return 0;
}

int http_tls_preload(struct cmk_err *err)
{
	uint8_t byte;

	/* gmtime_r() in a sentence would read the zone's file. */
	tzset();
	/* openssl.cnf and the providers that it names; then the random generator's seed. */
	if (!OPENSSL_init_ssl(OPENSSL_INIT_LOAD_SSL_STRINGS | OPENSSL_INIT_LOAD_CRYPTO_STRINGS |
				      OPENSSL_INIT_ADD_ALL_CIPHERS | OPENSSL_INIT_ADD_ALL_DIGESTS |
				      OPENSSL_INIT_LOAD_CONFIG,
			      NULL) ||
	    RAND_bytes(&byte, 1) != 1)
		return cmk_err(err, CMK_SYSTEM, "OpenSSL cannot be initialised; check openssl.cnf");
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	if (!context)
		return cmk_err(err, CMK_SYSTEM,
			       "OpenSSL offers no TLS; check openssl.cnf and its providers");
	SSL_CTX_free(context);
	return 0;
}

/* "4a6481c9.0", as openssl-rehash(1) names links. */
static bool is_hash_link(const char *name)
{
	size_t digits = 0;

	while (isxdigit((unsigned char)name[digits]))
		digits++;
	return digits == 8 && name[8] == '.' && isdigit((unsigned char)name[9]) && !name[10];
}

const char *http_tls_ca_dir(void)
{
	const char *path = X509_get_default_cert_dir();
	DIR *dir = opendir(path);
	bool found = false;

	if (!dir)
		return NULL;
	while (!found) {
		const struct dirent *entry = readdir(dir);
		if (!entry)
			break;
		found = is_hash_link(entry->d_name);
	}
	closedir(dir);
	return found ? path : NULL;
}

/*
 * Not CURLOPT_CAINFO_BLOB: that replaces the system's bundle, and private roots shall come on top. A
 * store that libcurl shares between connections gets the same certificate again, which is no error.
 */
static CURLcode begin_tls(CURL *easy, void *context, void *user)
{
	struct http_call *call = user;
	X509_STORE *store = SSL_CTX_get_cert_store(context);

	(void)easy;
	call->tls_begun = true;
	for (int i = 0; i < sk_X509_num(call->http->roots); i++)
		if (!X509_STORE_add_cert(store, sk_X509_value(call->http->roots, i)))
			return CURLE_SSL_CERTPROBLEM;
	return CURLE_OK;
}

CURLcode http_tls_setup(struct http_call *call)
{
	const char *ca_dir = call->http->ca_dir;
	CURLcode code = CURLE_OK;

	/* Parsing the bundle of all roots costs 22 ms; by hash only the one needed is read. */
	if (ca_dir)
		code = curl_easy_setopt(call->easy, CURLOPT_CAINFO, NULL);
	if (code == CURLE_OK && ca_dir)
		code = curl_easy_setopt(call->easy, CURLOPT_CAPATH, ca_dir);
	/* A proxy's certificate is looked up apart; where the bundle is not there, it would be an error. */
	if (code == CURLE_OK && ca_dir)
		code = curl_easy_setopt(call->easy, CURLOPT_PROXY_CAINFO, NULL);
	if (code == CURLE_OK && ca_dir)
		code = curl_easy_setopt(call->easy, CURLOPT_PROXY_CAPATH, ca_dir);
	if (code == CURLE_OK)
		code = curl_easy_setopt(call->easy, CURLOPT_SSL_CTX_FUNCTION, begin_tls);
	if (code == CURLE_OK)
		code = curl_easy_setopt(call->easy, CURLOPT_SSL_CTX_DATA, call);
	return code;
}
