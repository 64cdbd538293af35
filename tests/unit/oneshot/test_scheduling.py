"""The fork of the one-shot sync's scheduler."""

import ctypes

import pytest

from transfers.oneshot.scheduling import SchedulerProcess

pytestmark = pytest.mark.django_db(transaction=True)


def test_threads_that_python_knows_nothing_of_forbid_the_fork():
    """A client of an object store has such; one that was left behind by a fork is waited for without end."""
    library = ctypes.CDLL(None)
    sleep = ctypes.cast(library.sleep, ctypes.c_void_p)
    thread = ctypes.c_ulong()
    assert library.pthread_create(ctypes.byref(thread), None, sleep, ctypes.c_void_p(2)) == 0
    with pytest.raises(RuntimeError, match="threads"):
        SchedulerProcess()
    library.pthread_join(thread, None)
