# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the initramfs's scripts read by themselves; that they boot is seen in the boot lab."""

import os
import subprocess

import pytest

PLACES = """
set -u
mkdir -p /lib/luks-cmk /run/luks-cmk
cp /usr/share/luks-cmk/initramfs/functions /usr/share/luks-cmk/initramfs/initramfs-tools/network /lib/luks-cmk/
. /lib/luks-cmk/functions
"""


@pytest.fixture(name="shell")
def fixture_shell(machine):
    """Runs lines of shell where the scripts' functions are; what they print."""
    def run(text, interpreter="sh"):
        done = machine.run(interpreter, "-c", PLACES + text)
        assert done.status == 0 and not done.err, done
        return done.out

    return run


@pytest.fixture(name="loop")
def fixture_loop(machine, volume):
    """(name, UUID) of a device whose volume has a label."""
    assert machine.cryptsetup("config", "--label", "my data", volume).status == 0
    path = subprocess.run(["losetup", "-f", "--show", volume], check=True, capture_output=True, text=True).stdout.strip()
    yield os.path.basename(path), machine.cryptsetup("luksUUID", volume).out.strip()
    subprocess.run(["losetup", "-d", path], check=True)


@pytest.mark.parametrize("conf, timeout", [
    ("[network]\ntimeout = 30\n", "30"), ("  [network] ; ours\n\ttimeout=forever\n", "forever"),
    ("[network]\ntimeout : 7 ; seconds", "7"), ("[network]\n#timeout = 30\n", "60"), ("[network]\ntimeout = soon\n", "60"),
    ("[network]\ntimeout = 99999\n", "60"),
    ("[network]\ntimeout = 86400\n", "86400"), ("[network]\ntimeout = 0\n", "60"), ("[network]\ntimeout = 100000\n", "60"), ("[network]\nproxy = http://p\n[identity]\ntimeout = 5\n", "60"),
    ("[network]\r\ntimeout = 30\r\n", "30"), ("timeout = 5\n[network]\n", "60"), ("[network]\ntimeout = 5\n[x]\n[network]\ntimeout = 6\n", "6"), ("", "60"), (None, "60")])
def test_timeout(machine, shell, conf, timeout):
    """As the helper reads it; what that refuses is bounded as if it were not there."""
    path = machine.path("absent") if conf is None else machine.write("luks-cmk.conf", conf)
    assert shell(f"timeout= luks_cmk_conf={path}; luks_cmk_timeout; echo $timeout") == timeout + "\n"
    assert shell(f"timeout=9 luks_cmk_conf={path}; luks_cmk_timeout; echo $timeout") == "9\n"


@pytest.mark.parametrize("interpreter", ["dash", "bash"])  # busybox's shift is bash's
@pytest.mark.parametrize("word, read", [
    ("", "||"), ("dhcp", "||dhcp"), ("off", "||off"), (":::::eth1:dhcp", "|eth1|dhcp"), ("10.0.0.2::10.0.0.1:255.0.0.0", "10.0.0.2||"),
    ("10.0.0.2:", "10.0.0.2||"), ("10.0.0.2::10.0.0.1:255.0.0.0:host:eth0:none:10.0.0.3", "10.0.0.2|eth0|none")])
def test_ip(shell, interpreter, word, read):
    """With parts left out at its end, too."""
    text = f"network_words() {{ echo '{word}'; }}\nnetwork_read_ip; echo \"$ip_address|$ip_device|$ip_method\""
    assert shell(text, interpreter) == read + "\n"


@pytest.mark.parametrize("words, timeout, off", [
    ("root=/dev/vda ro", "30", ""), ("luks-cmk.timeout=9", "9", ""), ("luks-cmk.timeout=forever quiet", "forever", ""),
    ("luks-cmk.timeout=20000", "20000", ""), ("luks-cmk.timeout=soon", "30", ""), ("luks-cmk.timeout=", "30", ""),
    ("luks-cmk.timeout=9 luks-cmk.timeout=soon", "9", ""), ("quiet -- luks-cmk.timeout=9 luks-cmk=off", "30", ""),
    ("rd.luks-cmk=0", "30", "1"), ("luks-cmk=off luks-cmk=on", "30", ""), ("luks-cmk=on * luks-cmk=off", "30", "1")])
