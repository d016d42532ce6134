# SPDX-License-Identifier: LGPL-2.1-or-later
"""All of luks-cmk that needs no network: devices it must refuse, customers, status, list, remove.

Runs the tool of the folder LUKS_CMK_STAGE (what "meson install" wrote there), laid over this machine's own
files in a mount namespace; or the one program that LUKS_CMK names. Either has to be built for /etc/luks-cmk
and /run/luks-cmk, which the namespace makes private. Needs root; device-mapper and network are not used.
"""

import fcntl
import hashlib
import json
import os
import re
import select
import signal
import subprocess
import termios

import pytest

STAGE = os.environ.get("LUKS_CMK_STAGE")
TOOL = "/usr/sbin/luks-cmk" if STAGE else os.environ.get("LUKS_CMK")
FAST = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"]
TENANT = "11111111-2222-3333-4444-555555555555"
APPLICATION = "22222222-3333-4444-5555-666666666666"
KEY = "https://contoso.vault.azure.net/keys/disk"
VERSION = "0123456789abcdef0123456789abcdef"
SPARE = "https://spare.vault.azure.net/keys/disk"
ERROR = re.compile(r"luks-cmk: [^\n]*[^\n.] \[[a-z-]+\]( \(request [0-9a-f-]{36}\))?\n\Z")
CONFIG = f"""[provider]
client_id = {APPLICATION}
[identity]
source = imds
client_id = 33333333-4444-5555-6666-777777777777
"""

pytestmark = pytest.mark.skipif(not TOOL or os.geteuid() != 0, reason="needs LUKS_CMK_STAGE or LUKS_CMK, and root")

ENTER = """
set -e
[ -z "$1" ] || mount -t overlay overlay -o "lowerdir=$1/merged:/usr" /usr
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$2/etc,workdir=$2/work" /etc
mkdir -p /etc/luks-cmk "$2/run"
mount -t tmpfs tmpfs /run
mkdir /run/luks-cmk
mount --bind "$2/run" /run/luks-cmk
shift 2
exec "$@"
"""


def merge(stage, folder):
    """One tree for /usr: on merged systems /lib is /usr/lib, and a plugin may be installed in either."""
    merged = os.path.join(folder, "merged")
    os.makedirs(merged)
    subprocess.run(["cp", "-a", f"{stage}/usr/.", merged], check=True)
    if os.path.isdir(f"{stage}/lib"):
        subprocess.run(["cp", "-a", f"{stage}/lib", merged], check=True)


class Machine:
    """A machine whose /etc/luks-cmk and /run/luks-cmk are the test's own."""

    def __init__(self, folder):
        self.folder = str(folder)
        for name in ("etc/luks-cmk", "work", "run"):
            os.makedirs(f"{self.folder}/{name}")
        if STAGE:
            merge(STAGE, self.folder)

    def path(self, name):
        return f"{self.folder}/{name}"

    def write(self, name, text):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def command(self, *words):
        return ["unshare", "-m", "--propagation", "private", "sh", "-c", ENTER, "sh",
                self.folder if STAGE else "", self.folder, TOOL, *words]

    def run(self, *words, stdin=""):
        return subprocess.run(self.command(*words), input=stdin, capture_output=True, text=True, timeout=60,
                              check=False, cwd=self.folder)

    def good(self, *words, **how):
        done = self.run(*words, **how)
        assert (done.returncode, done.stderr) == (0, ""), done
        return done.stdout

    def bad(self, status, code, *words, **how):
        """One line of error, of that code; returns it."""
        done = self.run(*words, **how)
        assert done.returncode == status, done
        assert ERROR.search(done.stderr), done.stderr
        assert f"[{code}]" in done.stderr, done.stderr
        return done.stderr

    def json(self, *words):
        document = json.loads(self.good(*words, "--json"))
        assert document["version"] == 1
        return document


def cryptsetup(*words):
    subprocess.run(["cryptsetup", "-q", *words], check=True, capture_output=True)


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def token(customer="contoso", keyslots=("1",), wrapped=(KEY,), **more):
    return {
        "type": "luks-cmk", "keyslots": list(keyslots), "version": 1, "customer": customer,
        "identity": {"source": "imds", "client_id": "33333333-4444-5555-6666-777777777777"},
        "wrapped": [{"vault": "azure", "cloud": "AzurePublic", "tenant_id": TENANT,
                     "client_id": APPLICATION, "key": f"{key}/{VERSION}", "alg": "RSA-OAEP-256",
                     "value": "AAAA", "created": "2026-11-23T17:27:00Z"} for key in wrapped], **more}


