/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small checks on text that came from elsewhere. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Copies text to out (size bytes, always NUL-terminated) so that a terminal and a log show it as what it
 * is: well-formed UTF-8 of printable characters stays, every other byte (control characters, escape
 * sequences, C1 controls, bidirectional overrides, broken UTF-8) becomes \xNN. Cut at a character's edge
 * if out is too small. A backslash stays as it is, so that escaping a text twice changes nothing: sentences
 * quote each other.
 */
void text_escape(char *out, size_t size, const char *text);

/* Bytes of the UTF-8 character (RFC 3629) that text begins with, and its code point; 0 if it is broken. */
size_t text_utf8(const char *text, size_t len, uint32_t *ret);

/* A GUID in its usual form, 8-4-4-4-12 hexadecimal digits of either case. */
bool text_is_guid(const char *text);
/*
 * A domain name (RFC 1035): two or more labels of letters, digits and dashes, 253 characters at most, the last
 * one no number, so that it is no address either.
 */
bool text_is_domain(const char *text);
/*
 * Whether text can stand in a shell's command, between quotes of either kind and in JSON, and means nothing
 * but itself: printable ASCII without blanks, quotes, backslash, $, ` and !.
 */
bool text_is_plain(const char *text);
/* 1 to max characters of [A-Za-z0-9._-], the first alphanumeric: a customer's or cloud's name. */
bool text_is_name(const char *text, size_t max);
/* Copies text to out; false (and out empty) if it does not fit in size with its NUL. */
bool text_copy(char *out, size_t size, const char *text);
bool text_starts(const char *text, const char *prefix);
bool text_ends(const char *text, const char *suffix);
