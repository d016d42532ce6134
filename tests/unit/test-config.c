/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Configuration: what each setting takes, and that each mistake is told with its file and line. */
#include "rows.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "format/config.h"

#define GUID  "6d1a3b0e-8f2c-4a75-9b0d-1c2e3f405162"
#define GUID2 "9C7E5D31-2B4F-4C6A-8E10-72AB91C0D3E4"
#define LAB   "[cloud lab]\nauthority = login.lab\nvault_suffix = vault.lab\n"
#define X63   "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static void test_builtin(void **state)
{
	static const struct {
		const char *name, *authority, *vault, *hsm, *audience;
	} rows[] = {
		{ "AzurePublic", "login.microsoftonline.com", "vault.azure.net",
		  "managedhsm.azure.net", "api://AzureADTokenExchange" },
		{ "AzureUSGovernment", "login.microsoftonline.us", "vault.usgovcloudapi.net",
		  "managedhsm.usgovcloudapi.net", "api://AzureADTokenExchangeUSGov" },
		{ "AzureChina", "login.partner.microsoftonline.cn", "vault.azure.cn",
		  "managedhsm.azure.cn", "api://AzureADTokenExchangeChina" },
	};
	struct config config;

	(void)state;
	config_init(&config);
	assert_int_equal(config.clouds_count, COUNT(rows));
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct cloud *cloud = config_cloud(&config, rows[i].name);

		CHECK(rows[i].name, cloud == &config.clouds[i]);
		CHECK_TEXT(rows[i].name, cloud->authority, rows[i].authority);
		CHECK_TEXT(rows[i].name, cloud->vault_suffix, rows[i].vault);
		CHECK_TEXT(rows[i].name, cloud->hsm_suffix, rows[i].hsm);
		CHECK_TEXT(rows[i].name, cloud->audience, rows[i].audience);
		CHECK_TEXT(rows[i].name, cloud->metadata, "169.254.169.254");
	}
	assert_null(config_cloud(&config, "azurepublic"));
	assert_null(config_cloud(&config, ""));
	assert_string_equal(config.provider.cloud, "AzurePublic");
	assert_int_equal(config.network.timeout, CONFIG_TIMEOUT_DEFAULT);
	assert_int_equal(config.policy.expired_keys, CONFIG_EXPIRED_FOLLOW);
	assert_int_equal(config.attach.hotplug, CONFIG_HOTPLUG_KNOWN);
}

static void test_whole(void **state)
{
	static const char text[] = "\xef\xbb\xbf# luks-cmk.conf\r\n"
				   "; another comment\n"
				   "\n"
				   "[provider]\n"
				   "cloud = lab          # AzurePublic, or a [cloud NAME] section\n"
				   "client_id=" GUID "\n"
				   "  [identity]   ; blanks do not matter\n"
				   "\tsource\t=\tfile\n"
				   "client_id =   # none\n"
				   "file = /run/a#b;c\n"
				   "[network]\n"
				   "timeout = forever\n"
				   "ca_file =\n"
				   "proxy = http://proxy.example:3128 ; not for metadata\n"
				   "[policy]\n"
				   "allow_tenants = " GUID ", " GUID2 "\n"
				   "allow_vaults = Contoso.vault.lab:8443 fabrikam.vault.lab,,a.b\n"
				   "allow_vaults = last.vault.lab\n"
				   "expired_keys = refuse\n"
				   "[attach]\n"
				   "hotplug = all\n"
				   "[cloud lab]\n"
				   "authority = https://Login.Lab:8443/\n"
				   "vault_suffix = Vault.lab:8443\n"
				   "hsm_suffix = hsm.lab\n"
				   "audience = api://Lab\n"
				   "metadata = http://127.0.0.1:8169\n"
				   "[cloud small]\n"
				   "authority = 10.0.0.1\n"
				   "vault_suffix = v.example"; /* no newline at the end */
	const struct cloud *cloud;
	struct cmk_err err = { 0 };
	struct config c;

	(void)state;
	config_init(&c);
	if (config_parse(text, "test.conf", &c, &err) != 0)
		fail_msg("%s", err.text);
	assert_string_equal(c.provider.cloud, "lab");
	assert_string_equal(c.provider.client_id, GUID);
	assert_string_equal(c.identity.source, "file");
	assert_string_equal(c.identity.client_id, "");
	assert_string_equal(c.identity.file, "/run/a#b;c");
	assert_true(c.network.timeout == CONFIG_TIMEOUT_FOREVER);
	assert_string_equal(c.network.ca_file, "");
	assert_string_equal(c.network.proxy, "http://proxy.example:3128");
	assert_int_equal(c.policy.allow_tenants.count, 2);
	assert_string_equal(c.policy.allow_tenants.items[1],
			    "9c7e5d31-2b4f-4c6a-8e10-72ab91c0d3e4");
	assert_int_equal(c.policy.allow_vaults.count, 4);
	assert_string_equal(c.policy.allow_vaults.items[0], "contoso.vault.lab:8443");
	assert_string_equal(c.policy.allow_vaults.items[3], "last.vault.lab");
	assert_int_equal(c.policy.expired_keys, CONFIG_EXPIRED_REFUSE);
	assert_int_equal(c.attach.hotplug, CONFIG_HOTPLUG_ALL);
	cloud = config_cloud(&c, "lab");
	assert_non_null(cloud);
	assert_string_equal(cloud->authority, "login.lab:8443");
	assert_string_equal(cloud->vault_suffix, "vault.lab:8443");
	assert_string_equal(cloud->hsm_suffix, "hsm.lab");
	assert_string_equal(cloud->audience, "api://Lab");
	assert_string_equal(cloud->metadata, "127.0.0.1:8169");
	cloud = config_cloud(&c, "small");
	assert_non_null(cloud);
	assert_string_equal(cloud->audience, "api://AzureADTokenExchange");
	assert_string_equal(cloud->metadata, "169.254.169.254");
	assert_string_equal(cloud->hsm_suffix, "");

	/* A second text goes over what is there; a list in it replaces the list. */
	assert_int_equal(config_parse("[policy]\nallow_vaults = x.y\n", "b", &c, &err), 0);
	assert_int_equal(c.policy.allow_vaults.count, 1);
	assert_int_equal(c.policy.allow_tenants.count, 2);
}

