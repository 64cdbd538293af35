"""`python -I -S launch.py REPORT COMMAND…`: run it and write its wall seconds, CPU seconds, peak KiB and exit code.

A small process in between: what a process's parent held in memory when it started it counts as its own peak.
"""

import os
import sys
import time


def main(report: str, command: list[str]) -> None:
    """Wait for the command."""
    begun = time.perf_counter()
    pid = os.posix_spawnp(command[0], command, os.environ)
    _, status, usage = os.wait4(pid, 0)
    wall = time.perf_counter() - begun
    figures = (wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss, os.waitstatus_to_exitcode(status))
    with open(report, "w") as file:
        file.write(" ".join(map(str, figures)))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
