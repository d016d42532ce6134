/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which failure is reported where several wrappings failed; requests themselves are tests/e2e's. */
#include "rows.h"

#include "unlock.c"

/* An identity whose client_id says how it fails: the name of a code, or "memory". */
static int fail_as_named(struct identity *identity, struct http_request *request,
			 struct secret *jwt, struct cmk_err *err)
{
	enum cmk_code code = CMK_OK;

	(void)request;
	(void)jwt;
	if (!cmk_code_parse(identity->client_id, &code))
		return -ENOMEM;
	return cmk_err(err, code, "the sentence of %s", identity->client_id);
}

static const struct identity_ops failing = { .name = "failing", .request = fail_as_named };
static const struct cloud cloud = { .name = "AzurePublic", .authority = "login.example" };
static const struct config config;

/* Its time is over, so that nothing is tried again. */
static struct unlock *make(const char *const reasons[])
{
	struct unlock *unlock =
		calloc(1, sizeof(*unlock) + TOKEN_WRAPPED_MAX * sizeof(unlock->lanes[0]));

	assert_non_null(unlock);
	unlock->run.config = &config;
	for (size_t i = 0; i < TOKEN_WRAPPED_MAX && reasons[i]; i++) {
		struct assertion *assertion = &unlock->assertions[unlock->assertions_count++];
		struct lane *lane = &unlock->lanes[unlock->lanes_count++];

		assertion->identity.ops = &failing;
		assertion->lock.fd = -1;
		assert_true(text_copy(assertion->identity.client_id,
				      sizeof(assertion->identity.client_id), reasons[i]));
		lane->assertion = assertion;
		lane->cache.fd = -1;
		lane->target = (struct vault_target){ .ops = &vault_azure, .cloud = &cloud };
	}
	unlock_begin(unlock, NULL, io_now_ms(), false);
	return unlock;
}

static void test_reported(void **state)
{
	static const struct {
		const char *reasons[TOKEN_WRAPPED_MAX];
		enum cmk_code code;
		const char *other;
	} rows[] = {
		{ { "key-disabled" }, CMK_KEY_DISABLED, "" },
		{ { "key-disabled", "grant" }, CMK_KEY_DISABLED, "[grant]" },
		{ { "key-disabled", "timeout" }, CMK_TIMEOUT, "[key-disabled]" },
		{ { "timeout", "key-disabled" }, CMK_TIMEOUT, "[key-disabled]" },
		{ { "dns", "timeout" }, CMK_DNS, "[timeout]" },
		{ { "grant", "protocol", "dns" }, CMK_DNS, "[grant]" },
		{ { "memory" }, CMK_SYSTEM, "memory" },
		{ { "memory", "grant" }, CMK_SYSTEM, "[grant]" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *name = rows[i].reasons[0];
		struct unlock *unlock = make(rows[i].reasons);
		_cleanup_secret_ struct secret key = { 0 };
		struct cmk_err err = { 0 };

		CHECK_INT(name, unlock_unwrap(unlock, NULL, false, &key, &err),
			  cmk_code_errno(rows[i].code));
		CHECK_INT(name, err.code, rows[i].code);
		CHECK_SENTENCE(name, err.text, rows[i].other);
		CHECK_INT(name, key.len, 0);
		unlock_free(unlock);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
