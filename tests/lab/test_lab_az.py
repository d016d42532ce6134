# SPDX-License-Identifier: LGPL-2.1-or-later
"""The lab's az: real changes, and no for what Azure would refuse."""

import json
import os
import subprocess

import pytest
from client import HERE, Lab

USER = '"$(az ad signed-in-user show --query id --output tsv)"'


class Shell:
    def __init__(self, lab, folder):
        self.lab = lab
        self.environment = {"PATH": f"{HERE}:/usr/bin:/bin", "LAB_CONTROL": lab.control_path,
                            "AZURE_CONFIG_DIR": os.path.join(folder, "azure")}

    def __call__(self, script, status=0, says=""):
        done = subprocess.run(["bash", "-c", script], env=self.environment, capture_output=True, text=True,
                              check=False)
        assert done.returncode == status and says in done.stderr, done
        return done.stdout


@pytest.fixture(name="az")
def fixture_az(tmp_path):
    with Lab(options=["--scenario", "empty"]) as lab:
        yield Shell(lab, str(tmp_path))


def test_application(az):
    az("az ad app create --display-name x", 1, "az login")
    az("az login --tenant nobody.onmicrosoft.com", 1, "AADSTS90002")
    az("az login -t provider.onmicrosoft.com -o none")
    app = az("az ad app create --display-name x --query appId -o tsv").strip()
    assert json.loads(az(f"az ad app show --id {app}")) == {
        "appId": app, "displayName": "x", "signInAudience": "AzureADMyOrg"}
    az("az login --tenant contoso.onmicrosoft.com --output none")
    az(f"az ad sp show --id {app}", 3, "does not exist")
    az(f"az ad sp create --id {app}", 1, "valid application object")
    az(f"az ad app update --id {app} --sign-in-audience AzureADMultipleOrgs", 3, "does not exist")
    az("az login --tenant provider.onmicrosoft.com --output none")
    assert az("az ad app create --display-name x --sign-in-audience AzureADMultipleOrgs --query appId "
              "--output tsv").strip() == app
    az("az login --tenant contoso.onmicrosoft.com --output none")
    principal = json.loads(az(f"az ad sp create --id {app} --query '{{id:id,on:accountEnabled}}'"))
    assert principal["on"] is True and principal["id"] != app
    az(f"az ad sp create --id {app}", 1, "already in use")
    az(f"az ad sp update --id {app} --set accountEnabled=false")
    assert az(f"az ad sp show --id {app} --query accountEnabled -o tsv") == "false\n"


def test_identity_and_credential(az):
    az("az login --tenant provider.onmicrosoft.com --output none")
    app = az("az ad app create --display-name x --query appId -o tsv").strip()
    az("az identity create -g g -n i", 3, "ResourceGroupNotFound")
    az("az group create -n g -l westeurope -o none; az identity create -g g -n i -o none")
    identity, = az.lab.show()["identities"]
    assert not identity["attached"]
    assert az("az identity show -g g -n i --query principalId -o tsv").strip() == identity["principal_id"]
    az('az vm identity assign -g g -n vm --identities "$(az identity show -g g -n i --query id -o tsv)"')
    assert az.lab.show()["identities"][0]["attached"]
    credential = {"name": "c", "issuer": "https://i", "subject": "s", "audiences": ["a"]}
    create = f"az ad app federated-credential create --id {app} --parameters '{json.dumps(credential)}'"
    az(f"az ad app federated-credential show --id {app} --federated-credential-id c", 3)
    assert json.loads(az(create)) == credential
    az(create, 1, "already exists")
    az(create.replace('["a"]', '["a", "b"]').replace('"c"', '"d"'), 1, "exactly one")
    assert json.loads(az(f"az ad app federated-credential list --id {app}")) == [credential]


def test_keys(az):
    az("az login --tenant contoso.onmicrosoft.com -o none; az group create -n g -l westeurope -o none")
    az("az keyvault create -n v -g h", 3, "ResourceGroupNotFound")
    az("az keyvault create -n v -g g --enable-rbac-authorization true -o none")
    az("az keyvault key create --vault-name v --name k", 1, "ForbiddenByRbac")
    grant = ('az role assignment create --role "{}" --assignee-object-id {} --assignee-principal-type User '
             '--scope "$(az keyvault show -n v --query id -o tsv)"')
    az(grant.format("Key Vault Crypto Chief", USER), 1, "doesn't exist")
    az(grant.format("Key Vault Crypto Officer", "6d1a3b0e-8f2c-4a75-9b0d-1c2e3f405162"), 1, "PrincipalNotFound")
    az(grant.format("Key Vault Crypto Officer", USER))
    az("az keyvault update -n v --enable-purge-protection true")
    az("az keyvault update -n v --enable-purge-protection false", 1, "cannot be set")
    az("az keyvault key show --vault-name v --name k", 3, "KeyNotFound")
    az("az keyvault key create --vault-name v --name k --kty RSA-HSM --ops wrapKey unwrapKey -o none")
    shown = az.lab.key_show("v/k")
    assert shown["kty"] == "RSA-HSM" and shown["ops"] == ["wrapKey", "unwrapKey"]
    ids = az("az keyvault key list-versions --vault-name v --name k --query '[].kid' --output tsv").split()
    assert ids == [shown["kid"]]
    az(f"az keyvault key set-attributes --id {ids[0]} --enabled false")
    assert az.lab.key_show("v/k")["enabled"] is False
    az("az login --tenant provider.onmicrosoft.com -o none")
    az("az keyvault show -n v", 3, "ResourceNotFound")


@pytest.mark.parametrize("words,says", (
    ("", "not one of the commands"), ("vm create -n x", "not one of the commands"),
    ("login --tenant contoso.onmicrosoft.com --nonsense", "unrecognized"), ("login", "--tenant"),
    ("group create -n g", "--location"), ("group create g", "unrecognized"),
))
def test_wrong_usage(az, words, says):
    az("az " + words, 2, says)