def test_kernel_parameters(machine, shell, words, timeout, off):
    """As luks-cmk attach --boot reads them: a value that means nothing changes nothing."""
    line = machine.write("cmdline", words + "\n")
    conf = machine.write("luks-cmk.conf", "[network]\ntimeout = 30\n")
    text = f"luks_cmk_cmdline={line} luks_cmk_conf={conf}; luks_cmk_parameters; luks_cmk_timeout; echo $timeout,$off"
    assert shell(text) == f"{timeout},{off}\n"


# Of network_configure() and what it calls: two cards, and a client that gets an address on the second; the other stays.
CARDS = """
PATH=/run/luks-cmk/bin:$PATH
mkdir -p /run/luks-cmk/bin
network_devices() { echo eth0 eth1; }
network_has_carrier() { :; }
ip() { :; }
cat >/run/luks-cmk/bin/ipconfig <<'END'
#!/bin/sh
echo $$ >>/run/luks-cmk/clients
case "$*" in
*eth1) [ ! -e /run/luks-cmk/answers ] || exec cp /run/luks-cmk/answers /run/net-eth1.conf ;;
esac
exec sleep 60
END
chmod +x /run/luks-cmk/bin/ipconfig
rm -f /run/luks-cmk/clients /run/luks-cmk/answers /run/net-*.conf
clients() { while read -r process; do [ ! -e /proc/$process ] || echo $process; done </run/luks-cmk/clients; }
# Until they are gone, or for ten seconds.
await_none() { for _ in $(seq 100); do [ -n "$(clients)" ] || return 0; sleep 0.1; done; echo left: $(clients); }
network_read_ip
"""


@pytest.mark.parametrize("interpreter", ["dash", "bash"])
def test_clients_end_with_the_first_answer(shell, interpreter):
    """Else the slower card would be configured when the system has started."""
    text = ("echo DEVICE=eth1 >/run/luks-cmk/answers\nnetwork_configure $(($(network_now) + 30)) && echo up\n"
            "await_none; rm /run/net-eth1.conf")
    assert shell(CARDS + text, interpreter) == "up\n"


@pytest.mark.parametrize("wanted, ours", [("", True), ("ip=dhcp", False), ("rd.neednet=1", False), ("vlan=vlan7:eth0", True)])
def test_dracut_network_down(shell, wanted, ours):
    """What somebody else wants is not for us to take down: the root may be reached by it."""
    said = shell(f"""
. /usr/share/luks-cmk/initramfs/dracut/network
mkdir -p /run/systemd/netif/links
network_words() {{ case '{wanted}' in "$1="*) echo '{wanted}' | sed 's/[^=]*=//' ;; esac; }}
getargbool() {{ [ '{wanted}' = "$2=1" ]; }}
network_cards() {{ echo eth0; }}
systemctl() {{ echo systemctl "$@"; }}
ip() {{ echo ip "$@"; }}
rm() {{ :; }}
network_down""")
    assert ("ip link set eth0 down" in said) == ours and ("stop systemd-networkd" in said) == ours
    assert ("ip link del vlan7" in said) == wanted.startswith("vlan")


def test_name_servers(machine, shell):
    """Of ipconfig's note only what is an address."""
    note = machine.write("net-eth0.conf", "DEVICE='eth0'\nIPV4ADDR='10.0.0.4'\nIPV4DNS0='168.63.129.16'\nIPV4DNS1='0.0.0.0'\n"
                         "IPV4DNS1=10.0.0.1\nIPV4DNS0=''\nIPV4DNS0='1.2.3.4; rm'\nIPV4DNS2='10.0.0.2'\n")
    assert shell(f"network_noted {note}") == "nameserver 168.63.129.16\nnameserver 10.0.0.1\n"


@pytest.mark.parametrize("source, there", [
    ("UUID={}", True), ("/dev/{device}", True), (r"/dev/\0{octal}", True),
    ("UUID=00000000-0000-4000-8000-000000000000", False), ("/dev/nothing", False), ("LABEL=nothing", False),
    (r"LABEL=my\040data", True), (r'LABEL="my\040data"', True), ("PARTLABEL=", False), ("nonsense", False)])
