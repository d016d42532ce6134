# SPDX-License-Identifier: LGPL-2.1-or-later
"""
luks-cmk attach, as far as it goes without device-mapper: the mapping itself is seen in the boot lab.

A volume that crypttab names is opened in a process of its own, all of them side by side, within a bound.
"""

import contextlib
import os
import re
import signal
import time
import uuid

import luks2
import pytest
from machine import SANITIZED, SLOWNESS


def crypttab(machine, *lines):
    return machine.write("crypttab", "".join(f"{line}\n" for line in lines))


def cmdline(machine, text=""):
    return machine.write("cmdline", f"BOOT_IMAGE=/vmlinuz ro {text} quiet\n")


def boot(machine, table, *words, kernel="", **how):
    return machine.run("luks-cmk", "attach", "--boot", "--dry-run", "--crypttab", table, "--cmdline",
                       cmdline(machine, kernel), *words, **how)


def posts(machine, mark):
    """How often each service was asked for something, warming up left out."""
    found = {}
    for entry in machine.lab.log(mark):
        if entry["method"] != "HEAD" and "openid" not in entry["path"]:
            found[entry["service"]] = found.get(entry["service"], 0) + 1
    return found



def wait_for(condition, seconds=15):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.2)
    return False


def tree(pid):
    """{process id: name} of all below a process."""
    parents, found = {}, {}
    for entry in os.listdir("/proc"):
        try:
            with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as file:
                text = file.read()
        except (OSError, ValueError):
            continue
        name, rest = text[text.index("(") + 1:text.rindex(")")], text[text.rindex(")") + 2:].split()
        parents.setdefault(int(rest[1]), []).append((int(text.split()[0]), name))
    wanted = [pid]
    while wanted:
        for child, name in parents.get(wanted.pop(), []):
            found[child] = name
            wanted.append(child)
    return found


def below(process, name):
    return [pid for pid, found in tree(process.pid).items() if found == name]


def helpers(process):
    return below(process, "luks-cmk-helper")


def start_boot(machine, table, *words, kernel=""):
    return machine.start("luks-cmk", "attach", "--boot", "--dry-run", "--crypttab", table, "--cmdline",
                         cmdline(machine, kernel), *words)


def failed(machine):
    folder = machine.inside("/run/luks-cmk/failed")
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


def test_one(machine, enrolled):
    """Without NAME the name is luks-UUID, unless crypttab has one."""
    identifier = machine.cryptsetup("luksUUID", enrolled).out.strip()
    before = luks2.digest(enrolled)
    mark = machine.lab.mark()
    done = machine.tool("attach", "--dry-run", enrolled, "--crypttab", crypttab(machine))
    assert done.out == f"luks-{identifier} would open\n" and not done.err
    assert posts(machine, mark) == {"metadata": 1, "entra": 1, "vault": 1}
    for source in (enrolled, f"UUID={identifier.upper()}"):
        table = crypttab(machine, "# one", "other /dev/null none", f"data {source} none luks,discard")
        assert machine.tool("attach", "--dry-run", enrolled, "--crypttab", table).out == "data would open\n"
        done = machine.tool("attach", "--dry-run", enrolled, "mine", "--crypttab", table)
        assert done.out == "mine would open\n"
    assert luks2.digest(enrolled) == before


def test_no_device_mapper(machine, enrolled):
    """The vault is not asked where the kernel could not make a mapping."""
    if os.path.exists("/dev/mapper/control") and os.path.isdir("/sys/module/dm_mod"):
        pytest.skip("this kernel has one")
    mark = machine.lab.mark()
    done = machine.tool("attach", enrolled, status=1)
    assert done.error.code == "system" and "modprobe dm_crypt" in done.error.text
    assert posts(machine, mark) == {} and failed(machine) == []


def test_refused(machine, enrolled):
    machine.lab.key_disable("contoso/disk")
    done = machine.tool("attach", "--dry-run", enrolled, status=3)
    assert done.error.code == "key-disabled" and done.error.request_id
    assert machine.why(enrolled) == ["key-disabled"]
    machine.lab.key_enable("contoso/disk")
    machine.tool("attach", "--dry-run", enrolled)
    assert machine.why(enrolled) == []


