/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* LUKS2 headers as the probe reads them: whether a token of ours is there, whatever else is. */
#include "rows.h"

#include <endian.h>
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tools/admin/disks.h"

#define UUID   "0b7e9a52-6d0c-4f6e-9a53-6f4c2e6d2f10"
#define GUID   "\"6d1a3b0e-8f2c-4a75-9b0d-1c2e3f405162\""
#define HEADER "{\"keyslots\":{},\"tokens\":{"
#define END    "},\"segments\":{},\"digests\":{},\"config\":{}}"
#define OTHER  "\"0\":{\"type\":\"clevis\",\"keyslots\":[\"0\"],\"jwe\":{}}"
#define OURS(number, customer, slots)                                                        \
	"\"" number "\":{\"type\":\"luks-cmk\",\"keyslots\":[" slots                         \
	"],\"version\":1,\"customer\":"                                                      \
	"\"" customer                                                                        \
	"\",\"wrapped\":[{\"vault\":\"azure\",\"cloud\":\"AzurePublic\",\"tenant_id\":" GUID \
	",\"client_id\":" GUID ",\"key\":\"https://contoso.vault.azure.net/keys/disk/"       \
	"0123456789abcdef0123456789abcdef\",\"alg\":\"RSA-OAEP-256\",\"value\":\"AAAA\"}]}"

struct row {
	const char *row;
	const char *magic;
	int version;
	uint64_t size;
	const char *json;
	int result; /* of disks_enrolled() */
	const char *customer;
};

static void put(int fd, const struct row *row)
{
	uint8_t binary[4096] = { 0 };
	uint64_t size = htobe64(row->size);

	memcpy(binary, row->magic, 6);
	binary[7] = (uint8_t)row->version;
	memcpy(binary + 8, &size, sizeof(size));
	memcpy(binary + 24, "label", 5);
	memcpy(binary + 168, UUID, sizeof(UUID));
	assert_int_equal(pwrite(fd, binary, sizeof(binary), 0), sizeof(binary));
	assert_int_equal(pwrite(fd, row->json, strlen(row->json) + 1, 4096), strlen(row->json) + 1);
}