def test_devices(machine, shell, loop, source, there):
    """However crypttab names them: what is taken for absent would be hidden from cryptroot."""
    name, uuid = loop
    path = machine.write("source", source.format(uuid, device=name, octal=f"{ord(name[0]):o}{name[1:]}"))
    assert shell(f'! luks_cmk_device "$(cat {path})" || echo there') == ("there\n" if there else "")


def test_device_as_it_stands(machine, shell):
    path = machine.write(r"a\040disk", "")
    assert shell(f"luks_cmk_device '{path}' && ! luks_cmk_device '{path}s'") == ""


def test_late_disks_are_hidden(machine, shell):
    """From cryptroot, until they have come; and a table that nobody has looked at stays as it is."""
    lines = ["root UUID=1 none luks,initramfs", r"my\040data UUID=2 none luks", "swap /dev/vdb none swap"]
    table, theirs = machine.write("crypttab", "\n".join(lines) + "\n"), machine.path("theirs")
    late = machine.path("run")
    head = f"luks_cmk_table={table} cryptroot_table={theirs} luks_cmk_run={late}; echo as it was >{theirs}; "
    assert shell(f"{head} luks_cmk_hide_late; cat {theirs}") == "as it was\n"
    os.makedirs(os.path.join(late, "late"))
    for name in ("root", r"my\040data"):
        machine.write(os.path.join(late, "late", name), "")
    assert shell(f"{head} luks_cmk_hide_late; cat {theirs}") == lines[2] + "\n"
    os.unlink(os.path.join(late, "late", "root"))
    assert shell(f"{head} luks_cmk_hide_late; cat {theirs}") == lines[0] + "\n" + lines[2] + "\n"


def test_late_disk_is_asked_for_beside(machine, shell):
    """timeout = forever: cryptroot, of which the prompt will be ended, asks for a disk that has come since."""
    table = machine.write("crypttab", "root UUID=1 none luks,initramfs\nlater UUID=2 none luks\n")
    theirs = machine.write("theirs", "")
    late = machine.path("run-forever")
    os.makedirs(os.path.join(late, "late"))
    machine.write(os.path.join(late, "late", "later"), "")
    script = machine.write("cryptroot", f"#!/bin/sh\necho $CRYPTROOT_STAGE; cat {theirs}\n")
    os.chmod(script, 0o755)
    said = shell(f"luks_cmk_table={table} cryptroot_table={theirs} luks_cmk_run={late} cryptroot_script={script}\n"
                 "network_up() { :; }\nluks_cmk_open() { :; }\n"
                 "luks_cmk_go_on local-block 2>/dev/null; wait")
    assert said == "local-block\nroot UUID=1 none luks,initramfs\n"


@pytest.mark.parametrize("interpreter", ["dash", "bash"])
@pytest.mark.parametrize("reached", ["", "network_up() { :; }"])
def test_nobody_goes_on_in_the_system(machine, shell, reached, interpreter):
    """timeout = forever: neither who asks for a network, nor who asks the vault."""
    table = machine.write("crypttab", "root UUID=1 none luks,initramfs\n")
    tool = machine.write("tool", "#!/bin/sh\necho $$ >>/run/luks-cmk/clients\nexec sleep 60\n")
    os.chmod(tool, 0o755)
    text = (f"luks_cmk_table={table} luks_cmk_tool={tool} cryptroot_script=/bin/true\n"
            "network_is_up() { false; }\nmodprobe() { :; }\n" + reached + """
luks_cmk_go_on local-top 2>/dev/null
luks_cmk_go_on local-top 2>/dev/null
for _ in $(seq 100); do [ ! -e /run/luks-cmk/clients ] || [ "$(clients | wc -l)" -lt 2 ] || break; sleep 0.1; done
[ "$(clients | wc -l)" -ge 2 ] && echo asking
luks_cmk_end
await_none
""")
    assert shell(CARDS + text, interpreter) == "asking\n"


