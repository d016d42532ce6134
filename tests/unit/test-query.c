/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* systemd's questions: which are taken for one, and what is sent to whom. */
#include "rows.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "tools/admin/query.h"

#define FOLDER "/run/systemd/ask-password"
#define SOCKET "Socket=" FOLDER "/sck.5d94a8"
#define ID     "Id=cryptsetup:/dev/disk/by-uuid/c0ffee00"

static void test_parse(void **state)
{
	static const struct {
		const char *name;
		const char *text;
		int r;
		const char *device;
		uint64_t not_after;
		int pid;
	} rows[] = {
		{ "as systemd writes it",
		  "[Ask]\nPID=181\n" SOCKET
		  "\nAcceptCached=1\nEcho=0\nNotAfter=77000000\nSilent=0\n"
		  "Message=Please enter passphrase for disk root:\nIcon=drive-harddisk\n" ID "\n",
		  0, "/dev/disk/by-uuid/c0ffee00", 77000000, 181 },
		{ "as systemd 257 writes it", "[Ask]\nSocket=" FOLDER "//sck.5d94a8\n" ID "\n", 0,
		  "/dev/disk/by-uuid/c0ffee00", 0, 0 },
		{ "the least", "[Ask]\n" SOCKET "\n" ID, 0, "/dev/disk/by-uuid/c0ffee00", 0, 0 },
		{ "escaped",
		  "[Ask]\n" SOCKET "\nId=cryptsetup:/dev/disk/by-label/a\\\\x20\\303\\244\\\"\n", 0,
		  "/dev/disk/by-label/a\\x20\303\244\"", 0, 0 },
		{ "another section before it", "[X]\nId=x\n[Ask]\n" SOCKET "\n" ID "\n", 0,
		  "/dev/disk/by-uuid/c0ffee00", 0, 0 },
		{ "nothing", "", -EBADMSG, NULL, 0, 0 },
		{ "no section", SOCKET "\n" ID "\n", -EBADMSG, NULL, 0, 0 },
		{ "another section", "[Ask]\n" SOCKET "\n[Other]\n" ID "\n", -EBADMSG, NULL, 0, 0 },
		{ "no socket", "[Ask]\n" ID "\n", -EBADMSG, NULL, 0, 0 },
		{ "no name", "[Ask]\n" SOCKET "\n", -EBADMSG, NULL, 0, 0 },
		{ "a PIN", "[Ask]\n" SOCKET "\nId=cryptsetup-fido2-pin:/dev/vda\n", -EBADMSG, NULL,
		  0, 0 },
		{ "a verification", "[Ask]\n" SOCKET "\nId=cryptsetup-verification:/dev/vda\n",
		  -EBADMSG, NULL, 0, 0 },
		{ "somebody else's", "[Ask]\n" SOCKET "\nId=tls:/dev/vda\n", -EBADMSG, NULL, 0, 0 },
		{ "no device", "[Ask]\n" SOCKET "\nId=cryptsetup:root\n", -EBADMSG, NULL, 0, 0 },
		{ "a name twice", "[Ask]\n" SOCKET "\n" ID "\n" ID "\n", -EBADMSG, NULL, 0, 0 },
		{ "a socket twice", "[Ask]\n" SOCKET "\n" ID "\n" SOCKET "\n", -EBADMSG, NULL, 0,
		  0 },
		{ "a socket elsewhere", "[Ask]\nSocket=/tmp/sck.1\n" ID "\n", -EBADMSG, NULL, 0,
		  0 },
		{ "a socket above", "[Ask]\nSocket=" FOLDER "/../sck.1\n" ID "\n", -EBADMSG, NULL,
		  0, 0 },
		{ "a socket beside", "[Ask]\nSocket=" FOLDER "x/sck.1\n" ID "\n", -EBADMSG, NULL, 0,
		  0 },
		{ "the folder itself", "[Ask]\nSocket=" FOLDER "/\n" ID "\n", -EBADMSG, NULL, 0,
		  0 },
		{ "a socket too long",
		  "[Ask]\nSocket=" FOLDER
		  "/0123456789012345678901234567890123456789012345678901234567890"
		  "123456789012345678901234567890\n" ID "\n",
		  -EBADMSG, NULL, 0, 0 },
		{ "a time that is none", "[Ask]\n" SOCKET "\n" ID "\nNotAfter=soon\n", -EBADMSG,
		  NULL, 0, 0 },
		{ "a negative time", "[Ask]\n" SOCKET "\n" ID "\nNotAfter=-1\n", -EBADMSG, NULL, 0,
		  0 },
		{ "a process that is none", "[Ask]\n" SOCKET "\n" ID "\nPID=99999999999\n",
		  -EBADMSG, NULL, 0, 0 },
		{ "an escape that is none", "[Ask]\n" SOCKET "\nId=cryptsetup:/dev/\\q\n", -EBADMSG,
		  NULL, 0, 0 },
		{ "an escape cut off", "[Ask]\n" SOCKET "\nId=cryptsetup:/dev/\\", -EBADMSG, NULL,
		  0, 0 },
		{ "an escaped NUL", "[Ask]\n" SOCKET "\nId=cryptsetup:/dev/a\\000b\n", -EBADMSG,
		  NULL, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct query query = { .pid = 4711 };

		CHECK_INT(rows[i].name, query_parse(rows[i].text, FOLDER, &query), rows[i].r);
		if (rows[i].r < 0) {
			CHECK_INT(rows[i].name, query.pid, 4711);
			continue;
		}
		CHECK_TEXT(rows[i].name, query.socket, FOLDER "/sck.5d94a8");
		CHECK_TEXT(rows[i].name, query.device, rows[i].device);
		CHECK_INT(rows[i].name, query.not_after_us, rows[i].not_after);
		CHECK_INT(rows[i].name, query.pid, rows[i].pid);
	}
}

static void test_long(void **state)
{
	static char text[QUERY_FILE_MAX];
	struct query query;
	size_t len;

	(void)state;
	/* A message of any length is passed over; a name that is too long is none. */
	len = (size_t)snprintf(text, sizeof(text), "[Ask]\nMessage=");
	memset(text + len, 'x', 5000);
	snprintf(text + len + 5000, 500, "\n%s\n%s\n", SOCKET, ID);
	assert_int_equal(query_parse(text, FOLDER, &query), 0);
	len = (size_t)snprintf(text, sizeof(text), "[Ask]\n%s\nId=cryptsetup:/dev/", SOCKET);
	memset(text + len, 'x', QUERY_DEVICE_MAX);
	text[len + QUERY_DEVICE_MAX] = '\0';
	assert_int_equal(query_parse(text, FOLDER, &query), -EBADMSG);
}

/* A folder with a socket that somebody listens at. */
struct asker {
	char folder[64];
	char socket[80];
	int fd;
};

static void asker_open(struct asker *asker)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(asker->folder, sizeof(asker->folder), "/tmp/test-query.XXXXXX");
	assert_non_null(mkdtemp(asker->folder));
	snprintf(asker->socket, sizeof(asker->socket), "%s/sck.1", asker->folder);
	assert_true(text_copy(address.sun_path, sizeof(address.sun_path), asker->socket));
	asker->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(asker->fd >= 0);
	assert_int_equal(bind(asker->fd, (struct sockaddr *)&address, sizeof(address)), 0);
}

