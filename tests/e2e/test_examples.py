# SPDX-License-Identifier: LGPL-2.1-or-later
"""docs/examples, run as they stand on a machine without luks-cmk; twice, and the second time changes nothing."""

import hashlib
import json
import os
import re
import subprocess

import pytest
import yaml
from machine import ROOT, SANITIZED, STAGE, Machine
from client import Namespace

EXAMPLES = os.path.join(ROOT, "docs/examples")
PLAYBOOK = "/usr/bin/ansible-playbook"
pytestmark = pytest.mark.skipif(SANITIZED, reason="the examples install a build for users")


class Bare(Machine):
    """Nothing of ours is installed; /etc/luks-cmk is empty, and ids are those of the scenario basic."""

    def __init__(self, folder):
        super().__init__(folder)
        self.lab = Namespace(conf=self.conf)

    def reset(self):
        for name in os.listdir(self.conf):
            os.unlink(os.path.join(self.conf, name))

    def seen(self, *paths):
        """What a run could have changed."""
        done = self.run("sh", "-c", 'sha256sum "$@"; find /etc/luks-cmk /usr/sbin /usr/libexec -printf "%p %m %s %T@\\n"',
                        "sh", "/etc/crypttab", "/etc/passwd", *paths)
        assert done.status == 0, done
        return done.out


@pytest.fixture(name="bare")
def fixture_bare(tmp_path):
    if os.geteuid() != 0 or not STAGE:
        pytest.fail("needs root and LUKS_CMK_STAGE")
    with Bare(tmp_path) as machine:
        assert machine.run("sh", "-c", "command -v luks-cmk").status != 0
        yield machine


def archive_of(machine):
    """Of the installed files, as docs/examples/README.md makes it."""
    archive = machine.path("luks-cmk.tar.gz")
    subprocess.run(["sh", "-c", 'cd "$0" && find . -type f -print0 | tar -czf "$1" --owner=0 --group=0 --null --files-from=-',
                    STAGE, archive], check=True)
    return archive


def play(machine, variables):
    """(changed, what it said)"""
    path = machine.write("variables.json", json.dumps(variables))
    done = machine.run("env", f"HOME={machine.folder}", "ANSIBLE_NOCOLOR=1", "ANSIBLE_LOCALHOST_WARNING=0", "ANSIBLE_PIPELINING=1", PLAYBOOK,
                       "-c", "local", "-i", "localhost,", "-e", f"@{path}",
                       "-e", "ansible_python_interpreter=/usr/bin/python3", "-e", f"ansible_remote_tmp={machine.folder}",
                       os.path.join(EXAMPLES, "ansible/site.yml"), timeout=600)
    assert done.status == 0, done.out + done.err
    return int(re.search(r"changed=(\d+) ", done.out)[1]), done.out


def test_ansible(bare):
    """A new volume, and one with a passphrase."""
    machine = bare
    provider, contoso = machine.ids["provider"], machine.ids["customers"]["contoso"]
    fresh, old = machine.image(), machine.copy(machine.plain)
    variables = {
        "luks_cmk_archive": archive_of(machine), "luks_cmk_client_id": provider["client_id"],
        "luks_cmk_identity": provider["identity_client_id"],
        "luks_cmk_ca_file": os.path.join(machine.lab.state, "ca.pem"),
        "luks_cmk_customers": [{"name": "contoso", "tenant": "contoso.onmicrosoft.com", "key": contoso["key"]}],
        "luks_cmk_volumes": [
            {"device": fresh, "name": "data", "customer": "contoso", "format": True},
            # It holds something, and so is never made anew.
            {"device": old, "name": "old", "customer": "contoso", "format": True, "key_file": machine.key_file}]}
    assert play(machine, variables)[0] > 5
    for image in (fresh, old):
        machine.forget()
        machine.opens(image)
    machine.opens_by_passphrase(old)
    assert machine.tool("status", fresh, "--json").json["only_way_in"]
    before = machine.seen(fresh, old)
    changed, said = play(machine, variables)
    assert changed == 0, said
    assert machine.seen(fresh, old) == before
    crypttab = machine.run("cat", "/etc/crypttab").out
    assert re.search(r"^data UUID=\S+ none luks,_netdev,nofail$", crypttab, re.M) and "\nold UUID=" in "\n" + crypttab


def cloud_init(machine, data):
    """write_files and runcmd, as cloud-init has them; the packages are those of tests/packages."""
    for file in data["write_files"]:
        script = 'mkdir -p "$(dirname "$1")" && cat >"$1" && chmod "$2" "$1" && chown "$3" "$1"'
        done = machine.run("sh", "-c", script, "sh", file["path"], file["permissions"], file["owner"],
                           stdin=file["content"])
        assert done.status == 0, done
    for command in data["runcmd"]:
        done = machine.run(*command)
        assert done.status == 0, done


def test_cloud_init(bare):
    machine = bare
    provider, device, archive = machine.ids["provider"], machine.image(), archive_of(machine)
    with open(archive, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    with open(os.path.join(EXAMPLES, "cloud-init/user-data.yaml"), encoding="utf-8") as file:
        text = file.read()
    assert text.startswith("#cloud-config\n")
    for name, value in (("APPLICATION-ID", provider["client_id"]), ("ARCHIVE-SHA256", digest),
                        ("IDENTITY-CLIENT-ID", provider["identity_client_id"]),
                        ("ARCHIVE-URL", "file://" + archive), ("CUSTOMER-TENANT", "contoso.onmicrosoft.com"),
                        ("/dev/disk/azure/scsi1/lun0", device)):
        assert name in text
        text = text.replace(name, value)
    data = yaml.safe_load(text)
    assert set(data) == {"packages", "write_files", "runcmd"}
    data["write_files"][0]["content"] += f"\n[network]\nca_file = {os.path.join(machine.lab.state, 'ca.pem')}\n"
    cloud_init(machine, data)
    machine.opens(device)
    before = machine.seen(device)
    cloud_init(machine, {"write_files": [], "runcmd": data["runcmd"]})
    assert machine.seen(device) == before
    machine.forget()
    machine.opens(device)
