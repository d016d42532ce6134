# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each check is able to fail: the tree passes, and a copy of it with one thing broken does not."""
import pathlib
import shutil
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
KEPT = ["README.md", "COPYING", "meson.build", "meson_options.txt", ".clang-format", ".ci", "lib",
        "tools", "docs", "tests", "initramfs"]

TLS_CALL = '#include "net/http.h"\n'

# (check, file, text to replace, replacement, what the check must say). An empty text appends.
BROKEN = [
    ("layers", "lib/base/buf.c", "", TLS_CALL, "base may not include lib/net/http.h"),
    ("layers", "lib/plugin/plugin.c", "", '#include "format/config.h"\n', "plugin may not include"),
    ("layers", "lib/plugin/plugin.c", "", "#include <curl/curl.h>\n", "is used behind lib/net/*"),
    ("layers", "tools/admin/main.c", "", "#include <libudev.h>\n", "is used behind"),
    ("layers", "lib/ask.c", "", "#include <glib.h>\n", "is not known"),
    ("layers", "lib/vault/entra.c", "", '#include "unlock.h"\n', "vault may not include"),
    ("layers", "lib/format/wire.c", "", '#include "paths.h"\n', "format may not include paths.h"),
    ("banned", "lib/base/text.c", "", "void f(char *a) { strcpy(a, a); }\n", "strcpy() is banned"),
    ("banned", "lib/unlock.c", "", 'char *f(void) { return getenv ("A"); }\n', "getenv() is banned"),
    ("banned", "tools/helper/main.c", "", "void f(void) { goto out; out:; }\n", "goto"),
    ("banned", "lib/cache.c", "", "/* TO" "DO */\n", "finish it"),
    ("banned", "lib/cache.c", "", "void f(char *jwt) { memset(jwt, 0, 9); }\n", "optimised away"),
    ("spdx", "lib/base/io.c", "SPDX", "SPD", "does not open with"),
    ("spdx", "lib/base/io.h", "*/\n/*", "*/\n\n/*", "does not say what the file is for"),
    ("spdx", "tests/lint/run", "SPDX", "SPD", "does not open with"),
    ("spdx", "lib/meson.build", "SPDX", "SPD", "does not open with"),
    ("docs", "docs/errors.md", "### grant\n", "### granted\n", "grant', 'refused'"),
    ("docs", "docs/errors.md", "(exit status 3)\n", "(exit status 4)\n", "not in docs/errors.md"),
    ("docs", "lib/base/err.h", "\tCMK_TIMEOUT,\n", "\tCMK_TIMEOUT,\n\tCMK_NEW,\n", "CMK_NEW"),
    ("docs", "tools/admin/main.c", '{ "why",', '{ "because",', "because"),
    ("docs", "README.md", "luks-cmk check", "luks-cmk prove", "luks-cmk prove is no command"),
    ("docs", "README.md", "luks-cmk enroll /dev/sdb --customer", "luks-cmk enroll /dev/sdb --client",
     "no option --client"),
    ("docs", "docs/azure-setup.md", "allow_vaults = ", "allow_vault = ", "allow_vault is no key"),
    ("docs", "docs/man/luks-cmk.conf.5.adoc", "expired_keys", "old_keys", "lacks expired_keys"),
    ("docs", "docs/man/luks-cmk.8.adoc", "--spare-key", "--spare", "lacks the option --spare-key"),
    ("docs", "docs/man/luks-cmk-helper.8.adoc", "_/etc/ca-certificates_", "", "lacks /etc/ca-cert"),
    ("docs", "lib/base/err.c", "luks-cmk status", "luks-cmk state", "luks-cmk state, which is no"),
    ("docs", "docs/formats.md", '"alg": "RSA-OAEP-256"', '"alg": "RSA1_5"', "does not fit the schema"),
    ("docs", "docs/token.schema.json", '"customer", "wrapped"]', '"wrapped"]', "a token without customer fits"),
    ("docs", "docs/token.schema.json", '"alg", "value"]', '"alg"]', "a token without value fits"),
    ("docs", "docs/hacking.md", "tests/lint/run", "tests/lint/walk", "tests/lint/walk is not there"),
    ("docs", "README.md", "docs/formats.md", "docs/format.md", "leads nowhere"),
    ("docs", "docs/azure-setup.md", "errors.md#grant", "errors.md#grand", "no heading for"),
    ("docs", "tools/helper/sandbox.c", '"/etc/hosts",', '"/etc/hosts",\n\t"/etc/shadow",', "/etc/shadow"),
    ("docs", "docs/threat-model.md", "`/etc/gai.conf` ", "", "/etc/gai.conf is in tools/helper"),
    ("format.sh", "lib/cache.c", "", "int  x ;\n", "code should be clang-formatted"),
    ("shell.sh", "tests/lint/run", "", "rm $1\n", "SC2086"),
    ("spelling.sh", "README.md", "", "They rec" "ieve it.\n", "==> receive"),
]


