#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every source file opens with its licence, and every C file of the programs goes on with its purpose."""
import tree

LICENCE = "SPDX-License-Identifier: LGPL-2.1-or-later"
SUFFIXES = {".c", ".h", ".py", ".sh", ".mjs", ".js"}
NAMES = {"meson.build", "meson_options.txt"}


def first_lines(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return [file.readline().rstrip("\n") for _ in range(3)]


def check(path, lines):
    script = lines[0].startswith("#!")
    licence = lines[1] if script else lines[0]
    rest = lines[2] if script else lines[1]
    if path.name not in NAMES and path.suffix not in SUFFIXES and not script:
        return None
    if LICENCE not in licence:
        return f"{path}: does not open with {LICENCE}"
    if path.parts[0] in ("lib", "tools") and path.suffix in (".c", ".h") and not rest.startswith("/*"):
        return f"{path}: the second line does not say what the file is for"
    return ""


def main():
    root = tree.arguments(__doc__).root
    results = [check(path, first_lines(root / path)) for path in tree.files(root)]
    results = [result for result in results if result is not None]
    tree.finish([result for result in results if result], len(results), "files")


main()
