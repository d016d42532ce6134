# SPDX-License-Identifier: LGPL-2.1-or-later
"""bash's completion: every command, option and verb that --help has, and no other; devices, mappings, customers."""

import os
import re
import subprocess

import pytest
from machine import ROOT, STAGE

# readline is not there: nothing is to be quoted.
RUN = r"""
compopt() { :; }
luks-cmk() { printf 'NAME TENANT KEY\ncontoso x y\nfabrikam x y\n'; }
source "$1"
COMP_WORDS=("${@:2}") COMP_CWORD=$(($# - 2)) COMPREPLY=()
_luks_cmk
[ ${#COMPREPLY[@]} = 0 ] || printf '%s\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(name="complete")
def fixture_complete(tmp_path):
    """What bash offers for the last of some words, on a machine with these disks and mappings."""
    for path in ("disk/by-uuid/1234", "disk/by-label/my\\x20data", "disk/by-partuuid/abcd", "disk/by-partlabel/root",
                 "mapper/control", "mapper/data"):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("", encoding="ascii")
    (tmp_path / "empty").mkdir()
    with open(os.path.join(ROOT, "tools/admin/completion/luks-cmk"), encoding="utf-8") as file:
        script = tmp_path / "completion"
        script.write_text(file.read().replace("/dev/", f"{tmp_path}/"), encoding="utf-8")

    def complete(*words):
        done = subprocess.run(["bash", "-c", RUN, "bash", script, "luks-cmk", *words], check=True,
                              capture_output=True, text=True, cwd=tmp_path / "empty")
        assert done.stderr == ""
        return done.stdout.splitlines()
    return complete


def help_of(*words):
    tool = os.path.join(STAGE, "usr/sbin/luks-cmk")
    return subprocess.run([tool, *words, "--help"], check=True, capture_output=True, text=True).stdout


def options(text, verb=None):
    """Those that a help names; of a verb, those that it says are its own."""
    found = set()
    for name, what in re.findall(r"^ {2,6}(?:-\w, )?(--[a-z-]+)(.*)", text, re.M):
        of = re.search(r"\(([a-z, ]+)\)$", what)
        if not verb or not of or verb in of[1].split(", "):
            found.add(name)
    return found


@pytest.mark.skipif(not STAGE, reason="needs LUKS_CMK_STAGE, the result of DESTDIR=... meson install")
def test_options(complete):
    commands = re.findall(r"^  ([a-z]+) ", help_of(), re.M)
    assert set(complete("")) == {*commands, "--help", "--version", "--debug"}
    assert len(commands) > 10
    for command in commands:
        text = help_of(command)
        synopsis = text.splitlines()[0]
        verbs = {"customer": ["add", "list", "show", "handover"], "provider": ["setup"]}.get(command, [])
        assert all(f" {verb}" in synopsis for verb in verbs)
        if verbs:
            assert set(complete(command, "")) == {*verbs, "--help"}
        for verb in verbs:
            assert set(complete(command, verb, "--")) == options(text, verb), verb
        if not verbs:
            assert set(complete(command, "--")) == options(text), command


@pytest.mark.parametrize("words, expected", [
    (["st"], ["status"]), (["--debug", "enroll", "--un"], ["--unlock-token"]),
    (["check", "--customer", "c"], ["contoso"]), (["check", "--customer", "=", "f"], ["fabrikam"]),
    (["customer", "show", "f"], ["fabrikam"]), (["customer", "handover", ""], ["contoso", "fabrikam"]),
    (["customer", "show", "--j"], ["--json"]), (["customer", "add", "x", "--spare-key", ""], []),
    (["status", "UU"], ["UUID=1234"]), (["status", "UUID", "=", "12"], ["1234"]),
    (["status", "LAB"], ["LABEL=my data"]), (["status", "PARTU"], ["PARTUUID=abcd"]),
    (["status", "PARTLABEL", "="], ["root"]), (["status", "PARTLABEL", "=", "x"], []),
    (["detach", "d"], ["data"]), (["attach", "--timeout", "f"], ["forever"]), (["attach", "--prompt-pid", ""], []),
    (["format", "x", "--sector-size", "4"], ["4096"]),
], ids=str)
def test_words(complete, words, expected):
    assert sorted(set(complete(*words))) == sorted(expected)
