# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Disks that appear: udev's rule and its probe, what is remembered, and the units. No kernel without device-mapper can
go further than to the unit that would be started; the boot lab does.
"""

import os
import re
import subprocess

import luks2
import pytest
from machine import SANITIZED

PROBE = "/usr/libexec/luks-cmk-udev"
GENERATOR = "/usr/lib/systemd/system-generators/luks-cmk-generator"
UNIT = "/usr/lib/systemd/system/luks-cmk-attach@.service"
# udev makes links below /dev: in one of its own.
UDEV_TEST = ('mount -t tmpfs dev /mnt && cp -a /dev/null "/dev/$1" /mnt/ && mount --bind /mnt /dev && '
             'exec udevadm test --action="$2" "/sys/block/$1"')


@pytest.fixture(name="attach_loop")
def fixture_attach_loop(machine):
    """attach_loop(image): the name of a loop device for it."""
    names = []

    def attach_loop(image):
        done = subprocess.run(["losetup", "--find", "--show", image], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"no loop device here: {done.stderr.strip()}")
        names.append(os.path.basename(done.stdout.strip()))
        return names[-1]

    yield attach_loop
    for name in names:
        subprocess.run(["losetup", "--detach", f"/dev/{name}"], check=True)
    for name in names:
        udev_forget(machine, name)


def udev_forget(machine, name):
    with open(f"/sys/block/{name}/dev", encoding="ascii") as file:
        path = machine.inside(f"/run/udev/data/b{file.read().strip()}")
    if os.path.exists(path):
        os.unlink(path)


def udev(machine, name, action):
    """What an event makes of a device: its properties. udev's other rules are this system's."""
    done = machine.run("unshare", "--mount", "sh", "-c", UDEV_TEST, "sh", name, action)
    assert done.status == 0, done
    return dict(line.split("=", 1) for line in done.out.splitlines() if "=" in line)


def uuid_of(machine, image):
    return machine.cryptsetup("luksUUID", image).out.strip()


def remember(machine, image, line):
    """A volume in volumes.d; line has UUID where its own goes."""
    folder = os.path.join(machine.conf, "volumes.d")
    os.makedirs(folder, exist_ok=True)
    uuid = uuid_of(machine, image)
    with open(os.path.join(folder, uuid + ".conf"), "w", encoding="utf-8") as file:
        file.write(line.replace("UUID", f"UUID={uuid}") + "\n")


def remembered(machine):
    """{file name: its text} of volumes.d."""
    folder = os.path.join(machine.conf, "volumes.d")
    found = {}
    for name in os.listdir(folder) if os.path.isdir(folder) else []:
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            found[name] = file.read()
    return found


def probe(machine, image, *words, table=""):
    """The properties that the probe prints, {} if it has nothing to say."""
    crypttab = machine.write("crypttab", table)
    done = machine.run(PROBE, f"--crypttab={crypttab}", *words, image)
    assert done.status in (0, 1) and not done.err and (done.status == 0) == bool(done.out), done
    return dict(line.split("=", 1) for line in done.out.splitlines())


def test_a_foreign_disk_is_left_alone(machine, enrolled):
    """Other rules see whose it is; nothing opens it, and nobody is asked."""
    mark = machine.lab.mark()
    assert probe(machine, enrolled, "--first") == {"LUKS_CMK": "1", "LUKS_CMK_CUSTOMER": "contoso"}
    assert machine.lab.log(mark) == []


def test_what_is_not_enrolled_is_passed_over(machine, volume):
    for image in (volume, machine.image(), "/dev/null", "/nonexistent"):
        assert probe(machine, image, "--first") == {}


def test_remembered(machine, enrolled):
    ours = {"LUKS_CMK": "1", "LUKS_CMK_CUSTOMER": "contoso"}
    remember(machine, enrolled, "my-data UUID none luks")
    unit = {"LUKS_CMK_NAME": "my-data", "LUKS_CMK_UNIT": "luks-cmk-attach@my\\x2ddata.service"}
    assert probe(machine, enrolled, "--first") == {**ours, **unit}
    # A disk that has been there: it may get its link, but does not open.
    assert probe(machine, enrolled) == {**ours, "LUKS_CMK_NAME": "my-data"}
    assert probe(machine, enrolled, "--name=other") == ours
    remember(machine, enrolled, "my-data UUID none luks,noauto")
    assert probe(machine, enrolled, "--first") == ours
    remember(machine, enrolled, "a+b UUID none luks")
    assert probe(machine, enrolled, "--first") == ours


@pytest.mark.parametrize("source, options, opens", [
    ("UUID={uuid}", "luks,_netdev,nofail", True), ("UUID={UUID}", "luks", True), ("{image}", "luks", True),
    ("PARTUUID=0A-1", "luks", True), ("PARTLABEL=data", "luks", True), ("/dev/disk/by-id/x", "luks", True),
    ("UUID={uuid}", "luks,noauto", False), ("UUID={uuid}", "swap", False), ("UUID={uuid}", "header=/h", False)])
def test_crypttab(machine, enrolled, source, options, opens):
    """Whatever crypttab calls it by, systemd's own unit opens it; noauto is heeded, also where all others open."""
    machine.configure(attach={"hotplug": "all"})
    uuid = uuid_of(machine, enrolled)
    table = f"my-data {source.format(uuid=uuid, UUID=uuid.upper(), image=enrolled)} none {options}\n"
    links = "--links=disk/by-partuuid/0a-1 disk/by-partlabel/data disk/by-id/x"
    found = probe(machine, enrolled, "--first", links, table=table)
    assert found.pop("LUKS_CMK_UNIT", "") == ("systemd-cryptsetup@my\\x2ddata.service" if opens else "")
    assert set(found) == {"LUKS_CMK", "LUKS_CMK_CUSTOMER"}


