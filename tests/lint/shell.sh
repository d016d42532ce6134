#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every shell script passes shellcheck. Usage: shell.sh ROOT
set -eu
cd "$1"
list=$(mktemp)
trap 'rm -f "$list"' EXIT
# Scripts are known by their first line, wherever they are and whatever their name.
find .ci lib tools tests docs initramfs -type f -not -path '*/node_modules/*' -not -path '*/corpus/*' \
	-exec sh -c 'for f; do head -n 1 "$f" | grep -Eq "^#!.*[ /](ba|da)?sh( |\$)" && echo "$f"; done; :' \
	sh {} + >"$list"
count=$(wc -l <"$list")
if [ "$count" -eq 0 ]; then
	echo "found no scripts: the check looked at nothing"
	exit 1
fi
xargs shellcheck -x <"$list"
echo "$count scripts"