def test_the_plugin_knows(machine, enrolled):
    """What attach was refused moments ago, cryptsetup does not ask for again: the passphrase is next."""
    machine.lab.key_disable("contoso/disk")
    table = crypttab(machine, f"root {enrolled} none luks")
    assert boot(machine, table).status == 3
    mark = machine.lab.mark()
    done = machine.opens_by_passphrase(enrolled)
    assert posts(machine, mark) == {} and "not asked again" in done.err


def test_not_enrolled(machine):
    done = machine.tool("attach", "--dry-run", machine.plain, status=5)
    assert done.error.code == "state" and "luks-cmk enroll" in done.error.text


def test_wrong_usage(machine, enrolled):
    table = crypttab(machine)
    for words in ((), ("--all", enrolled), ("--boot", enrolled), ("--all", "--boot"), (enrolled, "a", "b"),
                  (enrolled, "a/b"), (enrolled, ""), (enrolled, ".."), (enrolled, "x" * 128), ("--all", "--untried"),
                  ("--all", "--background"), ("--all", "--cmdline", table), ("--all", "--console", "/dev/null"),
                  ("--all", "--first", "/bin/true"), ("--boot", "--first", "true"),
                  ("--boot", "--background", "--first", "/bin/true"),
                  ("--boot", "--prompt-pid", "1"), ("--boot", "--background", "--prompt-pid", "0"), ("--all", "--timeout", "0"),
                  ("--all", "--timeout", "1s"), ("--boot", "--json"), ("--json", enrolled), ("--all", "--wait", "-1"), (enrolled, "--wait", "1")):
        machine.tool("attach", *words, status=2)
    done = machine.tool("attach", "--all", "--crypttab", "/nonexistent", status=1)
    assert done.error.code == "config"


@pytest.mark.parametrize("odd", ["../../etc/x", "\x1b[2J", " "])
def test_an_odd_uuid_names_nothing(machine, enrolled, odd):
    """Not a path, and not before somebody was asked for the key of it."""
    luks2.write_text(enrolled, luks2.read_text(enrolled), uuid=odd)
    mark = machine.lab.mark()
    done = machine.tool("attach", "--dry-run", enrolled, status=1)
    assert done.error.code == "device" and f"luks-cmk attach {enrolled} NAME" in done.error.text
    assert posts(machine, mark) == {}
    assert machine.tool("attach", "--dry-run", enrolled, "data").out == "data would open\n"


def test_detached_header(machine, enrolled):
    table = crypttab(machine, f"data {enrolled} none header=/boot/header")
    done = machine.tool("attach", enrolled, "--crypttab", table, status=1)
    assert "header=" in done.error.text
    done = machine.tool("attach", "--all", "--crypttab", table)
    assert "header=" in done.err and done.out == "No volume of crypttab or /etc/luks-cmk/volumes.d is enrolled.\n"


def test_all(machine, enrolled):
    """Our volumes, and nothing else that crypttab has."""
    second, third = machine.copy(enrolled), machine.copy(enrolled)
    empty = machine.image()
    table = crypttab(machine, f"one {enrolled} none luks", f"two {second} /key luks,noauto",
                     f"swap {third} /dev/urandom swap", f"plain {machine.plain} none luks",
                     f"empty {empty} none luks", f"gone UUID={uuid.uuid4()} none luks", "wrong line/")
    mark = machine.lab.mark()
    done = machine.tool("attach", "--all", "--dry-run", "--crypttab", table)
    assert done.out == "one would open\n"
    assert "gone has not appeared" in done.err
    assert posts(machine, mark)["vault"] == 1


def test_all_json(machine, enrolled):
    """One document, and nothing beside it."""
    other = machine.enrolled_image("fabrikam")
    machine.lab.key_disable("fabrikam/disk")
    table = crypttab(machine, f"one {enrolled} none", f"two {other} none", f"plain {machine.plain} none",
                     f"gone UUID={uuid.uuid4()} none")
    done = machine.run("luks-cmk", "attach", "--all", "--dry-run", "--json", "--crypttab", table)
    assert done.status == 3 and not done.err, done
    one, two, gone = done.json["volumes"]
    assert one == {"name": "one", "uuid": machine.cryptsetup("luksUUID", enrolled).out.strip(),
                   "customer": "contoso", "host": "contoso.vault.azure.net", "result": "would open", "error": None}
    assert (two["name"], two["customer"], two["result"]) == ("two", "fabrikam", "failed")
    assert two["error"]["code"] == "key-disabled" and two["error"]["acts"] == "customer" and two["next"]
    assert (gone["name"], gone["result"], gone["error"]) == ("gone", "missing", None)


