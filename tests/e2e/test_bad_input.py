# SPDX-License-Identifier: LGPL-2.1-or-later
"""The issue's "Bad input": one clear line with its code, nothing changed, the next way in reached."""

import json
import os

import luks2
import pytest
from machine import HELPER, SANITIZED, SLOWNESS

FIRST = "contoso.vault.azure.net"
VERSION = "0123456789abcdef0123456789abcdef"
ESCAPES = "\x1b[31mred\x1b[0m\x1b]0;title\x07\x9b2J\r\x08\u202e"


# Devices

def not_luks(machine):
    return machine.write("noise", os.urandom(1 << 20))


def luks1(machine):
    path = machine.image(4 << 20)
    machine.cryptsetup("luksFormat", "-q", "--type", "luks1", "--pbkdf-force-iterations", "1000", path,
                       machine.key_file)
    return path


def detached(machine):
    header = machine.image(16 << 20)
    machine.luks_format(machine.image(), "--header", header)
    return header


def data_of_detached(machine):
    data = machine.image()
    machine.luks_format(data, "--header", machine.image(16 << 20))
    return data


def cut_header(machine):
    path = machine.copy(machine.plain)
    os.truncate(path, 5000)
    return path


def no_json(machine):
    """Both headers have a right checksum, and half a document."""
    path = machine.copy(machine.plain)
    text = luks2.read_text(path)
    luks2.write_text(path, text[:len(text) // 2])
    return path


def empty_file(machine):
    return machine.write("empty", b"")


def directory(machine):
    path = machine.path("folder")
    os.makedirs(path, exist_ok=True)
    return path


DEVICES = {f.__name__: f for f in (not_luks, luks1, detached, data_of_detached, cut_header, no_json, empty_file,
                                   directory)}


@pytest.mark.parametrize("name", DEVICES)
def test_device(machine, name):
    machine.configure(provider=True)
    machine.add_customer("contoso")
    path = DEVICES[name](machine)
    before = luks2.digest(path) if os.path.isfile(path) else None
    mark = machine.lab.mark()
    for words in (["enroll", path, "--customer", "contoso", "--key-file", machine.key_file], ["status", path],
                  ["check", path], ["remove", path], ["list", path]):
        done = machine.tool(*words, status=1)
        assert done.error.code == "device" and path in done.error.text, done
    assert machine.lab.log(mark) == []
    assert before is None or luks2.digest(path) == before
    if name == "luks1":
        assert "cryptsetup convert" in done.error.text
        machine.opens_by_passphrase(path)


def no_room_for_a_keyslot(machine):
    return machine.luks_format(machine.image(), "--luks2-keyslots-size", "256k")


def no_room_for_a_token(machine):
    path = machine.copy(machine.plain)
    filler = {"type": "filler", "keyslots": [], "text": ""}
    room = 16384 - luks2.BINARY - len(luks2.read_text(path)) - 600
    for number in range(2):
        filler["text"] = "x" * (room // 2)
        machine.cryptsetup("token", "import", "--token-id", str(number), "--json-file",
                           machine.write("filler", json.dumps(filler)), path)
    return path


def no_number_for_a_token(machine):
    path = machine.copy(machine.plain)
    with luks2.edit(path) as metadata:
        metadata["tokens"] = {str(n): {"type": "filler", "keyslots": []} for n in range(32)}
    return path


@pytest.mark.parametrize("make", (no_room_for_a_keyslot, no_room_for_a_token, no_number_for_a_token))
def test_no_room(machine, make):
    path = make(machine)
    machine.configure(provider=True)
    machine.add_customer("contoso")
    before = luks2.digest(path)
    done = machine.tool("enroll", path, "--customer", "contoso", "--key-file", machine.key_file, status=1)
    assert done.error.code == "device" and luks2.digest(path) == before
    assert path in done.error.text and "memfd" not in done.error.text and "/proc/" not in done.error.text
    machine.opens_by_passphrase(path)


# Tokens: what is made of the JSON, and the code that it gets

def wrapping(**changes):
    def change(token):
        token["wrapped"][0].update(changes)
    return change


def member(**changes):
    return lambda token: token.update(changes)


def without(*names, inside=False):
    def change(token):
        for name in names:
            del (token["wrapped"][0] if inside else token)[name]
    return change


def key_url(text):
    return wrapping(key=text.replace("VERSION", VERSION))


TOKENS = {
    "version-2": ("token", member(version=2)), "version-0": ("token", member(version=0)),
    "version-minus": ("token", member(version=-1)), "version-text": ("token", member(version="1")),
    "version-half": ("token", member(version=1.5)), "version-huge": ("token", member(version=2 ** 53)),
    "version-null": ("token", member(version=None)), "no-version": ("token", without("version")),
    "customer-number": ("token", member(customer=7)), "customer-list": ("token", member(customer=["contoso"])),
    "no-customer": ("token", without("customer")), "customer-long": ("token", member(customer="c" * 64)),
    "customer-escape": ("token", member(customer=ESCAPES)), "customer-nul": ("token", member(customer="a\0b")),
    "customer-newline": ("token", member(customer="a\nluks-cmk: all is well [ok]")),
    "identity-text": ("token", member(identity="imds")), "identity-source": ("token", member(identity={})),
    "identity-id": ("token", member(identity={"source": "imds", "client_id": "me"})),
    "identity-escape": ("token", member(identity={"source": ESCAPES})),
    "identity-unknown": ("identity", member(identity={"source": "pigeon"})),
    "no-wrapped": ("token", without("wrapped")), "wrapped-empty": ("token", member(wrapped=[])),
    "wrapped-object": ("token", member(wrapped={})), "wrapped-text": ("token", member(wrapped=["x"])),
    "wrapped-nine": ("token", lambda token: token.update(wrapped=token["wrapped"] * 9)),
    "vault-unknown": ("token", wrapping(vault="cellar")), "vault-number": ("token", wrapping(vault=1)),
    "cloud-unknown": ("config", wrapping(cloud="AzureMoon")), "cloud-escape": ("token", wrapping(cloud=ESCAPES)),
    "tenant-path": ("token", wrapping(tenant_id="../../common")),
    "tenant-name": ("token", wrapping(tenant_id="contoso.onmicrosoft.com")),
    "client-id": ("token", wrapping(client_id="*")),
    "alg-1_5": ("token", wrapping(alg="RSA1_5")), "alg-512": ("token", wrapping(alg="RSA-OAEP-512")),
    "alg-none": ("token", wrapping(alg="none")), "alg-escape": ("token", wrapping(alg=ESCAPES)),
    "no-alg": ("token", without("alg", inside=True)), "no-value": ("token", without("value", inside=True)),
    "value-empty": ("token", wrapping(value="")), "value-padded": ("token", wrapping(value="AAA=")),
    "value-alphabet": ("token", wrapping(value="+/AA")), "value-escape": ("token", wrapping(value=ESCAPES)),
    "value-long": ("token", wrapping(value="A" * 1024)), "value-number": ("token", wrapping(value=7)),
    "value-short": ("key-operation", wrapping(value="AAAA")),
    "no-key": ("token", without("key", inside=True)), "key-empty": ("token", key_url("")),
    "key-http": ("token", key_url(f"http://{FIRST}/keys/disk/VERSION")),
    "key-scheme": ("token", key_url(f"file://{FIRST}/keys/disk/VERSION")),
    "key-foreign": ("policy", key_url("https://vault.example.com/keys/disk/VERSION")),
    "key-suffix": ("policy", key_url("https://contoso.vault.azure.net.example.com/keys/disk/VERSION")),
    "key-glued": ("policy", key_url("https://contosovault.azure.net/keys/disk/VERSION")),
    "key-bare": ("policy", key_url("https://vault.azure.net/keys/disk/VERSION")),
    "key-deeper": ("policy", key_url("https://a.contoso.vault.azure.net/keys/disk/VERSION")),
    "key-other-cloud": ("policy", key_url("https://contoso.vault.azure.cn/keys/disk/VERSION")),
    "key-sign-in": ("policy", key_url("https://login.microsoftonline.com/keys/disk/VERSION")),
    "key-ipv4": ("token", key_url("https://10.77.0.1/keys/disk/VERSION")),
    "key-ipv4-number": ("token", key_url("https://172818433/keys/disk/VERSION")),
    "key-ipv4-hex": ("token", key_url("https://0x0a4d0001/keys/disk/VERSION")),
    "key-ipv6": ("token", key_url("https://[::1]/keys/disk/VERSION")),
    "key-metadata": ("token", key_url("https://169.254.169.254/keys/disk/VERSION")),
    "key-user": ("token", key_url(f"https://{FIRST}@vault.example.com/keys/disk/VERSION")),
    "key-password": ("token", key_url(f"https://me:secret@{FIRST}/keys/disk/VERSION")),
    "key-port": ("policy", key_url(f"https://{FIRST}:8443/keys/disk/VERSION")),
    "key-port-bad": ("token", key_url(f"https://{FIRST}:99999999/keys/disk/VERSION")),
    "key-query": ("token", key_url(f"https://{FIRST}/keys/disk/VERSION?x=1")),
    "key-fragment": ("token", key_url(f"https://{FIRST}/keys/disk/VERSION#x")),
    "key-dots": ("token", key_url(f"https://{FIRST}/keys/../secrets/VERSION")),
    "key-percent": ("token", key_url(f"https://{FIRST}/keys/disk%2f/VERSION")),
    "key-secret": ("token", key_url(f"https://{FIRST}/secrets/disk/VERSION")),
    "key-no-version": ("token", key_url(f"https://{FIRST}/keys/disk")),
    "key-bad-version": ("token", key_url(f"https://{FIRST}/keys/disk/newest")),
    "key-gone": ("key-gone", key_url(f"https://{FIRST}/keys/disk/VERSION")),
    "key-header": ("token", key_url(f"https://{FIRST}/keys/disk/VERSION\r\nHost: vault.example.com")),
    "key-escape": ("token", key_url(f"https://{FIRST}/{ESCAPES}")),
    "key-host-escape": ("token", key_url(f"https://{ESCAPES}/keys/disk/VERSION")),
    "key-long": ("token", key_url(f"https://{FIRST}/keys/{'k' * 600}/VERSION")),
    "key-backslash": ("token", key_url(f"https://{FIRST}\\@vault.example.com/keys/disk/VERSION")),
    "key-unicode": ("token", key_url("https://contoso.vault.azure.n\u00eat/keys/disk/VERSION")),
}
# Seen by the helper only: for the tool's commands that ask nobody, this is a token.
FOR_THE_HELPER = {"identity", "config", "policy", "key-gone", "key-operation"}


@pytest.mark.parametrize("name", TOKENS)
def test_token(machine, two_tokens, name):
    code, change = TOKENS[name]
    with luks2.edit(two_tokens) as metadata:
        change(metadata["tokens"]["0"])
    before = luks2.digest(two_tokens)
    mark = machine.lab.mark()
    done = machine.unlock(two_tokens)
    assert done.status == 0 and done.error.code == code, done
    asked = [e["host"] for e in machine.lab.log(mark)]
    if code not in ("key-gone", "key-operation"):
        assert FIRST not in asked
    machine.forget_failures()
    assert machine.unlock(two_tokens, "--token-id", "0").status != 0
    machine.opens_by_passphrase(two_tokens)
    machine.cryptsetup("luksDump", two_tokens)  # prints nothing but what can be printed
    done = machine.run("luks-cmk", "check", two_tokens)
    assert done.status == (3 if code.startswith("key-") else 1) and done.errors[0].code == code, done
    done = machine.run("luks-cmk", "status", two_tokens)
    assert (done.status, [e.code for e in done.errors]) in ((0, []), (1, ["token"])), done
    assert luks2.digest(two_tokens) == before


@pytest.mark.parametrize("bad", (0, 1))
def test_bad_token_hides_no_other(machine, two_tokens, bad):
    """status, list and check say what they know of the other token, and end with the error."""
    with luks2.edit(two_tokens) as metadata:
        metadata["tokens"][str(bad)]["version"] = 2
    good, customer = 1 - bad, ("fabrikam", "contoso")[bad]
    done = machine.tool("status", two_tokens, status=1)
    assert f"Token {good}: customer {customer}\n" in done.out and f"Token {bad}: cannot be read\n" in done.out
    assert "  0: passphrase or key file" in done.out and done.error.text.startswith(f"token {bad} of ")
    done = machine.tool("list", two_tokens, status=1)
    assert done.out.count(two_tokens) == 1 and customer in done.out and done.error.code == "token"
    done = machine.run("luks-cmk", "check", two_tokens, "--json")
    checks = {c["token"]: c for c in done.json["checks"]}
    assert done.status == 1 and (checks[good]["customer"], checks[good]["error"]) == (customer, None), done
    assert (checks[bad]["error"]["code"], checks[bad]["failed"]) == ("token", "configuration"), done


def test_token_of_one_mebibyte(machine):
    """More than any reader takes; LUKS2 itself has room for it, if asked for."""
    path = machine.image(64 << 20)
    machine.luks_format(path, "--luks2-metadata-size", "4m")
    token = luks2.tokens(machine.enrolled_image())[0]
    token.update(keyslots=["0"])
    token["wrapped"][0]["value"] = "A" * (1 << 20)
    with luks2.edit(path) as metadata:
        metadata["tokens"]["0"] = token
    before = luks2.digest(path)
    error = machine.refuses(path, "token")
    assert len(error.text) < 768
    assert machine.tool("check", path, status=1).error.code == "token"
    machine.opens_by_passphrase(path)
    assert luks2.digest(path) == before


def test_duplicate_members(machine, enrolled):
    """libcryptsetup hands over the last of each name; what it makes of it must not lead elsewhere."""
    text = luks2.read_text(enrolled).replace(
        b'"alg":', b'"key":"https://vault.example.com/keys/disk/' + VERSION.encode() + b'","alg":')
    luks2.write_text(enrolled, text)
    assert text.count(b'"key":"https') == 2
    machine.refuses(enrolled, "policy")
    machine.opens_by_passphrase(enrolled)


@pytest.mark.parametrize("text", (
    b'{"type":"luks-cmk","keyslots":["0"],"version":1,"cust', b"", b"[]", b"luks-cmk", b'{"type":"luks-cmk"}',
    b'{"type":"luks-cmk","keyslots":["0"],"version":1,"customer":"\xff\xfe","wrapped":[]}',
    b'{"type":"luks-cmk","keyslots":[0],"version":1,"customer":"contoso","wrapped":[]}',
    b'{"type":"luks-cmk","keyslots":["99"],"version":1,"customer":"contoso","wrapped":[]}'), ids=range(8))
def test_import(machine, volume, text):
    """cryptsetup asks the plugin before it writes a token."""
    before = luks2.digest(volume)
    done = machine.run("cryptsetup", "token", "import", "--json-file", machine.write("token", text), volume)
    assert done.status != 0 and luks2.digest(volume) == before
    assert not done.errors or done.error.code == "token"


# Configuration

CONFIGURATIONS = {
    "misspelt": ("[network]\ntimeot = 5\n", "line 2"), "section": ("[networks]\ntimeout = 5\n", "line 2"),
    "no-section": ("timeout = 5\n", "line 1"), "no-value": ("[network]\ntimeout\n", "line 2"),
    "twice": ("[network]\ntimeout = 5\ntimeout = 6\n", "line 3"),
    "number": ("[network]\ntimeout = 5s\n", "line 2"), "zero": ("[network]\ntimeout = 0\n", "line 2"),
    "id": ("[identity]\nclient_id = me\n", "line 2"), "relative": ("[network]\nca_file = ca.pem\n", "line 2"),
    "proxy": ("[network]\nproxy = proxy.example.com\n", "line 2"),
    "metadata": ("[cloud x]\nmetadata = 10.0.0.1\n", "line 2"),
    "built-in": ("[cloud AzurePublic]\nauthority = login.example.com\n", "line 2"),
    "half-cloud": ("[cloud x]\nauthority = login.example.com\n", "vault_suffix"),
    "escape": ("[network]\n\x1b[31mtimeout = 5\n", "line 2"), "long": ("[network]\n" + "x" * 70000, "luks-cmk.conf"),
    "nul": ("[network]\ntimeout = 5\n\0\0\0", "line 3"),
}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_configuration(machine, enrolled, name):
    text, place = CONFIGURATIONS[name]
    with open(os.path.join(machine.conf, "luks-cmk.conf"), "w", encoding="utf-8") as file:
        file.write(text)
    mark = machine.lab.mark()
    error = machine.refuses(enrolled, "config")
    assert "/etc/luks-cmk/luks-cmk.conf" in error.text and place in error.text
    assert machine.lab.log(mark) == []
    assert machine.tool("check", enrolled, status=1).error.code == "config"
    machine.opens_by_passphrase(enrolled)


@pytest.mark.parametrize("text", ("", "[customer]\n", "[customer]\ntenant = x\n", "[customer]\nkey = http://x/keys/y\n",
                                  "[customer]\n\x1b[31m = 1\n", "[customer]\n\0"), ids=range(6))
def test_customer(machine, volume, text):
    machine.configure(provider=True)
    machine.add_customer("contoso")
    with open(os.path.join(machine.conf, "customers.d/contoso.conf"), "w", encoding="utf-8") as file:
        file.write(text)
    before = luks2.digest(volume)
    done = machine.tool("enroll", volume, "--customer", "contoso", "--key-file", machine.key_file, status=1)
    assert done.error.code == "config" and "contoso.conf" in done.error.text
    assert luks2.digest(volume) == before


# Services

SERVICES = {
    "wrong-kid": ("protocol", {"kind": "wrong-kid", "host": FIRST}),
    "size": ("protocol", {"kind": "value", "value": "TFVLU0NNSzE", "host": FIRST}),
    "magic": ("protocol", {"kind": "value", "value": "A" * 96, "host": FIRST}),
    "long": ("protocol", {"kind": "value", "value": "A" * 30000, "host": FIRST}),
    "set": ("protocol", {"kind": "set", "members": {"value": {"a": 1}}, "path": "unwrapkey"}),
    "kid-escape": ("protocol", {"kind": "set", "members": {"kid": ESCAPES}, "path": "unwrapkey"}),
    "token-escape": ("protocol", {"kind": "set", "members": {"access_token": "a\r\nX: y"}, "service": "entra"}),
    "token-number": ("protocol", {"kind": "set", "members": {"access_token": 7}, "service": "entra"}),
    "no-token": ("protocol", {"kind": "set", "members": {"access_token": None}, "service": "entra"}),
    "assertion-escape": ("protocol", {"kind": "set", "members": {"access_token": ESCAPES}, "service": "metadata"}),
    "wrong-identity": ("identity", {"kind": "wrong-identity", "service": "metadata"}),
    "escape-metadata": ("identity", {"kind": "escape", "status": 400, "service": "metadata"}),
    "escape-entra": (None, {"kind": "escape", "status": 400, "service": "entra"}),
    "escape-vault": ("grant", {"kind": "escape", "host": FIRST}),
    "escape-vault-400": (None, {"kind": "escape", "status": 400, "host": FIRST}),
    "escape-vault-404": ("key-gone", {"kind": "escape", "status": 404, "host": FIRST}),
    "escape-vault-401": ("grant", {"kind": "escape", "status": 401, "host": FIRST}),
    "nested": ("protocol", {"kind": "status", "status": 200, "body": "[" * 20000, "host": FIRST}),
    "no-utf8": ("protocol", {"kind": "status", "status": 200, "body": '{"kid":"\udcff"}', "host": FIRST}),
    "empty": ("protocol", {"kind": "status", "status": 200, "body": "", "host": FIRST}),
    "trailing": ("protocol", {"kind": "status", "status": 200, "body": '{"kid":"x"}{}', "host": FIRST}),
    "headers": ("protocol", {"kind": "status", "status": 200, "body": "{}", "host": FIRST,
                             "headers": {f"X-{n}": "y" * 1000 for n in range(90)}}),
    "teapot": (None, {"kind": "status", "status": 418, "body": "", "host": FIRST}),
    "redirect-to-http": ("protocol", {"kind": "redirect", "location": f"http://{FIRST}/", "host": FIRST}),
}


@pytest.mark.parametrize("name", SERVICES)
def test_service(machine, two_tokens, name):
    code, how = SERVICES[name]
    machine.configure(network={"timeout": 1})
    before = luks2.digest(two_tokens)
    mark = machine.lab.mark()
    with machine.lab.fault(**how):
        done = machine.unlock(two_tokens, "--token-id", "0")
        assert done.status != 0 and len(done.errors) == 1, done
        assert code in (None, done.error.code), done
        machine.opens_by_passphrase(two_tokens)
        machine.forget_failures()
        if how.get("host"):
            done = machine.unlock(two_tokens)
            assert done.status == 0, done
    hosts = {e["host"] for e in machine.lab.log(mark)}
    assert "evil.example.com" not in hosts
    assert luks2.digest(two_tokens) == before


def peak(machine, *words):
    """The largest resident set, in KiB, of a program or of any that it has waited for."""
    script = ("import resource, subprocess, sys\nsubprocess.run(sys.argv[1:], stderr=subprocess.DEVNULL)\n"
              "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")
    return int(machine.run("/usr/bin/python3", "-c", script, *words).out.split()[-1])


@pytest.mark.parametrize("service", ("metadata", "entra", "vault"))
@pytest.mark.parametrize("chunked", (False, True), ids=("announced", "chunked"))
def test_hundred_mebibytes(machine, enrolled, service, chunked):
    """Neither kept in memory nor read to its end."""
    machine.configure(network={"timeout": 10})
    words = ["cryptsetup", "open", "--test-passphrase", "--token-only", enrolled]
    with machine.lab.fault("huge", service=service, method="POST" if service != "metadata" else "GET",
                           chunked=chunked):
        done = machine.run(*words)
        assert done.error.code == "protocol" and done.seconds < 1.5 * SLOWNESS
        if not SANITIZED:
            machine.forget()
            assert peak(machine, *words) < 40 * 1024
    machine.opens_by_passphrase(enrolled)


def test_compressed_body(machine, enrolled):
    """Nothing is unpacked that was not asked for."""
    with machine.lab.fault("status", host=FIRST, status=200, body="\x1f\x08", headers={"Content-Encoding": "gzip"}):
        machine.refuses(enrolled, "protocol")


# The helper, when someone starts it by hand

@pytest.mark.parametrize("words,stdin", (([], ""), (["--help"], ""), (["x"], "x")), ids=range(3))
def test_helper_by_hand(machine, words, stdin):
    done = machine.run("/" + HELPER, *words, stdin=stdin)
    assert done.status == 2 and "never by hand" in done.err


def test_helper_with_noise(machine):
    """A socket on descriptor 3, and on it anything."""
    script = ("import os, socket, subprocess, sys\n"
              "hold = os.open('/dev/null', 0)\na, b = socket.socketpair()\n"
              "os.dup2(b.fileno(), 3)\nb.close()\n"
              "p = subprocess.Popen([sys.argv[1]], pass_fds=[3], env={})\nos.close(3)\n"
              "a.sendall(bytes.fromhex(sys.argv[2]))\na.shutdown(socket.SHUT_WR)\n"
              "got = b''\n"
              "while part := a.recv(65536):\n    got += part\n"
              "print(p.wait(), got.hex())")
    for noise in ("", "00", "ffffffff", "00000002" + "01" + "01", "00000002" + "63" + "01", "00000010" + "01" * 16,
                  "00000007" + "0101" + "0400000000", "00000008" + "0101" + "01ffffffff"):
        done = machine.run("/usr/bin/python3", "-c", script, "/" + HELPER, noise)
        status, _, answer = done.out.strip().partition(" ")
        assert status in ("0", "1") and b"helper" in bytes.fromhex(answer), (noise, done)