@pytest.fixture
def machine(tmp_path):
    machine = Machine(tmp_path)
    machine.write("key0", "first")
    machine.write("key1", "second")
    return machine


@pytest.fixture
def configured(machine):
    machine.write("etc/luks-cmk/luks-cmk.conf", CONFIG)
    machine.good("customer", "add", "contoso", "--tenant", TENANT, "--key", KEY)
    return machine


@pytest.fixture
def volume(machine):
    """A volume with a passphrase in keyslot 0 and one for a token in keyslot 1."""
    return make_volume(machine)


def make_volume(machine, name="volume", *options):
    path = machine.path(name)
    with open(path, "wb") as file:
        file.truncate(20 * 1024 * 1024)
    cryptsetup("luksFormat", "--type", "luks2", *FAST, *options, path, machine.path("key0"))
    cryptsetup("luksAddKey", *FAST, "-d", machine.path("key0"), path, machine.path("key1"))
    return path


def import_token(machine, path, content):
    cryptsetup("token", "import", "--json-file", machine.write("token.json", json.dumps(content)), path)


# Command lines

USAGE = [
    [], ["frobnicate"], ["--frobnicate"], ["status"], ["status", "a", "b"], ["status", "--what", "a"],
    ["enroll", "a"], ["enroll", "a", "--customer"], ["enroll", "a", "--customer", "x", "--customer", "y"],
    ["enroll", "a", "--customer", "x", "--key-file", "k", "--unlock-token", "1"],
    ["enroll", "a", "--customer", "x", "--unlock-token", "one"],
    ["enroll", "a", "--customer", "x", "--unlock-token", "32"],
    ["enroll", "a", "--customer", "x", "--unlock-token", "-1"],
    ["format", "a"], ["format", "a", "--customer", "x", "--sector-size", "1000"],
    ["format", "a", "--customer", "x", "--label", "l" * 48],
    ["check", "a", "--all"], ["check", "--all", "--customer", "x"], ["remove", "a", "--token", "x"],
    ["customer"], ["customer", "rename"], ["customer", "add", "x"], ["customer", "show"],
    ["customer", "add", "x", "--tenant", TENANT], ["customer", "list", "x"], ["why", "a", "b"],
]


@pytest.mark.parametrize("words", USAGE, ids=" ".join)
def test_usage(machine, words):
    done = machine.run(*words)
    assert done.returncode == 2
    assert done.stdout == ""
    assert re.fullmatch(r"luks-cmk: .*\nTry 'luks-cmk .*--help' for more information\.\n", done.stderr)


@pytest.mark.parametrize("words, sentence", [
    (["status", "--jsn", "a"], "unknown option '--jsn'"), (["--jsn"], "unknown option '--jsn'"),
    (["format", "a", "-xq"], "unknown option '-x'"), (["-xh"], "unknown option '-x'"),
    (["status", "-\u00e9", "a"], "unknown option '-\\xc3'"),
    (["status", "--json=yes", "a"], "option '--json=yes' takes no value"),
    (["--version=1"], "option '--version=1' takes no value"),
    (["status", "a", "--debug=1"], "option '--debug=1' takes no value"),
])
def test_wrong_option_is_named(machine, words, sentence):
    done = machine.run(*words)
    assert done.returncode == 2 and done.stderr.startswith(f"luks-cmk: {sentence}\nTry "), done


def test_help_and_version(machine):
    assert re.fullmatch(r"luks-cmk \d+\.\d+\.\d+\n", machine.good("--version"))
    text = machine.good("--help")
    commands = re.findall(r"^  ([a-z]+) ", text, re.M)
    assert "enroll" in commands and "why" in commands
    for command in commands:
        assert machine.good(command, "--help").startswith(f"Usage: luks-cmk {command} ")


def test_hostile_words_are_escaped(machine):
    done = machine.run("\x1b[2Jfrob")
    assert "\x1b" not in done.stderr and "\\x1b" in done.stderr
    assert "\x1b" not in machine.bad(1, "device", "status", "\x1b]0;x\x07")


# Devices

