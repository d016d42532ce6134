# SPDX-License-Identifier: LGPL-2.1-or-later
"""Cases in which somebody types before there is a prompt. Each function takes a report.Boot and judges it."""

import time

from .image import PASSPHRASE
from .wrong import Wrong

WAITING = r"luks-cmk: (asking|waiting) .*; type the passphrase, or Enter for the prompt"
# From the last key to the prompt, or to the root that it opens; and the patience with half a line.
AT_ONCE, PATIENCE = 15, 10


def _expect(boot, pattern, seconds, wrong):
    """Seconds from now until it was there."""
    start = boot.machine.age()
    if not boot.machine.expect(pattern, start + seconds):
        raise Wrong(wrong)
    return boot.machine.age() - start


def _wait(boot):
    """Until something can be typed, and a little longer: nobody is that quick."""
    _expect(boot, WAITING, boot.case.bound + boot.look.slack, "nobody said that something may be typed")
    time.sleep(1)


def _not_shown(boot):
    if PASSPHRASE[:5] in boot.machine.text:
        raise Wrong("what was typed is on the console")


def _bounded(boot):
    if boot.machine.age() - boot.begin > boot.case.bound + boot.look.slack:
        raise Wrong(f"it took {boot.machine.age() - boot.begin:.1f} s")


def _opens(boot):
    took = _expect(boot, boot.look.rooted, AT_ONCE, "the passphrase did not open it")
    _bounded(boot)
    _not_shown(boot)
    return f"open {took:.1f} s after Enter"


def _prompt_takes_it(boot):
    """askpass says it before it listens, and throws away what was typed earlier."""
    time.sleep(1)
    boot.machine.type(PASSPHRASE + "\n")
    _expect(boot, boot.look.rooted, 60, "the passphrase did not open it")
    _not_shown(boot)


def line(boot):
    _wait(boot)
    boot.machine.type(PASSPHRASE + "\n")
    return _opens(boot)


def enter(boot):
    _wait(boot)
    boot.machine.type("\n")
    took = _expect(boot, boot.look.prompt, AT_ONCE, "Enter did not bring the prompt")
    _bounded(boot)
    _prompt_takes_it(boot)
    return f"prompt {took:.1f} s after Enter"


def _until_deadline(boot):
    _wait(boot)
    boot.machine.type(PASSPHRASE[:6])
    left = boot.begin + 14 - boot.machine.age()
    time.sleep(max(0, left))
    boot.machine.type(PASSPHRASE[6:8])
    _expect(boot, r"\[timeout\]", 20, "there was no deadline")


def half(boot):
    _until_deadline(boot)
    took = _expect(boot, boot.look.prompt, PATIENCE + AT_ONCE, "the prompt did not come")
    _bounded(boot)
    if "without Enter is discarded" not in boot.machine.text:
        raise Wrong("nobody said that it must be typed again")
    _prompt_takes_it(boot)
    return f"prompt {took:.1f} s after the deadline"


def slowly(boot):
    _until_deadline(boot)
    time.sleep(2)
    if boot.machine.expect(boot.look.prompt, 0):
        raise Wrong("the prompt did not wait for what was half typed")
    boot.machine.type(PASSPHRASE[8:] + "\n")
    return _opens(boot)
