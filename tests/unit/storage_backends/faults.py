"""Making the n-th call of a system function fail, through the one seam that all of them pass."""

import errno as errors
import os

from storage_backends.local import system


class Faults:
    """Counts calls of functions in `storage_backends.local.system` and fails or alters chosen ones."""

    def __init__(self, monkeypatch):
        self._monkeypatch = monkeypatch
        self.calls: list[str] = []

    def fail(self, function: str, number: int, *, at: int = 1, times: int = 1) -> None:
        """Call `at` (from 1) of `function`, and `times` - 1 after it, raise the errno `number`."""
        real, count = getattr(system, function), iter(range(1, 1 << 30))

        def failing(*args, **kwargs):
            if at <= next(count) < at + times:
                raise OSError(number, os.strerror(number))
            return real(*args, **kwargs)

        self._monkeypatch.setattr(system, function, failing)

    def replace(self, function: str, substitute) -> None:
        """`substitute(real, *args, **kwargs)` is called instead."""
        real = getattr(system, function)
        self._monkeypatch.setattr(system, function, lambda *args, **kwargs: substitute(real, *args, **kwargs))

    def trace(self, *functions: str) -> list[str]:
        """From now on the names of these functions are noted, in the order they are called."""
        for function in functions:
            self.replace(function, lambda real, *a, _name=function, **k: (self.calls.append(_name), real(*a, **k))[1])
        return self.calls


ENOSPC, EIO, EDQUOT, EROFS, EFBIG = errors.ENOSPC, errors.EIO, errors.EDQUOT, errors.EROFS, errors.EFBIG
EACCES, ESTALE, ENOLCK, ENAMETOOLONG = errors.EACCES, errors.ESTALE, errors.ENOLCK, errors.ENAMETOOLONG
EAGAIN, ENOSYS = errors.EAGAIN, errors.ENOSYS
