/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* systemd's questions for passphrases: reads them, and answers by a datagram. */
#include "query.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"

/* systemd-cryptsetup's, of an ordinary passphrase; PINs and verifications have other names. */
#define ID_PREFIX     "cryptsetup:"
#define DEVICE_PREFIX "/dev/"

struct fields {
	char socket[256], id[QUERY_DEVICE_MAX + 32], not_after[32], pid[32];
};

/* A key that is there twice is somebody's trick, such as a newline in a message. */
static int set_field(char *field, size_t size, const char *value)
{
	if (field[0] != '\0' || value[0] == '\0' || !text_copy(field, size, value))
		return -EBADMSG;
	return 0;
}

static int take_line(struct fields *fields, const char *line)
{
	const struct {
		const char *key;
		char *field;
		size_t size;
	} keys[] = {
		{ "Socket=", fields->socket, sizeof(fields->socket) },
		{ "Id=", fields->id, sizeof(fields->id) },
		{ "NotAfter=", fields->not_after, sizeof(fields->not_after) },
		{ "PID=", fields->pid, sizeof(fields->pid) },
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (text_starts(line, keys[i].key))
			return set_field(keys[i].field, keys[i].size, line + strlen(keys[i].key));
	}
	return 0;
}

/* The lines of the section [Ask]. */
static int read_fields(const char *text, struct fields *fields)
{
	bool ours = false;

	while (*text != '\0') {
		size_t len = strcspn(text, "\n");
		char line[1024];
		int r;

		if (len < sizeof(line)) { /* what is longer is none of those that count */
			memcpy(line, text, len);
			line[len] = '\0';
			if (line[0] == '[')
				ours = strcmp(line, "[Ask]") == 0;
			r = ours ? take_line(fields, line) : 0;
			if (r < 0)
				return r;
		}
		text += len;
		text += *text == '\n';
	}
	return 0;
}

static int parse_number(const char *text, uint64_t max, uint64_t *ret)
{
	char *end;
	unsigned long long value;

	*ret = 0;
	if (text[0] == '\0')
		return 0;
	if (text[0] < '0' || text[0] > '9')
		return -EBADMSG;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno != 0 || *end != '\0' || value > max)
		return -EBADMSG;
	*ret = value;
	return 0;
}

static bool is_octal(char c)
{
	return c >= '0' && c <= '7';
}

/* Takes back systemd's cescape(): of a backslash, quotes, and what is not printable ASCII. */
static int unescape(const char *text, char *out, size_t size)
{
	size_t len = 0;

	while (*text != '\0' && len + 1 < size) {
		char c = *text++;

		if (c == '\\' && is_octal(text[0]) && is_octal(text[1]) && is_octal(text[2])) {
			c = (char)((text[0] - '0') << 6 | (text[1] - '0') << 3 | (text[2] - '0'));
			text += 3;
		} else if (c == '\\') {
			if (*text != '\\' && *text != '"' && *text != '\'')
				return -EBADMSG;
			c = *text++;
		}
		if (c == '\0')
			return -EBADMSG;
		out[len++] = c;
	}
	out[len] = '\0';
	return *text == '\0' ? 0 : -EBADMSG;
}

/* The name of what is directly in the folder, or NULL. systemd 257 writes two slashes before it. */
static const char *name_in(const char *path, const char *folder)
{
	size_t len = strlen(folder);
	size_t slashes = text_starts(path, folder) ? strspn(path + len, "/") : 0;
	const char *name = path + len + slashes;

	return slashes > 0 && *name != '\0' && strchr(name, '/') == NULL ? name : NULL;
}

/* socket: its path, of size bytes. */
static bool take_socket(const char *path, const char *folder, char *socket, size_t size)
{
	const char *name = name_in(path, folder);

	return name != NULL && (size_t)snprintf(socket, size, "%s/%s", folder, name) < size;
}

int query_parse(const char *text, const char *folder, struct query *ret)
{
	struct fields fields = { 0 };
	struct query query = { 0 };
	uint64_t pid;
	int r = read_fields(text, &fields);

	if (r < 0)
		return r;
	if (!text_starts(fields.id, ID_PREFIX DEVICE_PREFIX) ||
	    !take_socket(fields.socket, folder, query.socket, sizeof(query.socket)))
		return -EBADMSG;
	r = unescape(fields.id + strlen(ID_PREFIX), query.device, sizeof(query.device));
	if (r == 0)
		r = parse_number(fields.not_after, UINT64_MAX, &query.not_after_us);
	if (r == 0)
		r = parse_number(fields.pid, INT32_MAX, &pid);
	if (r < 0)
		return r;
	query.pid = (pid_t)pid;
	*ret = query;
	return 0;
}

/* Whether somebody still waits for the answer. */
static bool is_alive(const struct query *query)
{
	struct timespec now = { 0 };

	if (query->pid != 0 && kill(query->pid, 0) < 0 && errno == ESRCH)
		return false;
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return query->not_after_us == 0 ||
	       query->not_after_us > (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* "+" and the passphrase, or "-". */
static int send_answer(const struct query *query, const struct secret *passphrase)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char sign[1] = { passphrase != NULL ? '+' : '-' };
	struct iovec parts[2] = { { sign, sizeof(sign) } };
	struct msghdr message = { .msg_name = &address,
				  .msg_namelen = sizeof(address),
				  .msg_iov = parts,
				  .msg_iovlen = 1 };
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (lstat(query->socket, &st) < 0)
		return -errno;
	if (!S_ISSOCK(st.st_mode) || st.st_uid != geteuid())
		return -EPERM;
	(void)text_copy(address.sun_path, sizeof(address.sun_path), query->socket);
	if (passphrase != NULL) {
		parts[1] = (struct iovec){ passphrase->data, passphrase->len };
		message.msg_iovlen = 2;
	}
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return -errno;
	return 0;
}

static int read_query(const char *folder, const char *name, struct query *ret)
{
	_cleanup_secret_ struct secret text = { 0 };
	char path[PATH_MAX];
	struct stat st;
	int r;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", folder, name) >= sizeof(path))
		return -ENAMETOOLONG;
	if (lstat(path, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid())
		return -EPERM;
	r = io_read_file(path, QUERY_FILE_MAX, true, &text);
	return r < 0 ? r : query_parse((const char *)text.data, folder, ret);
}

static void close_dir(DIR **dir)
{
	if (*dir != NULL)
		(void)closedir(*dir);
}

size_t query_answer(const struct prompts_places *places, prompts_wanted_fn wanted, void *data,
		    const struct secret *passphrase)
{
	__attribute__((cleanup(close_dir))) DIR *dir = opendir(places->queries);
	const struct dirent *entry;
	size_t answered = 0;

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		struct query query;

		if (!text_starts(entry->d_name, "ask.") ||
		    read_query(places->queries, entry->d_name, &query) < 0 || !is_alive(&query) ||
		    !wanted(data, NULL, query.device))
			continue;
		answered += send_answer(&query, passphrase) == 0;
	}
	return answered;
}