static void test_refused(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{ "[provider]\nclowd = AzurePublic\n",
		  "t.conf line 2: \"clowd\" is no setting of [provider]" },
		{ "[provider]\nCloud = AzurePublic\n", "line 2: \"Cloud\" is no setting" },
		{ "\n\n[providr]\ncloud = AzurePublic\n", "line 4: [providr] is no section" },
		{ "[network]\nretries = 3\n", "line 2: \"retries\" is no setting of [network]" },
		{ "timeout = 5\n", "line 1: \"timeout\" stands before the first section" },
		{ "[network]\ntimeout 5\n", "line 2: this is neither" },
		{ "[network]\ntimeout: 5\n", "line 2: this is neither" },
		{ "[network]\n= 5\n", "line 2: this is neither" },
		{ "[network]\ntime out = 5\n", "line 2: this is neither" },
		{ "[network]\n\033[0m = 5\n", "line 2: this is neither" },
		{ "[network\ntimeout = 5\n", "line 1: \"[network\" is no section" },
		{ "[network] x\n", "line 1: \"[network] x\" is no section" },
		{ "[network]\ntimeout = 5\ntimeout = 6\n", "line 3: \"timeout\" is set in line 2" },
		{ "[network]\ntimeout = 5\n[policy]\n[network]\ntimeout = 5\n",
		  "line 5: \"timeout\"" },
		{ "[network]\ntimeout = 5\n  6\n", "line 3: this is neither" },
		{ "[network]\ntimeout =\n", "line 2: timeout is neither a number" },
		{ "[network]\ntimeout = 0\n", "timeout is neither a number" },
		{ "[network]\ntimeout = 86401\n", "timeout is neither a number" },
		{ "[network]\ntimeout = 4294967296\n", "timeout is neither a number" },
		{ "[network]\ntimeout = -1\n", "timeout is neither a number" },
		{ "[network]\ntimeout = 5s\n", "timeout is neither a number" },
		{ "[network]\ntimeout = Forever\n", "timeout is neither a number" },
		{ "[network]\nca_file = ca.pem\n", "ca_file is no absolute path" },
		{ "[network]\nproxy = proxy.example:3128\n", "proxy is not of the form" },
		{ "[network]\nproxy = http://proxy.example\n", "proxy is not of the form" },
		{ "[network]\nproxy = socks5://proxy.example:1\n", "proxy is not of the form" },
		{ "[network]\nproxy = http://me:pass@proxy.example:1\n",
		  "proxy is not of the form" },
		{ "[network]\nproxy = http://proxy.example:0\n", "proxy is not of the form" },
		{ "[network]\nproxy = http://proxy.example:65536\n", "proxy is not of the form" },
		{ "[provider]\nclient_id = me\n", "client_id is no GUID" },
		{ "[provider]\ncloud =\n", "cloud is no name" },
		{ "[provider]\ncloud = AzureMoon\n",
		  "t.conf: the cloud \"AzureMoon\" of [provider]" },
		{ "[identity]\nsource = /bin/sh\n", "source is no name" },
		{ "[identity]\nsource = a-name-that-is-too-long\n", "source is no name" },
		{ "[identity]\nfile = jwt\n", "file is no absolute path" },
		{ "[identity]\nprogram = jwt\n", "program is no absolute path" },
		{ "[policy]\nexpired_keys = maybe\n", "expired_keys is neither follow nor refuse" },
		{ "[attach]\nhotplug = yes\n", "hotplug is neither known nor all nor off" },
		{ "[policy]\nallow_tenants = contoso\n", "allow_tenants is no list of" },
		{ "[policy]\nallow_tenants = " GUID " x\n", "allow_tenants is no list of" },
		{ "[policy]\nallow_vaults = https://a.vault.azure.net\n",
		  "allow_vaults is no list of" },
		{ "[policy]\nallow_vaults = *.vault.azure.net\n", "allow_vaults is no list of" },
		{ "[policy]\nallow_vaults = a..b\n", "allow_vaults is no list of" },
		{ "[policy]\nallow_vaults = " X63 "x.net\n", "allow_vaults is no list of" },
		{ "[cloud AzurePublic]\nauthority = evil.example\n",
		  "line 2: the cloud AzurePublic is built in" },
		{ "[cloud ]\nauthority = a\n", "is no name of a cloud" },
		{ "[cloud  lab]\nauthority = a\n", "is no name of a cloud" },
		{ "[cloud a/b]\nauthority = a\n", "is no name of a cloud" },
		{ "[cloud " X63 "]\nauthority = a\n", "line 1: the section's name is longer" },
		{ "[cloud]\nauthority = a\n", "[cloud] is no section" },
		{ "[cloud lab]\nvault_suffix = a\n",
		  "t.conf: [cloud lab] lacks authority or vault_suffix" },
		{ "[cloud lab]\nauthority = a\n",
		  "t.conf: [cloud lab] lacks authority or vault_suffix" },
		{ LAB "login = b\n", "line 4: \"login\" is no setting of [cloud lab]" },
		{ LAB "authority = b\n", "line 4: \"authority\" is set in line 2" },
		{ LAB "[cloud lab]\nauthority = b\n", "line 5: \"authority\" is set in line 2" },
		{ "[cloud lab]\nauthority = http://login.lab\n", "authority is no host name" },
		{ "[cloud lab]\nauthority = https://login.lab/tenant\n",
		  "authority is no host name" },
		{ "[cloud lab]\nauthority = https://me@login.lab\n", "authority is no host name" },
		{ "[cloud lab]\nauthority =\n", "authority is empty" },
		{ "[cloud lab]\nvault_suffix = .vault.lab\n", "vault_suffix is no host name" },
		{ "[cloud lab]\nvault_suffix = vault.lab:http\n", "vault_suffix is no host name" },
		{ "[cloud lab]\naudience =\n", "audience is empty" },
		{ "[cloud lab]\naudience = a b\n", "audience holds other characters" },
		{ LAB "metadata = metadata.lab\n", "metadata is no IPv4 address" },
		{ LAB "metadata = 10.0.0.1\n", "metadata is neither a link-local" },
		{ LAB "metadata = 169.253.0.1\n", "metadata is neither a link-local" },
		{ LAB "metadata = 2130706433\n", "metadata is no IPv4 address" },
		{ LAB "metadata = https://127.0.0.1\n", "metadata is no IPv4 address" },
		{ LAB "metadata = 127.0.0.1:x\n", "metadata is no IPv4 address" },
		{ LAB "metadata = 127.0.0.1@evil.example\n", "metadata is no IPv4 address" },
		{ LAB "metadata =\n", "metadata is empty" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct config config, before;
		struct cmk_err err = { 0 };

		config_init(&config);
		before = config;
		CHECK_INT(rows[i].text, config_parse(rows[i].text, "t.conf", &config, &err),
			  -EINVAL);
		CHECK_INT(rows[i].text, err.code, CMK_CONFIG);
		CHECK_SENTENCE(rows[i].text, err.text, rows[i].why);
		CHECK_SENTENCE(rows[i].text, err.text, "; ");
		CHECK(rows[i].text, !strstr(err.text, "pass"));
		CHECK(rows[i].text, memcmp(&config, &before, sizeof(config)) == 0);
	}
}

