# SPDX-License-Identifier: LGPL-2.1-or-later
"""Vaults, HSMs, keys, and who may use them."""

import re

from . import AzError

ALL = "get,list,create,rotate,update,delete"
# Of vaults, by Azure's own access control; of an HSM, by the HSM's.
ROLES = {"Key Vault Crypto Service Encryption User": "get,wrap,unwrap", "Key Vault Crypto Officer": ALL}
HSM_ROLES = {"Managed HSM Crypto Service Encryption User": "get,wrap,unwrap", "Managed HSM Crypto User": ALL}
TYPES = ("User", "Group", "ServicePrincipal")
SCOPE = re.compile(r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.KeyVault/vaults/"
                   r"(?P<vault>[^/]+)(?:/keys/(?P<key>[^/]+))?\Z", re.I)


def _is(text):
    if str(text).lower() not in ("true", "false"):
        raise AzError(f"invalid value: {text}", 2)
    return str(text).lower() == "true"


def _vault(az, vault):
    """The lab does not keep in which group a vault is; the first one will do for an id."""
    name = vault["host"].partition(".")[0]
    group = next(iter(az.tenant()["groups"]), "none")
    return {"id": f"/subscriptions/{az.tenant()['tenant_id']}/resourceGroups/{group}"
                  f"/providers/Microsoft.KeyVault/vaults/{name}",
            "location": vault["region"], "name": name,
            "properties": {"enablePurgeProtection": vault["purge_protection"] or None,
                           "enableRbacAuthorization": vault["mode"] == "rbac",
                           "tenantId": az.tenant()["tenant_id"], "vaultUri": vault["url"] + "/"}}


def vault_create(az, name, resource_group, location=None, sku="standard", enable_rbac_authorization="true",
                 enable_purge_protection="false", retention_days="90"):
    if sku not in ("standard", "premium") or not 7 <= int(retention_days) <= 90:
        raise AzError("invalid sku or retention", 2)
    region = location or az.group(resource_group)
    az.group(resource_group)
    az.lab.vault_create(name, az.tenant()["name"], mode="rbac" if _is(enable_rbac_authorization) else "policy",
                        region=region)
    az.world = az.lab.show()
    return vault_update(az, name, enable_purge_protection) if _is(enable_purge_protection) else vault_show(az, name)


def vault_show(az, name):
    return _vault(az, az.store(name, "vault"))


def vault_update(az, name, enable_purge_protection):
    return _protect(az, az.store(name, "vault"), enable_purge_protection)


def hsm_update(az, hsm_name, enable_purge_protection):
    return _protect(az, az.store(hsm_name, "hsm"), enable_purge_protection)


def _protect(az, store, on):
    if not _is(on):
        raise AzError('The property "enablePurgeProtection" cannot be set to false.')
    az.lab.vault_protect(store["host"])
    return _vault(az, {**store, "purge_protection": True})


def _key(az, store, name):
    if name not in store["keys"]:
        raise AzError(f"(KeyNotFound) A key with (name/id) {name} was not found in this key vault.", 3)
    shown = az.lab.key_show(f"{store['host']}/{name}")
    return {"attributes": {"enabled": shown["enabled"], "created": shown["created"]},
            "key": {"keyOps": shown["ops"], "kid": shown["kid"], "kty": shown["kty"]}, "tags": None}


def key_show(az, name=None, vault_name=None, hsm_name=None, id=None):
    if id:
        vault_name, hsm_name, name, _ = _parts(id)
    store = az.key_store(vault_name, hsm_name)
    az.allowed(store, "get")
    return _key(az, store, name)


def key_create(az, name, vault_name=None, hsm_name=None, kty="RSA", size="2048", ops=None):
    store = az.key_store(vault_name, hsm_name)
    az.allowed(store, "create")
    az.lab.key_create(f"{store['host']}/{name}", int(size), kty, ops)
    az.world = az.lab.show()
    return _key(az, az.key_store(vault_name, hsm_name), name)


