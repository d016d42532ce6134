# SPDX-License-Identifier: LGPL-2.1-or-later
"""luks-cmk attach --boot, and somebody types meanwhile on a console, which is a pseudo-terminal here."""

import contextlib
import os
import pty
import shutil
import signal
import subprocess
import termios
import time

import pytest
from machine import PASSPHRASE, SANITIZED, SLOWNESS

HINT = b"; type the passphrase, or Enter for the prompt"
# Of Debian's askpass: its variable, its FIFO, and that it passes on what it reads there.
ASKPASS = """
mkdir -p /usr/lib/cryptsetup
cp /bin/cat /lib/cryptsetup/askpass
rm -f /lib/cryptsetup/passfifo
mkfifo -m 600 /lib/cryptsetup/passfifo
echo ready
CRYPTTAB_NAME={} exec /lib/cryptsetup/askpass /lib/cryptsetup/passfifo
"""


class Console:
    """A terminal with somebody at it."""

    def __enter__(self):
        self.keyboard, self.screen = pty.openpty()
        os.set_blocking(self.keyboard, False)
        self.path = os.ttyname(self.screen)
        self.before = termios.tcgetattr(self.screen)
        return self

    def __exit__(self, *how):
        os.close(self.keyboard)
        os.close(self.screen)

    def type(self, text):
        os.write(self.keyboard, text.encode())

    def is_quiet(self):
        return not termios.tcgetattr(self.screen)[3] & termios.ECHO

    def check_restored(self):
        assert termios.tcgetattr(self.screen) == self.before
        with pytest.raises(BlockingIOError):  # nothing was shown
            os.read(self.keyboard, 1000)


@pytest.fixture
def console(machine):
    with Console() as console:
        yield console
    # Who waits for a prompt that does not come.
    machine.run("pkill", "-x", "luks-cmk")


@contextlib.contextmanager
def askpass(machine, name):
    process = machine.start("sh", "-c", ASKPASS.format(name))
    assert process.stdout.readline() == b"ready\n"
    try:
        yield process
    finally:
        machine.run("pkill", "-x", "askpass")
        process.communicate(timeout=10)
        machine.run("rm", "-r", "/usr/lib/cryptsetup/askpass", "/usr/lib/cryptsetup/passfifo")


# systemd-cryptsetup's question, and who waits for its answer.
QUERY = """
import os, socket
folder = "/run/systemd/ask-password"
os.makedirs(folder, exist_ok=True)
listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listener.bind(folder + "/sck.1")
with open(folder + "/ask.1", "w") as file:
    file.write(f"[Ask]\\nPID={{os.getpid()}}\\nSocket={{folder}}/sck.1\\nId=cryptsetup:{}\\n")
print("ready", flush=True)
listener.settimeout(10)
try:
    print(listener.recv(1000).decode(), end="")
finally:
    os.unlink(folder + "/ask.1")
    os.unlink(folder + "/sck.1")
"""


@pytest.fixture
def device(machine, enrolled):
    """An enrolled volume at a path that may be systemd's."""
    path = f"/dev/shm/luks-cmk-{os.getpid()}"
    shutil.copyfile(enrolled, path)
    yield path
    os.unlink(path)


def start(machine, console, image, *words):
    table = machine.write("crypttab", f"root {image} none luks\n")
    process = machine.start("luks-cmk", "attach", "--boot", "--dry-run", "--crypttab", table, "--cmdline",
                            machine.write("cmdline", "quiet\n"), "--console", console.path, *words)
    said = process.stdout.readline()
    assert said.startswith(b"luks-cmk: asking contoso.vault.azure.net for the key of root (") and HINT in said
    assert console.is_quiet()
    return process


def finish(process, seconds=5):
    began = time.monotonic()
    out, err = process.communicate(timeout=60)
    assert time.monotonic() - began < seconds * SLOWNESS
    return out.decode(), err.decode()


def failures(machine):
    folder = machine.inside("/run/luks-cmk/failed")
    return os.listdir(folder) if os.path.isdir(folder) else []


