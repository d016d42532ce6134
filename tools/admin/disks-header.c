/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* LUKS headers, read by ourselves: from udev's rules, where loading libcryptsetup costs more than all the rest. */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/json.h"
#include "base/text.h"
#include "disks.h"

/*
 * struct luks2_hdr_disk of cryptsetup's lib/luks2/luks2.h, section 2.1 of its on-disk format: magic 6, version 2,
 * size of header and JSON 8, label 48 at 24, uuid 40 at 168, subsystem 48 at 208; the JSON follows it at 4096.
 * LUKS1 has its uuid at 168 too. libcryptsetup tells these since 2.5 only.
 */
#define HEADER_READ	    512
#define HEADER_SIZE_AT	    8
#define HEADER_LABEL_AT	    24
#define HEADER_UUID_AT	    168
#define HEADER_SUBSYSTEM_AT 208
#define JSON_AT		    4096
#define HEADER_SIZE_MAX	    (4 * 1024 * 1024) /* LUKS2_HDR_OFFSET_MAX */
#define KEY_SIZE_MAX	    512
#define SECTOR_SIZE_MAX	    4096

static const uint8_t header_magic[6] = { 'L', 'U', 'K', 'S', 0xba, 0xbe };

static int read_header(int fd, struct disk_header *ret, uint64_t *ret_size)
{
	struct disk_header header = { 0 };
	uint8_t sector[HEADER_READ];
	uint64_t size;
	ssize_t n = pread(fd, sector, sizeof(sector), 0);

	if (n < 0)
		return -errno;
	if (n == HEADER_READ && memcmp(sector, header_magic, sizeof(header_magic)) == 0) {
		header.version = sector[6] << 8 | sector[7];
		memcpy(header.uuid, sector + HEADER_UUID_AT, sizeof(header.uuid) - 1);
	}
	if (header.version == 2) {
		memcpy(header.label, sector + HEADER_LABEL_AT, sizeof(header.label) - 1);
		memcpy(header.subsystem, sector + HEADER_SUBSYSTEM_AT,
		       sizeof(header.subsystem) - 1);
	}
	memcpy(&size, sector + HEADER_SIZE_AT, sizeof(size));
	*ret = header;
	*ret_size = header.version == 2 ? be64toh(size) : 0;
	return 0;
}

int disks_probe(const char *path, struct disk_header *ret)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	uint64_t size;

	return fd < 0 ? -errno : read_header(fd, ret, &size);
}

static ssize_t read_json(int fd, char *out, size_t size)
{
	size_t len = 0;

	while (len < size) {
		ssize_t n = pread(fd, out + len, size - len, (off_t)(JSON_AT + len));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)strnlen(out, len); /* the rest of the area is zeroes */
}

/* Whether a token is ours and opens something; what it says of itself is checked as at an unlock. */
static bool is_ours(const struct json *json, const char *text, const struct json_node *node,
		    struct token *token)
{
	char type[sizeof(TOKEN_TYPE)];

	return json_copy_string(json, json_member(json, node, "type"), type, sizeof(type)) &&
	       strcmp(type, TOKEN_TYPE) == 0 &&
	       token_parse(text + node->start, node->end - node->start, false, token, NULL) == 0 &&
	       token->keyslots_count > 0;
}

/* The only element of an object, or NULL. */
static const struct json_node *only_one(const struct json *json, const struct json_node *object)
{
	const struct json_node *first;

	if (json_node_type(object) != JSON_OBJECT)
		return NULL;
	first = json_next(json, object, NULL);
	return first != NULL && json_next(json, object, first) == NULL ? first : NULL;
}

