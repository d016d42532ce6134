/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* crypttab(5): lines of fields, the last of them a list of options. */
#include "crypttab.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/text.h"

#define BLANKS " \t\r"

static const struct {
	const char *name; /* with "=": that has a value */
	unsigned bit;
} options[] = {
	{ "discard", CRYPTTAB_DISCARD },
	{ "read-only", CRYPTTAB_READ_ONLY },
	{ "readonly", CRYPTTAB_READ_ONLY },
	{ "no-read-workqueue", CRYPTTAB_NO_READ_WORKQUEUE },
	{ "no-write-workqueue", CRYPTTAB_NO_WRITE_WORKQUEUE },
	{ "same-cpu-crypt", CRYPTTAB_SAME_CPU },
	{ "submit-from-crypt-cpus", CRYPTTAB_SUBMIT_FROM_CPUS },
	{ "noauto", CRYPTTAB_NOAUTO },
	{ "_netdev", CRYPTTAB_NETDEV },
	{ "header=", CRYPTTAB_DETACHED },
	{ "plain", CRYPTTAB_OTHER },
	{ "swap", CRYPTTAB_OTHER },
	{ "tmp", CRYPTTAB_OTHER },
	{ "tmp=", CRYPTTAB_OTHER },
	{ "tcrypt", CRYPTTAB_OTHER },
	{ "tcrypt-system", CRYPTTAB_OTHER },
	{ "tcrypt-hidden", CRYPTTAB_OTHER },
	{ "bitlk", CRYPTTAB_OTHER },
};

static unsigned option_bit(const char *option)
{
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		const char *name = options[i].name;

		if (text_ends(name, "=") ? text_starts(option, name) : strcmp(option, name) == 0)
			return options[i].bit;
	}
	return 0;
}

static unsigned parse_options(char *list)
{
	unsigned bits = 0;

	for (char *option; (option = strsep(&list, ",")) != NULL;)
		bits |= option_bit(option);
	return bits;
}

static bool is_octal(const char *text, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (text[i] < '0' || text[i] > '7')
			return false;
	}
	return true;
}

/* In place: the text only gets shorter. */
static void decode(char *text)
{
	char *out = text;

	while (*text != '\0') {
		if (text[0] == '\\' && is_octal(text + 1, 3) && text[1] <= '3' &&
		    strncmp(text + 1, "000", 3) != 0) {
			*out++ = (char)((text[1] - '0') * 64 + (text[2] - '0') * 8 + text[3] - '0');
			text += 4;
		} else {
			*out++ = *text++;
		}
	}
	*out = '\0';
}

/* UUID="..." is written too. */
static void unquote(char *source)
{
	char *value = strchr(source, '=');
	size_t len;

	if (source[0] == '/' || value == NULL || value[1] != '"')
		return;
	len = strlen(value + 2);
	if (len == 0 || value[len + 1] != '"')
		return;
	memmove(value + 1, value + 2, len - 1);
	value[len] = '\0';
}

bool crypttab_is_name(const char *name)
{
	return name[0] != '\0' && strlen(name) < CRYPTTAB_NAME_MAX && strchr(name, '/') == NULL &&
	       strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* The next field, or NULL at the end of the line. */
static char *next_field(char **line)
{
	char *field;

	do {
		field = strsep(line, BLANKS);
	} while (field != NULL && *field == '\0');
	return field;
}

static bool parse_line(char *line, struct crypttab_entry *entry)
{
	char *name = next_field(&line);
	char *source = next_field(&line);
	char *list;

	if (source == NULL)
		return false;
	(void)next_field(&line); /* a key file: the token opens the volume without it */
	list = next_field(&line);
	decode(name);
	decode(source);
	unquote(source);
	entry->options = list != NULL ? parse_options(list) : 0;
	return crypttab_is_name(name) && text_copy(entry->name, sizeof(entry->name), name) &&
	       text_copy(entry->source, sizeof(entry->source), source);
}

int crypttab_add(struct crypttab *crypttab, const struct crypttab_entry *entry)
{
	struct crypttab_entry *grown;

	if (crypttab_find(crypttab, entry->name) != NULL)
		return 0;
	grown = reallocarray(crypttab->entries, crypttab->count + 1, sizeof(*grown));
	if (grown == NULL)
		return -ENOMEM;
	crypttab->entries = grown;
	grown[crypttab->count++] = *entry;
	return 1;
}

/* 1, 0 if it is wrong, or -ENOMEM. */
static int add_line(struct crypttab *crypttab, char *line, size_t len)
{
	struct crypttab_entry entry = { 0 };

	if (strlen(line) != len)
		return 0;
	line += strspn(line, BLANKS);
	if (*line == '\0' || *line == '#')
		return 1;
	if (!parse_line(line, &entry))
		return 0;
	return crypttab_add(crypttab, &entry) < 0 ? -ENOMEM : 1;
}

int crypttab_parse(const char *text, size_t len, struct crypttab *ret)
{
	_cleanup_crypttab_ struct crypttab crypttab = { 0 };
	_cleanup_free_ char *copy = malloc(len + 1);
	unsigned number = 0;
	char *end;

	if (copy == NULL)
		return -ENOMEM;
	memcpy(copy, text, len);
	copy[len] = '\n';
	for (char *line = copy; line <= copy + len; line = end + 1) {
		int r;

		end = memchr(line, '\n', (size_t)(copy + len + 1 - line));
		*end = '\0';
		number++;
		r = add_line(&crypttab, line, (size_t)(end - line));
		if (r < 0)
			return r;
		if (r == 0 && crypttab.wrong_line == 0)
			crypttab.wrong_line = number;
	}
	*ret = crypttab;
	crypttab = (struct crypttab){ 0 };
	return 0;
}

int crypttab_load(const char *path, struct crypttab *ret, struct cmk_err *err)
{
	_cleanup_secret_ struct secret file = { 0 };
	int r = io_read_file(path, CRYPTTAB_FILE_MAX, false, &file);

	if (r == -ENOMEM)
		return r;
	if (r == -ENOENT) {
		*ret = (struct crypttab){ 0 };
		return 0;
	}
	if (r < 0)
		return cmk_err_errno(err, CMK_CONFIG, -r, "%s cannot be read", path);
	return crypttab_parse((const char *)file.data, file.len, ret);
}

void crypttab_done(struct crypttab *crypttab)
{
	free(crypttab->entries);
	*crypttab = (struct crypttab){ 0 };
}

const struct crypttab_entry *crypttab_find(const struct crypttab *crypttab, const char *name)
{
	for (size_t i = 0; i < crypttab->count; i++) {
		if (strcmp(crypttab->entries[i].name, name) == 0)
			return &crypttab->entries[i];
	}
	return NULL;
}