@pytest.mark.parametrize("source", ["UUID=00000000-0000-0000-0000-000000000000", "LABEL=", "PARTLABEL=dat",
                                    "PARTLABEL=Data", "/dev/disk/by-id/X", "/dev/disk/by-id/xx", "/dev/sdz",
                                    "PARTUUID=", "disk/by-id/x"])
def test_crypttab_of_another(machine, enrolled, source):
    links = "--links=disk/by-partuuid/0a-1 disk/by-partlabel/data disk/by-id/x"
    found = probe(machine, enrolled, "--first", links, table=f"data {source} none luks\n")
    assert set(found) == {"LUKS_CMK", "LUKS_CMK_CUSTOMER"}


@pytest.mark.parametrize("hotplug, known, foreign", [("known", True, False), ("all", True, True), ("off", False, False)])
def test_setting(machine, enrolled, hotplug, known, foreign):
    other = machine.copy(enrolled)
    machine.configure(attach={"hotplug": hotplug})
    remember(machine, enrolled, "data UUID none luks")
    assert ("LUKS_CMK_UNIT" in probe(machine, enrolled, "--first")) == known
    found = probe(machine, other, "--first")
    assert ("LUKS_CMK_UNIT" in found) == foreign
    assert found.get("LUKS_CMK_NAME") == (f"luks-{uuid_of(machine, other)}" if foreign else None)


def test_a_wrong_configuration_opens_nothing(machine, enrolled):
    remember(machine, enrolled, "data UUID none luks")
    machine.configure(attach={"hotplug": "sometimes"})
    assert set(probe(machine, enrolled, "--first")) == {"LUKS_CMK", "LUKS_CMK_CUSTOMER"}


def test_a_hostile_header(machine, enrolled):
    """A name cannot become a second property, nor a UUID a path."""
    machine.configure(attach={"hotplug": "all"})
    text = luks2.read_text(enrolled)
    luks2.write_text(enrolled, text.replace(b'"contoso"', b'"a\\nLUKS_CMK_UNIT=x"'))
    assert probe(machine, enrolled, "--first") == {}
    luks2.write_text(enrolled, text, uuid="../../../../tmp/x")
    assert set(probe(machine, enrolled, "--first")) == {"LUKS_CMK", "LUKS_CMK_CUSTOMER"}


