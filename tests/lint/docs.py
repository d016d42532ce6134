#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the documents say about the code is so: error codes, commands, files, links, examples."""
import copy
import json
import re

import jsonschema

import tree

# Paths that adding-a-vault.md invents for its example.
HYPOTHETICAL = {"lib/vault/transit.c", "tests/unit/test-transit.c"}
# "luks-cmk" is also the project's name: these words follow it in prose.
NO_COMMANDS = {"plugin"}
PATH = re.compile(r"(?<![\w/.:$-])((?:lib|tools|tests|docs|\.ci)/[\w./*-]+|README\.md|COPYING)")
CODE = re.compile(r"```.*?```|`[^`\n]+`", re.S)


class Tree:
    def __init__(self, root):
        self.root = root
        self.documents = [p for p in tree.files(root, ".md") if "lab" not in p.parts]
        self.problems = []
        self.count = 0

    def text(self, path):
        file = self.root / path
        if not file.exists():
            self.problems.append(f"{path} is not there")
            return ""
        return tree.text(file)

    def expect(self, right, problem):
        self.count += 1
        if not right:
            self.problems.append(problem)

    def same(self, here, there, where_here, where_there):
        self.expect(here, f"{where_here}: nothing found")
        for name in sorted(here - there):
            self.expect(False, f"{name} is in {where_here} and not in {where_there}")
        for name in sorted(there - here):
            self.expect(False, f"{name} is in {where_there} and not in {where_here}")
        self.count += len(here & there)


def check_errors(t):
    """Every code has a paragraph below the heading of its class, with the class's exit status."""
    rows = re.findall(r'\[(CMK_\w+)\] = \{\s*"([a-z-]+)",\s*CMK_CLASS_(\w+)', t.text("lib/base/err.c"))
    header = t.text("lib/base/err.h")
    enum = re.search(r"enum cmk_code \{(.*?)\};", header, re.S)
    declared = set(re.findall(r"^\t(CMK_\w+),", enum[1], re.M)) if enum else set()
    exits = {name.lower(): int(status) for name, status in
             re.findall(r"CMK_CLASS_(\w+),\s*/\* exit status (\d) \*/", header)}
    t.same({code for code, *rest in rows} - {"CMK_OK"}, declared, "lib/base/err.c", "lib/base/err.h")
    in_code = {(name, kind.lower(), exits.get(kind.lower())) for code, name, kind in rows
               if code != "CMK_OK"}
    in_docs = set()
    heading = None
    for block in re.split(r"^(?=##)", t.text("docs/errors.md"), flags=re.M):
        group = re.match(r"## (\w+) \(exit status (\d)\)\n", block)
        code = re.match(r"### ([a-z-]+)\n\s*(.*)", block, re.S)
        if group:
            heading = (group[1], int(group[2]))
        if code and heading:
            in_docs.add((code[1], *heading))
            t.expect(len(code[2]) > 80, f"docs/errors.md: {code[1]} has no paragraph")
    t.same(in_code, in_docs, "lib/base/err.c", "docs/errors.md")


def commands(t):
    table = re.search(r"struct command commands\[\] = \{(.*?)\n\};", t.text("tools/admin/main.c"), re.S)
    return set(re.findall(r'^\t\{\s*"([a-z-]+)"', table[1], re.M)) if table else set()


def check_commands(t):
    """Every command has a section in its manual, and no text names one that does not exist."""
    known = commands(t)
    manual = set(re.findall(r"^={2,3} (?:luks-cmk )?\*?([a-z-]+)\b.*$", t.text("docs/man/luks-cmk.8.adoc"),
                            re.M))
    t.expect(known, "tools/admin/main.c: no table of commands found")
    for name in sorted(known - manual):
        t.expect(False, f"docs/man/luks-cmk.8.adoc has no section for the command {name}")
    for path in t.documents + tree.files(t.root, ".adoc"):
        for piece in CODE.findall(tree.text(t.root / path)):
            for name in re.findall(r"(?:^|[ `])luks-cmk ([a-z][a-z-]*)\b", piece, re.M):
                t.expect(name in known | NO_COMMANDS, f"{path}: luks-cmk {name} is no command")
    for path in tree.files(t.root, ".c"):
        if path.parts[0] == "tests":
            continue
        # Neighbouring literals are one text to the compiler.
        source = re.sub(r'"\s*"', "", tree.text(t.root / path))
        for name in re.findall(r"\b(?:run|see|with|try|use|by|sudo) luks-cmk ([a-z]+)\b", source):
            t.expect(name in known, f"{path}: tells people to run luks-cmk {name}, which is no command")


def check_options(t):
    """Every option of the tool is in its manual and its completion, and no text names another."""
    known = set(re.findall(r"--([a-z][a-z-]+)", t.text("tools/admin/main.c")))
    t.expect(len(known) > 10, "tools/admin/main.c: no options found")
    for path in ("docs/man/luks-cmk.8.adoc", "tools/admin/completion/luks-cmk"):
        source = t.text(path)
        for name in sorted(known):
            t.expect(f"--{name}" in source, f"{path} lacks the option --{name}")
    for path in t.documents:
        for line in re.findall(r"^(?:sudo )?luks-cmk [a-z].*$", tree.text(t.root / path), re.M):
            for name in re.findall(r"--([a-z][a-z-]+)", line):
                t.expect(name in known, f"{path}: luks-cmk has no option --{name}")


