#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""No C file calls a function that cannot be used safely, or says that it is unfinished."""
import re

import tree

# Unbounded copies, unchecked numbers, shells, memory that nobody counts.
EVERYWHERE = """
    strcpy strcat stpcpy sprintf vsprintf strncpy strncat gets strtok atoi atol atoll atof
    scanf fscanf vscanf system popen alloca tmpnam tempnam mktemp
""".split()
# The environment belongs to whoever starts us; a host's process-wide state belongs to the host; and a
# long is not the same everywhere. Tests may do all three.
IN_PROGRAMS = """
    strtol strtoul strtod
    getenv secure_getenv setenv unsetenv putenv clearenv chdir umask atexit on_exit
""".split()
# A child that is about to become another program is nobody's host.
IN_CHILDREN = {"lib/identity/exec.c": {"chdir"}, "tools/admin/check-initrd.c": {"chdir"}}
# A compiler may leave out a memset() of what is not read again: explicit_bzero(), or struct secret.
WIPE = re.compile(r"\b(?:bzero|memset)\s*\([^,;]*?(\w*(?:secret|key|jwt|passphrase|password))\s*,")
MARKS = ["TODO", "FIXME", "XXX", "HACK"]

TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def blank(match):
    """Keeps the lines of what it takes away, so that numbers stay right."""
    return re.sub(r"[^\n]", " ", match[0])


def calls(code, names):
    pattern = re.compile(r"(?<![\w.>])(" + "|".join(names) + r")\s*\(")
    for match in pattern.finditer(code):
        yield code.count("\n", 0, match.start()) + 1, match[1]


def check(path, source):
    code = TOKEN.sub(blank, source)
    in_tests = path.parts[0] == "tests"
    names = EVERYWHERE + ([] if in_tests else IN_PROGRAMS)
    names = [name for name in names if name not in IN_CHILDREN.get(path.as_posix(), ())]
    problems = [f"{path}:{line}: {name}() is banned" for line, name in calls(code, names)]
    for match in WIPE.finditer(code):
        line = code.count("\n", 0, match.start()) + 1
        problems.append(f"{path}:{line}: {match[1]} is wiped by a call that may be optimised away")
    for match in re.finditer(r"\bgoto\b", code):
        line = code.count("\n", 0, match.start()) + 1
        problems.append(f"{path}:{line}: goto; use a cleanup attribute")
    for match in re.finditer(r"\b(" + "|".join(MARKS) + r")\b", source):
        line = source.count("\n", 0, match.start()) + 1
        problems.append(f"{path}:{line}: {match[1]}: finish it, or open an issue")
    return problems


def main():
    root = tree.arguments(__doc__).root
    paths = tree.files(root, ".c", ".h")
    problems = []
    for path in paths:
        problems += check(path, tree.text(root / path))
    tree.finish(problems, len(paths), "files")


main()
