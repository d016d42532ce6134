# SPDX-License-Identifier: LGPL-2.1-or-later
"""Azure Arc's agent: the metadata service of a machine outside of Azure, with a challenge before each token."""

import os

from . import metadata
from .http1 import json_reply
from .util import random_guid

ADDRESS, PORT = "127.0.0.1", 40342
GROUP = 989  # "himds": beside root, who may read the keys


class Agent:
    """folder: where its keys lie. Each is good for one request."""

    def __init__(self, folder):
        self.folder = folder
        self.keys = {}  # content: path
        os.makedirs(folder, exist_ok=True)
        os.chown(folder, 0, GROUP)
        os.chmod(folder, 0o750)

    def _challenge(self):
        path, content = os.path.join(self.folder, random_guid() + ".key"), random_guid()
        with open(path, "w", encoding="ascii") as file:
            os.fchown(file.fileno(), 0, GROUP)
            os.fchmod(file.fileno(), 0o640)
            file.write(content)
        self.keys[content] = path
        return json_reply(401, {"error": "unauthorized_client", "error_description": "Missing Basic Authorization header"},
                          [("WWW-Authenticate", f"Basic realm={path}")], error=401)

    def handle(self, model, request):
        kind, _, content = (request.header("authorization") or "").partition(" ")
        if request.header("metadata") != "true":
            return metadata.handle(model, request)
        if kind != "Basic":
            return self._challenge()
        path = self.keys.pop(content, None)
        if path is None:
            return json_reply(403, {"error": "forbidden", "error_description": "Wrong key"}, error=403)
        os.unlink(path)
        return metadata.handle(model, request)
