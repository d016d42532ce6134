# SPDX-License-Identifier: LGPL-2.1-or-later
"""
The network of the machines: a bridge with Azure's addresses, a DHCP server, a resolver. It is in a
namespace of its own and leads nowhere else.
"""

import os
import subprocess
import sys

from .trunk import Trunk

CLOUD, METADATA, RESOLVER = "10.77.0.1", "169.254.169.254", "168.63.129.16"
BRIDGE = "br0"
# As Azure sends them: routes to everything, to the resolver and to the metadata service.
ROUTES = f"0.0.0.0/0,{CLOUD},{RESOLVER}/32,{CLOUD},{METADATA}/32,{CLOUD}"
# Nobody has this address.
NOBODY = "10.77.0.99"
# Of a resolver that knows the proxy and nothing else.
NARROW, PROXY, PROXY_PORT = "10.77.0.2", "proxy.lab", 3128
# A network without DHCP, where routers tell about IPv6; the metadata service is in reach of link-local IPv4.
BRIDGE6, CLOUD6 = "br6", "fd77::1"
NAMES = ("microsoftonline.com", "vault.azure.net")
VLAN = 7
# Kinds of cards: the bridge that the cable leads to (nobody answers without one), how the card's address ends.
CARDS = {"good": (BRIDGE, "01"), "silent": (None, "01"), "cut": (BRIDGE, "01"), "deaf": (BRIDGE, "0d"),
         "narrow": (BRIDGE, "0e"), "trunk": (BRIDGE, "01"), "six": (BRIDGE6, "01")}


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def make(state):
    """Bridge and servers; they end with the namespace."""
    ip("link", "set", "lo", "up")
    ip("link", "add", BRIDGE, "type", "bridge", "forward_delay", "0")
    ip("link", "set", BRIDGE, "up")
    for address in (f"{CLOUD}/24", f"{METADATA}/32", f"{RESOLVER}/32"):
        ip("addr", "add", address, "dev", BRIDGE)
    # Not on the bridge, where the first of the resolvers takes every address.
    ip("addr", "add", f"{NARROW}/32", "dev", "lo")
    make_six()
    dnsmasq(state, "dnsmasq", f"--interface={BRIDGE}", "--except-interface=lo", *names(CLOUD),
            "--dhcp-authoritative", "--no-ping", "--dhcp-range=10.77.0.100,10.77.0.199,1h",
            f"--dhcp-leasefile={os.path.join(state, 'leases')}",
            f"--dhcp-option=option:router,{CLOUD}", f"--dhcp-option=option:classless-static-route,{ROUTES}",
            f"--dhcp-option=option:dns-server,{RESOLVER}",
            # Some cards are told a resolver that is not there, or the one that knows little.
            *special("deaf", NOBODY), *special("narrow", NARROW), "--log-dhcp")
    dnsmasq(state, "narrow", f"--listen-address={NARROW}", f"--address=/{PROXY}/{CLOUD}")
    # SLAAC, with the resolver in the router's word (RDNSS).
    dnsmasq(state, "six", f"--interface={BRIDGE6}", "--except-interface=lo", *names(CLOUD6), "--enable-ra",
            f"--dhcp-range={CLOUD6.removesuffix('1')},ra-only,64,1h")


def make_six():
    ip("link", "add", BRIDGE6, "type", "bridge", "forward_delay", "0")
    ip("link", "set", BRIDGE6, "up")
    ip("addr", "add", f"{CLOUD6}/64", "dev", BRIDGE6, "nodad")
    # The metadata service's address is the machine's, on whichever bridge it is asked for.
    ip("route", "add", "169.254.0.0/16", "dev", BRIDGE6)


def names(address):
    return [f"--address=/{name}/{address}" for name in NAMES]


def special(kind, resolver):
    return [f"--dhcp-mac=set:{kind},52:54:00:*:*:{CARDS[kind][1]}",
            f"--dhcp-option=tag:{kind},option:dns-server,{resolver}"]


def dnsmasq(state, name, *words):
    subprocess.Popen(
        ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--user=root", "--no-resolv", "--no-hosts",
         "--bind-interfaces", "--local=/#/", "--log-queries", f"--pid-file={os.path.join(state, name + '.pid')}",
         f"--log-facility={os.path.join(state, name + '.log')}", *words], stdin=subprocess.DEVNULL)


def proxy(state):
    """An HTTPS proxy, and nothing but the private roots says that it is what it claims to be."""
    log = open(os.path.join(state, "proxy.log"), "w", encoding="utf-8")  # noqa: SIM115
    subprocess.Popen([sys.executable, "-m", "bootlab.proxy", CLOUD, str(PROXY_PORT), state],
                     cwd=os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                     stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def cable(name, kind):
    """The emulator's -netdev but its id, and a descriptor that it inherits, or None."""
    bridge = CARDS[kind][0]
    subprocess.run(["ip", "link", "del", name], stderr=subprocess.DEVNULL, check=False)
    trunk = Trunk(name, VLAN) if kind == "trunk" else None
    if not trunk:
        ip("tuntap", "add", name, "mode", "tap")
    if bridge:
        ip("link", "set", name, "master", bridge)
    ip("link", "set", name, "up")
    if not trunk:
        return f"tap,ifname={name},script=no,downscript=no", None
    descriptor = trunk.guest.fileno()
    return f"dgram,local.type=fd,local.str={descriptor}", trunk
