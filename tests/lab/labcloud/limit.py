# SPDX-License-Identifier: LGPL-2.1-or-later
"""How many operations a vault answers, and what the others are told."""

import math
import time

from .vaulttoken import error

# As a live vault words it; that one did not say when to come back.
TEXT = "Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached"


class Limit:
    """So many operations in each window of so many seconds. What is refused does not count."""

    def __init__(self, operations, seconds, retry_after):
        self.operations, self.seconds, self.retry_after = operations, seconds, retry_after
        self.began, self.window, self.used = time.monotonic(), 0, 0

    def refuses(self, vault, request):
        """The reply to one operation too many, or None."""
        now = time.monotonic() - self.began
        if int(now // self.seconds) != self.window:
            self.window, self.used = int(now // self.seconds), 0
        if self.used < self.operations:
            self.used += 1
            return None
        reply = error(vault, request, 429, "Throttled", TEXT)
        if self.retry_after:
            seconds = math.ceil((self.window + 1) * self.seconds - now)
            reply.headers.append(("Retry-After", str(seconds)))
            reply.note["retry_after"] = seconds
        return reply
