# SPDX-License-Identifier: LGPL-2.1-or-later
"""
The table: what is wrong with a machine, its network or its cloud, and what must come of it. A bound is
counted in seconds from where the initramfs looks for the root: how long the emulator takes to get there says
more about this machine than about the guest.
"""

from dataclasses import dataclass

from labcloud.util import named_guid

from .generator import ALL

PARAMETER = "luks-cmk.timeout=15"
FOREVER = "luks-cmk.timeout=forever"
LONG = "luks-cmk.timeout=300"  # nobody would wait for that
DOWN = {"kind": "status", "service": "vault", "status": 503}
GOOD = ["metadata", "entra", "vault"]
BOTH = ("initramfs-tools", "dracut")
INITRAMFS = ("initramfs-tools",)
DRACUT = ("dracut", "dracut-plain")
EVERY = tuple(ALL)
# network-legacy asks one card after the other, and holds up the boot until one has got an address.
BOUNDED = tuple(name for name in ALL if name != "dracut-legacy")
DEAF_LOGIN = {"kind": "blackhole", "service": "entra", "stage": "connect"}
AWAY = {"kind": "blackhole", "service": "vault", "stage": "connect"}


@dataclass
class Case:
    name: str
    about: str
    code: str = None  # of the error; None: the root opens unattended
    bound: int = 20  # until the system runs, or until the prompt
    # good, silent (no DHCP), deaf (a resolver that is not there), cut (no carrier), narrow (a resolver that knows the
    # proxy only), trunk (nothing but a tagged VLAN), six (no DHCP, but IPv6 routers)
    nics: tuple = ("good",)
    append: str = ""
    cloud: tuple = ()  # (verb, arguments...) of the lab, and what undoes it
    undo: tuple = ()
    fault: dict = None
    breaks: str = None  # a shell command before the initramfs's own init
    table: tuple = ()  # (name, UUID) of the volumes that the image opens, instead of its own table
    options: tuple = ()  # of the emulator
    disks: tuple = ("root",)
    mappings: tuple = ("root",)
    requests: list = None  # the services asked, in this order
    proxied: tuple = ()  # those asked through the proxy
    console: str = None  # a pattern that must be there
    comes_back: int = None  # the fault ends that many seconds after the prompt, and the root opens
    types: str = None  # something is typed before there is a prompt: a function of typing.py
    waits: int = 1  # seconds at the prompt before the passphrase is typed
    image: str = "initrd"  # which of the guest's
    root: str = "/dev/mapper/root"
    late: int = None  # the disk is plugged in that many seconds after the initramfs began to look for it
    spare: int = None  # the disks from this one on are plugged in later
    full_boot: bool = False  # systemd starts, too
    does: str = None  # what is done with the started system, and judged: a function of data.py
    times: int = 1  # that it is started and looked at
    keep: bool = False  # what is written to the disks is there when it starts again
    again: bool = False  # it starts once more, with the same disk and all well, and knows why it failed before
    check: str = None  # another kind of case: a method of Report
    releases: tuple = None
    generators: tuple = BOTH
    full: bool = False
    ci: bool = False  # one of the few that every run of all tests includes

    def holds(self, release, generator):
        return release in (self.releases or [release]) and generator in self.generators

    @property
    def plugs(self):
        """Index of the first disk that is not there at the start, or None."""
        return self.spare if self.late is None else 0

    def expects(self):
        if self.check or self.does:
            return self.about
        if self.types:
            return f"{self.about}, within {self.bound} s"
        if self.comes_back is not None:
            return f"{self.about}: the prompt within {self.bound} s, unattended when it is back"
        if self.code is None:
            return f"{self.about}: unattended within {self.bound} s"
        return f"{self.about}: [{self.code}], the prompt within {self.bound} s, the passphrase opens it"


ROOT_UUID = "c0ffee00-0000-4000-8000-000000000001"
DATA_UUID = "c0ffee00-0000-4000-8000-000000000002"
LVM_UUID = "c0ffee00-0000-4000-8000-000000000003"
STATIC = "ip=10.77.0.50::10.77.0.1:255.255.255.0:lab:%s:none:168.63.129.16"
# Of data disks that are put together.
PART_UUIDS = {f"part{number}": f"c0ffee00-0000-4000-8000-00000000010{number}" for number in range(1, 7)}
MIRROR_UUIDS = ("c0ffee00-0000-4000-8000-000000000004", "c0ffee00-0000-4000-8000-000000000005")
# The configuration names the lab's identity "other".
OTHER_IDENTITY = (r"sed -i '/^\[identity\]/,/^\[net/s/^client_id = .*/client_id = %s/' /etc/luks-cmk/luks-cmk.conf"
                  % named_guid("identity", "other"))
HELPER = "/usr/libexec/luks-cmk-helper"

