"""Optional traces of a vote's way, from the cast to the push, over OpenTelemetry.

A vote passes through several processes, and nothing travels with it but its position in the log. So each stage draws
the same trace from that position: whether it is sampled, its trace id, and the id of its first span.
"""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Iterable
from typing import Any

from server.errors import SetupError

# A tracer's clock, and how long it may take to send what is left when a node stops.
_NS = 1_000_000_000
EXPORT_TIMEOUT_S = 2
# Sampled entries that are committed and not pushed yet; the oldest go untold.
AWAITING_PUSH_MAX = 1_000


class Traces:
    """Spans of the sampled entries of the log: cast, script, commit, notify, push.

    Takes: provider, a TracerProvider made by `open_traces` or by a test; ratio, how many of all entries are sampled;
           shard_count, as the database has it
    Cost:  a hash an entry, about 1 µs; a sampled one about 50 µs a span
    """

    def __init__(self, provider: Any, ids: Any, *, ratio: float, shard_count: int) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("mysetlist")
        self._ids = ids
        self._sampled_below = int(ratio * (1 << 32))
        self._shard_count = shard_count
        self._awaiting: deque[tuple[int, int, int]] = deque(maxlen=AWAITING_PUSH_MAX)  # shard, committed up to, entry

    def logged(self, shard: int, position: int, cast_count: int, *, queued_s: float, sent_s: float) -> None:
        """The script has decided a round. Takes: instants of time.monotonic."""
        drawn = self._draw(shard, position)
        if drawn is not None:
            self._span("cast", drawn, queued_s, {"casts": cast_count}, is_first=True)
            self._span("script", drawn, sent_s, {})

    def committed(self, shard: int, positions: Iterable[int], started_s: float) -> None:
        """The writer's transaction has ended."""
        for position in positions:
            drawn = self._draw(shard, position)
            if drawn is not None:
                self._span("commit", drawn, started_s, {})

    def notified(self, shard: int, at: int, positions: Iterable[int], committed_ms: int) -> None:
        """PostgreSQL has told of a commit, made at `committed_ms` on its own clock; `at`, the shard's position since."""
        for position in positions:
            drawn = self._draw(shard, position)
            if drawn is not None:
                self._awaiting.append((shard, at, position))
                self._span("notify", drawn, time.monotonic() - max(0.0, time.time() - committed_ms / 1000), {})

    def pushed(self, show_id: int, at: int, started_s: float, subscriber_count: int) -> None:
        """Counts of a show as of `at` have been written to its subscribers."""
        if not self._awaiting:
            return
        shard = show_id % self._shard_count
        told = [entry for entry in self._awaiting if entry[0] == shard and entry[1] <= at]
        for entry in told:
            self._awaiting.remove(entry)
            drawn = self._draw(shard, entry[2])
            assert drawn is not None
            self._span("push", drawn, started_s, {"show": show_id, "subscribers": subscriber_count})

    def close(self) -> None:
        """Sends what is left. Blocks, for up to about EXPORT_TIMEOUT_S."""
        self._provider.shutdown()

    def _draw(self, shard: int, position: int) -> tuple[int, int, int, int] | None:
        digest = hashlib.blake2b(b"%d:%d" % (shard, position), digest_size=28).digest()
        if int.from_bytes(digest[:4], "big") >= self._sampled_below:
            return None
        return int.from_bytes(digest[4:20], "big"), int.from_bytes(digest[20:], "big"), shard, position

    def _span(
        self,
        name: str,
        drawn: tuple[int, int, int, int],
        started_s: float,
        about: dict[str, int],
        *,
        is_first: bool = False,
    ) -> None:
        from opentelemetry import trace

        trace_id, first_id, shard, position = drawn
        now_ns = time.time_ns()
        start_ns = now_ns - max(0, int((time.monotonic() - started_s) * _NS))
        parent = trace.SpanContext(
            trace_id, first_id, is_remote=True, trace_flags=trace.TraceFlags(trace.TraceFlags.SAMPLED)
        )
        context = None if is_first else trace.set_span_in_context(trace.NonRecordingSpan(parent))
        self._ids.first = (trace_id, first_id) if is_first else None
        span = self._tracer.start_span(
            name, context=context, start_time=start_ns, attributes={"shard": shard, "position": position, **about}
        )
        span.end(now_ns)


def open_traces(endpoint: str, ratio: float, node: str, shard_count: int) -> Traces:
    """Traces that go to an OTLP collector over HTTP.

    Takes:  endpoint, as OTEL_EXPORTER_OTLP_ENDPOINT has it
    Raises: SetupError: the extra `otel` is not installed
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise SetupError("OTEL_EXPORTER_OTLP_ENDPOINT: install mysetlist[otel] to send traces") from error
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=EXPORT_TIMEOUT_S)
    return traces_to(BatchSpanProcessor(exporter), ratio, node, shard_count)


def traces_to(processor: Any, ratio: float, node: str, shard_count: int) -> Traces:
    """Traces that go to a span processor."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON

    class Ids(RandomIdGenerator):
        """Random, but for the first span of a trace, whose ids follow from the log."""

        first: tuple[int, int] | None = None

        def generate_trace_id(self) -> int:
            return self.first[0] if self.first else super().generate_trace_id()

        def generate_span_id(self) -> int:
            return self.first[1] if self.first else super().generate_span_id()

    ids = Ids()
    provider = TracerProvider(
        # What is sampled is decided by the position, on every node alike.
        sampler=ALWAYS_ON,
        resource=Resource.create({"service.name": "mysetlist", "service.instance.id": node}),
        id_generator=ids,
        shutdown_on_exit=False,
    )
    provider.add_span_processor(processor)
    return Traces(provider, ids, ratio=ratio, shard_count=shard_count)
