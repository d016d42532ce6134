#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# All C is laid out as .clang-format says. Usage: format.sh ROOT
set -eu
cd "$1"
list=$(mktemp)
trap 'rm -f "$list"' EXIT
find docs lib tools tests -name '*.[ch]' -not -path '*/node_modules/*' >"$list"
count=$(wc -l <"$list")
if [ "$count" -eq 0 ]; then
	echo "found no C files: the check looked at nothing"
	exit 1
fi
xargs clang-format --dry-run -Werror <"$list"
echo "$count files"
