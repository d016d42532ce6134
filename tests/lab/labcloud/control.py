# SPDX-License-Identifier: LGPL-2.1-or-later
"""The control interface: POST /VERB with {"args":[],"kwargs":{}}, and the verbs about the lab itself."""

import json
import os
import signal

from . import faults as fault_kinds
from .http1 import json_reply
from .metadata import resource_id
from .scenario import basic, customer, provider
from .util import LabError
from .verbs import VERBS, signature, verb


@verb
def provider_create(cloud, name, cloud_name: str = None):
    """another provider: tenant, application and identity NAME, and the trust between them"""
    return provider(cloud, cloud_name, name, name, name)


@verb
def customer_create(cloud, name, kind: str = "vault", size: int = 2048, cloud_name: str = None,
                    kty: str = "RSA", app: str = None):
    """tenant, consent, vault NAME with key "disk", and the grant, all at once"""
    return customer(cloud, name, kind, size, cloud_name, kty, app)


@verb
def scenario_basic(cloud, cloud_name: str = None):
    """provider, application, identity, federation; customers contoso and fabrikam"""
    return basic(cloud, cloud_name)


@verb
def fault_add(cloud, kind, service: str = None, host: str = None, path: str = None, method: str = None,
              stage: str = "request", count: int = None, status: int = None, headers: dict = None,
              body: str = None, seconds: float = None, location: str = None, bytes: int = None,
              chunked: bool = False, members: dict = None, value: str = None):
    """KIND is one of `labctl faults`; hits requests by SERVICE, HOST, PATH (regular expression), METHOD"""
    how = {name: value for name, value in locals().items() if name != "cloud"}
    return cloud.faults.add(**how).describe()


@verb
def fault_list(cloud):
    """the faults that are set, with their hits"""
    return [f.describe() for f in cloud.faults.list]


@verb
def fault_clear(cloud, fault_id: int = None):
    """one by its id, or all"""
    return {"cleared": cloud.faults.clear(fault_id)}


@verb
def faults(cloud):
    """the kinds of faults"""
    return fault_kinds.KINDS


@verb
def mark(cloud):
    """remembers this point of the log, for `log --since` and `count`"""
    return cloud.log.mark()


@verb
def log(cloud, since: dict = None):
    """the requests since a mark, or all"""
    return cloud.log.since(since)


@verb
def connections(cloud, since: dict = None):
    """the TCP connections since a mark, or all"""
    return cloud.log.connections_since(since)


@verb
def count(cloud, since: dict = None):
    """requests and connections by host since a mark, or all"""
    totals = {"requests": {}, "connections": {}}
    for entry in cloud.log.since(since):
        where = f"{entry['service']} {entry['method']} {entry['path']}"
        totals["requests"][where] = totals["requests"].get(where, 0) + 1
    for record in cloud.log.connections_since(since):
        host = record["host"] or record["service"] or "?"
        totals["connections"][host] = totals["connections"].get(host, 0) + 1
    return totals


@verb
def set(cloud, name, value: int):
    """access_token_seconds, assertion_seconds, clock_offset"""
    if name not in cloud.model.settings:
        raise LabError(f"no setting {name}; there are: {', '.join(cloud.model.settings)}")
    cloud.model.settings[name] = value


@verb
def listen(cloud, service, on: bool = True):
    """SERVICE metadata, https or arc: not listening means that connections are refused"""
    cloud.listen(service, on)


@verb
def names(cloud):
    """every host name that exists now"""
    return cloud.host_names()


@verb
def config(cloud, customers: bool = False):
    """luks-cmk.conf for a machine in this lab; with CUSTOMERS also the files of customers.d"""
    return cloud.customer_config() if customers else cloud.machine_config()


@verb
def show(cloud):
    """what exists"""
    model = cloud.model
    return {
        "info": cloud.info(),
        "tenants": [{"name": t.name, "tenant_id": t.id, "cloud": t.cloud.name, "groups": t.groups,
                     "principals": {model.app(a).name: vars(p) for a, p in t.principals.items()}}
                    for t in model.tenants.values()],
        "apps": [{"name": a.name, "client_id": a.client_id, "tenant": a.tenant.name,
                  "multi_tenant": a.multi_tenant, "federated": [vars(f) for f in a.federated]}
                 for a in model.apps.values()],
        "identities": [{"name": i.name, "client_id": i.client_id, "principal_id": i.principal_id,
                        "id": resource_id(i), "tenant": i.tenant.name,
                        "attached": i.attached} for i in model.identities.values()],
        "vaults": [{"url": f"https://{v.host}", "tenant": v.tenant.name, "kind": v.kind, "mode": v.mode,
                    "purge_protection": v.purge_protection, "region": v.region,
                    "firewall": v.firewall,
                    "grants": [{"principal": p, "key": k, "actions": sorted(a)}
                               for (p, k), a in v.grants.items()],
                    "keys": {n: {"deleted": k.deleted, "versions": [
                        {"id": x.id, "kty": x.kty, "enabled": x.enabled, "nbf": x.nbf, "exp": x.exp}
                        for x in k.versions]} for n, k in v.keys.items()}}
                   for v in model.vaults.values()]}


@verb
def verbs(cloud):
    """every verb with its parameters"""
    return describe()


@verb
def stop(cloud):
    """ends the lab"""
    os.kill(os.getpid(), signal.SIGTERM)


def describe():
    return {name: {"help": function.__doc__,
                   "parameters": [{"name": p.name, "required": p.default is p.empty,
                                   "type": getattr(p.annotation, "__name__", "str")
                                   if p.annotation is not p.empty else "str"}
                                  for p in signature(function)]}
            for name, function in sorted(VERBS.items())}


def _convert(function, args, kwargs):
    """Words from a command line become what the verb's annotations say."""
    parameters = {p.name: p for p in signature(function)}
    if len(args) > len(parameters):
        raise LabError(f"at most {len(parameters)} arguments: {', '.join(parameters)}")
    given = dict(zip(parameters, args))
    for name, value in kwargs.items():
        if name not in parameters or name in given:
            raise LabError(f"{name}: unknown, or given twice; there are: {', '.join(parameters)}")
        given[name] = value
    missing = [n for n, p in parameters.items() if p.default is p.empty and n not in given]
    if missing:
        raise LabError(f"{missing[0]} is missing")
    return {name: _as(parameters[name].annotation, value) for name, value in given.items()}


def _as(kind, value):
    if not isinstance(value, str):
        return value
    try:
        if kind is bool:
            return value.lower() in ("1", "yes", "true", "on", "")
        if kind is dict:
            return json.loads(value)
        return kind(value) if kind in (int, float) else value
    except ValueError:
        raise LabError(f"{value}: not a {kind.__name__}") from None


class Control:
    def __init__(self, cloud):
        self.cloud = cloud

    def handle(self, request):
        name = request.path.strip("/")
        try:
            if name not in VERBS:
                raise LabError(f"no verb {name}; see `labctl help`")
            asked = json.loads(request.body or b"{}")
            given = _convert(VERBS[name], asked.get("args", []), asked.get("kwargs", {}))
            with self.cloud.model.lock:
                result = VERBS[name](self.cloud, **given)
            return json_reply(200, {"result": result})
        except (LabError, ValueError, TypeError) as error:
            return json_reply(400, {"error": str(error)})
