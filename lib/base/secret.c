/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bytes that must not outlive their use: keys, assertions, access tokens. */
#include "base/secret.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int secret_init(struct secret *s, size_t max)
{
	size_t size;
	uint8_t *data;

	if (__builtin_add_overflow(max, 1, &size))
		return -ENOMEM;
	data = malloc(size);
	if (!data)
		return -ENOMEM;
	secret_done(s);
	data[0] = '\0';
	*s = (struct secret){ .data = data, .max = max };
	return 0;
}

int secret_append(struct secret *s, const void *data, size_t len)
{
	if (len > s->max - s->len)
		return -ENOBUFS;
	if (len == 0)
		return 0;
	memcpy(s->data + s->len, data, len);
	s->len += len;
	s->data[s->len] = '\0';
	return 0;
}

int secret_set(struct secret *s, const void *data, size_t len)
{
	_cleanup_secret_ struct secret copy = { 0 };
	int r;

	/* By way of a copy, because data may point into s. */
	r = secret_init(&copy, len);
	if (r < 0)
		return r;
	r = secret_append(&copy, data, len);
	if (r < 0)
		return r;
	secret_move(s, &copy);
	return 0;
}

void secret_move(struct secret *to, struct secret *from)
{
	struct secret moved = *from;

	if (to == from)
		return;
	secret_done(to);
	*to = moved;
	*from = (struct secret){ 0 };
}

void secret_clear(struct secret *s)
{
	if (s->data)
		explicit_bzero(s->data, s->max + 1);
	s->len = 0;
}

void secret_done(struct secret *s)
{
	secret_clear(s);
	free(s->data);
	*s = (struct secret){ 0 };
}

int secret_equal(const struct secret *a, const struct secret *b)
{
	volatile uint8_t difference = 0;

	if (a->len != b->len)
		return 0;
	for (size_t i = 0; i < a->len; i++)
		difference = (uint8_t)(difference | (a->data[i] ^ b->data[i]));
	return difference == 0;
}
