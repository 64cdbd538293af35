"""A link that goes down leaves a connection that looks alive: it is noticed, and nobody waits for it meanwhile."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def has_own_network() -> bool:
    command = ["unshare", "--net", "ip", "link", "set", "lo", "up"]
    return os.geteuid() == 0 and subprocess.run(command, capture_output=True).returncode == 0


@pytest.mark.skipif(not has_own_network(), reason="a network of one's own needs root and CAP_SYS_ADMIN")
def test_a_connection_whose_link_went_down_is_noticed_and_made_anew_when_it_is_up_again():
    command = ["unshare", "--net", sys.executable, "-m", "tests.conformance.broker.half_open"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr[-3000:]
    seen = json.loads(done.stdout.splitlines()[-1])
    assert (seen["before"], seen["publish_while_down"], seen["after"]) == (True, False, True)
    assert seen["publish_seconds"] < 12, "a caller waits for seconds only"
    assert seen["seconds_until_noticed"] < 12, "heartbeats of 2 s are missed after three of them"