def test_all_table(machine, enrolled):
    """Where one of several fails, all are listed in the end, with who must act."""
    other = machine.enrolled_image("fabrikam")
    table = crypttab(machine, f"one {enrolled} none", f"two {other} none")
    words = ("luks-cmk", "attach", "--all", "--dry-run", "--crypttab", table)
    assert sorted(machine.run(*words).out.splitlines()) == ["one would open", "two would open"]
    machine.lab.key_disable("fabrikam/disk")
    done = machine.run(*words)
    assert done.status == 3 and done.error.code == "key-disabled"
    heading, one, two = done.out.splitlines()[-3:]
    assert heading.split() == ["NAME", "CUSTOMER", "RESULT", "VAULT", "ACTS", "NEXT"]
    assert one.split() == ["one", "contoso", "would", "open"]
    assert re.match(r"two +fabrikam +refused \[key-disabled\] +fabrikam\.vault\.azure\.net +customer +\S", two)


def test_all_shows_how_far_it_is(machine, enrolled):
    """On a terminal, also while a vault lets everybody wait; nothing of it stays."""
    table = crypttab(machine, f"one {enrolled} none", f"two {machine.copy(enrolled)} none")
    leader, follower = os.openpty()
    shown = b""
    with machine.lab.fault("delay", service="vault", seconds=2):
        process = machine.start("luks-cmk", "attach", "--all", "--dry-run", "--crypttab", table, stderr=follower)
        os.close(follower)
        while b"0 of 2" not in shown:
            shown += os.read(leader, 1024)
        assert process.poll() is None
    out, _ = process.communicate(timeout=60)
    with contextlib.suppress(OSError):  # at the end
        while True:
            shown += os.read(leader, 1024)
    os.close(leader)
    assert process.returncode == 0 and out.count(b"would open") == 2
    assert b"1 of 2" in shown and shown.endswith(b"\r\x1b[K"), shown


@pytest.mark.skipif(SANITIZED, reason="LeakSanitizer does not work under strace")
def test_all_in_one_helper(machine, enrolled):
    """
    Volumes of one vault share its connections, and yet the customer's log names each of them; and fewer processes than
    volumes open them.
    """
    images = [enrolled, *(machine.copy(enrolled) for _ in range(19))]
    table = crypttab(machine, *(f"disk{i} {image} none" for i, image in enumerate(images)))
    mark = machine.lab.mark()
    trace = machine.path("trace")
    done = machine.run("luks-cmk", "attach", "--all", "--dry-run", "--crypttab", table,
                       wrap=("strace", "-f", "-o", trace, "-e", "trace=execve,fork,vfork,clone,clone3"))
    assert done.status == 0 and done.out.count("would open") == 20, done
    assert posts(machine, mark) == {"metadata": 1, "entra": 1, "vault": 20}
    with open(trace, encoding="utf-8") as file:
        calls = file.read()
    assert calls.count('execve("/usr/libexec/luks-cmk-helper"') == 1
    # Not what is about to run a program, and no threads: copies of the parent.
    forks = [line for line in calls.splitlines() if re.search(r"fork\(|clone3?\(", line) and "CLONE_VM" not in line]
    assert 1 <= len(forks) <= 16, forks
    agents = {entry["user_agent"] for entry in machine.lab.log(mark) if "unwrapkey" in entry["path"]}
    uuids = {machine.cryptsetup("luksUUID", image).out.strip() for image in images}
    assert {re.search(r"volume ([0-9a-f-]+)", agent)[1] for agent in agents} == uuids
    assert failed(machine) == []