def test_passphrase(machine, enrolled, console):
    """It ends at once, as no failure, and whoever asks next gets what was typed, exactly."""
    with machine.lab.fault("blackhole", service="entra", stage="connect"), askpass(machine, "root") as prompt:
        process = start(machine, console, enrolled)
        console.type("xy\x15" + PASSPHRASE + "u\x7f\r")
        out, err = finish(process)
        assert process.returncode == 4 and not err and out == "luks-cmk: root is left to the passphrase\n"
        assert prompt.communicate(timeout=10)[0] == PASSPHRASE.encode()
    console.check_restored()
    assert failures(machine) == []


def holds(machine, process, text):
    """Whether it stands in what a process has written to."""
    folder = machine.inside(f"/proc/{process}")
    with open(f"{folder}/maps", encoding="utf-8") as maps, open(f"{folder}/mem", "rb", buffering=0) as memory:
        for line in maps:
            place, rights, *_ = line.split()
            begin, end = (int(number, 16) for number in place.split("-"))
            if not rights.startswith("rw") or "[v" in line:
                continue
            with contextlib.suppress(OSError):
                memory.seek(begin)
                if text in memory.read(min(end - begin, 64 * 1024 * 1024)):
                    return True
    return False


@pytest.mark.skipif(SANITIZED, reason="their memory is too large to be read")
def test_workers_know_nothing_of_it(machine, enrolled, console):
    """Of what is half typed when they are started."""
    half = "half of a pass" + str(os.getpid())
    with machine.lab.fault("blackhole", service="vault"):
        console.type(half)
        process = start(machine, console, enrolled)
        tools = machine.run("pgrep", "-x", "luks-cmk").out.split()
        know = [tool for tool in tools if holds(machine, tool, half.encode())]
        console.type("\n")
        process.communicate(timeout=60)
    assert len(tools) == 2 and len(know) == 1


def test_before_the_prompt(machine, enrolled, console):
    """Who asks only later gets it, too."""
    with machine.lab.fault("blackhole", service="vault"):
        process = start(machine, console, enrolled)
        console.type(PASSPHRASE + "\n")
        finish(process)
    time.sleep(2)
    with askpass(machine, "root") as prompt:
        assert prompt.communicate(timeout=10)[0] == PASSPHRASE.encode()


def test_another_prompt(machine, enrolled, console):
    """A prompt for a volume that nobody spoke of gets nothing."""
    with machine.lab.fault("blackhole", service="vault"), askpass(machine, "swap") as prompt:
        process = start(machine, console, enrolled)
        console.type(PASSPHRASE + "\n")
        finish(process)
        with pytest.raises(subprocess.TimeoutExpired):
            prompt.communicate(timeout=3)


@pytest.mark.parametrize("asked, answered", [("{}", True), ("/dev/null", False)])
def test_systemd(machine, device, console, asked, answered):
    """In a systemd initrd the line goes to the question for that device, as an agent's answer."""
    with machine.lab.fault("blackhole", service="vault"):
        process = start(machine, console, device)
        query = machine.start("python3", "-c", QUERY.format(asked.format(device)))
        assert query.stdout.readline() == b"ready\n"
        console.type(PASSPHRASE + "\n")
        finish(process)
    if answered:
        assert query.communicate(timeout=10)[0] == b"+" + PASSPHRASE.encode()
    else:
        assert query.communicate(timeout=40)[0] == b""


def test_enter(machine, enrolled, console):
    with machine.lab.fault("blackhole", service="vault"), askpass(machine, "root") as prompt:
        process = start(machine, console, enrolled)
        console.type("\r")
        out, err = finish(process)
        assert process.returncode == 4 and not err and "left to the passphrase" in out
        with pytest.raises(subprocess.TimeoutExpired):
            prompt.communicate(timeout=2)
    console.check_restored()
    assert failures(machine) == []


def test_slowly(machine, enrolled, console):
    """The deadline comes in the middle: the failure is told, and the rest is waited for."""
    with machine.lab.fault("blackhole", service="vault"), askpass(machine, "root") as prompt:
        process = start(machine, console, enrolled, "--timeout", "2")
        console.type(PASSPHRASE[:4])
        assert b"root: " in process.stderr.readline()
        time.sleep(2)
        assert process.poll() is None and console.is_quiet()
        console.type(PASSPHRASE[4:] + "\r")
        out, err = finish(process)
        assert process.returncode == 4 and not out and not err
        assert prompt.communicate(timeout=10)[0] == PASSPHRASE.encode()
    console.check_restored()
    assert len(failures(machine)) == 1