# dracut's module with what it needs of dracut, as far as it looks for volumes: one that is enrolled on each device, and "open"
# is what the kernel's command line names.
MODULE = """
set -u
. /usr/lib/dracut/modules.d/91luks-cmk/module-setup.sh
declare -A host_fs_types=([/dev/host]=crypto_LUKS [/dev/plain]=ext4)
initdir=/run/luks-cmk/initdir
mkdir -p $initdir/etc
has_token() { :; }
root_volumes() { echo /dev/host; }
blkid() { false; }
on_command_line() { [ "$1" = "$named" ]; }
dwarn() { echo "$*"; }
hostonly=yes
"""


@pytest.mark.parametrize("end", ["", "\n"])
@pytest.mark.parametrize("options, found", [
    ("luks", ""), ("luks,x-initrd.attach", "/dev/data"), ("force", "/dev/data"), ("luks,enforced", "")])
def test_dracut_volumes(machine, options, found, end):
    """Of crypttab, though its last line lacks a newline: dracut itself reads that, too."""
    with open(machine.inside("/etc/crypttab"), "w", encoding="ascii") as file:
        file.write(f"# none\nroot /dev/host none luks\ndata /dev/data none {options}{end}")
    try:
        done = machine.run("bash", "-c", MODULE + "volumes")
    finally:
        os.unlink(machine.inside("/etc/crypttab"))
    assert done.status == 0 and not done.err and done.out.split() == ["/dev/host", *found.split()], done


# The hook of initramfs-tools, with little of that around it: there is all that it copies but $missing.
HOOK = """
cp /usr/share/initramfs-tools/hooks/luks-cmk /run/hook
mkdir -p /usr/share/initramfs-tools /lib/cryptsetup /etc/initramfs-tools
mount -t tmpfs tmpfs /usr/share/initramfs-tools
mount -t tmpfs tmpfs /etc/initramfs-tools
mount -t tmpfs tmpfs /lib/cryptsetup
echo LUKS_CMK=y >/etc/initramfs-tools/luks-cmk.conf
cat >/usr/share/initramfs-tools/hook-functions <<'END'
copy_exec() { [ "$1" != "$missing" ]; }
copy_libgcc() { :; }
copy_file() { mkdir -p "$DESTDIR${2%/*}" && cp "$2" "$DESTDIR$2"; }
manual_add_modules() { :; }
END
cat >/lib/cryptsetup/functions <<'END'
_resolve_device_spec() { echo "$1"; }
crypttab_foreach_entry() { CRYPTTAB_NAME=root CRYPTTAB_SOURCE=/dev/null; "$1"; }
END
export missing DESTDIR=/run/image
rm -rf $DESTDIR
mkdir -p $DESTDIR/cryptroot $DESTDIR/bin $DESTDIR/sbin $DESTDIR/lib $DESTDIR/scripts
echo root /dev/null none luks >$DESTDIR/cryptroot/crypttab
for file in $there; do cp /bin/true $DESTDIR/$file; done
sh /run/hook
"""


@pytest.mark.parametrize("missing, there, hint", [
    ("", "", None), ("/usr/lib/klibc/bin/ipconfig", "", "install klibc-utils"),
    ("/usr/lib/klibc/bin/ipconfig", "bin/ipconfig", None), ("/usr/lib/klibc/bin/ipconfig", "sbin/dhcpcd", "install klibc-utils"),
    ("/sbin/ip", "", "install iproute2")])
def test_hook_fails_loudly(machine, missing, there, hint):
    """No image without what brings the network up, and a word of what it is."""
    machine.configure()
    done = machine.run("unshare", "-m", "sh", "-c", f"missing='{missing}' there='{there}'\n" + HOOK)
    assert (done.status == 0) == (hint is None), done
    assert hint is None or (done.err.startswith("E: luks-cmk: ") and done.err.endswith(hint + "\n")), done


@pytest.mark.parametrize("hostonly, named, hint", [
    ("yes", "", "name it in /etc/crypttab"), ("yes", "/dev/host", None),
    ("", "", "name it by rd.luks.name= on the kernel's command line"), ("", "/dev/host", None)])
