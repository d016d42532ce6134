# SPDX-License-Identifier: LGPL-2.1-or-later
"""One function for each command: its parameters are the command's options, its result what az prints."""

import json

from . import CLOUDS, AzError, NotFound
from .keys import KEY_COMMANDS


def cloud_set(az, name):
    if name not in CLOUDS:
        raise AzError(f"The cloud '{name}' is not registered.")
    if name != az.state["cloud"]:
        az.state = {"cloud": name, "tenant": None}
        az.save()


def login(az, tenant):
    known = [t for t in az.world["tenants"]
             if tenant in (t["tenant_id"], t["name"] + ".onmicrosoft.com")
             and t["cloud"] in (CLOUDS[az.state["cloud"]], "lab")]
    if not known:
        raise AzError(f"AADSTS90002: Tenant '{tenant}' not found.")
    az.state["tenant"] = known[0]["tenant_id"]
    az.save()
    return [account_show(az)]


def account_show(az):
    tenant = az.tenant()
    return {"environmentName": az.state["cloud"], "homeTenantId": tenant["tenant_id"],
            "id": tenant["tenant_id"], "isDefault": True, "name": tenant["name"], "state": "Enabled",
            "tenantId": tenant["tenant_id"], "user": {"name": f"admin@{tenant['name']}", "type": "user"}}


def group_create(az, name, location):
    az.lab.group_create(az.tenant()["name"], name, location)
    return {"id": f"/subscriptions/{az.tenant()['tenant_id']}/resourceGroups/{name}", "name": name,
            "location": location, "properties": {"provisioningState": "Succeeded"}}


AUDIENCES = {"AzureADMyOrg": False, "AzureADMultipleOrgs": True}


def _app(app):
    return {"appId": app["client_id"], "displayName": app["name"], "signInAudience":
            "AzureADMultipleOrgs" if app["multi_tenant"] else "AzureADMyOrg"}


def app_create(az, display_name, sign_in_audience="AzureADMyOrg"):
    """One of that name is changed, not made again."""
    multi = AUDIENCES[sign_in_audience]
    for app in az.world["apps"]:
        if app["name"] == display_name and app["tenant"] == az.tenant()["name"]:
            return app_update(az, app["client_id"], sign_in_audience) or _app(app)
    made = az.lab.app_create(display_name, az.tenant()["name"], multi_tenant=multi)
    return {"appId": made["client_id"], "displayName": display_name, "signInAudience": sign_in_audience}


def app_update(az, id, sign_in_audience):
    az.lab.app_update(az.own_app(id)["client_id"], AUDIENCES[sign_in_audience])


def app_show(az, id):
    return _app(az.own_app(id))


def _credential(federated):
    return {"audiences": [federated["audience"]], "issuer": federated["issuer"], "name": federated["name"],
            "subject": federated["subject"]}


def credential_list(az, id):
    return [_credential(f) for f in az.own_app(id)["federated"]]


def credential_show(az, id, federated_credential_id):
    for credential in credential_list(az, id):
        if credential["name"] == federated_credential_id:
            return credential
    raise NotFound(f"Resource '{federated_credential_id}' does not exist.")


def credential_create(az, id, parameters):
    """Text or file, as it is given. What is in it is only looked at when somebody signs in with it."""
    text = parameters
    if not text.lstrip().startswith("{"):
        with open(text.removeprefix("@"), encoding="utf-8") as file:
            text = file.read()
    asked = json.loads(text)
    app = az.own_app(id)
    if set(asked) - {"description"} != {"name", "issuer", "subject", "audiences"}:
        raise AzError("the credential needs name, issuer, subject and audiences")
    if len(asked["audiences"]) != 1:
        raise AzError("Property audiences must have exactly one value.")
    if any(f["name"] == asked["name"] for f in app["federated"]):
        raise AzError(f"FederatedIdentityCredential with name {asked['name']} already exists.")
    return _credential(az.lab.federation_add(app["client_id"], issuer=asked["issuer"], subject=asked["subject"],
                                             audience=asked["audiences"][0], name=asked["name"]))


def identity_create(az, resource_group, name, location=None):
    az.group(resource_group)
    try:
        return identity_show(az, resource_group, name)
    except NotFound:
        az.lab.identity_create(name, az.tenant()["name"], attached=False)
        az.world = az.lab.show()
        return identity_show(az, resource_group, name)


def identity_show(az, resource_group, name):
    found = az.identity(resource_group, name)
    return {"clientId": found["client_id"], "id": found["id"], "name": name,
            "principalId": found["principal_id"], "resourceGroup": resource_group,
            "tenantId": az.tenant()["tenant_id"]}


def identity_assign(az, resource_group, name, identities):
    """The lab has one machine, whatever it is called; but it has to be called something."""
    az.group(resource_group)
    if not name:
        raise AzError("the machine has no name", 2)
    for resource_id in identities:
        az.lab.identity_attach(az.one("identities", "id", resource_id, "Identity")["client_id"])
    return {"userAssignedIdentities": {resource_id: {} for resource_id in identities}}


def _principal(az, found):
    return {"accountEnabled": found["enabled"], "appId": found["app"]["client_id"],
            "appOwnerOrganizationId": az.one("tenants", "name", found["app"]["tenant"], "Tenant")["tenant_id"],
            "displayName": found["app"]["name"], "id": found["object_id"],
            "servicePrincipalType": "Application"}


def sp_create(az, id):
    app = az.app(id)
    if not app["multi_tenant"] and app["tenant"] != az.tenant()["name"]:
        raise AzError(f"The appId '{id}' of the service principal does not reference a valid application object.")
    if app["name"] in az.tenant()["principals"]:
        raise AzError("The service principal cannot be created, updated, or restored because the service "
                      f"principal name {id} is already in use.")
    az.lab.consent(az.tenant()["name"], app["client_id"])
    az.world = az.lab.show()
    return sp_show(az, id)


def sp_show(az, id):
    return _principal(az, az.principal(id))


def sp_update(az, id, set):
    name, _, value = set.partition("=")
    if name != "accountEnabled" or value not in ("true", "false"):
        raise AzError(f"the lab cannot set {set}", 2)
    app = az.principal(id)["app"]
    (az.lab.principal_enable if value == "true" else az.lab.principal_disable)(
        az.tenant()["name"], app["client_id"])


def signed_in_user(az):
    return {"displayName": "Administrator", "id": az.user, "userPrincipalName": f"admin@{az.tenant()['name']}"}


COMMANDS = {
    "cloud set": cloud_set, "login": login, "account show": account_show, "group create": group_create,
    "ad app create": app_create, "ad app update": app_update, "ad app show": app_show,
    "ad app federated-credential list": credential_list, "ad app federated-credential show": credential_show,
    "ad app federated-credential create": credential_create,
    "identity create": identity_create, "identity show": identity_show, "vm identity assign": identity_assign,
    "ad sp create": sp_create, "ad sp show": sp_show, "ad sp update": sp_update,
    "ad signed-in-user show": signed_in_user, **KEY_COMMANDS,
}
