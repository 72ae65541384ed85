"""Decides which channels a client may watch, before it joins them. Websockets and event streams share this decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from server.errors import Refused
from server.live.services import Services
from server.protocol.channels import CHANNEL_AUDIENCES
from server.protocol.codes import Code
from server.protocol.embargo import Audience, WhyHidden, audience_of
from server.protocol.identity import Identity
from server.store.turns import client_of


async def prepare(
    services: Services, identity: Identity | None, address: str, names: Sequence[str], since: Mapping[str, int]
) -> dict[str, Audience | Refused]:
    """Loads the states of channels and checks which of them a client may see.

    Takes:  since, channel -> the position that the client holds
    Gives:  for each channel the audience to join it with, or its refusal: not_found, forbidden, unavailable
    Raises: Refused: overloaded, too many clients ask for channels that must be loaded
    """
    hub, why_hidden = services.hub, services.why_hidden
    belongs_to = audience_of(identity)
    # A refusal costs no loading.
    prepared: dict[str, Audience | Refused] = {
        name: Refused(Code.FORBIDDEN, "This channel is for administrators. Sign in as one.")
        for name in names
        if belongs_to < CHANNEL_AUDIENCES.get(name, Audience.EVERYONE)
    }
    names = [name for name in names if name not in prepared]
    if hub.must_load(names):
        async with services.load_turns.turn(client_of(identity, address)):
            refused = await hub.prepare(names, since)
    else:
        refused = await hub.prepare(names, since)
    by_show: dict[int, Audience | Refused] = {}  # one check for all channels of a show
    for name in names:
        audience, show_id = hub.audience_of(name)
        if name in refused:
            prepared[name] = refused[name]
        elif audience is Audience.EVERYONE:
            prepared[name] = audience
        else:
            if show_id not in by_show:
                by_show[show_id] = await _check(why_hidden, identity, audience, show_id)
            prepared[name] = by_show[show_id]
    return prepared


async def _check(
    why_hidden: WhyHidden, identity: Identity | None, audience: Audience, show_id: int
) -> Audience | Refused:
    belongs_to = audience_of(identity)
    if belongs_to >= audience:
        return belongs_to
    try:
        return await why_hidden(audience, show_id, identity) or audience
    except Refused as error:
        return error