static void test_enrolled(void **state)
{
	static const struct row rows[] = {
		{ "ours", "LUKS\xba\xbe", 2, 16384, HEADER OURS("0", "contoso", "\"1\"") END, 1,
		  "contoso" },
		{ "ours after another", "LUKS\xba\xbe", 2, 16384,
		  HEADER OTHER "," OURS("1", "fabrikam", "\"1\"") END, 1, "fabrikam" },
		{ "two of ours", "LUKS\xba\xbe", 2, 16384,
		  HEADER OURS("0", "a", "") "," OURS("3", "b", "\"2\"") END, 1, "b" },
		{ "ours without a keyslot", "LUKS\xba\xbe", 2, 16384, HEADER OURS("0", "a", "") END,
		  0, NULL },
		{ "another's", "LUKS\xba\xbe", 2, 16384, HEADER OTHER END, 0, NULL },
		{ "none", "LUKS\xba\xbe", 2, 16384, HEADER END, 0, NULL },
		{ "a customer that is no name", "LUKS\xba\xbe", 2, 16384,
		  HEADER OURS("0", "a\\nLUKS_CMK_UNIT=x", "\"1\"") END, 0, NULL },
		{ "no tokens", "LUKS\xba\xbe", 2, 16384, "{}", 0, NULL },
		{ "tokens of a wrong type", "LUKS\xba\xbe", 2, 16384, "{\"tokens\":[{}]}", 0,
		  NULL },
		{ "LUKS1", "LUKS\xba\xbe", 1, 16384, "", 0, NULL },
		{ "the second copy alone", "SKUL\xba\xbe", 2, 16384, "{}", 0, NULL },
		{ "no JSON", "LUKS\xba\xbe", 2, 16384, "", -EBADMSG, NULL },
		{ "broken JSON", "LUKS\xba\xbe", 2, 16384, HEADER, -EBADMSG, NULL },
		{ "JSON cut by the size", "LUKS\xba\xbe", 2, 4096 + 30,
		  HEADER OURS("0", "a", "\"1\"") END, -EBADMSG, NULL },
		{ "too small", "LUKS\xba\xbe", 2, 4096, "{}", -EBADMSG, NULL },
		{ "too large", "LUKS\xba\xbe", 2, UINT64_MAX, "{}", -EBADMSG, NULL },
		{ "as large as can be", "LUKS\xba\xbe", 2, 4 * 1024 * 1024,
		  HEADER OURS("0", "contoso", "\"1\"") END, 1, "contoso" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		static struct token token;
		struct disk_header header = { 0 };
		int fd = memfd_create("header", MFD_CLOEXEC);
		char path[64];
		int r;

		assert_true(fd >= 0);
		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		put(fd, &rows[i]);
		r = disks_enrolled(path, &header, &token);
		if (rows[i].result < 0)
			CHECK(rows[i].row, r < 0);
		else
			CHECK_INT(rows[i].row, r, rows[i].result);
		if (rows[i].customer != NULL) {
			CHECK_TEXT(rows[i].row, token.customer, rows[i].customer);
			CHECK_TEXT(rows[i].row, header.uuid, UUID);
			CHECK_TEXT(rows[i].row, header.label, "label");
		}
		(void)close(fd);
	}
}

#define SLOT(size) "\"1\":{\"type\":\"luks2\",\"key_size\":" size "}"
#define SEGMENT(more)                                                                            \
	"\"0\":{\"type\":\"crypt\",\"offset\":\"16777216\",\"size\":\"dynamic\",\"encryption\":" \
	"\"aes-xts-plain64\",\"sector_size\":4096" more "}"
#define FULL(slots, tokens, segments) \
	"{\"keyslots\":{" slots "},\"tokens\":{" tokens "},\"segments\":{" segments "}}"

/* What asking for the key takes: the very line that libcryptsetup would give, or none. */
static void test_read(void **state)
{
	static const struct {
		const char *row, *json;
		int number;
		size_t count;
		const char *header;
	} rows[] = {
		{ "usual", FULL(SLOT("64"), OURS("0", "a", "\"1\""), SEGMENT("")), 0, 1,
		  "cipher=aes-xts-plain64 key=512 sector=4096 offset=16777216 integrity=none" },
		{ "token 31", FULL(SLOT("64"), OURS("31", "a", "\"1\""), SEGMENT("")), 31, 1,
		  "cipher=aes-xts-plain64 key=512 sector=4096 offset=16777216 integrity=none" },
		{ "two tokens",
		  FULL(SLOT("32"), OURS("2", "a", "\"1\"") "," OURS("3", "b", "\"1\""),
		       SEGMENT("")),
		  2, 2,
		  "cipher=aes-xts-plain64 key=256 sector=4096 offset=16777216 integrity=none" },
		{ "odd token", FULL(SLOT("64"), OURS("x", "a", "\"1\""), SEGMENT("")), -1, 1, "" },
		{ "token 01", FULL(SLOT("64"), OURS("01", "a", "\"1\""), SEGMENT("")), -1, 1, "" },
		{ "integrity",
		  FULL(SLOT("64"), OURS("0", "a", "\"1\""),
		       SEGMENT(",\"integrity\":{\"type\":\"x\"}")),
		  0, 1, "" },
		{ "two segments",
		  FULL(SLOT("64"), OURS("0", "a", "\"1\""),
		       SEGMENT("") ",\"1\":{\"type\":\"crypt\"}"),
		  0, 1, "" },
		{ "no segment", FULL(SLOT("64"), OURS("0", "a", "\"1\""), ""), 0, 1, "" },
		{ "no keyslot", FULL("", OURS("0", "a", "\"1\""), SEGMENT("")), 0, 1, "" },
		{ "key of 0 bytes", FULL(SLOT("0"), OURS("0", "a", "\"1\""), SEGMENT("")), 0, 1,
		  "" },
		{ "key too large", FULL(SLOT("99999"), OURS("0", "a", "\"1\""), SEGMENT("")), 0, 1,
		  "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct row disk = { rows[i].row, "LUKS\xba\xbe", 2, 16384, rows[i].json, 1,
					  NULL };
		struct disk_enrolment *enrolment = malloc(sizeof(*enrolment));
		struct disk_header header = { 0 };
		int fd = memfd_create("header", MFD_CLOEXEC);
		char path[64];

		assert_true(fd >= 0 && enrolment != NULL);
		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		put(fd, &disk);
		CHECK_INT(rows[i].row, disks_read(path, &header, enrolment), 1);
		CHECK_INT(rows[i].row, enrolment->number, rows[i].number);
		CHECK_INT(rows[i].row, enrolment->count, rows[i].count);
		CHECK_TEXT(rows[i].row, enrolment->header, rows[i].header);
		CHECK(rows[i].row, strncmp(enrolment->json, "{\"type\":\"luks-cmk\"", 18) == 0);
		CHECK(rows[i].row, strstr(rows[i].json, enrolment->json) != NULL);
		disks_enrolment_free(enrolment);
		(void)close(fd);
	}
}

static void test_absent(void **state)
{
	static struct token token;
	struct disk_header header;

	(void)state;
	assert_int_equal(disks_enrolled("/nonexistent", &header, &token), -ENOENT);
	assert_int_equal(disks_enrolled("/dev/null", &header, &token), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_enrolled),
					    cmocka_unit_test(test_read),
					    cmocka_unit_test(test_absent) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
