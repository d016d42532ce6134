/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What each fuzz target implements, for libFuzzer and for fuzz-main.c. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* One input; aborts on a finding. Visible: libFuzzer finds it by name. */
__attribute__((visibility("default"))) int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Not assert(), which NDEBUG removes. */
#define FUZZ_CHECK(condition)     \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)
