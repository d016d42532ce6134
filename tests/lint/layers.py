#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Includes point one way, and each foreign library is used behind one door."""
import fnmatch
import re

import tree

# The first pattern that fits a file names its layer.
LAYERS = [
    ("base", ["lib/base/*"]),
    ("config", ["lib/format/config*", "lib/format/customer*", "lib/format/payload*"]),
    ("format", ["lib/format/*"]),
    ("net", ["lib/net/*"]),
    ("identity", ["lib/identity/*"]),
    ("vault", ["lib/vault/*"]),
    ("unlock", ["lib/unlock.?", "lib/assertion.?", "lib/lane.?", "lib/cache.?", "lib/steps.?",
                "lib/survey.?"]),
    ("host", ["lib/ask.?", "lib/describe.?", "lib/record.?", "lib/unwrap.?"]),
    ("plugin", ["lib/plugin/*"]),
    ("helper", ["tools/helper/*"]),
    ("admin", ["tools/admin/*"]),
]

# What a layer may include besides itself. The plugin may use neither config nor payload, which need
# libraries that a host must not get from us.
NETWORK = {"base", "format", "config", "net"}
MAY_USE = {
    "base": set(),
    "format": {"base"},
    "config": {"base", "format"},
    "net": {"base"},
    "identity": NETWORK,
    "vault": NETWORK,
    "unlock": NETWORK | {"identity", "vault"},
    "host": {"base", "format"},
    "plugin": {"base", "format", "host"},
    "helper": NETWORK | {"identity", "vault", "unlock"},
    "admin": {"base", "format", "config", "host"},
}

# Written by meson; says where things are installed, and so belongs to programs, not to libraries.
GENERATED = {"paths.h": {"host", "plugin", "helper", "admin"}}

DOORS = {
    "curl/": ["lib/net/*"],
    "openssl/": ["lib/net/*", "lib/vault/*", "lib/format/payload.c", "lib/cache.c"],
    "ini.h": ["lib/format/config*"],
    "libcryptsetup.h": ["lib/describe.c", "lib/unwrap.c", "lib/plugin/*", "tools/admin/luks*"],
    "libudev.h": ["tools/admin/disks.c"],
    "seccomp.h": ["tools/helper/filter.c"],
    "linux/landlock.h": ["tools/helper/sandbox.c"],
    "sys/mount.h": ["tools/admin/check-initrd.c", "tools/admin/mounts.c"],
    "linux/netlink.h": ["tools/helper/filter.c", "tests/unit/test-sandbox.c"],
}

LIBC = set("""
    arpa/inet.h assert.h ctype.h dirent.h dlfcn.h endian.h err.h errno.h fcntl.h fnmatch.h getopt.h
    grp.h ifaddrs.h inttypes.h langinfo.h libgen.h limits.h linux/fs.h linux/magic.h locale.h malloc.h
    net/if.h netdb.h netinet/in.h netinet/tcp.h poll.h pthread.h pwd.h sched.h signal.h spawn.h stdalign.h
    stdarg.h stdbool.h stddef.h stdint.h stdio.h stdlib.h string.h strings.h sys/epoll.h sys/file.h
    sys/ioctl.h sys/mman.h sys/prctl.h sys/random.h sys/resource.h sys/sendfile.h sys/socket.h
    sys/stat.h sys/statfs.h sys/syscall.h sys/sysmacros.h sys/time.h sys/types.h sys/uio.h sys/un.h
    sys/utsname.h sys/vfs.h sys/wait.h syslog.h termios.h time.h unistd.h wchar.h wctype.h
""".split())

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)


def fits(path, patterns):
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)


def layer_of(path):
    return next((name for name, patterns in LAYERS if fits(path, patterns)), None)


def resolve(root, path, name):
    """The file of the tree that #include "name" means in path, or None."""
    for folder in (path.parent, tree.pathlib.Path("lib")):
        if (root / folder / name).is_file():
            return (folder / name).as_posix()
    return None


def check_ours(root, path, layer, name):
    if name in GENERATED:
        return None if layer in GENERATED[name] else f"{path}: {layer} may not include {name}"
    target = resolve(root, path, name)
    if target is None:
        return f'{path}: "{name}" is neither beside it nor below lib/'
    other = layer_of(target)
    if other != layer and other not in MAY_USE[layer]:
        return f"{path}: {layer} may not include {target}, which is {other}"
    return None


def check_foreign(path, name):
    if name in LIBC:
        return None
    for prefix, door in DOORS.items():
        if name.startswith(prefix):
            if fits(path.as_posix(), door):
                return None
            return f"{path}: <{name}> is used behind {', '.join(door)} only"
    return f"{path}: <{name}> is not known; name it in tests/lint/layers.py with its door"


def main():
    root = tree.arguments(__doc__).root
    problems = []
    count = 0
    for path in tree.files(root, ".c", ".h"):
        if path.parts[0] not in ("lib", "tools"):
            continue
        layer = layer_of(path.as_posix())
        if layer is None:
            problems.append(f"{path}: belongs to no layer; name it in tests/lint/layers.py")
            continue
        for kind, name in INCLUDE.findall(tree.text(root / path)):
            count += 1
            problem = (check_foreign(path, name) if kind == "<"
                       else check_ours(root, path, layer, name))
            if problem:
                problems.append(problem)
    tree.finish(problems, count, "includes")


main()