@pytest.mark.slow
def test_half(machine, enrolled, console):
    """Nobody finishes the line: it is given up in time, and it is said."""
    with machine.lab.fault("blackhole", service="vault"):
        process = start(machine, console, enrolled, "--timeout", "2")
        console.type(PASSPHRASE[:4])
        began = time.monotonic()
        _, err = finish(process, 16)
        assert 9 < time.monotonic() - began
    assert process.returncode == 4 and "without Enter is discarded" in err
    console.check_restored()


def test_in_vain(machine, enrolled, console):
    """It opens by itself while somebody types: nothing is waited for."""
    with machine.lab.fault("delay", service="vault", seconds=3):
        process = start(machine, console, enrolled)
        console.type(PASSPHRASE[:4])
        out, err = finish(process, 8)
    assert process.returncode == 0 and "root would open" in out and not err
    console.check_restored()


def test_refused_first(machine, enrolled, console):
    """A refusal ends it at once, as ever, if nobody types."""
    machine.lab.key_disable("contoso/disk")
    process = start(machine, console, enrolled)
    _, err = finish(process)
    assert process.returncode == 3 and "[key-disabled]" in err
    console.check_restored()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_signal(machine, enrolled, console, number):
    with machine.lab.fault("blackhole", service="vault"):
        process = start(machine, console, enrolled)
        console.type(PASSPHRASE[:4])
        machine.run("sh", "-c", f"kill -{int(number)} $(pgrep -o -x luks-cmk)")
        finish(process)
    assert process.returncode == -number
    console.check_restored()


def first(machine, script):
    path = machine.write("first", "#!/bin/sh\n" + script)
    os.chmod(path, 0o755)
    return "--first", path


def start_first(machine, console, image, script):
    """The program that runs before any vault is asked; once it has said so, keys are taken."""
    table = machine.write("crypttab", f"root {image} none luks\n")
    process = machine.start("luks-cmk", "attach", "--boot", "--dry-run", "--crypttab", table, "--cmdline",
                            machine.write("cmdline", "quiet\n"), "--console", console.path, "--timeout", "30",
                            *first(machine, "echo first $1 >&2\necho said meanwhile\n" + script))
    assert process.stderr.readline() == b"first 20\n" and console.is_quiet()
    return process


def test_first(machine, enrolled, console):
    """What comes first is over soon: there is the one line, and the rest of the time."""
    out, err = finish(start_first(machine, console, enrolled, "sleep 1"), 10)
    first_line, last = out.splitlines()
    assert "(up to 29 s)" in first_line and HINT.decode() in first_line and last == "luks-cmk: root would open"
    assert not err
    console.check_restored()


def test_first_takes_long(machine, enrolled, console):
    """It is said what is waited for; Enter ends it with all that it has started, and no vault is asked."""
    mark = machine.lab.mark()
    with askpass(machine, "root") as prompt:
        process = start_first(machine, console, enrolled, "sleep 61 &\nsleep 62")
        assert process.stdout.readline() == b"luks-cmk: waiting for the network (up to 20 s)" + HINT + b"\n"
        console.type(PASSPHRASE + "\r")
        out, err = finish(process)
        assert process.returncode == 4 and not err and out == "luks-cmk: root is left to the passphrase\n"
        assert prompt.communicate(timeout=10)[0] == PASSPHRASE.encode()
    console.check_restored()
    assert failures(machine) == [] and machine.lab.log(mark) == []
    assert machine.run("pgrep", "-f", "^sleep 6[12]").status == 1


@pytest.mark.parametrize("script, why", [
    ("echo and more; exit 3", "there is no network: said meanwhile; check ip="), ("kill -9 $$", ": said meanwhile;")])
def test_first_fails(machine, enrolled, console, script, why):
    """No vault is asked, and each volume has it on record."""
    mark = machine.lab.mark()
    process = start_first(machine, console, enrolled, script)
    out, err = finish(process, 6)
    assert process.returncode == 4 and not out and why in err and err.endswith(" [no-network]\n")
    assert machine.why(enrolled) == ["no-network"] and machine.lab.log(mark) == []


