"""Options of rsync and rclone end with what to do instead."""

import re

import pytest
from django.core.management.base import CommandError

from transfers.management.commands.sync import Command
from transfers.oneshot.foreign import INSTEAD

NAMES = [(name, text) for names, text in INSTEAD.items() for name in names]


@pytest.mark.parametrize(("name", "text"), NAMES, ids=[name for name, _ in NAMES])
@pytest.mark.parametrize("value", [[], ["10M"]], ids=["alone", "with a value"])
def test_it_is_told_what_to_do_instead(name, text, value):
    with pytest.raises(CommandError, match=re.escape(f"{name}: {text}.")):
        Command().create_parser("manage.py", "sync").parse_args(["a", "b", name, *value])


def test_they_are_not_offered():
    told = Command().create_parser("manage.py", "sync").format_help()
    assert not any(name in told.replace(",", " ").split() for name, _ in NAMES)
