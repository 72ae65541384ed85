"""Who may watch which channel: asked before a channel is joined, whatever carries its pushes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from server.errors import Refused
from server.protocol.embargo import Audience, sees_all, why_hidden
from server.protocol.identity import Identity

if TYPE_CHECKING:
    from server.live.services import Services


async def prepare(
    services: Services, identity: Identity | None, names: Sequence[str], since: Mapping[str, int]
) -> dict[str, Audience | Refused]:
    """Reads the states of channels, and looks which of them somebody may see.

    Takes: since, as Hub.prepare does
    Gives: for each what to join it with, or what refuses it: not_found, forbidden, unavailable, overloaded
    """
    refused = await services.hub.prepare(names, since)
    prepared: dict[str, Audience | Refused] = {}
    looked_at: dict[int, Audience | Refused] = {}
    for name in names:
        audience, show_id = services.hub.audience_of(name)
        if name in refused:
            prepared[name] = refused[name]
        elif audience is Audience.EVERYONE:
            prepared[name] = audience
        else:
            if show_id not in looked_at:
                looked_at[show_id] = await _look(services, identity, audience, show_id)
            prepared[name] = looked_at[show_id]
    return prepared


async def _look(services: Services, identity: Identity | None, audience: Audience, show_id: int) -> Audience | Refused:
    if sees_all(identity):
        return Audience.STAFF
    try:
        return await why_hidden(audience, show_id, identity, services.has_voted) or audience
    except Refused as error:
        return error