def key_versions(az, name, vault_name=None, hsm_name=None):
    store = az.key_store(vault_name, hsm_name)
    az.allowed(store, "list")
    key = _key(az, store, name)
    base = key["key"]["kid"].rpartition("/")[0]
    return [{"attributes": {"enabled": v["enabled"]}, "kid": f"{base}/{v['id']}", "name": name}
            for v in store["keys"][name]["versions"]]


def _parts(url):
    """(vault, HSM, key, version) of a key's URL."""
    match = re.fullmatch(r"https://([^./]+)\.([^/]+)/keys/([^/]+)(?:/([^/]+))?", url)
    if not match:
        raise AzError(f"{url} is no key's id", 2)
    name, suffix, key, version = match.groups()
    return (None, name, key, version) if suffix.startswith("managedhsm.") else (name, None, key, version)


def key_set_attributes(az, id, enabled):
    vault_name, hsm_name, name, version = _parts(id)
    store = az.key_store(vault_name, hsm_name)
    az.allowed(store, "update")
    path = f"{store['host']}/{name}" + (f"/{version}" if version else "")
    (az.lab.key_enable if _is(enabled) else az.lab.key_disable)(path)
    return _key(az, store, name)


def _assignee(az, object_id, kind):
    if kind not in TYPES:
        raise AzError(f"--assignee-principal-type: one of {', '.join(TYPES)}", 2)
    if not az.is_principal(object_id):
        raise AzError(f"(PrincipalNotFound) Principal {object_id} does not exist in the directory.")
    return object_id


def _scope(az, scope):
    match = SCOPE.match(scope)
    if not match:
        raise AzError(f"(MissingSubscription) the lab has no scope '{scope}'")
    return az.store(match["vault"], "vault"), match["key"]


def _grant(az, roles, role, place, who):
    if role not in roles:
        raise AzError(f"Role '{role}' doesn't exist.")
    store, key = place
    if store["mode"] == "rbac":
        az.lab.grant(store["host"], roles[role], key, who)
    return {"principalId": who, "roleDefinitionName": role}


def _take(az, roles, role, place, who):
    store, key = place
    held = [g for g in store["grants"] if (g["principal"], g["key"]) == (who, key) and g["actions"]]
    if role not in roles or not held:
        raise AzError("No matched assignments were found to delete")
    az.lab.revoke(store["host"], roles[role], key, who)


def role_create(az, role, assignee_object_id, assignee_principal_type, scope):
    return _grant(az, ROLES, role, _scope(az, scope), _assignee(az, assignee_object_id, assignee_principal_type))


def role_delete(az, role, assignee, scope):
    _take(az, ROLES, role, _scope(az, scope), assignee)


def _hsm_scope(az, hsm_name, scope):
    match = re.fullmatch(r"/(?:keys(?:/([^/]+))?)?", scope)
    if not match:
        raise AzError(f"Invalid scope '{scope}'")
    return az.store(hsm_name, "hsm"), match[1]


def hsm_role_create(az, hsm_name, role, scope, assignee_object_id, assignee_principal_type):
    return _grant(az, HSM_ROLES, role, _hsm_scope(az, hsm_name, scope),
                  _assignee(az, assignee_object_id, assignee_principal_type))


def hsm_role_delete(az, hsm_name, role, scope, assignee_object_id):
    _take(az, HSM_ROLES, role, _hsm_scope(az, hsm_name, scope), assignee_object_id)


KEY_COMMANDS = {
    "keyvault create": vault_create, "keyvault show": vault_show, "keyvault update": vault_update,
    "keyvault update-hsm": hsm_update, "keyvault key show": key_show, "keyvault key create": key_create,
    "keyvault key list-versions": key_versions, "keyvault key set-attributes": key_set_attributes,
    "role assignment create": role_create, "role assignment delete": role_delete,
    "keyvault role assignment create": hsm_role_create, "keyvault role assignment delete": hsm_role_delete,
}