def make_device(machine, kind):
    path = machine.path("device")
    if kind == "absent":
        return path
    with open(path, "wb") as file:
        file.truncate(20 * 1024 * 1024)
    if kind == "luks1":
        cryptsetup("luksFormat", "--type", "luks1", "--pbkdf-force-iterations", "1000", path, machine.path("key0"))
    if kind in ("detached header", "headerless"):
        header = machine.path("header")
        cryptsetup("luksFormat", "--type", "luks2", *FAST, "--header", header, path, machine.path("key0"))
        return header if kind == "detached header" else path
    if kind == "short":
        os.truncate(path, 100)
    if kind == "cut header":
        with open(path, "r+b") as file:
            file.write(b"LUKS\xba\xbe\x00\x02" + b"\xff" * 4096)
    return path


NO_LUKS = (" is no LUKS volume; check that it is the right device, or make a volume of it, which destroys its data, by "
           "luks-cmk format or cryptsetup luksFormat [device]")
DEVICES = {
    "absent": "No such file", "zeros": NO_LUKS, "short": NO_LUKS,
    "luks1": "cryptsetup convert --type luks2", "detached header": "detached header",
    "headerless": NO_LUKS, "cut header": "cannot be read",
}
ON_DEVICE = [["status"], ["remove"], ["check"], ["list"], ["why"], ["enroll", "--customer", "contoso"]]


@pytest.mark.parametrize("words", ON_DEVICE, ids=" ".join)
@pytest.mark.parametrize("kind", DEVICES)
def test_bad_device(configured, kind, words):
    path = make_device(configured, kind)
    before = os.path.exists(path) and digest(path)
    line = configured.bad(1, "device", *words, path)
    assert DEVICES[kind] in line
    assert before == (os.path.exists(path) and digest(path))


@pytest.mark.parametrize("path, part", [
    ("/dev/null", "neither a block device nor an image file"), ("/tmp", "neither a block device"),
    ("UUID=00000000-1111-2222-3333-444444444444", "no LUKS2 volume of this machine has UUID=00000000-1111-2222-3333-444444444444; lsblk -f"),
    ("LABEL=../../tmp", "no LUKS2 volume of this machine has LABEL="),
])
def test_no_device(machine, path, part):
    assert part in machine.bad(1, "device", "status", path)


# Customers

def test_customers(machine):
    assert machine.good("customer", "list") == "No customer is configured in /etc/luks-cmk/customers.d.\n"
    assert machine.json("customer", "list")["customers"] == []
    add = ["customer", "add", "contoso", "--tenant", TENANT, "--key", KEY, "--spare-key", SPARE]
    assert "Added customer contoso" in machine.good(*add)
    assert "already" in machine.good(*add)
    other = ["customer", "add", "contoso", "--tenant", TENANT, "--key", SPARE]
    assert "--force" in machine.bad(5, "state", *other)
    expected = {"name": "contoso", "tenant_id": TENANT, "key": KEY, "spare_keys": [SPARE]}
    assert machine.json("customer", "list")["customers"] == [expected]
    assert machine.json("customer", "show", "contoso") == {"version": 1, **expected}
    assert SPARE in machine.good("customer", "show", "contoso")
    machine.good(*other, "--force")
    assert machine.json("customer", "show", "contoso")["key"] == SPARE
    machine.bad(1, "config", "customer", "show", "fabrikam")


@pytest.mark.parametrize("name, tenant, key", [
    ("../x", TENANT, KEY), ("", TENANT, KEY), ("a b", TENANT, KEY), ("x" * 64, TENANT, KEY),
    ("x", "contoso", KEY), ("x", TENANT + "0", KEY),
    ("x", TENANT, "http://contoso.vault.azure.net/keys/disk"),
    ("x", TENANT, "https://contoso.vault.azure.net.example/keys/disk"),
    ("x", TENANT, "https://contoso.example/keys/disk"), ("x", TENANT, "https://vault.azure.net/keys/disk"),
    ("x", TENANT, "https://a.b.vault.azure.net/keys/disk"), ("x", TENANT, "https://10.0.0.1/keys/disk"),
    ("x", TENANT, "https://user@contoso.vault.azure.net/keys/disk"),
    ("x", TENANT, "https://contoso.vault.azure.net:8443/keys/disk"),
    ("x", TENANT, "https://contoso.vault.azure.net/secrets/disk"), ("x", TENANT, KEY + "/"),
    ("x", TENANT, KEY + "?api-version=1"), ("x", TENANT, KEY + "/" + VERSION + "0"),
    ("x", TENANT, KEY + "/../../secrets/a"), ("x", TENANT, "https://contoso.vault.azure.net/keys/" + "k" * 128),
    ("x", TENANT, KEY + "\x1b[2J"),
])
def test_bad_customer(machine, name, tenant, key):
    line = machine.bad(1, "config", "customer", "add", name, "--tenant", tenant, "--key", key)
    assert "\x1b" not in line
    assert not os.path.exists(machine.path("etc/luks-cmk/customers.d"))