@pytest.mark.skipif(SANITIZED, reason="LeakSanitizer does not work under strace, and brings libraries")
def test_the_probe_is_light(machine, enrolled):
    """Loading libcryptsetup and libcrypto would take longer than all that it does; and it opens no socket."""
    done = machine.run("ldd", PROBE)
    names = set(re.findall(r"^\s*(?:/\S*/)?([a-z-]+)[.\w]*\.so", done.out, re.M))
    assert {"libc", "libinih"} <= names <= {"libc", "libinih", "ld-linux-x86-64", "linux-vdso", "ld-linux-aarch64"}, done
    remember(machine, enrolled, "data UUID none luks")
    trace = machine.path("trace")
    done = machine.run(PROBE, "--first", enrolled, wrap=("strace", "-f", "-o", trace, "-e", "trace=socket,execve"))
    assert "LUKS_CMK_UNIT" in done.out, done
    with open(trace, encoding="utf-8") as file:
        calls = file.read()
    assert calls.count("execve(") == 1 and "socket(" not in calls, calls


def test_rule(machine, enrolled, attach_loop):
    """A disk opens when it appears, and at no later event; its link stays as long as it does."""
    name = attach_loop(enrolled)
    remember(machine, enrolled, "my-data UUID none luks")
    unit = "luks-cmk-attach@my\\x2ddata.service"
    mark = machine.lab.mark()
    for action, wants in (("add", True), ("change", False), ("change", False), ("add", True)):
        found = udev(machine, name, action)
        assert found["LUKS_CMK"] == "1" and found["LUKS_CMK_CUSTOMER"] == "contoso", found
        assert (found.get("SYSTEMD_WANTS") == unit) == wants, (action, found)
        assert "/dev/luks-cmk/my-data" in found["DEVLINKS"].split() and ":systemd:" in found["TAGS"]
    machine.cryptsetup("token", "remove", "--token-id", "0", enrolled)
    found = udev(machine, name, "change")
    assert "LUKS_CMK" not in found and "/dev/luks-cmk/my-data" in found["DEVLINKS"].split()
    assert machine.lab.log(mark) == []


def test_rule_enrolled_while_it_is_there(machine, volume, attach_loop):
    """udev knows at once, and opens nothing under the hands of whoever is at work."""
    name = attach_loop(volume)
    assert "LUKS_CMK" not in udev(machine, name, "add")
    machine.configure(provider=True)
    machine.enroll(f"/dev/{name}", "contoso", "--name", "data")
    found = udev(machine, name, "change")
    assert found["LUKS_CMK_CUSTOMER"] == "contoso" and "SYSTEMD_WANTS" not in found
    assert found["LUKS_CMK_NAME"] == "data"
    assert udev(machine, name, "add")["SYSTEMD_WANTS"] == "luks-cmk-attach@data.service"


def test_enroll_remembers(machine, volume, attach_loop):
    """A block device, once, until its last token goes; not an image file, and not if that is not wanted."""
    machine.configure(provider=True)
    uuid = uuid_of(machine, volume)
    device = f"/dev/{attach_loop(volume)}"
    assert "opens" not in machine.enroll(volume, "contoso").out and remembered(machine) == {}
    machine.tool("enroll", device, "--customer", "contoso", "--no-remember")
    assert remembered(machine) == {}
    done = machine.tool("enroll", device, "--customer", "contoso")
    assert f"opens as luks-{uuid} when its disk appears" in done.out
    assert remembered(machine) == {f"{uuid}.conf": f"luks-{uuid} UUID={uuid} none luks,_netdev,nofail\n"}
    assert f"rm /etc/luks-cmk/volumes.d/{uuid}.conf\n" in done.out
    done = machine.tool("enroll", device, "--customer", "contoso")
    assert "opens as" not in done.out and not done.err, done
    done = machine.tool("enroll", device, "--customer", "contoso", "--name", "other")
    assert "opens as" not in done.out and f"remembered as luks-{uuid} already" in done.err, done
    assert "does not open by itself" in machine.tool("remove", device).out
    assert remembered(machine) == {}


