#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Starts the lab cloud and runs until SIGTERM. README.md beside this file says how to use it."""

import argparse
import os
import signal
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from labcloud.core import Cloud  # noqa: E402

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
KEY_POOL = os.path.join(TOP, "build", f"lab-keys-{os.geteuid()}")


def arguments():
    parser = argparse.ArgumentParser(description="a small Azure on this machine")
    parser.add_argument("--state", required=True, metavar="DIR", help="CA, log, lab.json, lab.conf go here")
    parser.add_argument("--control", metavar="PATH", help="control socket (DIR/control)")
    parser.add_argument("--log", metavar="FILE", help="request log, JSON lines (DIR/requests.log)")
    parser.add_argument("--key-pool", metavar="DIR", default=KEY_POOL,
                        help="RSA keys kept from run to run (%(default)s)")
    parser.add_argument("--scenario", choices=("basic", "empty", "none"), default="none")
    parser.add_argument("--production", action="store_true", help="real names; needs a network namespace")
    parser.add_argument("--address", help="of the https services (127.0.0.1; production 10.77.0.1)")
    parser.add_argument("--also-address", action="append", default=[], metavar="ADDRESS",
                        help="of the https services, too; IPv6 for instance")
    parser.add_argument("--metadata-address", help="(127.0.0.1; production 169.254.169.254)")
    parser.add_argument("--https-port", type=int, help="(a free one; production 443)")
    parser.add_argument("--metadata-port", type=int, help="(a free one; production 80)")
    parser.add_argument("--arc-folder", metavar="DIR",
                        help="Azure Arc's agent answers too, at its fixed address, with its keys there")
    parser.add_argument("--hosts", metavar="FILE", help="hosts file to keep in step with the vaults")
    parser.add_argument("--ready-fd", type=int, help="a line is written here once all is listening")
    options = parser.parse_args()
    if options.production:
        defaults = ("10.77.0.1", "169.254.169.254", 443, 80)
    else:
        defaults = ("127.0.0.1", "127.0.0.1", 0, 0)
    for name, value in zip(("address", "metadata_address", "https_port", "metadata_port"), defaults):
        if getattr(options, name) is None:
            setattr(options, name, value)
    return options


def main():
    options = arguments()
    # Short turns for the threads: a reply must not wait 5 ms for another's arithmetic.
    sys.setswitchinterval(0.0005)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        if signal.getsignal(number) != signal.SIG_IGN:  # who started us keeps an interrupt away
            signal.signal(number, lambda *_: ended.set())
    cloud = Cloud(options)
    if options.scenario != "none":
        from labcloud import scenario
        getattr(scenario, options.scenario)(cloud)
    if options.ready_fd is not None:
        os.write(options.ready_fd, b"ready\n")
        os.close(options.ready_fd)
    else:
        print(f"lab cloud: control {cloud.control_path}, CA {cloud.certificates.ca_file}", flush=True)
    ended.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