def test_not_root(configured):
    """What may be read is shown to everybody; what may not, and what is to be written, is root's."""
    os.chmod(configured.folder, 0o755)
    nobody = "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"
    add = ["customer", "add", "fabrikam", "--tenant", TENANT, "--key", SPARE]
    as_root = configured.command()
    configured.command = lambda *words: [*as_root[:-1], *nobody, TOOL, *words]
    configured.good("customer", "show", "contoso")
    assert "fabrikam.conf cannot be written; run as root: " in configured.bad(1, "config", *add)
    os.chmod(configured.path("etc/luks-cmk/customers.d"), 0o700)
    for words in (["customer", "list"], ["customer", "show", "contoso"], add):
        assert "; run as root: Permission denied" in configured.bad(1, "config", *words)


def test_long_name(configured):
    """However long: what a name has to be like is said, and check shows whose name it is."""
    for words in (["customer", "add", "x" * 1000, "--tenant", TENANT, "--key", KEY], ["customer", "show", "x" * 1000],
                  ["check", "--customer", "x" * 1000]):
        assert "use at most 63 letters" in configured.bad(1, "config", *words)
    found, = json.loads(configured.run("check", "--customer", "x" * 1000, "--json").stdout)["checks"]
    assert found["customer"] == "x" * 63


def test_good_keys(machine):
    for number, key in enumerate((KEY, f"{KEY}/{VERSION}", "https://h.managedhsm.azure.net/keys/a-1")):
        machine.good("customer", "add", f"c{number}", "--tenant", TENANT, "--key", key)


def test_one_broken_customer_hides_no_other(configured):
    configured.write("etc/luks-cmk/customers.d/broken.conf", "[customer]\ntenant = x\n")
    configured.write("etc/luks-cmk/customers.d/.contoso.conf.swp", "junk")
    done = configured.run("customer", "list")
    assert done.returncode == 1
    assert "contoso " in done.stdout
    assert "broken.conf line 2" in done.stderr and "[config]" in done.stderr


# Status and list

def test_status(machine, volume):
    import_token(machine, volume, token(wrapped=(KEY, SPARE)))
    before = digest(volume)
    text = machine.good("status", volume)
    for part in ("customer contoso", "contoso.vault.azure.net", "spare.vault.azure.net", VERSION, "RSA-OAEP-256",
                 "cipher=aes-xts-plain64 key=512", "without the customer's key:\n  0: passphrase or key file"):
        assert part in text
    status = machine.json("status", volume)
    assert status["tokens"][0]["keyslots"] == [1]
    assert [w["host"] for w in status["tokens"][0]["wrapped"]] == ["contoso.vault.azure.net", "spare.vault.azure.net"]
    assert status["other_keyslots"] == [{"keyslot": 0, "opened_by": "passphrase or key file"}]
    assert status["only_way_in"] is False
    cryptsetup("luksKillSlot", "-d", machine.path("key1"), volume, "0")
    assert machine.json("status", volume)["only_way_in"] is True
    assert "only way in" in machine.good("status", volume)
    cryptsetup("luksKillSlot", volume, "1")
    assert "nothing opens this volume" in machine.good("status", volume)
    assert machine.json("status", volume)["header"] == ""
    assert before != digest(volume)


def test_keyslot_of_another_token_bypasses(machine, volume):
    import_token(machine, volume, token())
    import_token(machine, volume, {"type": "other\u001b[2J", "keyslots": ["0", "1"]})
    others = machine.json("status", volume)["other_keyslots"]
    assert [o["keyslot"] for o in others] == [0, 1]
    assert "other\\x1b[2J (token 1)" in others[0]["opened_by"]
    assert "\x1b" not in machine.good("status", volume)
    machine.good("remove", volume)
    cryptsetup("open", "--test-passphrase", "-d", machine.path("key1"), volume)


