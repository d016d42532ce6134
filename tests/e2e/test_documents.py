# SPDX-License-Identifier: LGPL-2.1-or-later
"""The recipes of the documents, cut out of them and run as they stand, on an image in the lab."""
import base64
import os
import pathlib
import re
import subprocess
import tempfile

import pytest
from cryptography.hazmat.primitives import hashes, keywrap, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from machine import SANITIZED, sanitizer_environment

ROOT = pathlib.Path(__file__).resolve().parents[2]
NS = ROOT / "tests/lab/ns"
STAGE = os.environ.get("LUKS_CMK_STAGE")

FAST = "--pbkdf pbkdf2 --pbkdf-force-iterations 1000"

# Instead of az: a sign-in that does nothing, and a call of the vault with the token that is cached.
AZ = r"""#!/bin/bash
[ "$1" = login ] && exit 0
while [ $# -gt 0 ]; do
	case $1 in
	--url) url=$2 ;;
	--body) body=$2 ;;
	--query) query=$2 ;;
	--resource) [ "$2" = https://vault.azure.net ] || exit 1 ;;
	esac
	shift
done
curl -sSf --cacert "$LAB_CA" -H "Authorization: Bearer $(sed 1d /run/luks-cmk/tokens/*)" \
	-H 'Content-Type: application/json' -d "$body" "$url" | jq -r ".$query"
"""

# A machine that is set up as azure-setup.md says, and in it two images for the two devices.
MACHINE = f"""
set -eu
cd "$WORK"
export PATH="$WORK:/usr/sbin:$PATH"
python3=/usr/bin/python3
id() {{ $python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["customers"]["contoso"][sys.argv[2]])' \\
	"$LAB_STATE/scenario.json" "$1"; }}
$python3 {ROOT}/tests/lab/labctl config >/etc/luks-cmk/luks-cmk.conf
printf 'first\\n' >first
printf first >first.key
truncate -s 64M sdb sdc
cryptsetup luksFormat -q {FAST} --type luks2 sdb first.key
luks-cmk customer add contoso --tenant "$(id tenant_id)" --key https://contoso.vault.azure.net/keys/disk
"""


def blocks(document, begin, end):
    """The code blocks of a document between two of its texts."""
    text = (ROOT / document).read_text(encoding="utf-8")
    section = text[text.index(begin):]
    return re.findall(r"```\n(.*?)```", section[:section.index(end, 1)], re.S)


def on_images(recipe):
    """Images take the devices' places; nothing is mapped, for that would need device-mapper."""
    recipe = re.sub(r"(cryptsetup open\b.*) /dev/sdb data", r"\1 --test-passphrase /dev/sdb", recipe)
    return recipe.replace("sudo ", "").replace("/dev/sd", "sd").replace("/root/", "./")


@pytest.fixture(name="machine")
def fixture_machine():
    """Runs a script on a machine in the lab; returns what it said."""
    if not STAGE or os.geteuid() != 0:
        pytest.fail("needs root and LUKS_CMK_STAGE, the result of DESTDIR=... meson install")
    with tempfile.TemporaryDirectory() as work:
        az = pathlib.Path(work, "az")
        az.write_text(AZ, encoding="utf-8")
        az.chmod(0o755)
        if SANITIZED:
            preload = " ".join(f"{name}={value}" for name, value in sanitizer_environment().items())
            cryptsetup = pathlib.Path(work, "cryptsetup")
            cryptsetup.write_text(f'#!/bin/sh\nexec env {preload} /usr/sbin/cryptsetup "$@"\n', encoding="utf-8")
            cryptsetup.chmod(0o755)

        def run(script):
            result = subprocess.run([NS, "--stage", STAGE, "--", "bash", "-c", MACHINE + script],
                                    env={**os.environ, "WORK": work}, timeout=300, text=True,
                                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                    stderr=subprocess.STDOUT, check=False)
            assert result.returncode == 0, result.stdout
            return result.stdout

        yield run


def test_use(machine):
    """README: customer, check, enroll, open, status."""
    recipe, = blocks("README.md", "## Use\n", "An enrolled volume keeps")
    recipe = recipe.replace("TENANT-ID", '"$(id tenant_id)"')
    said = machine(on_images(recipe).replace("enroll sdb", "enroll sdb --key-file first.key"))
    assert "customer contoso" in said and "0: passphrase or key file" in said