/* libinih alone would cut at 200 bytes, and take the rest of the line for another one. */
static void test_long_lines(void **state)
{
	static const struct {
		size_t len;
		const char *why; /* NULL: accepted */
	} rows[] = {
		{ 190, NULL },
		{ 250, NULL },
		{ CONFIG_PATH_MAX - 1, NULL },
		{ CONFIG_PATH_MAX, "line 2: ca_file is too long" },
		{ 1100, "line 2: the line is longer than 1023 bytes" },
		{ 60000, "line 2: the line is longer than 1023 bytes" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		_cleanup_buf_ struct buf b = BUF(1 << 17);
		struct cmk_err err = { 0 };
		struct config config;

		buf_puts(&b, "[network]\nca_file = /");
		for (size_t n = 1; n < rows[i].len; n++)
			buf_puts(&b, "a");
		buf_puts(&b, "  # and a comment\ntimeout = 7\n");
		config_init(&config);
		assert_int_equal(config_parse(b.data, "t.conf", &config, &err),
				 rows[i].why ? -EINVAL : 0);
		if (rows[i].why) {
			assert_non_null(strstr(err.text, rows[i].why));
			continue;
		}
		assert_int_equal(strlen(config.network.ca_file), rows[i].len);
		assert_int_equal(config.network.timeout, 7);
	}
}

static void test_many(void **state)
{
	_cleanup_buf_ struct buf clouds = BUF(65536), vaults = BUF(65536);
	struct cmk_err err = { 0 };
	struct config config;

	(void)state;
	config_init(&config);
	for (int i = 0; i < CONFIG_CLOUDS_MAX - 3; i++)
		buf_printf(&clouds, "[cloud lab%d]\nauthority = a\nvault_suffix = b\n", i);
	assert_int_equal(config_parse(clouds.data, "t.conf", &config, &err), 0);
	assert_int_equal(config_parse("[cloud x]\nauthority = a\n", "t.conf", &config, &err),
			 -EINVAL);
	assert_non_null(strstr(err.text, "line 2: there are more than 16 clouds"));

	buf_puts(&vaults, "[policy]\n");
	for (int i = 0; i < CONFIG_LIST_MAX; i++)
		buf_printf(&vaults, "allow_vaults = v%d.vault.azure.net\n", i);
	assert_int_equal(config_parse(vaults.data, "t.conf", &config, &err), 0);
	assert_int_equal(config.policy.allow_vaults.count, CONFIG_LIST_MAX);
	buf_puts(&vaults, "allow_vaults = one.too.many\n");
	assert_int_equal(config_parse(vaults.data, "t.conf", &config, &err), -EINVAL);
	assert_non_null(strstr(err.text, "line 66: allow_vaults is no list of at most 64"));
}

static void test_files(void **state)
{
	char folder[] = "/tmp/luks-cmk-config-XXXXXX", path[128];
	struct cmk_err err = { 0 };
	struct config config;

	(void)state;
	assert_non_null(mkdtemp(folder));
	assert_int_equal(config_load(folder, &config, &err), 0);
	assert_string_equal(config.provider.cloud, "AzurePublic");

	snprintf(path, sizeof(path), "%s/luks-cmk.conf", folder);
	assert_int_equal(io_write_file(path, "[network]\ntimeout = 9\n", 22, 0600), 0);
	assert_int_equal(config_load(folder, &config, &err), 0);
	assert_int_equal(config.network.timeout, 9);
	assert_int_equal(io_write_file(path, "[network]\n\0timeout", 18, 0600), 0);
	assert_int_equal(config_load(folder, &config, &err), -EINVAL);
	assert_non_null(strstr(err.text, "luks-cmk.conf line 2: there is a NUL byte"));
	assert_int_equal(truncate(path, CONFIG_FILE_MAX + 1), 0);
	assert_int_equal(config_load(folder, &config, &err), -EINVAL);
	assert_non_null(strstr(err.text, "longer than 65536"));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(config_load(folder, &config, &err), -EINVAL);
	assert_non_null(strstr(err.text, "cannot read"));
	assert_int_equal(rmdir(path), 0);

	assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_builtin), cmocka_unit_test(test_whole),
		cmocka_unit_test(test_refused), cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_many),	cmocka_unit_test(test_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