def test_all_each_has_its_own_outcome(machine, enrolled):
    """In one helper, too: a header that was changed, a token that policy forbids, one whose keyslot is not its own."""
    images = [machine.copy(enrolled) for _ in range(4)]
    with luks2.edit(images[1]) as header:
        header["segments"]["0"]["offset"] = str(int(header["segments"]["0"]["offset"]) + 4096)
    with luks2.edit(images[2]) as header:
        header["tokens"]["0"]["wrapped"][0]["value"] = "AAAA"
    table = crypttab(machine, *(f"disk{i} {image} none" for i, image in enumerate(images)))
    done = machine.run("luks-cmk", "attach", "--all", "--dry-run", "--json", "--crypttab", table)
    found = {row["name"]: row["error"] and row["error"]["code"] for row in done.json["volumes"]}
    assert found["disk0"] is None and found["disk3"] is None, found
    assert found["disk1"] == "header-changed" and found["disk2"] not in (None, "timeout"), found
    assert machine.why(images[1]) == ["header-changed"] and machine.why(images[0]) == []


def test_all_without_the_helper(machine, enrolled):
    """When the one helper dies, each volume is asked for by itself."""
    images = [enrolled, *(machine.copy(enrolled) for _ in range(2))]
    table = crypttab(machine, *(f"disk{i} {image} none" for i, image in enumerate(images)))
    with machine.lab.fault("delay", service="vault", seconds=3, count=3):
        process = machine.start("luks-cmk", "attach", "--all", "--dry-run", "--crypttab", table)
        assert wait_for(lambda: helpers(process))
        time.sleep(1)
        pid, = helpers(process)
        os.kill(pid, signal.SIGKILL)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0 and out.decode().count("would open") == 3 and not err, (out, err)


# What udevd tells those who listen, as of libudev's device-monitor.c: of a block device, for which they filter by a hash.
UDEV_SAYS = r"""
import socket, struct, time
PROPERTIES = b"ACTION=add\0DEVPATH=/devices/virtual/block/x\0SUBSYSTEM=block\0SEQNUM=1\0"
HASH = HASH_OF_BLOCK
head = b"libudev\0" + struct.pack(">I", 0xfeedcafe) + struct.pack("=III", 40, 40, len(PROPERTIES))
head += struct.pack(">IIII", HASH, 0, 0, 0)
sender = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 15)
sender.bind((0, 0))
for _ in range(TIMES):
    sender.sendto(head + PROPERTIES, (0, 2))
    time.sleep(0.005)
"""


def murmur(data, mask=0xffffffff):
    """MurmurHash2 of something, from the seed 0."""
    value, whole = len(data), len(data) // 4 * 4
    for at in range(0, whole, 4):
        part = int.from_bytes(data[at:at + 4], "little") * 0x5bd1e995 & mask
        value = value * 0x5bd1e995 & mask ^ (part ^ part >> 24) * 0x5bd1e995 & mask
    if data[whole:]:
        value = (value ^ int.from_bytes(data[whole:], "little")) * 0x5bd1e995 & mask
    value = (value ^ value >> 13) * 0x5bd1e995 & mask
    return value ^ value >> 15


@pytest.fixture(name="udev")
def fixture_udev(machine):
    """It seems to run: what it says, so often."""
    control = machine.inside("/run/udev/control")
    os.makedirs(os.path.dirname(control), exist_ok=True)
    with open(control, "w", encoding="utf-8"):
        pass
    yield lambda times: UDEV_SAYS.replace("HASH_OF_BLOCK", str(murmur(b"block"))).replace("TIMES", str(times))
    os.unlink(control)


def test_all_once_though_devices_change(machine, enrolled, udev):
    """Each new mapping is an event of udev's: what has its key already, and waits for its turn, is not asked for again."""
    images = [enrolled, *(machine.copy(enrolled) for _ in range(39))]
    table = crypttab(machine, *(f"disk{i} {image} none" for i, image in enumerate(images)))
    mark = machine.lab.mark()
    beside = '/usr/bin/python3 -c "$0" & sender=$!; "$@"; status=$?; kill "$sender" && exit "$status"'
    done = machine.run("sh", "-c", beside, udev(10000), "luks-cmk", "attach", "--all", "--dry-run", "--crypttab", table)
    assert done.status == 0 and done.out.count("would open") == 40, done
    assert posts(machine, mark) == {"metadata": 1, "entra": 1, "vault": 40}


