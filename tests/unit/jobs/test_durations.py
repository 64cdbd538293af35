"""Intervals are Go durations, in and out."""

from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.durations import check_interval, format_interval, parse_interval
from jobs.errors import Refusal
from jobs.models import MAX_INTERVAL, MIN_INTERVAL

#: What is written, and how Go prints it.
GO = [
    ("1s", "1s"),
    ("30s", "30s"),
    ("5m", "5m0s"),
    ("5m0s", "5m0s"),
    ("1h", "1h0m0s"),
    ("1h30m", "1h30m0s"),
    ("90m", "1h30m0s"),
    ("1.5h", "1h30m0s"),
    (".5h", "30m0s"),
    ("1.h", "1h0m0s"),
    ("1m1.5s", "1m1.5s"),
    ("1500ms", "1.5s"),
    ("1s1ms", "1.001s"),
    ("1s250us", "1.00025s"),
    ("1s250µs", "1.00025s"),
    ("1s250μs", "1.00025s"),
    ("2000000000ns", "2s"),
    ("1h1h", "2h0m0s"),
    ("24h", "24h0m0s"),
    ("8784h", "8784h0m0s"),
    ("1h0m0.5s", "1h0m0.5s"),
]


@pytest.mark.parametrize(("text", "canonical"), GO)
def test_a_go_duration_comes_back_in_gos_canonical_form(text, canonical):
    interval = parse_interval(text)
    assert format_interval(interval) == canonical
    assert parse_interval(canonical) == interval


@pytest.mark.parametrize("text", ["", "0", "0s", "0m", "0h0m0s", "0.0s", "00ns"])
def test_nothing_and_zero_mean_run_once(text):
    assert parse_interval(text) is None


def test_run_once_is_shown_as_nothing():
    assert format_interval(None) == ""


REFUSED = [
    *("5", "m", "5 m", " 5m", "5m ", "5M", "5min", "5mm", "five", "-5m", "+5m", "--", ".", ".s", "1..5s", "1,5h"),
    *("1d", "1w", "1y", "2d3h", "1h2d", "1mo"),
    *("1e3", "1e3s", "0x10s", "1_000s", "NaN", "nan", "NaNs", "inf", "infs", "true", "null", "٣m", "²s", "5m\n"),
    *("9" * 400, "9" * 400 + "s", "9" * 39 + "h", "999999h", "8784h1s", "1ns", "999ms", "0.0000001s", "1h" * 5000),
]


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: text[:12])
def test_what_go_would_not_take_or_lies_out_of_bounds_is_refused_by_name(text):
    with pytest.raises(Refusal) as refused:
        parse_interval(text, field="interval")
    assert (refused.value.code, refused.value.field, refused.value.status) == ("INVALID_INTERVAL", "interval", 400)
    assert "8784h" in refused.value.hint


@pytest.mark.parametrize("interval", [timedelta(0), -MIN_INTERVAL, timedelta(milliseconds=999), MAX_INTERVAL * 2])
def test_an_interval_out_of_bounds_is_refused_however_it_was_given(interval):
    with pytest.raises(Refusal):
        check_interval(interval, field="interval")


@given(st.timedeltas(MIN_INTERVAL, MAX_INTERVAL))
def test_every_interval_survives_being_shown_and_read(interval):
    assert parse_interval(format_interval(interval)) == interval


@given(st.text(max_size=60))
def test_no_text_does_more_than_be_refused(text):
    with suppress(Refusal):
        parse_interval(text)
