# SPDX-License-Identifier: LGPL-2.1-or-later
"""A machine in the lab, as its administrator sees it: stock cryptsetup, luks-cmk, images, configuration."""

import base64
import hashlib
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass

import luks2

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests/lab"))
from client import Namespace  # noqa: E402

STAGE = os.environ.get("LUKS_CMK_STAGE")
SANITIZED = bool(os.environ.get("LUKS_CMK_SANITIZED"))
# Sanitized programs take their time; the bounds below are those of the issue for the others.
SLOWNESS = 3 if SANITIZED else 1
HELPER = "usr/libexec/luks-cmk-helper"
PASSPHRASE = "tell nobody"
FAST = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"]
IMAGE_SIZE = 20 * 1024 * 1024
GUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
ERROR = re.compile(rf"^luks-cmk: (?P<text>.+[^.]) \[(?P<code>[a-z0-9-]+)\](?: \(request (?P<id>{GUID})\))?$")
# What --debug says of a request.
DEBUG = re.compile(r"^luks-cmk: (GET|HEAD|POST) \S+: \d+.* after \d+ ms$")
# Not one byte of these may reach a terminal or a log; a newline ends a line, a tab indents one.
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x80-\x9f]")
SANITIZER = re.compile(r"(Address|Leak|UndefinedBehavior)Sanitizer|runtime error:")
JWT = re.compile(r"\beyJ[A-Za-z0-9_-]{10}")


@dataclass
class Error:
    """A line of ours on standard error."""
    text: str
    code: str
    request_id: str


@dataclass
class Done:
    """A program that has ended."""
    status: int
    out: str
    err: str
    seconds: float

    @property
    def errors(self):
        """Our lines among those of the program that loaded us."""
        lines = [line for line in self.err.splitlines()
                 if line.startswith("luks-cmk: ") and not DEBUG.match(line)]
        matches = [(line, ERROR.match(line)) for line in lines]
        wrong = [line for line, match in matches if not match]
        assert not wrong, f"not of the form of an error: {wrong}"
        return [Error(m["text"], m["code"], m["id"]) for _, m in matches]

    @property
    def error(self):
        """The one line there is."""
        assert len(self.errors) == 1, self
        return self.errors[0]

    @property
    def json(self):
        return json.loads(self.out)


def check_clean(text):
    """Holds for all that any of our programs ever prints."""
    found = CONTROL.search(text)
    assert not found, f"control character {found[0]!r} in {text[max(0, found.start() - 60):][:120]!r}"
    assert not JWT.search(text), "a token or an assertion was printed"
    assert not SANITIZER.search(text), text
    return text


def sanitizer_environment():
    """cryptsetup is not sanitized, but its plugin is: the run-time library must be there first."""
    library = subprocess.run(["gcc", "-print-file-name=libasan.so"], check=True, capture_output=True,
                             text=True).stdout.strip()
    return {"LD_PRELOAD": os.path.realpath(library),
            "ASAN_OPTIONS": "detect_leaks=0:verify_asan_link_order=0"}