def test_all_more_disks_meanwhile(machine, enrolled, udev):
    """Those that appear while the helper asks for the others get one of their own, and neither is forgotten."""
    late = [machine.path(f"late{i}") for i in range(2)]
    table = crypttab(machine, f"one {enrolled} none", f"two {machine.copy(enrolled)} none",
                     *(f"late{i} {path} none" for i, path in enumerate(late)))
    with machine.lab.fault("delay", service="vault", seconds=3 * SLOWNESS):
        process = machine.start("luks-cmk", "attach", "--all", "--dry-run", "--wait", "60", "--crypttab", table)
        assert wait_for(lambda: helpers(process))
        for path in late:
            os.rename(machine.copy(enrolled), path)
        assert machine.run("/usr/bin/python3", "-c", udev(1)).status == 0
        assert wait_for(lambda: len(helpers(process)) == 2)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0 and out.decode().count("would open") == 4 and not err, (out, err)


def test_all_signal_ends_the_helper(machine, enrolled):
    images = [enrolled, machine.copy(enrolled)]
    table = crypttab(machine, *(f"disk{i} {image} none" for i, image in enumerate(images)))
    with machine.lab.fault("blackhole", service="vault"):
        process = machine.start("luks-cmk", "attach", "--all", "--dry-run", "--crypttab", table)
        assert wait_for(lambda: helpers(process))
        everyone = below(process, "luks-cmk") + helpers(process)
        os.kill(min(below(process, "luks-cmk") or [process.pid]), signal.SIGTERM)
        process.communicate(timeout=20)
        assert process.returncode == -signal.SIGTERM
        assert wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in everyone))
    assert failed(machine) == []


def test_all_asks_for_the_identity_one_by_one(machine, enrolled):
    """Four customers need four sign-ins, and each its own assertion: never two at a time."""
    machine.configure(provider=True)
    images = [enrolled, *(machine.enrolled_image(machine.new_customer()) for _ in range(3))]
    machine.configure()
    table = crypttab(machine, *(f"disk{i} {image} none" for i, image in enumerate(images)))
    machine.forget()
    mark = machine.lab.mark()
    with machine.lab.fault("delay", service="metadata", seconds=0.4):
        done = machine.tool("attach", "--all", "--dry-run", "--crypttab", table)
    assert done.out.count("would open") == 4
    times = sorted(entry["time"] for entry in machine.lab.log(mark) if entry["service"] == "metadata")
    assert len(times) == 4
    assert all(after - before >= 0.4 for before, after in zip(times, times[1:])), times


@pytest.mark.slow
def test_all_is_fair(machine):
    """
    Of eight customers with eight volumes each, the vault of the first hangs, the second's throttles, the third's key is
    disabled; the other forty volumes are open about as soon as if nothing were wrong, and the rest is told apart.
    """
    machine.configure(provider=True)
    names = [machine.new_customer() for _ in range(8)]
    originals = {name: machine.enrolled_image(name) for name in names}
    machine.configure()
    lines = [f"{name}-{i} {originals[name] if i == 0 else machine.copy(originals[name])} none"
             for name in names for i in range(8)]
    table = crypttab(machine, *lines)

    def run_until_open(timeout):
        """Seconds until the volumes of the last five customers are open; and the end of it all."""
        machine.forget()
        began, seconds, left = time.monotonic(), None, 40
        process = machine.start("luks-cmk", "attach", "--all", "--dry-run", "--timeout", str(timeout), "--crypttab",
                                table)
        out = []
        for line in process.stdout:
            out.append(line.decode())
            if "would open" in out[-1] and out[-1].rsplit("-", 1)[0] in names[3:]:
                left -= 1
                seconds = seconds or (time.monotonic() - began if left == 0 else None)
        process.stderr.read()
        return seconds, process.wait(), "".join(out)

    hosts = [machine.ids["customers"][name]["key"].split("/")[2] for name in names]
    usual, status, out = run_until_open(120)
    assert status == 0 and usual, out
    machine.lab.key_disable(machine.ids["customers"][names[2]]["key"].split("/")[2].split(".")[0] + "/disk")
    with machine.lab.fault("blackhole", service="vault", host=hosts[0]):
        with machine.lab.fault("status", service="vault", host=hosts[1], status=429, headers={"Retry-After": "5"},
                               count=8):
            disturbed, status, out = run_until_open(int(4 * usual) + 10)
    assert disturbed and disturbed < 3 * usual + 1, (usual, disturbed)
    rows = {line.split()[0]: line for line in out[out.index("NAME "):].splitlines()[1:]}
    assert len(rows) == 64 and status == 4
    for i in range(8):
        assert re.search(r"unreachable \[(timeout|no-network|service-down)\] +" + re.escape(hosts[0]), rows[f"{names[0]}-{i}"])
        assert "would open" in rows[f"{names[1]}-{i}"], rows[f"{names[1]}-{i}"]
        assert "refused [key-disabled]" in rows[f"{names[2]}-{i}"]


