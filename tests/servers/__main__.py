"""``python -m tests.servers up`` prints NAME=URL lines for the environment; ``down`` ends what ``up`` started."""

from __future__ import annotations

import sys

from tests.servers import state
from tests.servers.ensure import KINDS, Kind, find
from tests.servers.packages import ServerMissing


def up() -> None:
    """Find or start one server of each kind. What was started before a failure is remembered all the same."""
    for kind in KINDS:
        url = find(kind) or _start(kind)
        print(f"{kind.variable}={url}", flush=True)


def _start(kind: Kind) -> str:
    print(f"{kind.name}: starting one for the tests", file=sys.stderr)
    server = kind.make()
    try:
        server.start()
        record = state.Record(kind.name, server.url, str(server.directory), server.processes)
        state.save([*state.load(), record])
    except BaseException:
        server.remove()
        raise
    return server.url


def down() -> None:
    """End what `up` started, and nothing else."""
    for record in state.load():
        record.end()
        print(f"{record.kind}: ended", file=sys.stderr)
    state.save([])


def main(arguments: list[str]) -> int:
    """0 done, 1 a server is missing, 2 usage."""
    commands = {"up": up, "down": down}
    if len(arguments) != 1 or arguments[0] not in commands:
        print("usage: python -m tests.servers up|down", file=sys.stderr)
        return 2
    try:
        with state.locked():
            commands[arguments[0]]()
    except (ServerMissing, TimeoutError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
