"""Numbers for Prometheus: requests by route and status, their seconds, and what waits; and the log of requests.

Neither has a name of a file, a phrase, or an address of a client: only routes as they are written in the code.
"""

from __future__ import annotations

import logging
import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger(__name__)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)  # seconds
UNKNOWN = "other"  # the route of a path that there is none for
_OFTEN_ASKED = ("/healthz", "/metrics", "/v1/clips/{id}")  # by programs, every few seconds; not worth a line
CLOSED = 499  # as nginx calls the status of a request whose client has gone


class Metrics:
    """Counts requests. gauges: by name, what it means and a function that reads it."""

    def __init__(self, gauges: Mapping[str, tuple[str, Callable[[], float]]]) -> None:
        self._gauges = gauges
        self._lock = threading.Lock()
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._buckets: dict[str, list[int]] = {}
        self._seconds: Counter[str] = Counter()

    def add(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request."""
        with self._lock:
            self._requests[method, route, status] += 1
            counts = self._buckets.setdefault(route, [0] * (len(BUCKETS) + 1))
            counts[bisect_left(BUCKETS, seconds)] += 1
            self._seconds[route] += seconds  # type: ignore[assignment]

    def text(self) -> str:
        """All numbers in the text form of Prometheus."""
        lines: list[str] = []
        with self._lock:
            lines += _head("gdinousam_requests_total", "counter", "Requests that were answered.")
            for (method, route, status), number in sorted(self._requests.items()):
                lines.append(
                    f'gdinousam_requests_total{{method="{method}",route="{route}",status="{status}"}} {number}'
                )
            lines += _head("gdinousam_request_seconds", "histogram", "Seconds from a request to the end of its answer.")
            for route, counts in sorted(self._buckets.items()):
                total = 0
                for edge, count in zip((*BUCKETS, "+Inf"), counts, strict=True):
                    total += count
                    lines.append(f'gdinousam_request_seconds_bucket{{route="{route}",le="{edge}"}} {total}')
                lines.append(f'gdinousam_request_seconds_sum{{route="{route}"}} {self._seconds[route]:.6f}')
                lines.append(f'gdinousam_request_seconds_count{{route="{route}"}} {total}')
        for name, (meaning, read) in self._gauges.items():
            lines += [*_head(name, "gauge", meaning), f"{name} {read():g}"]
        return "\n".join(lines) + "\n"


class Counted:
    """Counts every request of an app and writes a line of it to the log."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, status = time.perf_counter(), CLOSED

        async def watched_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched_send)
        finally:
            seconds = time.perf_counter() - start
            route = getattr(scope.get("route"), "path", UNKNOWN)
            method = scope["method"] if route != UNKNOWN else UNKNOWN
            self._metrics.add(method, route, status, seconds)
            is_file = route == UNKNOWN and status < 400  # of the page
            level = logging.DEBUG if is_file or route in _OFTEN_ASKED else logging.INFO
            logger.log(level, "%s %s %d %.0f ms", method, route, status, 1000 * seconds)


def _head(name: str, kind: str, meaning: str) -> list[str]:
    return [f"# HELP {name} {meaning}", f"# TYPE {name} {kind}"]