CASES = [
    Case("dhcp", "a good machine", requests=GOOD, generators=EVERY, ci=True),
    Case("unchanged", "nothing enrolled leaves the image as it was, byte for byte", check="unchanged",
         generators=EVERY, ci=True),
    Case("loud", "no image is made when something needed is missing, and it says so", check="loud", ci=True),
    Case("warned", "an image with a configuration that is refused is made, with a warning", check="warned"),
    Case("size", "what we add to the image is at most 5 MB", check="size", ci=True),
    Case("static", "ip= with an address", append=STATIC % "eth0" + " net.ifnames=0", requests=GOOD,
         generators=EVERY),
    Case("static-no-device", "ip= with an address, and no device", append=STATIC % "", requests=GOOD, full=True),
    Case("static-short", "ip= with an address, and nothing behind its mask", requests=GOOD, generators=INITRAMFS, full=True,
         append="ip=10.77.0.50::10.77.0.1:255.255.255.0 nameserver=168.63.129.16"),
    Case("ip-dhcp", "ip=dhcp", append="ip=dhcp", requests=GOOD, full=True),
    Case("two-nics", "two cards, nobody answers on the first", nics=("silent", "good"), requests=GOOD,
         generators=BOUNDED),
    Case("two-nics-cut", "two cards, the first without a cable", nics=("cut", "good"), requests=GOOD),
    Case("two-disks", "two enrolled disks, one sign-in", disks=("root", "data"), mappings=("data", "root"),
         table=(("root", ROOT_UUID), ("data", DATA_UUID)), requests=["metadata", "entra", "vault", "vault"], ci=True),
    Case("lvm", "root on LVM on LUKS", disks=("lvm",), root="/dev/mapper/lab-root", mappings=("lab-root", "root"),
         table=(("root", LVM_UUID),), requests=GOOD),
    Case("btrfs", "one btrfs over two enrolled disks, as RAID 1", disks=("mirror0", "mirror1"),
         mappings=("mirror", "root"), table=(("root", MIRROR_UUIDS[0]), ("mirror", MIRROR_UUIDS[1])),
         requests=["metadata", "entra", "vault", "vault"]),
    Case("vlan", "vlan= on a trunk that drops what is not tagged", image="initrd-grub", nics=("trunk",),
         append="vlan=vlan7:eth0 net.ifnames=0", requests=GOOD, generators=BOUNDED),
    Case("proxy", "an HTTPS proxy with a private root is the only way to sign-in and vault", nics=("narrow",),
         breaks=r"sed -i '/^\[network\]/a proxy = https://proxy.lab:3128' /etc/luks-cmk/luks-cmk.conf",
         requests=GOOD, proxied=("entra", "vault")),
    Case("ipv6", "no DHCP, IPv6 routers that name a resolver", image="initrd-ipv6", nics=("six",), bound=40,
         requests=GOOD),
    Case("bond", "bond= of two cards, one without a cable", image="initrd-grub", nics=("cut", "good"),
         append="bond=bond0:eth0,eth1:mode=active-backup,miimon=100 net.ifnames=0", requests=GOOD),
    Case("off", "luks-cmk=off", append="luks-cmk=off", code="none", requests=[]),
    Case("key-disabled", "the customer disabled the key", code="key-disabled",
         cloud=("key_disable", "contoso/disk"), undo=("key_enable", "contoso/disk"), generators=EVERY, ci=True),
    Case("grant", "the customer took the role away", code="grant",
         cloud=("revoke", "contoso"), undo=("grant", "contoso")),
    Case("identity", "the identity is not attached to the machine", code="identity",
         cloud=("identity_detach",), undo=("identity_attach",)),
    Case("identity-wrong", "another identity is attached than the one that the application trusts", code="federation",
         cloud=("identity_create", "other", "provider"), breaks=OTHER_IDENTITY),
    Case("vault-503", "the vault is down", code="service-down", append=PARAMETER, bound=20,
         fault=DOWN, generators=EVERY),
    Case("login-black-hole", "the sign-in service never answers", code="timeout", append=PARAMETER, bound=20,
         fault=DEAF_LOGIN),
    Case("no-nic", "no network card", nics=(), code="no-network", requests=[], bound=15),
    Case("no-cable", "a card without a cable", nics=("cut",), code="no-network", append=PARAMETER, bound=20),
    Case("no-dhcp", "nobody answers DHCP", nics=("silent",), code="no-network", append=PARAMETER, bound=20,
         generators=BOUNDED, ci=True),
    Case("no-dhcp-default", "nobody answers DHCP, with the default bound", nics=("silent",),
         code="no-network", bound=65, full=True),
    Case("dns-dead", "the resolver is dead", nics=("deaf",), code="dns", append=PARAMETER, bound=20),
    Case("clock-2011", "the clock is fifteen years late", code="clock", append=PARAMETER, bound=20,
         options=("-rtc", "base=2011-01-01")),
    Case("helper-missing", "the helper is missing in the image", code="helper", breaks=f"rm {HELPER}"),
    Case("tool-missing", "the tool is missing in the image", code="helper", breaks="rm /usr/sbin/luks-cmk",
         console=r"luks-cmk is missing in this image"),
    Case("ca-missing", "the private roots are missing in the image", code="config",
         breaks="rm /etc/luks-cmk/lab-ca.pem"),
    Case("roots-missing", "no root is known that the servers' certificates come from", code="tls",
         append=PARAMETER, bound=20, breaks="sed -i /ca_file/d /etc/luks-cmk/luks-cmk.conf"),
    Case("forever", "the vault is away, timeout = forever", append=FOREVER, code="service-down", bound=26,
         comes_back=8, fault=DOWN, ci=True),
    Case("forever-network", "no network at first, timeout = forever", nics=("cut",), append=FOREVER,
         code="no-network", bound=26, comes_back=10),
    Case("forever-passphrase", "the same, and somebody types", append=FOREVER, code="service-down", bound=26,
         fault=DOWN),
    Case("away", "the vault is away for three minutes, timeout = forever", append=FOREVER, code="timeout", bound=26,
         comes_back=180, fault=AWAY, full=True),
    Case("away-passphrase", "the same, and somebody types after two", append=FOREVER, code="timeout", bound=26,
         waits=120, fault=AWAY, full=True),
    Case("typed", "the passphrase is typed while the sign-in service never answers: it opens the root", types="line",
         append=LONG, fault=DEAF_LOGIN, bound=60, ci=True),
    Case("typed-enter", "Enter, while the sign-in service never answers: the prompt", types="enter",
         append=LONG, fault=DEAF_LOGIN, bound=60),
    Case("typed-no-network", "the passphrase is typed while nobody answers DHCP: it opens the root", types="line",
         append=LONG, nics=("silent",), bound=60, requests=[]),
    Case("typed-forever", "the passphrase is typed early, timeout = forever", types="line", append=FOREVER,
         fault=AWAY, bound=60),
    Case("typed-half", "half of it is typed at the deadline: it is asked for again", types="half",
         append=PARAMETER, code="timeout", fault=DEAF_LOGIN, bound=60),
    Case("typed-slowly", "half of it is typed at the deadline, and then the rest: it opens the root", types="slowly",
         append=PARAMETER, code="timeout", fault=DEAF_LOGIN, bound=60),
    # Once the root is open, mdadm's script is run for each second since the kernel's start, which takes an emulator long.
    Case("late-disk", "the disk comes when cryptroot would wait for it", late=20, bound=90, requests=GOOD),
    Case("later-disk", "the disk comes when the initramfs has nearly given up on it", late=28, bound=90, requests=GOOD,
         full=True),
    Case("late-forever", "the disk comes late, and the vault is away, timeout = forever", late=20, append=FOREVER,
         code="service-down", bound=60, comes_back=8, fault=DOWN, generators=INITRAMFS, full=True),
    Case("late-unit", "the same, when only systemd-cryptsetup still waits for it", late=40, append=FOREVER,
         code="service-down", bound=80, comes_back=8, fault=DOWN, generators=("dracut", "dracut-nm"), full=True),
    Case("system", "and systemd starts", full_boot=True, requests=GOOD, ci=True),
    Case("system-why", "systemd starts, and knows why, also when it starts once more", full_boot=True, again=True, keep=True,
         code="key-disabled", cloud=("key_disable", "contoso/disk"), undo=("key_enable", "contoso/disk")),
    Case("forgotten", "update-initramfs warns when crypttab lacks the enrolled root", does="forgotten",
         generators=INITRAMFS, full=True),
    Case("dependent", "an image of MODULES=dep, made by the system that it starts", does="dependent",
         disks=("root", "data"), keep=True, generators=INITRAMFS, full=True),
    Case("no-crypttab", "crypttab lacks the root, which the kernel's command line names",
         append=f"rd.luks.uuid={ROOT_UUID}", root=f"/dev/mapper/luks-{ROOT_UUID}", breaks="rm /etc/crypttab",
         mappings=(f"luks-{ROOT_UUID}",), requests=GOOD, generators=DRACUT, full=True),
    Case("hotplug", "a data disk is plugged into a started system, unknown at first, and pulled out", does="hotplug",
         disks=("root", "data"), spare=1, bound=60, generators=INITRAMFS),
    Case("fstab", "a remembered data disk is there from the start, and mounted by fstab", does="fstab",
         disks=("root", "data"), keep=True, bound=60, generators=INITRAMFS),
    Case("crypttab", "a data disk of crypttab, opened by systemd with our plugin", does="crypttab",
         disks=("root", "data"), keep=True, bound=60, generators=INITRAMFS),
    Case("stacks", "LVM, md and btrfs, each over two data disks", does="stacks", disks=("root", *PART_UUIDS),
         keep=True, bound=60, generators=INITRAMFS),
    Case("stacks-ten", "the same ten times", does="stacks", disks=("root", *PART_UUIDS), times=10,
         keep=True, bound=60, generators=INITRAMFS, full=True),
]
