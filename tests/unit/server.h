/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A server for the tests of http: a child process on loopback, whose path says how it misbehaves. It is
 * another process because ours may use OpenSSL only after http_new().
 */
#pragma once

#include "rows.h"

#include <arpa/inet.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define DAY_S	    (24 * 3600L)
#define REQUEST_MAX 65536
#define SLOW_S	    30

struct server_options {
	bool tls;
	const char *names;     /* of the certificate: "IP:127.0.0.1" and the like */
	long from_day, to_day; /* its validity, from now */
	int max_version;       /* of TLS; 0: any */
	bool silent;	       /* accepts nothing */
};

struct server {
	pid_t pid;
	int port;
	char ca_pem[4096]; /* root of its certificate, new for every server */
};

struct connection {
	int fd;
	int number; /* since the server began */
	SSL *ssl;
};

static inline X509 *make_certificate(EVP_PKEY *key, const char *name, X509 *issuer,
				     EVP_PKEY *issuer_key, const char *alt_names, long from_day,
				     long to_day)
{
	X509 *certificate = X509_new();
	X509V3_CTX context;

	X509_set_version(certificate, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), issuer ? 2 : 1);
	X509_gmtime_adj(X509_getm_notBefore(certificate), from_day * DAY_S);
	X509_gmtime_adj(X509_getm_notAfter(certificate), to_day * DAY_S);
	X509_set_pubkey(certificate, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
				   (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(certificate, X509_get_subject_name(issuer ? issuer : certificate));
	X509V3_set_ctx(&context, issuer ? issuer : certificate, certificate, NULL, NULL, 0);
	X509_EXTENSION *extension =
		alt_names ? X509V3_EXT_conf_nid(NULL, &context, NID_subject_alt_name, alt_names)
			  : X509V3_EXT_conf_nid(NULL, &context, NID_basic_constraints,
						"critical,CA:TRUE");
	X509_add_ext(certificate, extension, -1);
	X509_EXTENSION_free(extension);
	X509_sign(certificate, issuer_key, EVP_sha256());
	return certificate;
}

/* Writes the root to out, for the client to trust. */
static inline SSL_CTX *make_context(const struct server_options *options, FILE *out)
{
	EVP_PKEY *ca_key = EVP_EC_gen("P-256"), *key = EVP_EC_gen("P-256");
	char name[64];
	(void)snprintf(name, sizeof(name), "Test root %d", (int)getpid());
	X509 *ca = make_certificate(ca_key, name, NULL, ca_key, NULL, -2, 30);
	X509 *leaf = make_certificate(key, "test", ca, ca_key, options->names, options->from_day,
				      options->to_day);
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());

	if (options->max_version) {
		/* Versions that OpenSSL's default level forbids. */
		SSL_CTX_set_cipher_list(context, "ALL:@SECLEVEL=0");
		SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
		SSL_CTX_set_max_proto_version(context, options->max_version);
	}
	SSL_CTX_use_certificate(context, leaf);
	SSL_CTX_use_PrivateKey(context, key);
	PEM_write_X509(out, ca);
	return context;
}

static inline ssize_t connection_read(struct connection *c, char *data, size_t size)
{
	return c->ssl ? SSL_read(c->ssl, data, (int)size) : recv(c->fd, data, size, 0);
}

static inline bool connection_send(struct connection *c, const char *data, size_t len)
{
	ssize_t sent = c->ssl ? SSL_write(c->ssl, data, (int)len)
			      : send(c->fd, data, len, MSG_NOSIGNAL);

	return sent == (ssize_t)len;
}

static inline bool send_reply(struct connection *c, const char *head, const char *body)
{
	char reply[REQUEST_MAX + 512];
	int len = snprintf(reply, sizeof(reply), "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n%s",
			   head, strlen(body), body);

	return connection_send(c, reply, (size_t)len);
}

static inline bool send_for_ever(struct connection *c, const char *head, const char *piece)
{
	bool open = connection_send(c, head, strlen(head));

	while (open)
		open = connection_send(c, piece, strlen(piece));
	return false;
}

