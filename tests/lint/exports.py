#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The built plugin needs libc and libcryptsetup, and exports libcryptsetup's five symbols."""
import pathlib
import re
import subprocess

import tree

PLUGIN = "lib/plugin/libcryptsetup-token-luks-cmk.so"
NEEDED = [r"libc\.so\.6", r"libcryptsetup\.so\.\d+"]
VERSION = "CRYPTSETUP_TOKEN_1.0"
SYMBOLS = {"cryptsetup_token_version", "cryptsetup_token_open", "cryptsetup_token_buffer_free",
           "cryptsetup_token_validate", "cryptsetup_token_dump"}


def objdump(option, path):
    return subprocess.run(["objdump", option, path], check=True, capture_output=True,
                          text=True).stdout


def check_needed(output):
    needed = re.findall(r"^\s+NEEDED\s+(\S+)", output, re.M)
    problems = [f"the plugin needs {name}" for name in needed
                if not any(re.fullmatch(pattern, name) for pattern in NEEDED)]
    problems += [f"the plugin does not need {pattern}" for pattern in NEEDED
                 if not any(re.fullmatch(pattern, name) for name in needed)]
    return problems


def exported(output):
    """(name, version) of each symbol of the dynamic table that others can bind to."""
    found = set()
    for line in output.splitlines():
        match = re.match(r"^[0-9a-f]+ ([gwu!].{6}) (\S+)\s+[0-9a-f]+\s+(\(?\S+?\)?)\s+(\S+)$", line)
        if match and match[2] != "*UND*" and match[2] != "*ABS*":
            found.add((match[4], match[3]))
    return found


def check_symbols(output):
    want = {(name, VERSION) for name in SYMBOLS}
    got = exported(output)
    problems = [f"{name} is exported at {version}" for name, version in sorted(got - want)]
    return problems + [f"{name} is not exported at {version}" for name, version in sorted(want - got)]


def check_script(text):
    listed = set(re.findall(r"\b(cryptsetup_token_\w+);", text))
    if listed == SYMBOLS and "local: *;" in text and text.startswith(VERSION):
        return []
    return ["lib/plugin/plugin.sym does not list exactly the five symbols"]


def main():
    args = tree.arguments(__doc__, build="folder of a build without sanitizers")
    plugin = pathlib.Path(args.build) / PLUGIN
    problems = check_script(tree.text(args.root / "lib/plugin/plugin.sym"))
    if not plugin.exists():
        tree.finish(problems + [f"{plugin} is not there: build first (ninja -C {args.build})"], 1,
                    "plugin")
    problems += check_needed(objdump("-p", plugin))
    table = objdump("-T", plugin)
    problems += check_symbols(table)
    tree.finish(problems, len(exported(table)), "symbols")


main()