def test_boot(machine, enrolled):
    """Twenty volumes: one metadata and one sign-in request for all, one unwrap for each."""
    count = 20
    images = [enrolled] + [machine.copy(enrolled) for _ in range(count - 1)]
    table = crypttab(machine, *(f"disk{i} {image} none luks,noauto" for i, image in enumerate(images)))
    mark = machine.lab.mark()
    done = boot(machine, table)
    assert done.status == 0 and not done.err, done
    assert posts(machine, mark) == {"metadata": 1, "entra": 1, "vault": count}
    lines = done.out.splitlines()
    for i in range(count):
        asking = lines.index(f"luks-cmk: asking contoso.vault.azure.net for the key of disk{i} (up to 60 s)")
        assert lines.index(f"luks-cmk: disk{i} would open") > asking
    assert len(lines) == 2 * count


def test_boot_outcomes(machine, enrolled):
    """Each volume has its own outcome; the exit status is that of the first failure in the table."""
    other = machine.enrolled_image("fabrikam")
    table = crypttab(machine, f"one {enrolled} none", f"two {other} none")
    machine.lab.key_disable("fabrikam/disk")
    done = boot(machine, table)
    assert done.status == 3 and "luks-cmk: one would open\n" in done.out, done
    assert done.error.code == "key-disabled" and done.error.text.startswith("two: ")
    assert machine.why(other) == ["key-disabled"] and machine.why(enrolled) == []
    mark = machine.lab.mark()
    assert boot(machine, table, "--untried").out.count("would open") == 1
    assert posts(machine, mark)["vault"] == 1


def test_boot_says_five_failures(machine, enrolled):
    """A machine with many volumes of one customer who said no: the console stays readable, and why tells all."""
    images = [machine.copy(enrolled) for _ in range(7)]
    table = crypttab(machine, *(f"disk{i} {image} none" for i, image in enumerate(images)))
    machine.lab.key_disable("contoso/disk")
    done = boot(machine, table)
    assert done.status == 3 and [error.code for error in done.errors] == ["key-disabled"] * 5, done
    assert all(machine.why(image) == ["key-disabled"] for image in images)


@pytest.mark.parametrize("kernel, words, status", [
    ("luks-cmk=off", (), 0), ("rd.luks-cmk=0", (), 0), ("", ("--background",), 4),
    ("luks-cmk.timeout=5", ("--background",), 4)])
def test_boot_does_nothing(machine, enrolled, kernel, words, status):
    mark = machine.lab.mark()
    done = boot(machine, crypttab(machine, f"root {enrolled} none"), *words, kernel=kernel)
    assert done.status == status and not done.err and "root" not in done.out, done
    assert posts(machine, mark) == {}


@pytest.mark.parametrize("kernel, words", [
    ("luks-cmk.timeout=2", ()), ("luks-cmk.timeout=60", ("--timeout", "2")), ("", ("--timeout", "2"))])
def test_boot_is_bounded(machine, enrolled, kernel, words):
    """The vault answers nothing: the helper gives up in time, says so, and leaves a record."""
    table = crypttab(machine, f"root {enrolled} none")
    with machine.lab.fault("blackhole", service="vault"):
        done = boot(machine, table, *words, kernel=kernel)
    assert done.status == 4 and done.error.text.startswith("root: "), done
    assert 1 < done.seconds < 4 * SLOWNESS
    assert machine.why(enrolled) == [done.error.code]


def test_boot_wrong_parameter(machine, enrolled):
    table = crypttab(machine, f"root {enrolled} none")
    done = boot(machine, table, kernel="luks-cmk.timeout=soon luks-cmk=0")
    assert done.status == 0 and "luks-cmk=0 means nothing" in done.err, done
    assert "root would open" in done.out


