"""The last hour as a picture: columns drawn on the server, which need no script and print as they are."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from jobs.admin.display import NOTHING, speed
from jobs.insight import Moment

COLUMN, GAP, HEIGHT = 10, 2, 100


def throughput_plot(moments: Sequence[Moment]) -> SafeString:
    """Bytes per second over the last hour, a column a minute, with its figures beside it in words."""
    rates = [moment.bytes_per_second for moment in moments]
    peak = max(rates, default=0.0)
    if not peak:
        return mark_safe('<p class="syncf-quiet">Nothing was copied in the last hour.</p>')
    said = f"Peak {speed(peak)}"
    return format_html(
        '<figure class="syncf-plot"><figcaption>{}</figcaption>'
        '<svg viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" aria-label="Throughput of the last hour. {}">'
        "{}</svg>"
        '<div class="syncf-axis"><span>60 min ago</span><span>30 min</span><span>now</span></div></figure>',
        *(said, COLUMN * len(rates), HEIGHT, said, _columns(moments, peak)),
    )


def _columns(moments: Sequence[Moment], peak: float) -> SafeString:
    rows = []
    for number, moment in enumerate(moments):
        height = max(1.0, HEIGHT * moment.bytes_per_second / peak) if moment.bytes_per_second > 0 else 0.0
        words = f"{moment.at:%H:%M} UTC: {speed(moment.bytes_per_second)}, {moment.files_per_second:.1f} files/s"
        x, y = number * COLUMN + GAP / 2, HEIGHT - height
        rows.append((x, f"{y:.1f}", COLUMN - GAP, f"{height:.1f}", words if height else NOTHING))
    drawn = '<rect x="{}" y="{}" width="{}" height="{}"><title>{}</title></rect>'
    return format_html_join("", drawn, [row for row in rows if row[4] != NOTHING])
