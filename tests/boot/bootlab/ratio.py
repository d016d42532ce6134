# SPDX-License-Identifier: LGPL-2.1-or-later
"""What an unattended boot owes to us, in terms of what the three requests take in the same guest."""

import statistics

from .wrong import Wrong


def of(boot):
    """Of one boot: from where the initramfs looks for its root until that is open, over the time from the first
    connection to the last answer, as the cloud saw it."""
    if not boot.machine.expect(r"luks-cmk: root is open", 0):
        raise Wrong("the tool did not say that the root is open")
    first = min(connection["time"] for connection in boot.lab.connections(boot.mark))
    last = max(entry["time"] for entry in boot.lab.log(boot.mark))
    return (boot.opened - boot.begin) / (last - first), last - first


def judge(pairs, bound):
    ratio = statistics.median(pair[0] for pair in pairs)
    requests = statistics.median(pair[1] for pair in pairs)
    all_of_them = " ".join(f"{pair[0]:.2f}" for pair in pairs)
    text = f"{ratio:.2f} times what the requests take ({requests:.2f} s); one by one {all_of_them}"
    if ratio > bound:
        raise Wrong(text)
    return text
