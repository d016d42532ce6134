# SPDX-License-Identifier: LGPL-2.1-or-later
"""
The network of the machines: a bridge with Azure's addresses, a DHCP server, a resolver. It is in a
namespace of its own and leads nowhere else.
"""

import os
import subprocess

CLOUD, METADATA, RESOLVER = "10.77.0.1", "169.254.169.254", "168.63.129.16"
BRIDGE = "br0"
# As Azure sends them: routes to everything, to the resolver and to the metadata service.
ROUTES = f"0.0.0.0/0,{CLOUD},{RESOLVER}/32,{CLOUD},{METADATA}/32,{CLOUD}"
# Nobody has this address.
NOBODY = "10.77.0.99"


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def make(state):
    """Bridge and servers; they end with the namespace."""
    ip("link", "set", "lo", "up")
    ip("link", "add", BRIDGE, "type", "bridge", "forward_delay", "0")
    ip("link", "set", BRIDGE, "up")
    for address in (f"{CLOUD}/24", f"{METADATA}/32", f"{RESOLVER}/32"):
        ip("addr", "add", address, "dev", BRIDGE)
    return subprocess.Popen(
        ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--user=root", "--no-resolv", "--no-hosts",
         "--bind-interfaces", f"--interface={BRIDGE}", "--except-interface=lo", "--dhcp-authoritative",
         "--no-ping", "--dhcp-range=10.77.0.100,10.77.0.199,1h", "--local=/#/",
         f"--dhcp-leasefile={os.path.join(state, 'leases')}", f"--pid-file={os.path.join(state, 'dnsmasq.pid')}",
         f"--address=/microsoftonline.com/{CLOUD}", f"--address=/vault.azure.net/{CLOUD}",
         f"--dhcp-option=option:router,{CLOUD}", f"--dhcp-option=option:classless-static-route,{ROUTES}",
         f"--dhcp-option=tag:!deaf,option:dns-server,{RESOLVER}",
         # Cards whose address ends in 0d are told a resolver that is not there.
         "--dhcp-mac=set:deaf,52:54:00:*:*:0d", f"--dhcp-option=tag:deaf,option:dns-server,{NOBODY}",
         "--log-dhcp", "--log-queries", f"--log-facility={os.path.join(state, 'dnsmasq.log')}"],
        stdin=subprocess.DEVNULL)


def tap(name, bridged):
    """A cable for a machine; one that is not bridged ends in the air: nobody answers."""
    subprocess.run(["ip", "link", "del", name], stderr=subprocess.DEVNULL, check=False)
    ip("tuntap", "add", name, "mode", "tap")
    if bridged:
        ip("link", "set", name, "master", BRIDGE)
    ip("link", "set", name, "up")