def test_list(machine, volume):
    assert machine.good("list", volume) == "No volume among these is enrolled.\n"
    assert machine.json("list", volume)["volumes"] == []
    import_token(machine, volume, token())
    header, row = machine.good("list", volume).splitlines()
    assert header.split() == ["DEVICE", "UUID", "CUSTOMER", "VAULT", "KEY", "VERSION", "SLOTS/OTHER",
                              "KNOWN", "BY", "OPEN", "AS"]
    assert row.split()[2:] == ["contoso", "contoso.vault.azure.net", "disk", VERSION[:8], "1/1"]
    assert header.index("VAULT") == row.index("contoso.vault")
    assert machine.json("list", volume)["volumes"][0] == {
        **{k: v for k, v in machine.json("status", volume).items() if k != "version"}, "known_by": "", "open_as": ""}
    done = machine.run("list", "/nowhere", volume)
    assert done.returncode == 1 and "contoso" in done.stdout and "[device]" in done.stderr
    machine.good("list")


BAD_TOKENS = [
    token(version=2), token(customer="a b"), token(wrapped=()), token(customer="\u001b[2J"),
    token(wrapped=("http://contoso.vault.azure.net/keys/disk",)), {"type": "luks-cmk", "keyslots": []},
]


@pytest.mark.parametrize("content", BAD_TOKENS, ids=range(len(BAD_TOKENS)))
def test_bad_token(configured, content):
    path = make_volume(configured)
    import_token(configured, path, content)
    before = digest(path)
    for words in (["status"], ["list"], ["enroll", "--customer", "contoso"], ["remove", "--key", KEY]):
        line = configured.bad(1, "token", *words, path)
        assert "token 0 of" in line and "\x1b" not in line
    assert digest(path) == before
    configured.good("remove", path)
    assert configured.json("status", path)["tokens"] == []


# Remove

def test_remove(machine, volume):
    assert "nothing to remove" in machine.good("remove", volume)
    import_token(machine, volume, token())
    assert "and its keyslot" in machine.good("remove", volume)
    assert "nothing to remove" in machine.good("remove", volume)
    cryptsetup("open", "--test-passphrase", "-d", machine.path("key0"), volume)
    opened = subprocess.run(["cryptsetup", "open", "--test-passphrase", "-d", machine.path("key1"), volume],
                            capture_output=True, check=False)
    assert opened.returncode == 2


def test_remove_last(machine, volume):
    import_token(machine, volume, token())
    cryptsetup("luksKillSlot", "-d", machine.path("key1"), volume, "0")
    before = digest(volume)
    assert "--last" in machine.bad(5, "state", "remove", volume)
    machine.bad(5, "state", "remove", volume, "--key", KEY)
    assert digest(volume) == before
    machine.good("remove", volume, "--last")
    assert "No keyslot is in use" in machine.good("status", volume)


def test_remove_wrapping(machine, volume):
    """What a later release wrote into the token stays."""
    content = token(wrapped=(KEY, SPARE), future={"a": [1, "]"]})
    content["wrapped"][1]["future"] = "}"
    import_token(machine, volume, content)
    assert "nothing to remove" in machine.good("remove", volume, "--key", f"{KEY}/{'f' * 32}")
    assert "1 of 2" in machine.good("remove", volume, "--key", f"{KEY}/{VERSION}")
    exported = subprocess.run(["cryptsetup", "token", "export", "--token-id", "0", volume],
                              capture_output=True, check=True).stdout
    content["wrapped"] = content["wrapped"][1:]
    assert json.loads(exported) == content
    assert "and its keyslot" in machine.good("remove", volume, "--key", SPARE.upper().replace("HTTPS", "https"))
    assert machine.json("status", volume)["tokens"] == []


def test_read_only(configured, volume):
    """A loop device that is read-only, even to root."""
    import_token(configured, volume, token())
    attached = subprocess.run(["losetup", "--read-only", "--find", "--show", volume], capture_output=True,
                              text=True, check=False)
    if attached.returncode != 0:
        pytest.skip("no loop device")
    device = attached.stdout.strip()
    try:
        assert "cannot be written" in configured.bad(1, "device", "remove", device)
        assert "cannot be written" in configured.bad(1, "device", "remove", device, "--key", KEY)
        assert "nothing to remove" in configured.good("remove", device, "--key", KEY + "2")
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)