def test_boot_two_tokens_share_the_time(machine):
    """The first customer's vault hangs; the second's opens the volume within the bound."""
    image = machine.image_of_two()
    table = crypttab(machine, f"root {image} none")
    with machine.lab.fault("blackhole", service="vault", host="contoso.vault.azure.net"):
        done = boot(machine, table, "--timeout", "6")
    assert done.status == 0 and "root would open" in done.out, done
    assert 2 < done.seconds < 7 * SLOWNESS
    assert len(machine.why(image)) == 1


def test_nobody_listens(machine, enrolled):
    """Whoever reads what it says goes away at the first word: what was begun is ended nevertheless."""
    other = machine.enrolled_image("fabrikam")
    machine.lab.key_disable("fabrikam/disk")
    table = crypttab(machine, f"one {enrolled} none", f"two {other} none")
    with machine.lab.fault("delay", service="vault", host="fabrikam.vault.azure.net", seconds=3):
        machine.run("sh", "-c", f"luks-cmk attach --all --dry-run --crypttab {table} | true")
    assert machine.why(other) == ["key-disabled"]


def test_nobody_reads_the_errors(machine, enrolled):
    """The last of them is written in vain: the table is printed all the same."""
    other = machine.enrolled_image("fabrikam")
    machine.lab.key_disable("fabrikam/disk")
    table = crypttab(machine, f"one {enrolled} none", f"two {other} none")
    with machine.lab.fault("delay", service="vault", host="fabrikam.vault.azure.net", seconds=3):
        done = machine.run("sh", "-c", f"exec 3>&1; luks-cmk attach --all --dry-run --crypttab {table} 2>&1 >&3 | true")
    assert "[key-disabled]" in done.out, done


def test_boot_takes_what_comes_while_others_are_opened(machine, enrolled):
    """After it has been told to be missing."""
    late = machine.path("late")
    table = crypttab(machine, f"hung {enrolled} none", f"late {late} none")
    other = machine.enrolled_image("fabrikam")
    with machine.lab.fault("blackhole", service="vault", host="contoso.vault.azure.net"):
        process = start_boot(machine, table, "--wait", "1", "--timeout", "60")
        assert process.stderr.readline().startswith(b"Note: late has not appeared")
        os.rename(machine.copy(other), late)
        assert any(line == b"luks-cmk: late would open\n" for line in process.stdout)
        os.kill(min(below(process, "luks-cmk")), signal.SIGTERM)
        process.communicate(timeout=30)


def test_boot_waits_for_a_device(machine, enrolled):
    late = machine.path("late")
    table = crypttab(machine, f"root {late} none", f"data {enrolled} none")
    process = start_boot(machine, table, "--wait", "20")
    time.sleep(2)
    os.rename(machine.copy(enrolled), late)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0 and not err
    assert out.decode().splitlines()[-1] == "luks-cmk: root would open"


def test_boot_missing_device(machine):
    table = crypttab(machine, "root /dev/nonexistent none")
    done = boot(machine, table, "--wait", "1")
    assert done.status == 0 and "root has not appeared" in done.err and done.seconds < 4 * SLOWNESS


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_boot_signal_ends_the_children(machine, enrolled, number):
    table = crypttab(machine, *(f"disk{i} {machine.copy(enrolled)} none" for i in range(3)))
    with machine.lab.fault("blackhole", service="vault"):
        process = start_boot(machine, table, "--timeout", "60")
        assert wait_for(lambda: len(helpers(process)) == 3)
        everyone = below(process, "luks-cmk") + helpers(process)
        assert len(everyone) == 7
        # The first is everyone's parent: a child has its number after it.
        os.kill(min(below(process, "luks-cmk")), number)
        process.communicate(timeout=20)
        assert process.returncode == -number
        assert wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in everyone))
    assert failed(machine) == []


def test_boot_ends_who_is_late(machine, enrolled):
    """A helper that hangs where its own watchdog does not reach it."""
    table = crypttab(machine, f"root {enrolled} none")
    began = time.monotonic()
    with machine.lab.fault("blackhole", service="vault"):
        process = start_boot(machine, table, "--timeout", "2")
        assert wait_for(lambda: helpers(process))
        helper, = helpers(process)
        os.kill(helper, signal.SIGSTOP)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 4 and b"would open" not in out
    assert err.startswith(b"luks-cmk: root: ") and b"[timeout]" in err
    assert time.monotonic() - began < 10 * SLOWNESS
    assert machine.why(enrolled) == ["timeout"] and not os.path.exists(f"/proc/{helper}")


