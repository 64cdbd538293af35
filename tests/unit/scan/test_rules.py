"""`exclude` and `include` as gitignore rules."""

import os
import random
import re
import time

import pathspec
import pytest

from transfers.scan.rules import Rules, _in_bounded_time


def wanted(paths: str, *, exclude: str = "", include: str = "") -> str:
    rules = Rules(exclude, include)
    return " ".join(path for path in paths.split() if rules.wants(path.encode()))


def test_without_rules_everything_is_wanted_and_nothing_pruned():
    assert wanted("a b/ b/c .git/ .git/x") == "a b/ b/c .git/ .git/x"
    assert Rules("", "").prune is None and Rules("\n# only a comment\n  \n", "").prune is None


@pytest.mark.parametrize(
    ("rule", "paths", "left"),
    [
        ("*.log", "a.log a.txt d/a.log d/a.log/ d/a.log/x", "a.txt"),
        ("/top", "top d/top top/x", "d/top"),
        ("build/", "build build/ build/x d/build/ d/build/x buildx", "build buildx"),
        ("a/b", "a/b a/b/c x/a/b a/c", "x/a/b a/c"),
        ("**/tmp/**", "tmp/ tmp/x d/tmp/ d/tmp/x d/y", "tmp/ d/tmp/ d/y"),
        ("a/**/z", "a/z a/b/z a/b/c/z a/y", "a/y"),
        ("?.txt", "a.txt ab.txt", "ab.txt"),
        ("[ab].c", "a.c b.c c.c", "c.c"),
        ("*.log\n!keep.log", "a.log keep.log d/keep.log", "keep.log d/keep.log"),
        ("*\n!*/\n!*.py", "a.txt a.py d/ d/a.py d/a.txt", "a.py d/ d/a.py"),
        ("#no\n\\#yes", "#no #yes", "#no"),
        ("\\!x", "!x x", "x"),
    ],
)
def test_excluded_paths_are_left_out_as_git_would(rule, paths, left):
    assert wanted(paths, exclude=rule) == left


def test_nothing_below_an_excluded_directory_can_be_taken_in_again():
    assert wanted("d/ d/keep d/e/ d/e/keep other", exclude="d/\n!keep\n!d/keep") == "other"


def test_only_included_files_are_wanted_and_the_directories_on_the_way():
    assert wanted("a.jpg a.txt d/ d/b.jpg d/b.txt", include="*.jpg") == "a.jpg d/ d/b.jpg"
    assert wanted("docs/a docs/b/c a/docs/x y docs/", include="/docs/") == "docs/a docs/b/c docs/"


def test_exclude_wins_over_include():
    assert wanted("a.jpg raw/ raw/b.jpg", exclude="raw/", include="*.jpg") == "a.jpg"


def test_excluded_directories_need_not_be_listed_and_files_are_not_asked_about():
    prune = Rules("build/\n*.log", "*.jpg").prune
    assert prune(b"build/") and prune(b"d/build/") and prune(b"x.log/") and not prune(b"src/")


def test_includes_alone_prune_nothing():
    assert Rules("", "*.jpg").prune is None and Rules("", "*.jpg").has_include


def test_names_that_are_no_text_are_matched_by_their_bytes():
    rules = Rules("*.log", "")
    assert not rules.wants(b"\xff.log") and rules.wants(b"\xff.txt")
    assert not Rules(os.fsdecode(b"\xff*"), "").wants(b"\xff.txt")


def test_a_path_of_two_thousand_levels_is_like_any_other():
    rules = Rules("*.log", "")
    assert rules.wants(b"a/" * 2000 + b"x") and not rules.wants(b"a/b.log/" + b"a/" * 2000 + b"x")


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        ("*a*a*a*a*b", "a" * 200),
        ("a**************b", "a" * 60),
        ("*[!b]*[!b]*[!b]*[!b]*c", "a" * 200),
        ("*?*?*?*?*b", "a" * 200),
        ("*[]a]*[]a]*[]a]*[]a]*b", "a" * 200),
        ("**/a/**/a/**/a/**/a/**/b", "a/" * 100 + "c"),
    ],
)
def test_no_rule_keeps_a_scan_busy_with_one_name(rule, path):
    """Tried in every way, each of these takes longer than anybody waits, and stops the whole process meanwhile."""
    begun = time.monotonic()
    assert not Rules(rule, "").is_excluded(path.encode())
    assert time.monotonic() - begun < 2


def test_rules_in_bounded_time_match_what_they_always_matched():
    draw = random.Random(3)
    tokens = ["a", "b", "*", "?", "/", "**/", "/**/", "[ab]", "[]a]", ".", "\\*"]
    for _ in range(1500):
        rule = "".join(draw.choices(tokens, k=draw.randint(1, 9)))
        for pattern in pathspec.GitIgnoreSpec.from_lines([rule]).patterns:
            plain = pattern.regex
            for _ in range(8 if plain else 0):
                path = re.sub("/+", "/", "".join(draw.choices("aab/.*", k=draw.randint(1, 10))).strip("/"))
                one, other = plain.match(path), _in_bounded_time(plain).match(path)
                assert (one and one.end()) == (other and other.end()), (rule, path)
