"""The channels of a client: states that watches share, refusals, and the end of a watch."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from server.client.channels import Channels
from server.errors import Refused


def _reply(**channels: dict[str, Any]) -> bytes:
    return orjson.dumps({"re": 1, "ok": {"channels": {name.replace("_", ":"): one for name, one in channels.items()}}})


def _push(**fields: Any) -> bytes:
    return orjson.dumps(fields)


def test_a_push_is_merged_into_the_whole_state() -> None:
    """Every watch of a channel gets the whole state after a push; a push with an older position changes nothing."""
    channels = Channels()
    watches = [channels.add(["votes:7"]), channels.add(["votes:7", "status:7"])]
    channels.take_subscribed(_reply(votes_7={"at": 5, "state": {"tally": [[1, 0, 0], [2, 3, 0]], "total": 3}}))
    channels.take_push(_push(ch="votes:7", at=6, tally=[[1, 4, 0]], total=7))
    channels.take_push(_push(ch="votes:7", at=5, tally=[[1, 0, 0]], total=0))
    for watch in watches:
        assert watch.unread["votes:7"].at == 6
        assert watch.unread["votes:7"].state == {"tally": [[1, 4, 0], [2, 3, 0]], "total": 7}
    assert channels.positions() == {"votes:7": 6}
    assert channels.missing() == ["status:7"]


def test_a_later_watch_gets_the_known_state() -> None:
    """A watch of a channel that has a state starts with this state."""
    channels = Channels()
    channels.add(["status:7"])
    channels.take_subscribed(_reply(status_7={"at": 5, "state": {"status": "live"}}))
    assert channels.add(["status:7", "votes:7"]).unread.keys() == {"status:7"}


def test_a_final_refusal_ends_the_watches_of_its_channel() -> None:
    """A refusal without retry_after_ms fails every watch of the channel; with one, the channel is to be asked for again."""
    channels = Channels()
    refused, other = channels.add(["votes:7", "status:7"]), channels.add(["status:7"])
    errors: dict[str, Any] = {
        "votes_7": {"error": {"code": "forbidden", "message": "hidden"}},
        "status_7": {"error": {"code": "overloaded", "message": "later", "retry_after_ms": 5}},
    }
    assert channels.take_subscribed(_reply(**errors)) == ["status:7"]
    assert refused.make_error is not None
    error = refused.make_error()
    assert isinstance(error, Refused)
    assert error.code == "forbidden"
    assert other.make_error is None


@pytest.mark.parametrize("is_shared", [False, True])
def test_the_last_watch_of_a_channel_ends_its_subscription(is_shared: bool) -> None:
    """The end of a watch gives the channels that no other watch has, and forgets their states."""
    channels = Channels()
    watch = channels.add(["votes:7"])
    if is_shared:
        channels.add(["votes:7"])
    channels.take_subscribed(_reply(votes_7={"at": 5, "state": {"tally": []}}))
    assert channels.remove(watch) == ([] if is_shared else ["votes:7"])
    assert ("votes:7" in channels.add(["votes:7"]).unread) is is_shared
