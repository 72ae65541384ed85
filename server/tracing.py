"""Optional traces over OpenTelemetry: of votes, from the cast to the push, and of what failed, in a request or a loop.

A vote passes through several processes, and only its position in the log travels with it. So each stage derives the same
trace from that position: whether it is sampled, its trace id, and the id of its first span.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from server.errors import SetupError

_NS = 1_000_000_000
# When a node stops, sending the last spans may take so long.
EXPORT_TIMEOUT_S = 2
# The maximum of sampled entries that are committed and not pushed yet. Beyond it the oldest get no span for their push.
AWAITING_PUSH_MAX = 1_000


class _Trace(NamedTuple):
    """The ids of a trace and of its first span, and what all of its spans say."""

    trace_id: int
    first_id: int
    attributes: Mapping[str, int | str]


def trace_id_of(request_id: str) -> str:
    """The id of a request's trace, as tools for traces write it. Only a request that failed has spans."""
    return hashlib.blake2b(request_id.encode(), digest_size=16).hexdigest()


class Traces:
    """Spans of the sampled entries of the log: cast, script, commit, notify, push; one of each request that failed, and
    of each failure outside requests.

    Takes: provider, a TracerProvider that `open_traces` or a test makes; ids, its id generator, made by `traces_to`;
           ratio, the share of entries to sample; shard_count, as the database has it
    Cost:  one hash for each entry, about 1 µs; for a sampled one about 50 µs for each span
    """

    def __init__(self, provider: Any, ids: Any, *, ratio: float, shard_count: int) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("mysetlist")
        self._ids = ids
        self._sampled_below = int(ratio * (1 << 32))
        self._shard_count = shard_count
        # (shard, the shard's position after the commit, the entry's position)
        self._awaiting: deque[tuple[int, int, int]] = deque(maxlen=AWAITING_PUSH_MAX)

    def logged(self, shard: int, position: int, cast_count: int, *, queued_s: float, sent_s: float) -> None:
        """Records that the script decided a round. Takes: instants of time.monotonic."""
        sampled = self._derive(shard, position)
        if sampled is not None:
            self._span("cast", sampled, queued_s, {"casts": cast_count}, is_first=True)
            self._span("script", sampled, sent_s, {})

    def committed(self, shard: int, positions: Iterable[int], started_s: float) -> None:
        """Records that the writer's transaction ended."""
        for position in positions:
            sampled = self._derive(shard, position)
            if sampled is not None:
                self._span("commit", sampled, started_s, {})

    def notified(self, shard: int, at: int, positions: Iterable[int], committed_ms: int) -> None:
        """Records PostgreSQL's notification of a commit.

        Takes: committed_ms, on PostgreSQL's clock; at, the shard's position after the commit
        """
        for position in positions:
            sampled = self._derive(shard, position)
            if sampled is not None:
                self._awaiting.append((shard, at, position))
                self._span("notify", sampled, time.monotonic() - max(0.0, time.time() - committed_ms / 1000), {})

    def pushed(self, show_id: int, at: int, started_s: float, subscriber_count: int) -> None:
        """Records that a show's counts as of `at` were written to its subscribers."""
        if not self._awaiting:
            return
        shard = show_id % self._shard_count
        pushed = [entry for entry in self._awaiting if entry[0] == shard and entry[1] <= at]
        for entry in pushed:
            self._awaiting.remove(entry)
            sampled = self._derive(shard, entry[2])
            assert sampled is not None
            self._span("push", sampled, started_s, {"show": show_id, "subscribers": subscriber_count})

    def request_failed(self, request_id: str, started_s: float, method: str, route: str, status: int) -> None:
        """Records a request in which something failed. A websocket is one request, which ends when it closes."""
        trace = _Trace(int(trace_id_of(request_id), 16), self._ids.generate_span_id(), {"request_id": request_id})
        self._span("request", trace, started_s, {"method": method, "route": route, "status": status}, is_first=True)

    def failed(self, action: str, error: str, loop: str) -> str:
        """Records a failure outside requests, and gives the id of its trace. Takes: loop, of the node; empty: another task."""
        trace = _Trace(secrets.randbits(128) | 1, secrets.randbits(64) | 1, {"action": action})
        self._span("failure", trace, time.monotonic(), {"error": error, "loop": loop}, is_first=True)
        return f"{trace.trace_id:032x}"

    def close(self) -> None:
        """Sends the last spans. Blocks for up to about EXPORT_TIMEOUT_S."""
        self._provider.shutdown()

    def _derive(self, shard: int, position: int) -> _Trace | None:
        """The trace of an entry; None: the entry is not sampled."""
        digest = hashlib.blake2b(b"%d:%d" % (shard, position), digest_size=28).digest()
        if int.from_bytes(digest[:4], "big") >= self._sampled_below:
            return None
        ids = int.from_bytes(digest[4:20], "big"), int.from_bytes(digest[20:], "big")
        return _Trace(*ids, {"shard": shard, "position": position})

    def _span(
        self,
        name: str,
        sampled: _Trace,
        started_s: float,
        attributes: Mapping[str, int | str],
        *,
        is_first: bool = False,
    ) -> None:
        from opentelemetry import trace

        now_ns = time.time_ns()
        start_ns = now_ns - max(0, int((time.monotonic() - started_s) * _NS))
        parent = trace.SpanContext(
            sampled.trace_id, sampled.first_id, is_remote=True, trace_flags=trace.TraceFlags(trace.TraceFlags.SAMPLED)
        )
        context = None if is_first else trace.set_span_in_context(trace.NonRecordingSpan(parent))
        self._ids.first = (sampled.trace_id, sampled.first_id) if is_first else None
        span = self._tracer.start_span(
            name, context=context, start_time=start_ns, attributes={**sampled.attributes, **attributes}
        )
        span.end(now_ns)


def open_traces(endpoint: str, ratio: float, node: str, shard_count: int) -> Traces:
    """Opens traces that are sent to an OTLP collector over HTTP.

    Takes:  endpoint, the value of OTEL_EXPORTER_OTLP_ENDPOINT
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
    """Opens traces whose spans are given to a span processor."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON

    class Ids(RandomIdGenerator):
        """Random ids, except for the first span of a trace: its ids are derived from the position."""

        first: tuple[int, int] | None = None

        def generate_trace_id(self) -> int:
            return self.first[0] if self.first else super().generate_trace_id()

        def generate_span_id(self) -> int:
            return self.first[1] if self.first else super().generate_span_id()

    ids = Ids()
    provider = TracerProvider(
        # `Traces` samples by position, so that every node samples the same entries.
        sampler=ALWAYS_ON,
        resource=Resource.create({"service.name": "mysetlist", "service.instance.id": node}),
        id_generator=ids,
        shutdown_on_exit=False,
    )
    provider.add_span_processor(processor)
    return Traces(provider, ids, ratio=ratio, shard_count=shard_count)
