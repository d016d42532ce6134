/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Allocators that wipe what they free: tokens and assertions pass through buffers of libcurl and OpenSSL
 * that neither of them clears.
 */
#include <openssl/crypto.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/http-internal.h"

/* Remembers the size before the memory handed out, whose alignment it keeps. */
struct block {
	alignas(max_align_t) size_t size;
	alignas(max_align_t) unsigned char data[];
};

static struct block *block_of(void *data)
{
	return (struct block *)(void *)((unsigned char *)data - offsetof(struct block, data));
}

static void *wipe_malloc(size_t size)
{
	size_t total;

	if (__builtin_add_overflow(size, sizeof(struct block), &total))
		return NULL;
	struct block *block = malloc(total);
	if (!block)
		return NULL;
	block->size = size;
	return block->data;
}

static void wipe_free(void *data)
{
	if (!data)
		return;
	struct block *block = block_of(data);
	explicit_bzero(block->data, block->size);
	free(block);
}

static void *wipe_realloc(void *data, size_t size)
{
	if (!data)
		return wipe_malloc(size);
	size_t old_size = block_of(data)->size;
	void *moved = wipe_malloc(size);
	if (!moved)
		return NULL;
	memcpy(moved, data, old_size < size ? old_size : size);
	wipe_free(data);
	return moved;
}

static void *wipe_calloc(size_t count, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(count, size, &total))
		return NULL;
	void *data = wipe_malloc(total);
	if (data)
		memset(data, 0, total);
	return data;
}

static char *wipe_strdup(const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = wipe_malloc(size);

	if (copy)
		memcpy(copy, text, size);
	return copy;
}

/* OpenSSL asks for nothing, or frees by a size of zero, where C's functions leave the choice. */
static void *crypto_malloc(size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return size > 0 ? wipe_malloc(size) : NULL;
}

static void *crypto_realloc(void *data, size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	if (size > 0)
		return wipe_realloc(data, size);
	wipe_free(data);
	return NULL;
}

static void crypto_free(void *data, const char *file, int line)
{
	(void)file;
	(void)line;
	wipe_free(data);
}

int http_memory_init(struct cmk_err *err)
{
	CRYPTO_malloc_fn current = NULL;

	CRYPTO_get_mem_functions(&current, NULL, NULL);
	if (current != crypto_malloc &&
	    !CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc, crypto_free))
		return cmk_err(err, CMK_SYSTEM,
			       "OpenSSL was in use before its memory could be made to be wiped; "
			       "this is a defect of luks-cmk, report it");
	if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, wipe_malloc, wipe_free, wipe_realloc,
				 wipe_strdup, wipe_calloc) != CURLE_OK)
		return cmk_err(err, CMK_SYSTEM,
			       "libcurl cannot be initialised; check the "
			       "installation of libcurl and OpenSSL");
	return 0;
}