def test_first_says_nothing(machine, enrolled, console):
    table = machine.write("crypttab", f"root {enrolled} none luks\n")
    done = machine.run("luks-cmk", "attach", "--boot", "--dry-run", "--crypttab", table, "--cmdline",
                       machine.write("cmdline", "quiet\n"), "--console", console.path, *first(machine, "exit 1"))
    assert done.status == 4 and "/first did not say why; check ip=" in done.err, done


def test_first_signal(machine, enrolled, console):
    process = start_first(machine, console, enrolled, "sleep 62")
    machine.run("sh", "-c", "kill -TERM $(pgrep -o -x luks-cmk)")
    finish(process)
    assert process.returncode == -signal.SIGTERM
    console.check_restored()
    assert machine.run("pgrep", "-f", "^sleep 62").status == 1


PLYMOUTH = """#!/bin/sh
printf '%s\\n' "$*" >>/run/plymouth.log
case $1 in watch-keystroke) exec sleep 63 ;; esac
"""


@pytest.fixture
def plymouth(machine):
    """One that runs, and that nobody presses a key at. What it was asked for."""
    fake = machine.write("plymouth", PLYMOUTH)
    assert machine.run("sh", "-c", f"install -m 755 {fake} /usr/bin/plymouth").status == 0

    def log():
        with open(machine.inside("/run/plymouth.log"), encoding="utf-8") as file:
            return file.read().replace("--keys=\n\n", "--keys=Enter\n").splitlines()
    yield log
    machine.run("rm", "/usr/bin/plymouth", "/run/plymouth.log")


def start_plymouth(machine, console, image, *words):
    table = machine.write("crypttab", f"root {image} none luks\n")
    return machine.start("luks-cmk", "attach", "--boot", "--dry-run", "--crypttab", table, "--cmdline",
                         machine.write("cmdline", "quiet\n"), "--console", console.path, *words)


def test_plymouth(machine, enrolled, console, plymouth):
    """The same two lines on the splash screen; the one that is no longer true is taken away."""
    waiting = "--text=asking contoso.vault.azure.net for the key of root (up to 60 s); Enter brings the prompt"
    out, _ = finish(start_plymouth(machine, console, enrolled))
    assert "root would open" in out and not console.is_quiet()
    begin = ["--ping", "watch-keystroke --keys=Enter", f"display-message {waiting}", f"hide-message {waiting}"]
    assert plymouth() == begin
    machine.run("rm", "/run/plymouth.log")
    machine.lab.key_disable("contoso/disk")
    _, err = finish(start_plymouth(machine, console, enrolled))
    failure = err.strip().removeprefix("luks-cmk: ")
    assert failure.startswith("root: ") and "[key-disabled]" in failure
    assert plymouth() == [*begin, f"display-message --text={failure}"]
    assert machine.run("pgrep", "-f", "^sleep 63").status == 1


def test_plymouth_enter(machine, enrolled, console, plymouth):
    """Plymouth has the keyboard: it is asked for Enter, and the console is left alone."""
    with machine.lab.fault("blackhole", service="vault"):
        process = start_plymouth(machine, console, enrolled, "--timeout", "3")
        assert b"; Enter brings the prompt" in process.stdout.readline() and not console.is_quiet()
        machine.run("sh", "-c", "sed -i s/exec.sleep.63/:/ /usr/bin/plymouth; pkill -f '^sleep 63'")
        _, err = process.communicate(timeout=90)
        assert process.returncode == 4 and b"[timeout]" in err  # it has died: that was no key
        process = start_plymouth(machine, console, enrolled)
        out, err = finish(process)
        assert process.returncode == 4 and "root is left to the passphrase" in out and not err


def test_no_terminal(machine, enrolled):
    """Nobody can type there, and nobody is told to."""
    table = machine.write("crypttab", f"root {enrolled} none luks\n")
    for path in ("/dev/null", "/nonexistent"):
        done = machine.run("luks-cmk", "attach", "--boot", "--dry-run", "--crypttab", table, "--console", path,
                           "--cmdline", machine.write("cmdline", "quiet\n"))
        assert done.status == 0 and HINT.decode() not in done.out, done
