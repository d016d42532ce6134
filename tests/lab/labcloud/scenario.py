# SPDX-License-Identifier: LGPL-2.1-or-later
"""Ready-made situations, so that a test or a person starts with something that works."""

from . import keyverbs, verbs


def provider(cloud, cloud_name=None, name="provider", app_name="luks-cmk", identity_name="vm-disks"):
    """The provider's side: tenant, multi-tenant application, managed identity, trust between the two."""
    tenant = verbs.tenant_create(cloud, name, cloud_name)
    app = verbs.app_create(cloud, app_name, name)
    identity = verbs.identity_create(cloud, identity_name, name)
    verbs.federation_add(cloud, app_name, identity_name)
    return {"tenant_id": tenant["tenant_id"], "client_id": app["client_id"],
            "identity_client_id": identity["client_id"], "identity_principal_id": identity["principal_id"]}


def customer(cloud, name, kind="vault", size=2048, cloud_name=None, kty="RSA", app=None):
    """The customer's side: tenant, consent, vault, key "disk", grant."""
    tenant = verbs.tenant_create(cloud, name, cloud_name)
    principal = verbs.consent(cloud, name, app)
    vault = keyverbs.vault_create(cloud, name, name, kind)
    key = keyverbs.key_create(cloud, f"{name}/disk", size, kty)
    keyverbs.grant(cloud, vault["url"].removeprefix("https://"), app=app)
    return {"tenant_id": tenant["tenant_id"], "principal_id": principal["principal_id"],
            "vault": vault["url"], "key": key["url"], "key_version": key["version"], "kid": key["kid"]}


def empty(cloud, cloud_name=None):
    """Two directories and nothing in them: before provider and customer have done anything."""
    ids = {name: verbs.tenant_create(cloud, name, cloud_name)["tenant_id"] for name in ("provider", "contoso")}
    found = {"cloud": cloud.model.cloud(cloud_name).name, "provider": {"tenant_id": ids["provider"]},
             "customers": {"contoso": {"tenant_id": ids["contoso"]}}}
    cloud.write_json("scenario.json", found)
    return found


def basic(cloud, cloud_name=None):
    ids = {"cloud": cloud.model.cloud(cloud_name).name, "provider": provider(cloud, cloud_name)}
    ids["customers"] = {n: customer(cloud, n, cloud_name=cloud_name) for n in ("contoso", "fabrikam")}
    # The first token would otherwise pay for loading its key, and a benchmark would measure that.
    for tenant in cloud.model.tenants.values():
        assert tenant.key.kid
    cloud.write_json("scenario.json", ids)
    return ids