def test_remove_token(machine, volume):
    import_token(machine, volume, {"type": "other", "keyslots": ["0"]})
    import_token(machine, volume, token(keyslots=()))
    import_token(machine, volume, token())
    assert "none of luks-cmk" in machine.bad(5, "state", "remove", volume, "--token", "0")
    assert "no keyslot was assigned" in machine.good("remove", volume, "--token", "1")
    assert [t["token"] for t in machine.json("status", volume)["tokens"]] == [2]


# Enroll and format, as far as they come without a network

def test_enroll_again(configured, volume):
    import_token(configured, volume, token())
    before = digest(volume)
    assert "nothing was changed" in configured.good("enroll", volume, "--customer", "contoso")
    configured.good("customer", "add", "fabrikam", "--tenant", TENANT, "--key", SPARE)
    assert "luks-cmk remove" in configured.bad(5, "state", "enroll", volume, "--customer", "fabrikam")
    configured.good("customer", "add", "contoso", "--tenant", TENANT, "--key", SPARE, "--force")
    assert "another key" in configured.bad(5, "state", "enroll", volume, "--customer", "contoso")
    assert digest(volume) == before


@pytest.mark.parametrize("text, part", [
    ("", "[provider] client_id"), (f"[provider]\nclient_id={APPLICATION}\n", "[identity] source"),
    (f"[provider]\nclient_id={APPLICATION}\n[identity]\nsource=imds\n", "[identity] client_id"),
    ("[provider]\nclient = x\n", "line 2"), ("[provider]\ncloud = Nowhere\n", "Nowhere"),
])
def test_enroll_configuration(configured, volume, text, part):
    configured.write("etc/luks-cmk/luks-cmk.conf", text)
    assert part in configured.bad(1, "config", "enroll", volume, "--customer", "contoso")
    configured.bad(1, "config", "enroll", volume, "--customer", "nobody")


@pytest.mark.skipif(not STAGE, reason="needs the plugin, and so LUKS_CMK_STAGE")
def test_enroll_unlocks_first(configured, volume):
    before = digest(volume)
    enroll = ["enroll", volume, "--customer", "contoso"]
    for words, stdin in (([], "wrong\n"), ([], ""), ([], "\n"), (["--key-file", configured.path("key")], ""),
                         (["--key-file", "/dev/null"], ""), (["--key-file", "-"], "first\n"),
                         (["--key-file", "-"], "")):
        configured.bad(1, "passphrase", *enroll, *words, stdin=stdin)
    configured.bad(1, "keyslot", *enroll, "--unlock-token", "5")
    line = configured.bad(5, "state", *enroll, "--header-backup", configured.path("key0"))
    assert "exists" in line
    assert digest(volume) == before


def at_terminal(machine, words, answers):
    """Runs the tool at a terminal of its own: what it showed, its wait status, whether echo is on again."""
    leader, follower = os.openpty()
    process = subprocess.Popen(machine.command(*words), cwd=machine.folder, stdin=follower, stdout=follower,
                               stderr=follower, start_new_session=True, preexec_fn=lambda: fcntl.ioctl(
                                   follower, termios.TIOCSCTTY, 0))
    shown = b""
    for answer in answers:
        while not shown.endswith(b": "):
            assert select.select([leader], [], [], 20)[0], shown
            shown += os.read(leader, 4096)
        assert not termios.tcgetattr(follower)[3] & termios.ECHO
        shown += b"|"
        os.write(leader, answer)
    status = process.wait(20)
    echo = bool(termios.tcgetattr(follower)[3] & termios.ECHO)
    os.close(follower)
    while select.select([leader], [], [], 0)[0]:
        try:
            shown += os.read(leader, 4096)
        except OSError:
            break
    os.close(leader)
    return shown.decode(), status, echo


