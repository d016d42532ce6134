# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the benchmarks share: volumes that are enrolled in the lab, and programs that are timed."""

import os
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
STAGE = os.path.join(TOP, "build", "stage-gcc")
sys.path[:0] = [os.path.join(TOP, "tests", "lab"), os.path.join(TOP, "tests", "e2e")]

PASSPHRASE = b"benchmark"
# The time that a keyslot's PBKDF takes is not what is measured; and small, for there are many.
FORMAT = ["luksFormat", "--batch-mode", "--type", "luks2", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000",
          "--luks2-metadata-size", "16k", "--luks2-keyslots-size", "1m", "--offset", "4096"]


def run(*command, **how):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, **how).stdout


def forget_tokens():
    shutil.rmtree("/run/luks-cmk/tokens", ignore_errors=True)


def enrol(folder, customer="contoso"):
    """A new volume, enrolled for a customer. Its path, and that of its passphrase."""
    image = os.path.join(folder, f"image-{customer}")
    with open(image, "wb") as file:
        file.truncate(4 << 20)
    key_file = os.path.join(folder, "passphrase")
    with open(key_file, "wb") as file:
        file.write(PASSPHRASE)
    run("cryptsetup", *FORMAT, image, key_file)
    run("luks-cmk", "enroll", image, "--customer", customer, "--key-file", key_file)
    return image, key_file


def timed(command, **how):
    """
    Runs a command that must succeed: {wall, cpu} in seconds, {rss} of its largest process in bytes. What its
    processes waited for is in it.
    """
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **how)
    text = process.stderr.read().decode(errors="replace")
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{command[0]} failed ({process.returncode}): {text[-2000:]}")
    return {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "rss": usage.ru_maxrss * 1024}


def cpu_of(pid):
    """Seconds that a process has worked so far."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
