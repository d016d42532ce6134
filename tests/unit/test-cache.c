/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "base/text.h"
#include "cache.h"

static char folder[] = "/tmp/luks-cmk-cache-XXXXXX";
static const struct cloud cloud = { .name = "AzurePublic", .authority = "login.example" };

static struct vault_target target_for(const char *tenant)
{
	struct vault_target target = { .ops = &vault_azure, .cloud = &cloud };
	text_copy(target.wrapping.tenant_id, sizeof(target.wrapping.tenant_id), tenant);
	text_copy(target.scope, sizeof(target.scope), "https://vault.azure.net/.default");
	return target;
}

static struct identity an_identity(void)
{
	struct identity identity = { .ops = &identity_imds };
	text_copy(identity.client_id, sizeof(identity.client_id), "id");
	return identity;
}

static void open_cache(struct cache *cache, const char *tenant)
{
	struct vault_target target = target_for(tenant);
	struct identity identity = an_identity();
	cache_open(cache, folder, &target, &identity);
	assert_true(cache->fd >= 0);
}

static void test_round_trip(void **state)
{
	(void)state;
	struct cache one, two, other;
	struct vault_credential kept = { .expires = time(NULL) + 3600 }, got = { 0 };
	assert_int_equal(secret_set(&kept.value, "token bytes", 11), 0);
	open_cache(&one, "a");
	open_cache(&two, "a");
	open_cache(&other, "b");

	assert_true(cache_try_lock(&one));
	assert_true(cache_try_lock(&one));
	assert_false(cache_try_lock(&two)); /* same tenant: waits for the one that signs in */
	assert_true(cache_try_lock(&other));
	assert_false(cache_get(&one, &got));
	cache_put(&one, &kept);
	cache_unlock(&one);
	assert_true(cache_try_lock(&two));
	assert_true(cache_get(&two, &got));
	assert_true(secret_equal(&got.value, &kept.value));
	assert_int_equal(got.expires, kept.expires);
	assert_false(cache_get(&other, &got));

	cache_put(&two, NULL);
	assert_false(cache_get(&two, &got));
	kept.expires = time(NULL) + CACHE_MARGIN - 1;
	cache_put(&two, &kept);
	assert_false(cache_get(&two, &got)); /* about to expire */
	vault_credential_done(&kept);
	vault_credential_done(&got);
	cache_done(&one);
	cache_done(&two);
	cache_done(&other);
}

/* What a killed writer, or someone else, may have left in the file. */
static void test_hostile_file(void **state)
{
	(void)state;
	static const char *const files[] = {
		"",
		"garbage",
		"LUKSCMK-TOKEN-1",
		"LUKSCMK-TOKEN-1 99999999999 5",
		"LUKSCMK-TOKEN-1 99999999999 5\n",
		"LUKSCMK-TOKEN-1 99999999999 5\nabcd",
		"LUKSCMK-TOKEN-1 99999999999 5\nabcdef",
		"LUKSCMK-TOKEN-1 99999999999 0\n",
		"LUKSCMK-TOKEN-1 99999999999 -1\nabc",
		"LUKSCMK-TOKEN-2 99999999999 3\nabc",
		"LUKSCMK-TOKEN-1 99999999999 3 abc",
		"LUKSCMK-TOKEN-1 1 3\nabc",
	};
	struct cache cache;
	struct vault_credential got = { 0 };
	open_cache(&cache, "hostile");
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		assert_int_equal(ftruncate(cache.fd, 0), 0);
		assert_int_equal(pwrite(cache.fd, files[i], strlen(files[i]), 0), strlen(files[i]));
		if (cache_get(&cache, &got))
			fail_msg("taken: %s", files[i]);
	}
	static const char good[] = "LUKSCMK-TOKEN-1 99999999999 3\nabc";
	assert_int_equal(pwrite(cache.fd, good, strlen(good), 0), strlen(good));
	assert_true(cache_get(&cache, &got));
	vault_credential_done(&got);
	cache_done(&cache);
}

static void test_without_folder(void **state)
{
	(void)state;
	struct vault_target target = target_for("a");
	struct identity identity = an_identity();
	struct cache cache;
	struct vault_credential credential = { 0 };
	cache_open(&cache, "/proc/no/such", &target, &identity);
	assert_int_equal(cache.fd, -1);
	assert_true(cache_try_lock(&cache));
	assert_false(cache_get(&cache, &credential));
	cache_put(&cache, &credential);
	cache_unlock(&cache);
	cache_done(&cache);
}

static void test_root_only(void **state)
{
	(void)state;
	char path[512];
	struct stat status;
	snprintf(path, sizeof(path), "%s/tokens", folder);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0700);
	DIR *dir = opendir(path);
	int seen = 0;
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
		if (entry->d_name[0] == '.')
			continue;
		assert_int_equal(fstatat(dirfd(dir), entry->d_name, &status, 0), 0);
		assert_int_equal(status.st_mode & 0777, 0600);
		assert_int_equal(unlinkat(dirfd(dir), entry->d_name, 0), 0);
		seen++;
	}
	closedir(dir);
	assert_int_equal(seen, 3);
	rmdir(path);
}

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	(void)state;
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_hostile_file),
		cmocka_unit_test(test_without_folder),
		cmocka_unit_test(test_root_only),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