def test_rotation(machine):
    """azure-setup.md: a volume without passphrase moves to the newest version of the key."""
    recipe, = blocks("docs/azure-setup.md", "## Rotating", "## Encrypting anew")
    recipe = on_images(recipe).replace("luksAddKey", f"luksAddKey {FAST}")
    said = machine(f"""
luks-cmk format --batch-mode sdb --force --customer contoso
luks-cmk status --json sdb >before
$python3 {ROOT}/tests/lab/labctl key rotate contoso/disk >/dev/null
{recipe}
luks-cmk status --json sdb >after
cryptsetup open --token-only --test-passphrase sdb
version() {{ jq -r '.tokens[0].wrapped[0].key_version' "$1"; }}
[ "$(version before)" != "$(version after)" ]
[ "$(jq .only_way_in after)" = true ]
echo moved
""")
    assert said.endswith("moved\n")


def test_encrypting_anew(machine):
    """azure-setup.md: a new volume key, and the customer's key still opens the volume."""
    recipe, = blocks("docs/azure-setup.md", "## Encrypting anew", "## When it does not work")
    recipe = on_images(recipe).replace("luksAddKey", f"luksAddKey {FAST}")
    # Of a file cryptsetup cannot tell whether it is in use.
    recipe = recipe.replace("reencrypt --key-slot",
                            f"reencrypt --batch-mode --force-offline-reencrypt {FAST} --key-slot")
    said = machine(f"""
luks-cmk format --batch-mode --force sdb --customer contoso
digest() {{ cryptsetup luksDump --dump-json-metadata sdb | jq -r '.digests[].digest'; }}
before=$(digest)
{recipe}
[ "$before" != "$(digest)" ]
cryptsetup open --token-only --test-passphrase sdb
[ "$(luks-cmk status --json sdb | jq .only_way_in)" = true ]
echo renewed
""")
    assert said.endswith("renewed\n")


def test_recovery_in_the_vault(machine):
    """formats.md: a volume opens with cryptsetup and az alone."""
    export, unwrap, _, _, look, last = blocks("docs/formats.md", "## Recovery by hand", "## Between plugin")
    recipe = on_images(export + unwrap + look + last)
    # cryptsetup would ask our token first; here it must be the recovered payload that opens.
    recipe = recipe.replace("cryptsetup open", "cryptsetup open --disable-external-tokens")
    recipe = recipe.replace("luksAddKey", f"luksAddKey {FAST}")
    said = machine(f"""
luks-cmk enroll sdb --customer contoso --key-file first.key
printf 'second' >second
exec <second
{recipe}
[ ! -e payload ]
cryptsetup open --disable-external-tokens --test-passphrase --key-file second sdb
echo recovered
""")
    assert said.endswith("recovered\n")
    lines = said.splitlines()
    assert "LUKSCMK172 payload" in lines
    digests = [line.split()[0] for line in lines if re.match(r"[0-9a-f]{64}(\s|$)", line)]
    assert len(digests) == 2 and digests[0] == digests[1]


@pytest.mark.parametrize("digest,word", [(hashes.SHA256(), "sha256"), (hashes.SHA1(), "sha1")],
                         ids=["RSA-OAEP-256", "RSA-OAEP"])
def test_recovery_with_the_private_key(tmp_path, digest, word):
    """formats.md: openssl unwraps what was wrapped under a key that the customer kept. No root."""
    _, _, unwrap, *_ = blocks("docs/formats.md", "## Recovery by hand", "## Between plugin")
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    (tmp_path / "key.pem").write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    payload = b"LUKSCMK1" + bytes(range(64))
    wrapped = key.public_key().encrypt(payload, padding.OAEP(padding.MGF1(digest), digest, None))
    value = base64.urlsafe_b64encode(wrapped).rstrip(b"=").decode()
    script = f"set -eu\nvalue={value}\n" + unwrap.replace("rsa_oaep_md:sha256", f"rsa_oaep_md:{word}")
    subprocess.run(["bash", "-c", script], cwd=tmp_path, check=True)
    assert (tmp_path / "payload").read_bytes() == payload


def test_recovery_with_the_aes_key(tmp_path):
    """The same for an AES key. No root."""
    _, _, decode, unwrap, *_ = blocks("docs/formats.md", "## Recovery by hand", "## Between plugin")
    (tmp_path / "key").write_bytes(os.urandom(32))
    payload = b"LUKSCMK1" + bytes(range(64))
    wrapped = keywrap.aes_key_wrap((tmp_path / "key").read_bytes(), payload)
    value = base64.urlsafe_b64encode(wrapped).rstrip(b"=").decode()
    decode = decode[:decode.index("openssl")]
    subprocess.run(["bash", "-c", f"set -eu\nvalue={value}\n{decode}{unwrap}"], cwd=tmp_path, check=True)
    assert (tmp_path / "payload").read_bytes() == payload