def test_a_file_without_a_line_is_a_wish(machine, volume, attach_loop):
    """Heeded where nothing is said, and named where it is in the way."""
    machine.configure(provider=True)
    uuid = uuid_of(machine, volume)
    device = f"/dev/{attach_loop(volume)}"
    os.mkdir(os.path.join(machine.conf, "volumes.d"))
    path = os.path.join(machine.conf, f"volumes.d/{uuid}.conf")
    with open(path, "w", encoding="ascii"):
        pass
    done = machine.enroll(device, "contoso")
    assert "opens" not in done.out and not done.err, done
    done = machine.enroll(device, "contoso", "--name", "data")
    assert (f"Note: the volume is enrolled, but will not open by itself as data: /etc/luks-cmk/volumes.d/{uuid}.conf has no line "
            "for the volume; remove that file first.\n") == done.err and "opens" not in done.out, done
    os.unlink(path)
    assert "opens as data" in machine.enroll(device, "contoso", "--name", "data").out


def test_format_remembers(machine, attach_loop):
    machine.configure(provider=True)
    machine.add_customer("contoso")
    device = f"/dev/{attach_loop(machine.image(32 << 20))}"
    done = machine.tool("format", device, "--customer", "contoso", "--batch-mode", "--name", "data")
    assert "It opens as data" in done.out
    assert [text.split()[0] for text in remembered(machine).values()] == ["data"]


def test_enroll_does_not_need_to_remember(machine, volume, attach_loop):
    """The volume is enrolled, whatever else is in the way."""
    machine.configure(provider=True)
    with open(os.path.join(machine.conf, "volumes.d"), "w", encoding="ascii"):
        pass
    done = machine.enroll(f"/dev/{attach_loop(volume)}", "contoso")
    assert "will not open by itself" in done.err and machine.opens(volume)


def test_in_crypttab_is_not_remembered(machine, volume, attach_loop):
    """Nor is another volume by a name that crypttab has."""
    machine.configure(provider=True)
    other = f"/dev/{attach_loop(machine.copy(volume))}"
    with open(machine.inside("/etc/crypttab"), "w", encoding="ascii") as file:
        file.write(f"data UUID={uuid_of(machine, volume)} none luks\n")
    try:
        machine.enroll(f"/dev/{attach_loop(volume)}", "contoso")
        assert remembered(machine) == {}
        done = machine.enroll(other, "contoso", "--name", "data")
        assert "data is another volume's name in /etc/crypttab" in done.err and remembered(machine) == {}, done
    finally:
        os.unlink(machine.inside("/etc/crypttab"))


def test_a_wrong_file_does_not_keep_others_back(machine, enrolled, attach_loop):
    device = f"/dev/{attach_loop(enrolled)}"
    remember(machine, enrolled, "data UUID none luks")
    os.mkdir(os.path.join(machine.conf, "volumes.d/wrong.conf"))
    said = "Note: /etc/luks-cmk/volumes.d/wrong.conf cannot be read: Is a directory; it is left out.\n"
    done = machine.tool("attach", "--all", "--dry-run")
    assert "data would open\n" in done.out and done.err == said, done
    done = machine.tool("list", device)
    assert "volumes.d" in done.out and done.err == said, done
    assert probe(machine, enrolled, "--first")["LUKS_CMK_NAME"] == "data"


def test_a_line_with_a_nul_byte_does_not_keep_others_back(machine, enrolled, attach_loop):
    """Such as a crash leaves in a file; whoever reads the table says so."""
    device = f"/dev/{attach_loop(enrolled)}"
    remember(machine, enrolled, "other UUID none luks")
    table = machine.inside("/etc/crypttab")
    said = "Note: line 2 of {} is not NAME DEVICE [KEY [OPTIONS]], or holds a NUL byte; it is left out.\n"
    with open(table, "wb") as file:
        file.write(f"# name device\nx /dev/null\0\ndata {device} none luks\n".encode())
    try:
        for words, part in ((("list", device), "crypttab"), (("attach", "--all", "--dry-run"), "data would open\n")):
            done = machine.tool(*words)
            assert part in done.out and done.err == said.format("/etc/crypttab"), done
    finally:
        os.unlink(table)
    remembered_file = os.path.join(machine.conf, "volumes.d", os.listdir(os.path.join(machine.conf, "volumes.d"))[0])
    with open(remembered_file, "ab") as file:
        file.write(b"\0\0\0\0")
    done = machine.tool("attach", "--all", "--dry-run")
    assert "other would open\n" in done.out and "line 2 of /etc/luks-cmk/volumes.d" in done.err, done