/* As libcryptsetup has it of a usual header: one segment, no integrity. Others need its help. */
static void describe(const struct json *json, struct disk_enrolment *enrolment)
{
	const struct json_node *root = json_root(json);
	const struct json_node *segment = only_one(json, json_member(json, root, "segments"));
	char type[16], cipher[64], slot[12];
	int64_t key = 0, sector = 0, offset = 0;
	const struct json_node *keyslot;
	struct header header = { .cipher = cipher };

	(void)snprintf(slot, sizeof(slot), "%d", enrolment->token.keyslots[0]);
	keyslot = json_member(json, json_member(json, root, "keyslots"), slot);
	if (!json_copy_string(json, json_member(json, segment, "type"), type, sizeof(type)) ||
	    strcmp(type, "crypt") != 0 || json_member(json, segment, "integrity") != NULL ||
	    !json_copy_string(json, json_member(json, segment, "encryption"), cipher,
			      sizeof(cipher)) ||
	    !json_get_int(json, json_member(json, segment, "sector_size"), &sector) ||
	    !json_get_int(json, json_member(json, segment, "offset"), &offset) ||
	    !json_get_int(json, json_member(json, keyslot, "key_size"), &key) || key <= 0 ||
	    key > KEY_SIZE_MAX || sector <= 0 || sector > SECTOR_SIZE_MAX || offset < 0)
		return;
	header.key_bits = (unsigned)key * 8;
	header.sector_size = (unsigned)sector;
	header.offset = (uint64_t)offset;
	if (header_describe(&header, enrolment->header) < 0)
		enrolment->header[0] = '\0';
}

/* Of a token, as cryptsetup writes it; -1 for anything else. */
static int number_of(const char *name, size_t len)
{
	bool digits = len == 1 || (len == 2 && name[0] != '0');

	for (size_t i = 0; i < len; i++)
		digits = digits && name[i] >= '0' && name[i] <= '9';
	if (!digits)
		return -1;
	return len == 1 ? name[0] - '0' : (name[0] - '0') * 10 + name[1] - '0';
}

static int find_tokens(const char *text, size_t len, struct disk_enrolment *ret)
{
	_cleanup_free_ struct token *other = malloc(sizeof(*other));
	_cleanup_json_ struct json *json = NULL;
	const struct json_node *tokens, *node = NULL, *first = NULL;
	int r;

	if (other == NULL)
		return -ENOMEM;
	r = json_parse(text, len, "the LUKS2 header", CMK_TOKEN, &json, NULL);
	if (r < 0)
		return r;
	tokens = json_member(json, json_root(json), "tokens");
	while (json_node_type(tokens) == JSON_OBJECT &&
	       (node = json_next(json, tokens, node)) != NULL) {
		if (!is_ours(json, text, node, first == NULL ? &ret->token : other))
			continue;
		ret->count++;
		first = first == NULL ? node : first;
	}
	if (first == NULL)
		return 0;
	ret->number = number_of(text + first->name_start, first->name_end - first->name_start);
	ret->json = strndup(text + first->start, first->end - first->start);
	if (ret->json == NULL)
		return -ENOMEM;
	if (ret->number >= 0)
		describe(json, ret);
	return 1;
}

int disks_read(const char *path, struct disk_header *ret, struct disk_enrolment *ret_enrolment)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	_cleanup_free_ char *text = NULL;
	uint64_t size;
	ssize_t len;
	int r;

	memset(ret_enrolment, 0, sizeof(*ret_enrolment));
	if (fd < 0)
		return -errno;
	r = read_header(fd, ret, &size);
	if (r < 0)
		return r;
	if (ret->version != 2)
		return 0;
	if (size <= JSON_AT || size > HEADER_SIZE_MAX)
		return -EBADMSG;
	text = malloc(size - JSON_AT);
	if (text == NULL)
		return -ENOMEM;
	len = read_json(fd, text, size - JSON_AT);
	return len < 0 ? (int)len : find_tokens(text, (size_t)len, ret_enrolment);
}

int disks_enrolled(const char *path, struct disk_header *ret, struct token *ret_token)
{
	struct disk_enrolment *enrolment = malloc(sizeof(*enrolment));
	int r = enrolment != NULL ? disks_read(path, ret, enrolment) : -ENOMEM;

	if (r == 1)
		*ret_token = enrolment->token;
	disks_enrolment_free(enrolment);
	return r;
}

void disks_enrolment_free(struct disk_enrolment *enrolment)
{
	if (enrolment != NULL)
		free(enrolment->json);
	free(enrolment);
}
