"""GET /metrics for Prometheus: `Authorization: Bearer <METRICS_TOKEN>`. Off while the operator has set no token.

A token of its own, because it lies in Prometheus's configuration, never expires, and opens nothing else."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from prometheus_client.exposition import choose_encoder

from jobs.metrics import Metrics


@csrf_exempt  # nothing is changed here, and a POST without the token is a 401 like any other
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus's text format, or OpenMetrics for who asks for it; 401 without the token, 403 while it is off."""
    if not settings.METRICS_TOKEN:
        return _plain("Metrics are off. The operator turns them on by setting METRICS_TOKEN.\n", 403)
    if not constant_time_compare(request.headers.get("Authorization", ""), f"Bearer {settings.METRICS_TOKEN}"):
        refused = _plain("Send 'Authorization: Bearer <METRICS_TOKEN>'.\n", 401)
        refused["WWW-Authenticate"] = "Bearer"
        return refused
    if request.method not in ("GET", "HEAD"):
        return _plain("Only GET.\n", 405)
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return HttpResponse(encode(Metrics()), content_type=content_type)


def _plain(text: str, status: int) -> HttpResponse:
    return HttpResponse(text, content_type="text/plain; charset=utf-8", status=status)