def test_list_says_who_knows_it(machine, enrolled, attach_loop):
    device = f"/dev/{attach_loop(enrolled)}"

    def known_by():
        assert re.search(r"KNOWN BY +OPEN AS$", machine.tool("list", device).out.splitlines()[0])
        volume, = machine.tool("list", device, "--json").json["volumes"]
        assert volume["open_as"] == ""
        return volume["known_by"]

    assert known_by() == ""
    remember(machine, enrolled, "data UUID none luks")
    assert known_by() == "volumes.d"
    with open(machine.inside("/etc/crypttab"), "w", encoding="ascii") as file:
        file.write(f"data {device} none luks\n")
    try:
        assert known_by() == "crypttab"
    finally:
        os.unlink(machine.inside("/etc/crypttab"))


def test_attach_by_what_is_remembered(machine, enrolled, attach_loop):
    remember(machine, enrolled, "data UUID none luks,discard")
    device = f"/dev/{attach_loop(enrolled)}"
    assert machine.tool("attach", "--dry-run", device).out == "data would open\n"
    assert machine.tool("attach", "--dry-run", device, "mine").out == "mine would open\n"
    for words in (("--dry-run", "--remember", device), ("--all", "--remember")):
        machine.tool("attach", *words, status=2)


@pytest.mark.parametrize("hotplug", ["known", "all", "off"])
def test_attach_all(machine, enrolled, attach_loop, hotplug):
    """What is remembered besides crypttab, under the name that it has; where all open, also what nobody knows."""
    second, third, fourth = (machine.copy(enrolled) for _ in range(3))
    devices = [f"/dev/{attach_loop(image)}" for image in (enrolled, second, third, fourth)]
    for image, line in ((enrolled, "first UUID none"), (second, "second UUID none luks,discard"),
                        (third, "third UUID none luks,noauto")):
        remember(machine, image, line)
    machine.configure(attach={"hotplug": hotplug})
    crypttab = machine.write("crypttab", f"mine {devices[0]} none luks\n")
    # Where all open, so do other volumes of the machine that runs this, if it has any.
    done = machine.run("luks-cmk", "attach", "--all", "--dry-run", "--crypttab", crypttab)
    assert done.status == 0 or hotplug == "all", done
    found = {line.split()[0] for line in done.out.splitlines()}
    foreign = {f"luks-{uuid_of(machine, fourth)}"} if hotplug == "all" else set()
    assert found & ({"mine", "first", "second", "third"} | foreign) == {"mine", "second"} | foreign, done


@pytest.mark.skipif(SANITIZED, reason="LeakSanitizer does not work under strace")
def test_attach_all_looks_once_for_all_that_is_missing(machine, enrolled, attach_loop):
    """A scan of the disks for crypttab, and one for volumes.d: not one for each volume that is not there."""
    attach_loop(enrolled)
    lines = [f"gone{i} UUID=00000000-0000-4000-8000-{i:012} none luks\n" for i in range(40)]
    table = machine.write("crypttab", "".join(lines[:20]) + f"data UUID={uuid_of(machine, enrolled)} none luks\n")
    os.mkdir(os.path.join(machine.conf, "volumes.d"))
    with open(os.path.join(machine.conf, "volumes.d", "gone.conf"), "w", encoding="utf-8") as file:
        file.write("".join(lines[20:]))
    trace = machine.path("trace")
    done = machine.tool("attach", "--all", "--dry-run", "--crypttab", table,
                        wrap=("strace", "-f", "-o", trace, "-e", "trace=open,openat"))
    assert "data would open\n" in done.out and done.err.count(" has not appeared: ") == 40, done
    with open(trace, encoding="utf-8") as file:
        assert file.read().count('"/sys/class/block') == 2


