# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where each cloud's services are: the real names, or loopback names with ports."""

from dataclasses import dataclass


@dataclass
class CloudNames:
    name: str
    authority: str
    vault_suffix: str
    hsm_suffix: str
    audience: str
    sts: str
    metadata: str = "169.254.169.254"
    authority_aliases: tuple = ()

    def suffix(self, kind):
        return self.hsm_suffix if kind == "hsm" else self.vault_suffix

    def resource(self, kind):
        """What a token for such a vault is asked for; also its aud."""
        return "https://" + self.suffix(kind)


def production():
    """The three clouds of Microsoft, by their public names; and one that nobody has built in."""
    return [
        CloudNames("AzurePublic", "login.microsoftonline.com", "vault.azure.net",
                   "managedhsm.azure.net", "api://AzureADTokenExchange", "https://sts.windows.net/",
                   authority_aliases=("login.windows.net", "login.microsoft.com", "sts.windows.net")),
        CloudNames("AzureUSGovernment", "login.microsoftonline.us", "vault.usgovcloudapi.net",
                   "managedhsm.usgovcloudapi.net", "api://AzureADTokenExchangeUSGov",
                   "https://sts.windows.net/", authority_aliases=("login.usgovcloudapi.net",)),
        CloudNames("AzureChina", "login.partner.microsoftonline.cn", "vault.azure.cn",
                   "managedhsm.azure.cn", "api://AzureADTokenExchangeChina",
                   "https://sts.chinacloudapi.cn/", authority_aliases=("login.chinacloudapi.cn",)),
        CloudNames("AirGapped", "login.cloud.example", "vault.cloud.example", "managedhsm.cloud.example",
                   "api://CloudExampleTokenExchange", "https://sts.cloud.example/"),
    ]


def loopback(https_port, http_port):
    """One cloud called "lab" on 127.0.0.1; *.localhost needs no resolver."""
    return [CloudNames("lab", f"login.localhost:{https_port}", f"vault.localhost:{https_port}",
                       f"managedhsm.localhost:{https_port}", "api://AzureADTokenExchange",
                       "https://sts.windows.net/", metadata=f"127.0.0.1:{http_port}")]


def bare(host):
    """A host without its port, in lower case."""
    return host.rsplit(":", 1)[0].lower() if ":" in host else host.lower()


def find_service(clouds, host):
    """("entra"|"vault"|"hsm", cloud, name of the vault) for a host name, or (None, None, None)."""
    host = bare(host)
    for cloud in clouds:
        if host in (bare(cloud.authority), *cloud.authority_aliases):
            return "entra", cloud, None
        for kind in ("vault", "hsm"):
            name, _, rest = host.partition(".")
            if rest == bare(cloud.suffix(kind)):
                return kind, cloud, name
    return None, None, None
