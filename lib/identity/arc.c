/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Identity from Azure Arc's agent (himds), on machines outside of Azure. It answers the first request with
 * the name of a file that only root and its own group can read; the second one carries what is in it.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cause.h"
#include "base/io.h"
#include "base/text.h"
#include "identity/metadata.h"

#define ADDRESS	     "127.0.0.1:40342"
#define FOLDER	     "/var/opt/azcmagent/tokens"
#define NAME_LEN_MAX 100
#define SUFFIX	     ".key"
#define KEY_MAX	     4096
#define CHALLENGE    "WWW-Authenticate"
#define SCHEME	     "Basic realm="

static const struct metadata_service service = {
	.who = "Azure Arc's agent",
	.what = "Azure Arc's agent",
	.machine = "a machine connected to Azure Arc",
	.assign_to = "the machine in Azure Arc",
	.causes = "arc:",
	.api_version = "2020-06-01",
	.must_echo = true,
};

/*
 * The file's name comes from a network, when the sandbox is closed. The folder is the agent's by
 * convention, and nobody else's: no other one is ever looked into, whatever the answer says.
 */
static int open_folder(struct identity *identity, struct cmk_err *err)
{
	struct stat status;

	_cleanup_close_ int folder = open(FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (folder < 0 || fstat(folder, &status) < 0)
		return cmk_err_errno(err, CMK_IDENTITY, errno,
				     "the identity comes from Azure Arc's agent, and its folder "
				     "%s cannot be opened; install the agent, connect the machine, "
				     "and ask as root",
				     FOLDER);
	if (status.st_mode & S_IWOTH)
		return cmk_err(err, CMK_IDENTITY,
			       "everybody can write to %s, so what is in it proves nothing; repair "
			       "the installation of Azure Arc's agent",
			       FOLDER);
	identity->folder = TAKE_FD(folder);
	return 0;
}

/* Passes the result on: what is wrong with the agent is this machine's to repair. */
static int of_agent(int r, struct cmk_err *err)
{
	if (r < 0)
		cause_set(err, "arc:agent");
	return r;
}

static int arc_prepare(struct identity *identity, struct cmk_err *err)
{
	(void)text_copy(identity->address, sizeof(identity->address), ADDRESS);
	int r = metadata_check(identity, err);
	return r < 0 ? r : of_agent(open_folder(identity, err), err);
}

/* Second time:	Authorization: Basic CONTENT-OF-THE-FILE */
static int arc_request(struct identity *identity, struct http_request *ret, struct secret *jwt,
		       struct cmk_err *err)
{
	(void)jwt;
	identity->answered = identity->held.len > 0;
	if (identity->answered) {
		int r = http_request_header(ret, "Authorization", "Basic ", &identity->held);
		/* Good for one answer. */
		secret_done(&identity->held);
		if (r < 0)
			return cmk_err_errno(err, CMK_SYSTEM, -r,
					     "the request to Azure Arc's agent cannot be made");
	}
	ret->keep_header = CHALLENGE;
	return metadata_request(identity, &service, ret, err);
}

/* The name of a file in the agent's folder, and nothing that leads out of it; NULL for anything else. */
static const char *challenge_file(const char *challenge)
{
	if (strncasecmp(challenge, SCHEME, strlen(SCHEME)) != 0)
		return NULL;
	const char *path = challenge + strlen(SCHEME);
	if (!text_starts(path, FOLDER "/"))
		return NULL;
	const char *name = path + strlen(FOLDER "/");
	return text_is_name(name, NAME_LEN_MAX) && text_ends(name, SUFFIX) ? name : NULL;
}

/* It becomes part of a header: one line of printable characters, without the newline at its end. */
static bool is_key(struct secret *key)
{
	while (key->len > 0 && strchr("\r\n", key->data[key->len - 1]) && key->data[key->len - 1])
		key->data[--key->len] = '\0';
	for (size_t i = 0; i < key->len; i++)
		if (key->data[i] <= ' ' || key->data[i] > '~')
			return false;
	return key->len > 0;
}

static int read_key(struct identity *identity, const char *name, struct cmk_err *err)
{
	_cleanup_secret_ struct secret key = { 0 };
	_cleanup_close_ int fd = openat(identity->folder, name, IO_READ_FLAGS | O_NOFOLLOW);

	int r = fd < 0 ? -errno : io_read_fd(fd, KEY_MAX, &key);
	if (r == -ELOOP || r == -EFBIG || r == -EINVAL || r == -EISDIR || (r == 0 && !is_key(&key)))
		return cmk_err(err, CMK_IDENTITY,
			       "Azure Arc's agent wants %s/%s to be read, which is no key of at "
			       "most %d bytes; find out what answers at %s",
			       FOLDER, name, KEY_MAX, identity->address);
	if (r < 0)
		return cmk_err_errno(err, CMK_IDENTITY, -r,
				     "%s/%s, which Azure Arc's agent wants to be read, cannot be; "
				     "ask as root, and check the agent",
				     FOLDER, name);
	secret_move(&identity->held, &key);
	return 0;
}

static int arc_reply(struct identity *identity, const struct http_reply *reply, struct secret *jwt,
		     struct cmk_err *err)
{
	if (reply->status != 401 || identity->answered)
		return metadata_reply(identity, &service, reply, jwt, err);
	const char *name = challenge_file(reply->kept);
	if (!name)
		return of_agent(
			cmk_err(err, CMK_IDENTITY,
				"what answers at %s is not Azure Arc's agent: its challenge "
				"'%.200s' names no key in %s; check that the agent runs",
				reply->host, reply->kept, FOLDER),
			err);
	int r = of_agent(read_key(identity, name, err), err);
	return r < 0 ? r : 1;
}

const struct identity_ops identity_arc = {
	.name = "arc",
	.prepare = arc_prepare,
	.request = arc_request,
	.reply = arc_reply,
};