static void asker_file(const struct asker *asker, const char *name, const char *text, bool there)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", asker->folder, name);
	if (there)
		assert_int_equal(io_write_file(path, text, strlen(text), 0644), 0);
	else
		assert_int_equal(unlink(path), 0);
}

static void asker_close(const struct asker *asker)
{
	(void)close(asker->fd);
	(void)unlink(asker->socket);
	assert_int_equal(rmdir(asker->folder), 0);
}

static bool is_vda(void *data, const char *name, const char *device)
{
	(*(size_t *)data)++;
	assert_null(name);
	return strcmp(device, "/dev/vda") == 0;
}

static uint64_t now_us(void)
{
	struct timespec now;

	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &now), 0);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void test_answer(void **state)
{
	const struct {
		const char *name;
		const char *file;
		const char *device;
		int64_t not_after_us; /* from now; 0: none */
		int pid;
		bool cancel;
		const char *answer; /* NULL: none */
	} rows[] = {
		{ "a passphrase", "ask.Xy12", "/dev/vda", 0, getpid(), false, "+tell nobody" },
		{ "in time", "ask.Xy12", "/dev/vda", 60000000, 0, false, "+tell nobody" },
		{ "cancelled", "ask.Xy12", "/dev/vda", 0, 0, true, "-" },
		{ "too late", "ask.Xy12", "/dev/vda", -1, 0, false, NULL },
		{ "another device", "ask.Xy12", "/dev/vdb", 0, 0, false, NULL },
		{ "nobody asks any more", "ask.Xy12", "/dev/vda", 0, 0x7ffffffe, false, NULL },
		{ "not complete yet", "tmp.Xy12", "/dev/vda", 0, 0, false, NULL },
	};
	_cleanup_secret_ struct secret passphrase = { 0 };
	struct asker asker;
	struct prompts_places places = { .queries = asker.folder };

	(void)state;
	assert_int_equal(secret_set(&passphrase, "tell nobody", 11), 0);
	asker_open(&asker);
	for (size_t i = 0; i < COUNT(rows); i++) {
		char text[512], answer[64] = { 0 };
		size_t looked = 0, answered;
		ssize_t n;

		snprintf(text, sizeof(text),
			 "[Ask]\nPID=%d\nSocket=%s\nNotAfter=%llu\nId=cryptsetup:%s\n", rows[i].pid,
			 asker.socket,
			 rows[i].not_after_us == 0
				 ? 0ULL
				 : (unsigned long long)(now_us() + (uint64_t)rows[i].not_after_us),
			 rows[i].device);
		if (rows[i].pid == 0)
			memmove(text + strlen("[Ask]\n"), strchr(text, 'S'),
				strlen(strchr(text, 'S')) + 1);
		asker_file(&asker, rows[i].file, text, true);
		answered = query_answer(&places, is_vda, &looked,
					rows[i].cancel ? NULL : &passphrase);
		n = recv(asker.fd, answer, sizeof(answer), 0);
		CHECK_INT(rows[i].name, answered, rows[i].answer != NULL);
		if (rows[i].answer == NULL) {
			CHECK(rows[i].name, n < 0 && errno == EAGAIN);
		} else {
			CHECK_INT(rows[i].name, n, strlen(rows[i].answer));
			CHECK_TEXT(rows[i].name, answer, rows[i].answer);
		}
		asker_file(&asker, rows[i].file, NULL, false);
	}
	asker_close(&asker);
}