@pytest.mark.skipif(not STAGE, reason="needs the plugin, and so LUKS_CMK_STAGE")
def test_prompt(configured, volume):
    """Three tries without echo, and a terminal that works afterwards, also after Ctrl-C."""
    enroll = ["enroll", volume, "--customer", "contoso"]
    shown, status, echo = at_terminal(configured, enroll, [b"wrong1\n", b"wrong2\n", b"wrong3\n"])
    assert (status, echo) == (1, True)
    assert "wrong" not in shown and shown.count("Enter passphrase for") == 3 and "[passphrase]" in shown
    shown, status, echo = at_terminal(configured, enroll, [b"half\x03"])
    assert (status, echo) == (-signal.SIGINT, True)
    assert "half" not in shown


def test_format_refuses(configured, volume):
    before = digest(volume)
    refused = "[helper]" if not STAGE else "add --force"
    done = configured.run("format", volume, "--customer", "contoso", "-q")
    assert done.returncode == (5 if STAGE else 1) and refused in done.stderr
    small = make_device(configured, "short")
    configured.bad(1, "device", "format", small, "--customer", "contoso", "-q")
    configured.bad(1, "device", "format", "/dev/null", "--customer", "contoso", "-q")
    if STAGE:
        blank = configured.path("blank")
        with open(blank, "wb") as file:
            file.truncate(20 * 1024 * 1024)
        for answer in ("", "yes\n", "no\n", "YES please\n"):
            done = configured.run("format", blank, "--customer", "contoso", stdin=answer)
            assert done.returncode == 5 and "nothing on" in done.stderr
        assert digest(blank) == hashlib.sha256(bytes(20 * 1024 * 1024)).hexdigest()
    assert digest(volume) == before


# Check and why

def test_check_config(machine):
    assert "can be read" in machine.good("check", "--config")
    for bad in ("[network]\nproxi = http://proxy:1\n", "[network\n", "[network]\nproxy = proxy\n"):
        machine.write("etc/luks-cmk/luks-cmk.conf", bad)
        assert "luks-cmk.conf" in machine.bad(1, "config", "check", "--config")
    assert machine.run("check", "--config", "--all").returncode == 2


def test_check_nothing(machine, volume):
    assert "No volume is enrolled" in machine.good("check")
    assert machine.json("check")["checks"] == []
    assert "not enrolled" in machine.bad(5, "state", "check", volume)
    machine.bad(1, "config", "check", "--customer", "nobody")
    machine.write("etc/luks-cmk/luks-cmk.conf", "[network]\ntimeuot = 5\n")
    assert "timeuot" in machine.bad(1, "config", "check")


def test_why(machine, volume):
    assert machine.good("why") == (
        "No unlock has failed since this machine started, or since the last that succeeded.\n")
    assert machine.json("why")["failures"] == []
    uuid = subprocess.run(["cryptsetup", "luksUUID", volume], capture_output=True, text=True, check=True).stdout.strip()
    record = "code={}\nwhen={}\nboot_ms={}\ntext={}\n"
    machine.write(f"run/failed/{uuid}.0", record.format("key-disabled", 1795454820, 2000,
                                                        "the vault said \x1b[2Jno"))
    machine.write("run/failed/00000000-1111-2222-3333-444444444444.3",
                  record.format("dns", 1795454810, 1000, "no name") + "request=6a3d0f6e-4c0e-4f0c-9a55-0a4f0a3b7e11\n")
    machine.write("run/failed/junk", "x")
    machine.write("run/failed/00000000-1111-2222-3333-444444444444.4", "junk")
    text = machine.good("why")
    assert text.index("[dns]") < text.index("[key-disabled]")
    assert "2026-11-23T" in text and "\x1b" not in text and "6a3d0f6e" in text
    first, second = machine.json("why")["failures"]
    assert (first["token"], first["error"]["class"], second["uuid"]) == (3, "unreachable", uuid)
    assert first["error"]["request_id"].startswith("6a3d")
    for words in ([volume], [uuid], [f"UUID={uuid}"], [uuid.upper()]):
        assert [f["uuid"] for f in machine.json("why", *words)["failures"]] == [uuid]


def test_why_boot(machine):
    """What the initramfs's scripts note when they cannot ask for any volume."""
    machine.write("run/failed/boot", "code=helper\nwhen=0\nboot_ms=4000\ntext=the tool is missing in this image\n")
    assert "while booting, no volume was asked for:\n  the tool is missing in this image [helper]" in machine.good("why")
    failure, = machine.json("why")["failures"]
    assert failure["error"]["code"] == "helper" and "uuid" not in failure and "token" not in failure