def run(check, root, *arguments):
    if check.endswith(".sh"):
        command = [HERE / check, root]
    else:
        command = [sys.executable, HERE / f"{check}.py", "--root", root, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module", name="copy")
def fixture_copy(tmp_path_factory):
    copy = tmp_path_factory.mktemp("lint") / "tree"
    copy.mkdir()
    for name in KEPT:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, symlinks=True,
                            ignore=shutil.ignore_patterns("node_modules", "__pycache__"))
        elif (ROOT / name).exists():
            shutil.copy(ROOT / name, copy / name)
    return copy


@pytest.mark.parametrize("check,name,old,new,said", BROKEN,
                         ids=[f"{row[0]}-{row[3].split()[-1] if row[3] else row[2]}" for row in BROKEN])
def test_check_fails(copy, check, name, old, new, said):
    file = copy / name
    original = file.read_text(encoding="utf-8")
    assert old in original
    file.write_text(original.replace(old, new) if old else original + new, encoding="utf-8")
    try:
        result = run(check, copy)
    finally:
        file.write_text(original, encoding="utf-8")
    assert result.returncode != 0
    assert said in result.stdout + result.stderr


@pytest.mark.parametrize("check", sorted({row[0] for row in BROKEN}))
def test_check_fails_on_nothing(tmp_path, check):
    """An empty tree is no success: what looks at nothing finds nothing."""
    for folder in (".ci", "lib", "tools", "tests", "docs"):
        (tmp_path / folder).mkdir()
    assert run(check, tmp_path).returncode != 0


PLUGIN_C = """
#include <stdio.h>
const char *cryptsetup_token_version(void) { return "1"; }
int cryptsetup_token_open(void) { return puts(""); }
void cryptsetup_token_buffer_free(void) { crypt_log(NULL, 0, ""); }
int cryptsetup_token_validate(void) { return 0; }
void cryptsetup_token_dump(void) { }
%s
"""


@pytest.mark.parametrize("code,script,libraries,said", [
    ("", "", [], None),
    ("int other(void) { return 0; }", "other;", [], "other is exported"),
    ("double f(double x) { return cos(x); }", "", ["-lm"], "needs libm"),
    ("", "NAME_2", [], "is not exported at CRYPTSETUP_TOKEN_1.0"),
])
def test_exports(tmp_path, code, script, libraries, said):
    (tmp_path / "lib/plugin").mkdir(parents=True)
    version = tree_script = (ROOT / "lib/plugin/plugin.sym").read_text(encoding="utf-8")
    if script == "NAME_2":
        version = tree_script.replace("TOKEN_1.0", "TOKEN_2.0")
    elif script:
        version = tree_script.replace("local:", f"{script} local:")
    (tmp_path / "p.sym").write_text(version, encoding="utf-8")
    source = "#include <libcryptsetup.h>\n#include <math.h>\n" + PLUGIN_C % code
    (tmp_path / "p.c").write_text(source, encoding="utf-8")
    subprocess.run(["cc", "-shared", "-fPIC", "-o",
                    tmp_path / "lib/plugin/libcryptsetup-token-luks-cmk.so", tmp_path / "p.c",
                    f"-Wl,--version-script={tmp_path}/p.sym", "-lcryptsetup", *libraries], check=True)
    result = run("exports", ROOT, tmp_path)
    assert (result.returncode == 0) == (said is None), result.stdout
    if said:
        assert said in result.stdout
