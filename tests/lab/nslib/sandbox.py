# SPDX-License-Identifier: LGPL-2.1-or-later
"""Namespaces and the processes in them."""

import ctypes
import os
import signal
import sys
import traceback

CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET = 0x00020000, 0x20000000, 0x40000000
PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None, use_errno=True)


def _check(result, what):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def fork(function):
    """
    Runs function as the first process of new mount, network and process namespaces; its result is the exit
    status. It dies with its parent, and everything in the namespaces dies with it, however that happens.
    """
    _check(libc.unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID), "unshare")
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        status = function()
    except SystemExit as end:
        print(end.code, file=sys.stderr)
    except BaseException:  # whatever it is, it must not run on into the parent's code
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def enter_network(pid):
    """Joins the network namespace of another process."""
    handle = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    try:
        _check(libc.setns(handle, CLONE_NEWNET), "setns")
    finally:
        os.close(handle)


def status(wait_status):
    """As a shell gives it."""
    code = os.waitstatus_to_exitcode(wait_status)
    return code if code >= 0 else 128 - code


def reap(pid):
    """Collects children, which the first process of a namespace has to, until pid ends; its exit status."""
    while True:
        try:
            ended, how = os.wait()
        except ChildProcessError:
            return 0
        if ended == pid:
            return status(how)