static inline bool misbehave(struct connection *c, const char *path)
{
	const struct linger hard = { .l_onoff = 1 };
	char chunk[1100];

	if (strcmp(path, "/slow") == 0)
		sleep(SLOW_S);
	if (strcmp(path, "/reset") == 0)
		(void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	if (strcmp(path, "/cut") == 0)
		(void)connection_send(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"a", 43);
	if (strcmp(path, "/garbage") == 0)
		(void)connection_send(c, "220 mail.example ESMTP\r\n", 24);
	if (strcmp(path, "/announced") == 0)
		(void)connection_send(c, "HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n",
				      47);
	(void)snprintf(chunk, sizeof(chunk), "400\r\n%01024d\r\n", 0);
	if (strcmp(path, "/endless") == 0)
		(void)send_for_ever(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
				    chunk);
	(void)snprintf(chunk, sizeof(chunk), "X-Padding: %01000d\r\n", 0);
	if (strcmp(path, "/headers") == 0)
		(void)send_for_ever(c, "HTTP/1.1 200 OK\r\n", chunk);
	return false;
}

#define X32  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X128 X32 X32 X32 X32
static const char *const retry_headers[] = {
	"Retry-After: 30",
	"retry-after:  0 ",
	"Date: Thu, 01 Jan 1970 00:01:40 GMT\r\nRetry-After: Thu, 01 Jan 1970 00:01:47 GMT",
	"Date: Thu, 01 Jan 1970 00:01:40 GMT\r\nRetry-After: Thu, 01 Jan 1970 00:00:00 GMT",
	"Retry-After: soon",
	"Retry-After: 99999999999999999999",
	"X-Other: 1",
	"X-Long: " X128 X128 X128 X128,
};

/* Whether the connection stays. */
static inline bool answer(struct connection *c, const char *request)
{
	char method[8] = "", path[128] = "", text[1024];
	int status;

	(void)sscanf(request, "%7s %127s", method, path);
	(void)snprintf(text, sizeof(text), "connection %d", c->number);
	if (strcmp(method, "CONNECT") == 0 && sscanf(path, "host%d", &status) == 1) {
		(void)snprintf(text, sizeof(text), "%d No", status);
		return send_reply(c, text, "") && false;
	}
	if (strcmp(method, "HEAD") == 0)
		return connection_send(c, "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n",
				       46);
	if (strcmp(path, "/connection") == 0)
		return send_reply(c, "200 OK", text);
	if (strcmp(path, "/echo") == 0)
		return send_reply(c, "200 OK", request);
	if (strcmp(path, "/away") == 0)
		return send_reply(c, "302 Found\r\nLocation: /connection", "");
	if (sscanf(path, "/status/%d", &status) == 1) {
		(void)snprintf(text, sizeof(text), "%d Status", status);
		return send_reply(c, text, "reason");
	}
	if (sscanf(path, "/retry/%d", &status) == 1) {
		(void)snprintf(text, sizeof(text), "429 Slow down\r\n%s", retry_headers[status]);
		return send_reply(c, text, "");
	}
	return misbehave(c, path);
}

/* How long the first request in text is; 0 if it is not all there. */
static inline size_t request_len(const char *text, size_t len)
{
	const char *end = strstr(text, "\r\n\r\n");
	const char *length = strstr(text, "Content-Length: ");

	if (!end)
		return 0;
	size_t total = (size_t)(end - text) + 4;
	if (length && length < end)
		total += strtoul(length + strlen("Content-Length: "), NULL, 10);
	return total <= len ? total : 0;
}

static inline void *serve_connection(void *data)
{
	struct connection *c = data;
	char text[REQUEST_MAX] = "";
	size_t len = 0;
	bool open = !c->ssl || SSL_accept(c->ssl) == 1;

	while (open && len < sizeof(text) - 1) {
		ssize_t got = connection_read(c, text + len, sizeof(text) - 1 - len);
		if (got <= 0)
			break;
		len += (size_t)got;
		text[len] = '\0';
		/* Somebody speaks TLS where none is spoken. */
		if (text[0] == 0x16 && send_reply(c, "400 Bad Request", ""))
			break;
		if (request_len(text, len) == 0)
			continue;
		open = answer(c, text);
		len = 0;
	}
	if (c->ssl)
		SSL_free(c->ssl);
	(void)close(c->fd);
	free(c);
	return NULL;
}

static inline void serve(int listener, SSL_CTX *context)
{
	for (int number = 1;; number++) {
		struct connection *c = calloc(1, sizeof(*c));
		pthread_t thread;

		c->fd = accept(listener, NULL, NULL);
		c->number = number;
		if (context) {
			c->ssl = SSL_new(context);
			SSL_set_fd(c->ssl, c->fd);
		}
		if (pthread_create(&thread, NULL, serve_connection, c) == 0)
			pthread_detach(thread);
	}
}

static inline void server_start(struct server *server, const struct server_options *options)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t len = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int ready[2];

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 16), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
	assert_int_equal(pipe(ready), 0);
	*server = (struct server){ .port = ntohs(address.sin_port), .pid = fork() };
	assert_true(server->pid >= 0);
	if (server->pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)signal(SIGPIPE, SIG_IGN);
		FILE *out = fdopen(ready[1], "w");
		SSL_CTX *context = options->tls ? make_context(options, out) : NULL;
		fclose(out);
		while (options->silent)
			pause();
		serve(listener, context);
	}
	(void)close(ready[1]);
	size_t pem_len = 0;
	for (ssize_t got = 1; got > 0; pem_len += (size_t)got) {
		got = read(ready[0], server->ca_pem + pem_len,
			   sizeof(server->ca_pem) - 1 - pem_len);
		assert_true(got >= 0);
	}
	(void)close(ready[0]);
	(void)close(listener);
}

static inline void server_stop(struct server *server)
{
	(void)kill(server->pid, SIGKILL);
	(void)waitpid(server->pid, NULL, 0);
}
