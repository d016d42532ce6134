# SPDX-License-Identifier: LGPL-2.1-or-later
"""The files that the checks look at, and how a check ends. Every check takes the tree as --root."""
import argparse
import os
import pathlib
import sys

SKIPPED = {".git", "__pycache__", "node_modules", "corpus"}


def arguments(purpose, **extra):
    parser = argparse.ArgumentParser(description=purpose)
    parser.add_argument("--root", type=pathlib.Path,
                        default=pathlib.Path(__file__).resolve().parents[2])
    for name, text in extra.items():
        parser.add_argument(name, help=text)
    return parser.parse_args()


def is_build_folder(path):
    return (path / "meson-private").exists() or path.name.startswith("build")


def files(root, *suffixes):
    """Files below root as sorted relative paths; without suffixes all of them."""
    found = []
    for folder, folders, names in os.walk(root):
        here = pathlib.Path(folder)
        folders[:] = [f for f in folders if f not in SKIPPED and not is_build_folder(here / f)]
        found += [here / name for name in names]
    found = [path.relative_to(root) for path in found if path.is_file()]
    return sorted(p for p in found if not suffixes or p.suffix in suffixes)


def text(path):
    return path.read_text(encoding="utf-8")


def finish(problems, looked_at, what):
    """Ends the check. Having looked at nothing is a failure: a check must be able to fail."""
    if looked_at == 0:
        problems = problems + [f"found no {what}: the check looked at nothing"]
    for problem in problems:
        print(problem)
    if not problems:
        print(f"{looked_at} {what}")
    sys.exit(1 if problems else 0)
