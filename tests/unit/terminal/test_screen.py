"""Drawing over and over, on a real pseudo-terminal."""

import fcntl
import os
import re
import struct
import termios

import pytest

from jobs.terminal import is_terminal
from jobs.terminal.screen import Screen, Size

END = "\0"


class Terminal:
    """A pseudo-terminal of a given size; `text()` is what was written to it since the last look."""

    def __init__(self) -> None:
        self._near, far = os.openpty()
        self.stream = os.fdopen(far, "w")

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._near, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def text(self) -> str:
        self.stream.write(END)  # what was written before arrives before
        self.stream.flush()
        sent = b""
        while not sent.endswith(END.encode()):
            sent += os.read(self._near, 1)
        return sent.decode().removesuffix(END).replace("\r\n", "\n")

    def close(self) -> None:
        self.stream.close()
        os.close(self._near)


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    made = Terminal()
    made.resize(20, 10)
    yield made
    made.close()


def visible(text):
    return re.sub(r"\x1b\[[?0-9]*[A-Za-z]|\r", "", text).split("\n")


def test_a_drawing_ends_where_it_began_and_clears_what_was_below(terminal):
    Screen(terminal.stream).draw(["one", "two"])
    text = terminal.text()
    assert visible(text) == ["", "one", "two"]
    assert text.endswith("\x1b[J\x1b[2A\r\x1b[?7h")


def test_the_cursor_is_never_hidden_and_lines_wrap_again(terminal):
    screen = Screen(terminal.stream)
    screen.draw(["one"])
    screen.clear()
    text = terminal.text()
    assert "?25l" not in text
    assert text.count("\x1b[?7l") == text.count("\x1b[?7h") == 1
    assert text.endswith("\r\x1b[J")


def test_nothing_is_cleared_before_it_is_drawn_over(terminal):
    screen = Screen(terminal.stream)
    screen.draw(["one"])
    terminal.text()
    screen.draw(["two"])
    text = terminal.text()
    assert text.index("two") < text.index("\x1b[J")


def test_lines_are_cut_to_the_size_of_the_moment(terminal):
    screen = Screen(terminal.stream)
    assert screen.size() == Size(20, 10)
    terminal.resize(8, 5)
    screen.draw(["a long line of text"] * 30)
    assert visible(terminal.text()) == ["", *["a long…"] * 3]


def test_lines_that_a_narrower_terminal_may_have_wrapped_are_scrolled_away(terminal):
    screen = Screen(terminal.stream)
    screen.draw(["twelve chars"])
    terminal.resize(12, 10)
    screen.draw(["it still fits"])
    assert visible(terminal.text()) == ["", "twelve chars", "it still f…"]
    terminal.resize(9, 4)
    screen.draw(["new"])
    assert terminal.text().startswith("\x1b[4;1H\n\n\n\n\x1b[H\r")
    screen.draw(["new"])
    assert terminal.text().startswith("\r")
    terminal.resize(2, 4)
    screen.clear()
    assert terminal.text() == "\x1b[4;1H\n\n\n\n\x1b[H\r\x1b[J"


def test_clearing_nothing_writes_nothing(terminal):
    Screen(terminal.stream).clear()
    assert terminal.text() == ""


def test_only_a_terminal_that_can_is_drawn_on(terminal, monkeypatch, tmp_path):
    assert is_terminal(terminal.stream)
    monkeypatch.setenv("TERM", "dumb")
    assert not is_terminal(terminal.stream)
    with (tmp_path / "log").open("w") as file:
        monkeypatch.setenv("TERM", "xterm")
        assert not is_terminal(file)