def test_dracut_warns_of_a_forgotten_root(machine, hostonly, named, hint):
    """An image for any machine has no crypttab, and Debian's dracut makes these."""
    done = machine.run("bash", "-c", MODULE + f"hostonly={hostonly} named={named}; warn_forgotten")
    assert done.status == 0 and not done.err, done
    assert (done.out == "") == (hint is None) and (hint or "") in done.out
    assert hint is None or done.out.startswith("luks-cmk: /dev/host is enrolled, and the image does not open it: ")


def test_dracut_fails_loudly(machine):
    text = MODULE + """
inst() { :; }
inst_libdir_file() { :; }
inst_multiple() { false; }
dfatal() { echo "$*"; }
add_programs
echo made
"""
    done = machine.run("bash", "-c", text)
    assert done.status == 1 and done.out == "luks-cmk: a program that the boot needs is missing, see above\n", done


# Of dracut's boot only what all its verbs begin with; the first is overtaken by another just before its table is complete.
BOOT = r"""
cp /usr/share/luks-cmk/initramfs/dracut/boot /lib/luks-cmk/
mkdir -p /run/systemd/generator /run/first /run/second
cat >'/run/systemd/generator/systemd-cryptsetup@my\x2droot.service' <<'END'
[Service]
ExecStart=/lib/systemd/systemd-cryptsetup attach 'my-root' '/dev/disk/by-label/100%%\\x20of it' 'none' 'discard,x-initrd.attach'
ExecStop=/lib/systemd/systemd-cryptsetup detach 'my-root'
END
cat >'/run/systemd/generator/systemd-cryptsetup@data.service' <<'END'
ExecStart=/usr/bin/systemd-cryptsetup attach 'data' '/dev/vdb' '-' ''
END
cat >/run/first/mv <<'END'
#!/bin/sh
PATH=/run/second:$PATH /lib/luks-cmk/boot none &
until [ -e /run/second/begun ]; do sleep 0.1; done
exec /bin/mv "$@"
END
cat >/run/second/cat <<'END'
#!/bin/sh
: >/run/second/begun
sleep 2
END
printf '#!/bin/sh\n' >/run/second/mv
chmod +x /run/first/mv /run/second/*
rm -f /run/second/begun /run/luks-cmk/crypttab
PATH=/run/first:$PATH /lib/luks-cmk/boot none
cat /run/luks-cmk/crypttab
wait
"""


def test_dracut_table(shell):
    """Of systemd's units, and never half of it, though two write it at once."""
    assert sorted(shell(BOOT).splitlines()) == [
        "data /dev/vdb none luks", r"my-root /dev/disk/by-label/100%\x20of it none discard,x-initrd.attach"]


# As before, with one volume, of which the disk has come late; and the tool says how it was called.
LATE = r"""
sed -i 's|^luks_cmk_tool=.*|luks_cmk_tool=/run/tool|' /lib/luks-cmk/functions
sed 's|>/dev/console||' /usr/share/luks-cmk/initramfs/dracut/boot >/lib/luks-cmk/boot
printf '#!/bin/sh\necho "$*"\n' >/run/tool
mkdir -p /run/systemd/system /run/systemd/generator /run/systemd/ask-password /run/luks-cmk/late
rm -f /run/systemd/generator/* /run/systemd/ask-password/*
echo "ExecStart=/usr/bin/systemd-cryptsetup attach 'late' '/dev/null' '-' ''" >/run/systemd/generator/systemd-cryptsetup@late.service
: >/run/luks-cmk/late/late
chmod +x /run/tool /lib/luks-cmk/boot
"""


@pytest.mark.parametrize("question, console", [("ask.x1", True), ("sck.x1", False), ("", False)])
def test_dracut_late_disk_leaves_the_keys(shell, question, console):
    """To who asks for another volume's passphrase already: each of two would get some of them."""
    said = shell(LATE + (f": >/run/systemd/ask-password/{question}\n" if question else "") + "/lib/luks-cmk/boot late 2>&1\n"
                 "rmdir /run/systemd/system")
    assert said.startswith("attach --boot --crypttab /run/luks-cmk/crypttab --timeout 60 "), said
    assert (" --console /dev/null " in said) == console and " --untried" in said
