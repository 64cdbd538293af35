"""What a person sees who runs a sync on a terminal. The terminal is a real pseudo-terminal, the sync a real one."""

import fcntl
import os
import re
import signal
import struct
import subprocess
import sys
import termios
import threading

import pytest

from tests.acceptance.planting import plant
from tests.acceptance.processes import ROOT, eventually

#: Everything that is ever sent besides text: to the line's start, wrapping off and on, clear line, clear below, go up.
CONTROL = re.compile(r"\r|\x1b\[\?7[lh]|\x1b\[K|\x1b\[J|\x1b\[\d+A|\x1b\[(\d+;1)?H")
HOSTILE = b"red\x1b[31m\x1b]0;title\x07\nline\xe2\x80\xae\xff"


class OnATerminal:
    """A command whose stderr is a terminal; `seen` is all it sent there."""

    def __init__(self, command, environment, columns):
        self._near, far = os.openpty()
        self.resize(columns)
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=far, text=True
        )
        os.close(far)
        self._sent = b""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        while True:
            try:
                self._sent += os.read(self._near, 1 << 16)
            except OSError:  # nobody holds the other end any more
                return

    @property
    def seen(self):
        return self._sent.decode(errors="replace").replace("\r\n", "\n")

    def resize(self, columns):
        fcntl.ioctl(self._near, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def frames(self):
        """Each drawing as its lines."""
        drawings = re.findall(r"\x1b\[\?7l(.*?)\x1b\[\?7h", self.seen, re.DOTALL)
        return [CONTROL.sub("", drawing).split("\n")[1:] for drawing in drawings]

    def end(self, number):
        """Its exit code and stdout after that signal."""
        self._process.send_signal(number)
        out, _ = self._process.communicate(timeout=30)
        self._reader.join()
        return self._process.returncode, out

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()
        self._reader.join()
        os.close(self._near)


@pytest.fixture
def sync(oneshot, tmp_path):
    """A sync of one file with a hostile name that takes long, on a terminal of 90 columns."""
    plant(tmp_path / "source", HOSTILE, os.urandom(24 << 20))
    command = [sys.executable, "-m", "syncf_site.oneshot", "--json", "--bwlimit=4M", "--"]
    command += [str(tmp_path / "source"), str(tmp_path / "sink")]
    with OnATerminal(command, {**oneshot.environment, "TERM": "xterm"}, 90) as running:
        yield running


def test_the_display_of_a_sync_from_its_scan_to_ctrl_c(sync):
    shown = eventually(lambda: [f for f in sync.frames() if "line" in f[-1] and re.search("[1-9] %", f[-1])], 20, "%")
    title, facts, bar, file = shown[-1]
    assert title.startswith("local:/")
    assert re.search(r"0/1 files  [\d.]+ MiB/24\.0 MiB  \d+ %  [\d.]+ \w+/s  ETA ", facts)
    assert re.fullmatch(r"\[#*-+\]", bar)
    assert file.endswith(r"red\x1B[31m\x1B]0;title\x07\nline\u202E\xFF")

    sync.resize(22)
    narrow = eventually(lambda: [f for f in sync.frames()[-2:] if max(map(len, f)) < 22], 10, "a narrow drawing")
    assert narrow[-1][1].startswith("0/1 files") and narrow[-1][-1].endswith(r"\u202E\xFF")

    assert sync.seen.count("\x1b[24;1H" + 24 * "\n" + "\x1b[H") == 1, "what was wrapped is scrolled away, once"

    code, out = sync.end(signal.SIGINT)
    assert code == 130 and out.startswith("{") and out.count("\n") == 1
    last_drawing, _, after = sync.seen.rpartition("\x1b[?7h")
    assert after.startswith("\r\x1b[JStopping: ") and "run it again to go on" in after
    assert not set(re.findall(r"[\x00-\x08\x0b-\x1f\x7f]", CONTROL.sub("", sync.seen)))
    assert "\u202e" not in sync.seen and last_drawing
