# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the lab's az knows of itself: who is signed in, and what exists."""

import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from labcloud.util import named_guid  # noqa: E402

# az's names of clouds, and the lab's.
CLOUDS = {"AzureCloud": "AzurePublic", "AzureUSGovernment": "AzureUSGovernment",
          "AzureChinaCloud": "AzureChina"}


class AzError(Exception):
    """Said on standard error; status as az has it: 2 usage, 3 not found, else 1."""

    def __init__(self, text, status=1):
        super().__init__(text)
        self.status = status


class NotFound(AzError):
    def __init__(self, text):
        super().__init__(text, 3)


class Session:
    """One command's view of the lab."""

    def __init__(self, lab):
        self.lab = lab
        self.folder = os.environ.get("AZURE_CONFIG_DIR") or os.path.expanduser("~/.azure")
        self.path = os.path.join(self.folder, "lab.json")
        self.state = {"cloud": "AzureCloud", "tenant": None}
        if os.path.exists(self.path):
            with open(self.path, encoding="utf-8") as file:
                self.state = json.load(file)
        self.world = lab.show()

    def save(self):
        os.makedirs(self.folder, exist_ok=True)
        with open(self.path, "w", encoding="utf-8") as file:
            json.dump(self.state, file)

    def tenant(self):
        if not self.state["tenant"]:
            raise AzError("Please run 'az login' to setup account.")
        return self.one("tenants", "tenant_id", self.state["tenant"], "tenant")

    @property
    def user(self):
        """The administrator's object id in the tenant that is signed in to."""
        return named_guid("administrator", self.tenant()["name"])

    def one(self, kind, member, value, what):
        """What exists of that kind and has this value; the lab's names and identifiers know no case."""
        for item in self.world[kind]:
            if str(item[member]).lower() == str(value).lower():
                return item
        raise NotFound(f"{what} '{value}' does not exist.")

    def app(self, client_id):
        return self.one("apps", "client_id", client_id, "Application")

    def own_app(self, client_id):
        app = self.app(client_id)
        if app["tenant"] != self.tenant()["name"]:
            raise NotFound(f"Resource '{client_id}' does not exist in this directory.")
        return app

    def identity(self, group, name):
        self.group(group)
        found = self.one("identities", "name", name, "Identity")
        if found["tenant"] != self.tenant()["name"]:
            raise NotFound(f"Identity '{name}' does not exist.")
        return found

    def principal(self, client_id):
        """The application's service principal in this tenant."""
        app = self.one("apps", "client_id", client_id, "Application")
        found = self.tenant()["principals"].get(app["name"])
        if not found:
            raise NotFound(f"Resource '{client_id}' does not exist or one of its queried reference-property "
                           "objects are not present.")
        return {**found, "app": app}

    def is_principal(self, object_id):
        return object_id == self.user or any(
            p["object_id"] == object_id for p in self.tenant()["principals"].values())

    def group(self, name):
        if name not in self.tenant()["groups"]:
            raise NotFound(f"(ResourceGroupNotFound) Resource group '{name}' could not be found.")
        return self.tenant()["groups"][name]

    def store(self, name, kind):
        """A vault or an HSM of this tenant, by its name."""
        for vault in self.world["vaults"]:
            host = vault["url"][len("https://"):]
            if host.partition(".")[0] == name and vault["kind"] == kind:
                if vault["tenant"] == self.tenant()["name"]:
                    return {**vault, "host": host.rsplit(":", 1)[0]}
        raise NotFound(f"(ResourceNotFound) The Resource '{name}' was not found.")

    def key_store(self, vault_name, hsm_name):
        if bool(vault_name) == bool(hsm_name):
            raise AzError("one of --vault-name and --hsm-name is required", 2)
        return self.store(vault_name or hsm_name, "vault" if vault_name else "hsm")

    def allowed(self, store, action):
        """Keys are the data plane: whoever administers the vault has no right to them by that."""
        for grant in store["grants"]:
            if grant["principal"] == self.user and action in grant["actions"]:
                return
        raise AzError("(Forbidden) Caller is not authorized to perform action on resource. "
                      f"Action: '{action}'. Inner error: {{\"code\": \"ForbiddenByRbac\"}}")