/* Two ask, one listens no more, and something lies there that is no file. */
static void test_several(void **state)
{
	_cleanup_secret_ struct secret passphrase = { 0 };
	struct asker asker;
	struct prompts_places places = { .queries = asker.folder };
	char text[256], path[128];
	size_t looked = 0;

	(void)state;
	assert_int_equal(secret_set(&passphrase, "tell nobody", 11), 0);
	asker_open(&asker);
	snprintf(text, sizeof(text), "[Ask]\nSocket=%s\nId=cryptsetup:/dev/vda\n", asker.socket);
	asker_file(&asker, "ask.1", text, true);
	asker_file(&asker, "ask.2", text, true);
	snprintf(text, sizeof(text), "[Ask]\nSocket=%s/sck.gone\nId=cryptsetup:/dev/vda\n",
		 asker.folder);
	asker_file(&asker, "ask.3", text, true);
	snprintf(text, sizeof(text), "[Ask]\nSocket=%s/ask.1\nId=cryptsetup:/dev/vda\n",
		 asker.folder);
	asker_file(&asker, "ask.4", text, true);
	snprintf(path, sizeof(path), "%s/ask.5", asker.folder);
	assert_int_equal(symlink("ask.1", path), 0);
	assert_int_equal(query_answer(&places, is_vda, &looked, &passphrase), 2);
	assert_int_equal(looked, 4);
	for (char name[] = "ask.1"; name[4] <= '5'; name[4]++)
		asker_file(&asker, name, NULL, false);
	asker_close(&asker);
	assert_int_equal(query_answer(&places, is_vda, &looked, &passphrase), 0); /* no folder */
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_parse),
					    cmocka_unit_test(test_long),
					    cmocka_unit_test(test_answer),
					    cmocka_unit_test(test_several) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