def test_boot_a_child_dies(machine, enrolled):
    table = crypttab(machine, f"root {enrolled} none")
    with machine.lab.fault("blackhole", service="vault"):
        process = start_boot(machine, table, "--timeout", "20")
        assert wait_for(lambda: helpers(process))
        helper, = helpers(process)
        os.kill(max(below(process, "luks-cmk")), signal.SIGKILL)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 1 and b"ended early" in err and b"[system]" in err
    assert machine.why(enrolled) == ["system"] and not os.path.exists(f"/proc/{helper}")


def test_boot_one_of_several_dies(machine, enrolled):
    """A process that dies costs the volume that it is at, and none if it waits for its next."""
    other = machine.enrolled_image("fabrikam")
    late = machine.path("late")
    table = crypttab(machine, f"hung {enrolled} none", f"one {other} none", f"two {machine.copy(other)} none",
                     f"late {late} none")
    with machine.lab.fault("blackhole", service="vault", host="contoso.vault.azure.net"):
        process = start_boot(machine, table, "--wait", "60", "--timeout", "60")
        said = (line.decode() for line in process.stdout)
        opened = (line.split()[1] for line in said if "would open" in line)
        assert {next(opened), next(opened)} == {"one", "two"}
        assert wait_for(lambda: len(helpers(process)) == 1)
        _, *workers = sorted(below(process, "luks-cmk"))
        busy, = [pid for pid in workers if "luks-cmk-helper" in tree(pid).values()]
        assert len(workers) == 3
        for pid in set(workers) - {busy}:
            os.kill(pid, signal.SIGKILL)
        os.rename(machine.copy(other), late)
        assert next(opened) == "late"
        os.kill(busy, signal.SIGKILL)
        assert not list(opened)
        err = process.stderr.read().decode()
    assert process.wait(timeout=30) == 1
    assert err.count("\n") == 1 and err.startswith("luks-cmk: hung: ") and "ended early" in err, err


@pytest.mark.slow
def test_boot_for_ever(machine, enrolled):
    """
    In the background there is no end while the vault is away: why tells the reason meanwhile, and whoever
    types a passphrase does not wait for the plugin.
    """
    table = crypttab(machine, f"root {enrolled} none")
    machine.configure(network={"timeout": "forever"})
    with machine.lab.fault("status", service="vault", status=503):
        mark = machine.lab.mark()
        process = start_boot(machine, table, "--background")
        assert wait_for(lambda: machine.lab.requests(mark, "vault"))
        done = machine.opens_by_passphrase(enrolled)
        assert done.error.code == "state" and done.seconds < 5 * SLOWNESS
        assert wait_for(lambda: machine.why(enrolled) == ["service-down"], 60)
        assert process.poll() is None
    out, err = process.communicate(timeout=60 * SLOWNESS)
    assert process.returncode == 0 and b"root would open" in out
    assert err.decode().count("it is tried again and again") == 1
    assert machine.why(enrolled) == []
    machine.opens(enrolled)


def test_boot_for_ever_has_an_end_in_the_foreground(machine, enrolled):
    """The prompt is reached though the timeout is for ever."""
    table = crypttab(machine, f"root {enrolled} none")
    process = start_boot(machine, table, kernel="luks-cmk.timeout=forever")
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0 and not err and b"root would open" in out


def test_why_previous(machine, enrolled):
    """The journal is asked for the boot before, and shown as it is."""
    for words in (("--json",), (enrolled,)):
        machine.tool("why", "--previous", *words, status=2)
    fake = machine.write("journalctl", "#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    os.chmod(fake, 0o755)
    script = f"touch /usr/bin/journalctl && mount --bind {fake} /usr/bin/journalctl && luks-cmk why --previous"
    done = machine.run("unshare", "-m", "sh", "-c", script)
    assert done.status == 0 and "--boot=-1\n" in done.out and "--identifier=luks-cmk\n" in done.out, done
    pattern, = re.findall(r"--grep=(.*)", done.out)
    for line in ("root: x refused [key-disabled] (request 0b7e9a52-6d0c-4f6e-9a53-6f4c2e6d2f10)", "a [dns]"):
        assert re.search(pattern, line)
    assert not re.search(pattern, "asking contoso.vault.azure.net for the key of root (up to 60 s)")