class Machine:
    """Made once for all tests; reset() before each makes it new."""

    def __init__(self, folder):
        self.folder = str(folder)
        self.conf = tempfile.mkdtemp(dir=self.folder, prefix="conf-")
        self.preload = sanitizer_environment() if SANITIZED else {}
        self.lab = Namespace(stage=STAGE, conf=self.conf)
        self.numbers = itertools.count(1)

    def __enter__(self):
        self.lab.__enter__()
        with open(os.path.join(self.lab.state, "ns.json"), encoding="utf-8") as file:
            self.root = f"/proc/{json.load(file)['pid']}/root"
        self.ids = self.lab.ids
        self.key_file = self.write("passphrase", PASSPHRASE)
        self.reset()
        self.plain = self._make_plain()
        self.enrolled = {}
        self.two = None
        return self

    def __exit__(self, *how):
        self.lab.__exit__(*how)

    # Files and configuration

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, content):
        with open(self.path(name), "wb" if isinstance(content, bytes) else "w") as file:
            file.write(content)
        return self.path(name)

    def inside(self, path):
        """A file of the namespace, seen from outside."""
        return os.path.join(self.root, path.lstrip("/"))

    def configure(self, provider=False, **sections):
        """
        luks-cmk.conf. A machine that only unlocks needs nothing but the lab's CA; for enrolment, provider
        adds what the lab's provider has, or another one with those ids, and may change it by "provider_lines".
        Sections are dictionaries: network={"timeout": 5}.
        """
        own = {"provider": {}, "identity": {}, "network": {}, "policy": {}}
        own["network"]["ca_file"] = os.path.join(self.lab.state, "ca.pem")
        if provider:
            known = self.ids["provider"] if provider is True else provider
            own["provider"] = {name: known[name] for name in ("cloud", "client_id") if name in known}
            own["identity"] = {"source": "imds", "client_id": known["identity_client_id"]}
        own["provider"].update(sections.pop("provider_lines", {}))
        for name, lines in sections.items():
            own.setdefault(name, {}).update(lines)
        text = "".join(f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in lines.items())
                       for name, lines in own.items() if lines)
        with open(os.path.join(self.conf, "luks-cmk.conf"), "w", encoding="utf-8") as file:
            file.write(text)

    def add_customer(self, name, key=None, spares=()):
        """customers.d/NAME.conf of a customer that the lab has."""
        known = self.ids["customers"][name]
        os.makedirs(os.path.join(self.conf, "customers.d"), exist_ok=True)
        lines = [f"tenant_id = {known['tenant_id']}", f"key = {key or known['key']}"]
        lines += [f"spare_key = {spare}" for spare in spares]
        with open(os.path.join(self.conf, "customers.d", name + ".conf"), "w", encoding="utf-8") as file:
            file.write("[customer]\n" + "\n".join(lines) + "\n")

    def new_customer(self, **how):
        """A customer that no other test sees, for changes that are hard to undo. Its name."""
        name = f"customer{next(self.numbers)}"
        self.ids["customers"][name] = self.lab.customer_create(name, **how)
        return name

    def forget(self):
        """No cached access token, and no failure that would be answered from memory."""
        shutil.rmtree(self.inside("/run/luks-cmk"), ignore_errors=True)

    def forget_failures(self):
        shutil.rmtree(self.inside("/run/luks-cmk/failed"), ignore_errors=True)

    def reset(self):
        lab = self.lab
        lab.fault_clear()
        for service in ("metadata", "https"):
            lab.listen(service, True)
        for name, value in (("access_token_seconds", 3599), ("assertion_seconds", 86400), ("clock_offset", 0)):
            lab.set(name, value)
        lab.identity_attach()
        lab.federation_remove()
        lab.federation_add()
        for name in ("contoso", "fabrikam"):
            lab.vault_move(name, name)
            lab.consent(name)
            lab.principal_enable(name)
            lab.vault_firewall(name, "none")
            lab.vault_mode(name, "rbac")
            lab.vault_limit(name)
            lab.revoke(name)
            lab.grant(name)
            lab.key_recover(f"{name}/disk")
            lab.key_enable(f"{name}/disk")
            lab.key_set(f"{name}/disk", ops="wrapKey,unwrapKey", exp=0, nbf=0)
        # The folder itself stays: it is mounted.
        for name in os.listdir(self.conf):
            path = os.path.join(self.conf, name)
            shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
        self.configure()
        self.forget()

    # Programs

    def command(self, *words, wrap=()):
        """The words that run a program in the namespace; wrap is what runs it there, such as strace."""
        environment = self.preload if words[0] == "cryptsetup" else {}
        words = [*(["env", *(f"{n}={v}" for n, v in environment.items())] if environment else ()), *words]
        return self.lab.command([*wrap, *words])

    def start(self, *words, wrap=(), **how):
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(self.command(*words, wrap=wrap), **{**pipes, **how})

    def run(self, *words, wrap=(), stdin="", timeout=120):
        began = time.monotonic()
        done = subprocess.run(self.command(*words, wrap=wrap), input=stdin, capture_output=True,
                              timeout=timeout, check=False, encoding="utf-8", errors="surrogateescape")
        return Done(done.returncode, check_clean(done.stdout), check_clean(done.stderr),
                    time.monotonic() - began)

    def cryptsetup(self, *words, **how):
        """Succeeds, or the test fails."""
        done = self.run("cryptsetup", *words, **how)
        assert done.status == 0, done
        return done

    def tool(self, *words, status=0, **how):
        """luks-cmk, with the exit status it should have."""
        done = self.run("luks-cmk", *words, **how)
        assert done.status == status, done
        if status != 2:
            assert len(done.errors) == (status != 0), done
        return done

    def unlock(self, image, *words, **how):
        """By a token or not at all, as at boot."""
        return self.run("cryptsetup", "open", "--test-passphrase", "--token-only", *words, image, **how)

    def opens(self, image):
        done = self.unlock(image)
        assert done.status == 0 and not done.errors, done
        return done

    def refuses(self, image, code=None, **how):
        """The volume does not open; our one line says why, and changes nothing. The line."""
        before = luks2.digest(image)
        done = self.unlock(image, **how)
        assert done.status != 0 and luks2.digest(image) == before, done
        if code:
            assert done.error.code == code, done
        return done.error

    def opens_by_passphrase(self, image):
        """A prompt, or key file, is reached after our token has failed."""
        done = self.run("cryptsetup", "open", "--test-passphrase", "--key-file", self.key_file, image)
        assert done.status == 0, done
        return done

    def why(self, image):
        """The codes of the volume's last failures."""
        return [failure["error"]["code"] for failure in self.tool("why", image, "--json").json["failures"]]

    # Images

    def image(self, size=IMAGE_SIZE):
        path = self.path(f"image{next(self.numbers)}")
        with open(path, "wb") as file:
            file.truncate(size)
        return path

    def luks_format(self, path, *words):
        self.cryptsetup("luksFormat", "-q", "--type", "luks2", *FAST, *words, path, self.key_file)
        return path

    def _make_plain(self):
        return self.luks_format(self.image())

    def copy(self, image):
        """Under a UUID of its own, or the failures of one would be remembered for the other."""
        path = self.path(f"image{next(self.numbers)}")
        subprocess.run(["cp", "--sparse=always", image, path], check=True)
        luks2.write_text(path, luks2.read_text(path), uuid=str(uuid.uuid4()))
        return path

    def enroll(self, image, customer, *words, **how):
        self.add_customer(customer)
        return self.tool("enroll", image, "--customer", customer, "--key-file", self.key_file, *words, **how)

    def enrolled_image(self, customer="contoso", **how):
        """A copy of a volume that was enrolled for this customer once."""
        if customer not in self.enrolled:
            self.configure(provider=True)
            path = self.copy(self.plain)
            self.enroll(path, customer, **how)
            shutil.rmtree(os.path.join(self.conf, "customers.d"))
            self.configure()
            self.forget()
            self.enrolled[customer] = path
        return self.copy(self.enrolled[customer])

    def image_of_two(self):
        """Two customers' tokens on one volume, which the tool does not make: token 1 is added by hand."""
        if not self.two:
            path, other = self.enrolled_image("contoso"), self.enrolled_image("fabrikam")
            self.add_token(path, luks2.tokens(other)[0], self.payload(other), 2)
            self.two = path
        return self.copy(self.two)

    def templates(self):
        """The files that tests copy."""
        return [self.plain, *self.enrolled.values(), *([self.two] if self.two else [])]

    # What only a test does

    def key_request(self, method, url, body=None):
        """A request to a vault with the access token that the last unlock has left in the cache."""
        words = ["curl", "-sSf", "--cacert", os.path.join(self.lab.state, "ca.pem"), "-X", method,
                 "-H", "Content-Type: application/json"]
        words += ["-d", json.dumps(body)] if body else []
        script = 'exec "$@" -H "Authorization: Bearer $(sed 1d /run/luks-cmk/tokens/*)"'
        done = self.run("sh", "-c", script, "sh", *words, url + "?api-version=7.4")
        assert done.status == 0, done
        return done.json

    def payload(self, image, number=0):
        """What the vault unwraps of a token, and so the keyslot's passphrase."""
        self.forget()
        self.opens(image)
        wrapping = luks2.tokens(image)[number]["wrapped"][0]
        reply = self.key_request("POST", wrapping["key"] + "/unwrapkey",
                                 {name: wrapping[name] for name in ("alg", "value")})
        self.forget()
        return unb64u(reply["value"])

    def add_token(self, image, token, payload, slot):
        """By hand, as the tool would not: a keyslot for the payload, and a token for the keyslot."""
        self.cryptsetup("luksAddKey", "-q", *FAST, "--key-file", self.key_file, "--new-key-slot", str(slot),
                        image, self.write("payload", payload))
        token = {**token, "keyslots": [str(slot)]}
        self.cryptsetup("token", "import", "--json-file", self.write("token", json.dumps(token)), image)


def new_payload(image):
    return b"LUKSCMK1" + os.urandom(32) + hashlib.sha256(luks2.description(image).encode()).digest()


def b64u(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64u(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