def check_keys(t):
    """Every key of the configuration is in its manual, and no example has another."""
    known = set()
    for path in ("lib/format/config.c", "lib/format/customer.c"):
        source = t.text(path)
        for name, value in re.findall(r'^#define (\w+)\s+("\w+")$', source, re.M):
            source = re.sub(rf"\b{name}\b", value, source)
        known |= set(re.findall(r'CONFIG_KEY\([\w ]+, [\w.\[\]]+,\s*"\w+",\s*"(\w+)"', source))
    t.expect(len(known) > 10, "lib/format/config.c: no keys found")
    manual = t.text("docs/man/luks-cmk.conf.5.adoc")
    for key in sorted(known):
        t.expect(re.search(rf"\b{key}\b", manual), f"docs/man/luks-cmk.conf.5.adoc lacks {key}")
    for path in t.documents:
        for block in re.findall(r"```\n(\[.*?)```", tree.text(t.root / path), re.S):
            for key in re.findall(r"^(\w+) = ", block, re.M):
                t.expect(key in known, f"{path}: {key} is no key of the configuration")


def required_members(source, table):
    """The members that the token reader asks for, of one of its tables."""
    rows = re.search(r"json_field " + table + r"_fields\[\] = \{(.*?)\n\};", source, re.S)
    return set(re.findall(r'"(\w+)", JSON_KIND_\w+, true\)', rows[1])) if rows else set()


def without(example, path):
    """A copy of example without the member at path; a part of 0 steps into the first element."""
    broken = copy.deepcopy(example)
    node = broken
    for part in path[:-1]:
        node = node[part]
    del node[path[-1]]
    return broken


def check_schema(t):
    """The schema asks for what the reader asks for, and the example of the token fits it."""
    schema = json.loads(t.text("docs/token.schema.json") or "{}")
    kind = jsonschema.validators.validator_for(schema)
    kind.check_schema(schema)
    validator = kind(schema)
    found = re.search(r"### Token\n.*?```json\n(.*?)```", t.text("docs/formats.md"), re.S)
    t.expect(found, "docs/formats.md: no example of the token")
    if not found:
        return
    example = json.loads(found[1])
    for error in validator.iter_errors(example):
        t.expect(False, f"docs/formats.md: the token does not fit the schema: {error.message}")
    reader = t.text("lib/format/token.c")
    # The lists, and what only a template may lack, are checked outside of the reader's tables.
    required = [[name] for name in required_members(reader, "preamble")
                | required_members(reader, "token") | {"keyslots", "wrapped"}]
    required += [["wrapped", 0, name] for name in required_members(reader, "wrapping")
                 | {"alg", "value"}]
    required += [["identity", name] for name in required_members(reader, "identity")]
    t.expect(len(required) >= 13, "lib/format/token.c: its tables were not found")
    for path in sorted(required, key=str):
        t.expect(not validator.is_valid(without(example, path)),
                 f"docs/token.schema.json: a token without {path[-1]} fits")
    t.expect(validator.is_valid({**example, "new": 1}),
             "docs/token.schema.json: a member of a later release does not fit")


def check_paths(t):
    """Every path that a document names is there. A part in capitals stands for any name."""
    invented = set()
    for document in t.documents:
        for path in PATH.findall(tree.text(t.root / document)):
            path = path.rstrip(".").rstrip("/")
            if path in HYPOTHETICAL:
                invented.add(path)
                continue
            pattern = re.sub(r"\b[A-Z]{3,}\b", "*", path) if "/" in path else path
            pattern = pattern.replace("test-x.c", "test-*.c")
            t.expect(any(t.root.glob(pattern)), f"{document}: {path} is not there")
    t.same(HYPOTHETICAL, invented, "tests/lint/docs.py", "the documents")


def anchors(source):
    """The anchors that a forge makes of the headings."""
    source = re.sub(r"```.*?```", "", source, flags=re.S)
    titles = re.findall(r"^#+ (.*)$", source, re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def check_links(t):
    for document in t.documents:
        source = re.sub(r"```.*?```", "", tree.text(t.root / document), flags=re.S)
        for link in re.findall(r"\]\(([^)\s]+)\)", source):
            if re.match(r"[a-z]+:", link):
                continue
            name, _, anchor = link.partition("#")
            target = (t.root / document).parent / name if name else t.root / document
            t.expect(target.exists(), f"{document}: the link {link} leads nowhere")
            if anchor and target.exists():
                t.expect(anchor in anchors(tree.text(target)), f"{document}: no heading for {link}")


def check_sandbox(t):
    """The list of files in the threat model is the sandbox's, and the helper's manual has it too."""
    table = re.search(r"readable\[\] = \{(.*?)\n\};", t.text("tools/helper/sandbox.c"), re.S)
    code = set(re.findall(r'"(/[^"]+)"', table[1])) if table else set()
    section = re.search(r"\*\*The files that the helper may open.*?\n\n(\|.*?)\n\n",
                        t.text("docs/threat-model.md"), re.S)
    listed = set(re.findall(r"`(/[^`]+)`", section[1])) if section else set()
    t.same(code, listed, "tools/helper/sandbox.c", "docs/threat-model.md")
    # The manual leaves the resolver's folders in /run to the reader's system.
    manual = t.text("docs/man/luks-cmk-helper.8.adoc")
    for path in sorted(code):
        t.expect(f"_{path}_" in manual or path.startswith("/run/"),
                 f"docs/man/luks-cmk-helper.8.adoc lacks {path}")


def main():
    t = Tree(tree.arguments(__doc__).root)
    for check in (check_errors, check_commands, check_options, check_keys, check_schema, check_paths,
                  check_links, check_sandbox):
        before = t.count
        check(t)
        t.expect(t.count > before, f"{check.__name__} looked at nothing")
    tree.finish(t.problems, t.count, "statements")


main()
