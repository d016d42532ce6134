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


def format_volume(folder, name):
    """A new volume with a passphrase. Its path, and that of the passphrase."""
    image = os.path.join(folder, name)
    with open(image, "wb") as file:
        file.truncate(4 << 20)
    key_file = os.path.join(folder, "passphrase")
    with open(key_file, "wb") as file:
        file.write(PASSPHRASE)
    run("cryptsetup", *FORMAT, image, key_file)
    return image, key_file


def enrol(folder, customer="contoso"):
    """A new volume, enrolled for a customer."""
    image, key_file = format_volume(folder, f"image-{customer}")
    run("luks-cmk", "enroll", image, "--customer", customer, "--key-file", key_file)
    return image


def finish(process):
    text = process.stderr.read().decode(errors="replace")
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{process.args[0]} failed ({process.returncode}): {text[-2000:]}")
    return usage


def start(command, **how):
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **how)


def timed(command, **how):
    """Runs a command that must succeed: wall and CPU seconds, of all its processes."""
    began = time.perf_counter()
    usage = finish(start(command, **how))
    return {"wall": time.perf_counter() - began, "cpu": usage.ru_utime + usage.ru_stime}


def pss(pid):
    """A process's share of memory in bytes: what several map counts once among them."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            return next(int(line.split()[1]) << 10 for line in file if line.startswith("Pss:"))
    except (OSError, StopIteration):
        return 0  # it has ended


def below(pid):
    """All processes below this one."""
    children, found, wanted = {}, [], [pid]
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as file:
                parent = int(file.read().rpartition(")")[2].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(entry))
    while wanted:
        more = children.get(wanted.pop(), [])
        found += more
        wanted += more
    return found


def memory(command, **how):
    """Runs it once more, watched: the most memory that all its processes together had, in bytes."""
    process, most = start(command, **how), 0
    while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        most = max(most, sum(pss(pid) for pid in [process.pid, *below(process.pid)]))
        time.sleep(0.02)
    finish(process)
    return most


def cpu_of(pid):
    """Seconds that a process has worked so far."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
