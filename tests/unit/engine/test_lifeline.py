"""A child whose parent is gone before it could tie its life to it."""

import subprocess
import sys

ORPHAN = """
import traceback
from transfers.engine.lifeline import die_with_parent
try:
    die_with_parent(-1)
except BaseException:
    traceback.print_exc()
print("lives")
"""


def test_a_child_that_finds_its_parent_gone_ends_without_a_word():
    ended = subprocess.run([sys.executable, "-c", ORPHAN], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
