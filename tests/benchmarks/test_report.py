"""The arithmetic of the benchmarks, and that losses are told."""

from pathlib import Path

import pytest

from tests.benchmarks import report, trees
from tests.benchmarks.contenders import CHECKED_RCLONE, Contender
from tests.benchmarks.goals import GOALS, Goal
from tests.benchmarks.results import Results


@pytest.fixture
def results() -> Results:
    found = Results()
    for ours, theirs in ((1.0, 4.0), (3.0, 2.0), (2.0, 9.0)):
        found.add("a", "SyncF", plain=ours, durable=ours, cpu=1.0, peak=50.0)
        found.add("a", "rclone --checksum", plain=theirs - 1, durable=theirs, checked=2 * theirs, cpu=1.0, peak=100.0)
    return found


def test_a_ratio_is_one_of_medians(results):
    assert results.ratio("a", "rclone --checksum") == 0.5
    assert results.ratio("a", "rclone --checksum", "checked") == 0.25
    assert results.ratio("a", "rclone --checksum", "peak", own="peak") == 0.5
    assert results.ratio("a", "rsync -a") is None and results.ratio("b", "rclone --checksum") is None


def test_who_was_wrong_gets_no_ratio(results):
    results.wrong.add(("a", "SyncF"))
    assert results.ratio("a", "rclone --checksum") is None
    assert "**wrong result**" in report.write(results, [], {}, "notes")


@pytest.mark.parametrize(
    ("value", "verdict"), [(None, "not measured"), (0.5, "aim reached"), (0.9, "must reached"), (1.1, "**missed**")]
)
def test_a_verdict_calls_a_loss_a_loss(value, verdict):
    assert Goal("x", 1.0, 0.5, lambda results: value).verdict(value) == verdict


def test_the_report_has_every_goal_every_table_and_the_commands(results):
    peer = Contender("cp -a", "9.1", lambda source, sink: ["/bin/cp", "-a", source, sink])
    text = report.write(results, [peer], {"machine": "two cores"}, "## What limits each row")
    assert text.count("not measured") == len(GOALS) - 3
    assert "| a against `rclone sync --checksum` | 0.80 | 0.60 | 0.50 | aim reached |" in text
    assert "`cp -a SOURCE SINK ; sync -f SINK`" in text and "two cores" in text and "/bin/" not in text


def test_stores_are_compared_like_with_like_and_the_plain_comparison_is_kept():
    found = Results()
    for contender, seconds in (("SyncF", 4.0), ("SyncF --verify stored", 1.5), ("rclone", 2.0), (CHECKED_RCLONE, 5.0)):
        found.add("azure-big-up", contender, durable=seconds, cpu=seconds / 2)
    reached = {goal.text: goal.reached(found) for goal in GOALS if goal.text.startswith("s: azure, big up")}
    expected = {
        f"SyncF against {CHECKED_RCLONE}": 0.8,
        "SyncF --verify stored against rclone": 0.75,
        "SyncF against rclone, which verifies nothing": 2.0,
    }
    rows = {"s: azure, big up: ", "s: azure, big up, CPU: "}
    assert reached == {row + pair: ratio for row in rows for pair, ratio in expected.items()}


def test_the_trees_are_the_same_every_time(tmp_path):
    for name in ("one", "two"):
        trees.many(tmp_path / name, 20, 100, 3)
    one, two = ({path.name: path.read_bytes() for path in (tmp_path / name).rglob("*.dat")} for name in ("one", "two"))
    assert one == two and len(one) == 20 and len(set(one.values())) == 20


def test_one_percent_changes_bytes_and_times_but_no_sizes(tmp_path):
    trees.many(tmp_path / "tree", 200, 50, 2)
    before = _content(tmp_path / "tree")
    assert trees.change_one_percent(tmp_path / "tree", 7) == 2
    after = _content(tmp_path / "tree")
    assert sum(before[path] != after[path] for path in before) == 2
    assert {path: len(data) for path, data in before.items()} == {path: len(data) for path, data in after.items()}


def _content(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in root.rglob("*.dat")}
