/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The machine's configuration: luks-cmk.conf(5) and customers.d/NAME.conf. An unknown key is an error. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "format/token.h"

#define CONFIG_FILE_MAX	       65536
#define CONFIG_LIST_MAX	       64
#define CONFIG_CLOUDS_MAX      16
#define CONFIG_SPARES_MAX      (TOKEN_WRAPPED_MAX - 1)
#define CONFIG_HOST_MAX	       256 /* host name, with ":port" in a [cloud] of a test lab */
#define CONFIG_PATH_MAX	       512
#define CONFIG_TIMEOUT_DEFAULT 60
#define CONFIG_TIMEOUT_FOREVER UINT32_MAX

/* Where a cloud's services are. Endpoints come from here, never from a header. */
struct cloud {
	char name[TOKEN_NAME_MAX];
	char authority[CONFIG_HOST_MAX]; /* host[:port] of the sign-in service; https is implied */
	char vault_suffix
		[CONFIG_HOST_MAX]; /* "vault.azure.net": a vault is one label and a dot before it */
	char hsm_suffix[CONFIG_HOST_MAX]; /* "managedhsm.azure.net"; may be empty */
	char audience[128];		  /* of the assertion: "api://AzureADTokenExchange" */
	char metadata
		[CONFIG_HOST_MAX]; /* host[:port], a link-local or loopback address; http is implied */
};

/* Which volumes open by themselves when their disk appears. */
enum config_hotplug {
	CONFIG_HOTPLUG_KNOWN = 0, /* those in crypttab, and those that are remembered */
	CONFIG_HOTPLUG_ALL,	  /* every enrolled one */
	CONFIG_HOTPLUG_OFF,
};

enum config_expired { CONFIG_EXPIRED_FOLLOW = 0, CONFIG_EXPIRED_REFUSE };

/* Items are in lower case. */
struct config_list {
	char items[CONFIG_LIST_MAX][CONFIG_HOST_MAX];
	size_t count;
};

struct config {
	struct {
		char cloud[TOKEN_NAME_MAX];
		char client_id[TOKEN_ID_MAX];
	} provider;
	struct {
		char source[16];
		char client_id[TOKEN_ID_MAX];
		char file[CONFIG_PATH_MAX];    /* source = file: absolute path of a JWT */
		char program[CONFIG_PATH_MAX]; /* source = exec: absolute path of what prints one */
	} identity;
	struct {
		uint32_t timeout; /* seconds, or CONFIG_TIMEOUT_FOREVER */
		char ca_file[CONFIG_PATH_MAX];
		char proxy[CONFIG_PATH_MAX]; /* http://host:port */
	} network;
	struct {
		struct config_list allow_tenants;
		struct config_list allow_vaults;
		enum config_expired expired_keys;
	} policy;
	struct {
		enum config_hotplug hotplug;
	} attach;
	struct cloud clouds[CONFIG_CLOUDS_MAX]; /* the built-in ones first */
	size_t clouds_count;
};

struct customer {
	char name[TOKEN_NAME_MAX];
	char tenant_id[TOKEN_ID_MAX];
	char key[TOKEN_KEY_MAX];
	char spare_keys[CONFIG_SPARES_MAX][TOKEN_KEY_MAX];
	size_t spare_keys_count;
};

/* The built-in clouds and defaults: what a machine without any configuration uses. */
void config_init(struct config *ret);
/*
 * Reads text (NUL-terminated) over what config holds. name is the file's, for errors: "NAME line N: …".
 * 0 or cmk_err(CMK_CONFIG).
 */
int config_parse(const char *text, const char *name, struct config *config, struct cmk_err *err);
/* config_init() and then DIR/luks-cmk.conf, which may be absent. */
int config_load(const char *dir, struct config *ret, struct cmk_err *err);
/* The cloud of that name, or NULL. */
const struct cloud *config_cloud(const struct config *config, const char *name);

/* Whether a customer may be called so. CMK_CONFIG. */
int customer_name_check(const char *name, struct cmk_err *err);
int customer_parse(const char *text, const char *file, const char *name, struct customer *ret,
		   struct cmk_err *err);
/* DIR/customers.d/NAME.conf. CMK_CONFIG if it is absent or wrong. */
int customer_load(const char *dir, const char *name, struct customer *ret, struct cmk_err *err);
/* The text of such a file, owned by the caller; NULL without memory. */
char *customer_format(const struct customer *customer);
