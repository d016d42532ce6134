/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Configuration and customers' files; a customer that is read is written again, and read as the same. */
#include <string.h>

#include "base/io.h"
#include "format/config.h"
#include "fuzz.h"

static void read_config(const char *text)
{
	_cleanup_free_ struct config *config = malloc(sizeof(*config));
	struct cmk_err err = { 0 };

	FUZZ_CHECK(config);
	config_init(config);
	if (config_parse(text, "fuzz.conf", config, &err) < 0) {
		FUZZ_CHECK(err.code == CMK_CONFIG && strncmp(err.text, "fuzz.conf", 9) == 0);
		return;
	}
	FUZZ_CHECK(config_cloud(config, config->provider.cloud));
	FUZZ_CHECK(config->network.timeout > 0);
	for (size_t i = 0; i < config->clouds_count; i++)
		FUZZ_CHECK(config->clouds[i].authority[0] && config->clouds[i].metadata[0]);
}

static void read_customer(const char *text)
{
	struct customer customer, again;
	_cleanup_free_ char *written = NULL;

	if (customer_parse(text, "fuzz.conf", "fuzz", &customer, NULL) < 0)
		return;
	written = customer_format(&customer);
	FUZZ_CHECK(written);
	FUZZ_CHECK(customer_parse(written, "fuzz.conf", "fuzz", &again, NULL) == 0);
	FUZZ_CHECK(memcmp(&customer, &again, sizeof(again)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_secret_ struct secret text = { 0 };

	FUZZ_CHECK(secret_set(&text, data, size) == 0);
	read_config((const char *)text.data);
	read_customer((const char *)text.data);
	return 0;
}
