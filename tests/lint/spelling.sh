#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# codespell finds no misspelt word. Usage: spelling.sh ROOT
set -eu
cd "$1"
list=$(mktemp)
trap 'rm -f "$list"' EXIT
find README.md docs lib tools tests meson.build meson_options.txt -type f -not -name '*.json' \
	-not -path '*/corpus/*' -not -path 'tests/unit/*' -not -path '*/node_modules/*' \
	-not -path '*/__pycache__/*' >"$list"
count=$(wc -l <"$list")
if [ "$count" -eq 0 ]; then
	echo "found no files: the check looked at nothing"
	exit 1
fi
# enrol and the like are British; base64url text may look like anything; unit tests are full of cut words.
xargs codespell --builtin clear,rare --ignore-words-list "enrol,enrols,crypted,onl,fo" \
	--ignore-regex '[A-Za-z0-9_-]{40,}' <"$list"
echo "$count files"