def test_detach(machine, enrolled):
    for words, out in ((("data",), "data is not open: nothing to do\n"),
                       ((enrolled,), f"{enrolled} is not open: nothing to do\n"),
                       (("UUID=" + uuid_of(machine, enrolled),), "is not open: nothing to do\n"),
                       (("--all",), "No enrolled volume is open.\n")):
        done = machine.tool("detach", *words)
        assert done.out.endswith(out) and not done.err, done
    for words in ((), ("--all", "data"), ("a", "b")):
        machine.tool("detach", *words, status=2)
    machine.tool("detach", "/nonexistent/image", status=0)


# A mapping as sysfs tells it, of a disk that root alone reads: there is no device-mapper here.
MAPPING = """
mount -t tmpfs sys /sys/block && mount -t tmpfs disks /dev/shm
mkdir -p '/sys/block/dm-0/slaves/shm!disk' /sys/block/dm-0/dm
echo data >/sys/block/dm-0/dm/name
echo "CRYPT-LUKS2-$(cryptsetup luksUUID "$1" | tr -d -)-data" >/sys/block/dm-0/dm/uuid
install -m 600 "$1" /dev/shm/disk
shift
exec setpriv --reuid=65534 --regid=65534 --clear-groups luks-cmk detach "$@"
"""


@pytest.mark.parametrize("word", ["data", "--all"])
def test_detach_without_root(machine, enrolled, word):
    """Whether it is enrolled cannot be known then, and is not made up."""
    done = machine.run("unshare", "-m", "sh", "-c", MAPPING, "sh", enrolled, word)
    assert done.status == 1 and done.out == "" and done.error.code == "device", done
    assert "/dev/shm/disk, which data is on, cannot be read; run as root" in done.error.text


@pytest.mark.parametrize("device", ["LABEL=", "UUID="])
def test_an_empty_name_is_no_volume(machine, enrolled, attach_loop, device):
    """Not the one that has no label."""
    attach_loop(enrolled)
    done = machine.run("luks-cmk", "status", device)
    assert done.status == 1 and f"no LUKS2 volume of this machine has {device}" in done.err, done


def test_wrong_names(machine, volume):
    machine.configure(provider=True)
    machine.add_customer("contoso")
    for words in (("--name", "a/b"), ("--name", ""), ("--name", "x" * 128), ("--name", "a", "--no-remember")):
        machine.tool("enroll", volume, "--customer", "contoso", *words, status=2)
        machine.tool("format", volume, "--customer", "contoso", *words, status=2)


def test_generator(machine):
    """What has _netdev in crypttab comes after the network; nothing else is touched."""
    table = machine.write("crypttab", "# one\ndata /dev/x none luks,_netdev,nofail\nroot /dev/y none luks\n"
                                      "my-data /dev/z none _netdev\n")
    out = machine.path("generated")
    os.makedirs(out, exist_ok=True)
    done = machine.run(GENERATOR, out, out, out, table)
    assert done.status == 0 and not done.out and not done.err, done
    found = sorted(os.path.relpath(os.path.join(folder, name), out)
                   for folder, _, names in os.walk(out) for name in names)
    assert found == ["systemd-cryptsetup@data.service.d/50-luks-cmk.conf",
                     "systemd-cryptsetup@my\\x2ddata.service.d/50-luks-cmk.conf"]
    with open(os.path.join(out, found[0]), encoding="utf-8") as file:
        assert "After=network-online.target\n" in file.read()
    assert machine.run(GENERATOR, "/nonexistent", out, out, table).status == 1
    assert machine.run(GENERATOR).status == 2


def test_unit(machine):
    """systemd understands every line of it."""
    done = machine.run("systemd-analyze", "verify", "--man=no", "--recursive-errors=no",
                       UNIT.replace("@", "@data"))
    assert done.status == 0 and not done.err, done
