"""Recounts every show from its public ledger, as a stranger would, and compares receipts of fans with their votes."""

from __future__ import annotations

import base64
from random import Random
from typing import Any

import aiohttp

from server.ledger.audit import Get, Missing, audit
from server.ledger.entries import Choice, Entry
from server.ledger.files import public_files
from server.ledger.notes import VerifierKey, read
from server.ledger.tree import check_inclusion, leaf_hash
from tests.history.collect import connected
from tests.history.stage import Stage
from tests.history.state import Violation
from tests.support.node_process import until_async

NOTED_S = 60.0
RECEIPTS = 5
_HELD = "select setlist_song_id, choice::text from votes where show_id = $1 and user_id = $2"
_CHOICES: dict[int, str] = {Choice.UP: "up", Choice.DOWN: "down"}


class Audits:
    """Of one service. It keeps the checkpoints: later ones must only have added."""

    def __init__(self, stage: Stage, rng: Random) -> None:
        self._stage = stage
        self._rng = rng
        self._kept: dict[int, str] = {}

    async def wrong(self) -> list[str]:
        """Audits, while nobody votes. Gives: what is wrong, one text each."""
        connection = await connected(self._stage.database_url)
        url = next(iter(self._stage.nodes.values())).url

        async def is_noted() -> bool:
            return bool(await connection.fetchval("select not exists (select from ledger_notes)"))

        try:
            await until_async(is_noted, "the ledger has every vote", timeout_s=NOTED_S)
            found: list[Violation] = []
            async with public_files(url) as get, aiohttp.ClientSession(url) as http:
                for show in self._stage.shows:
                    found += await self._recounted(show.id, get)
                    found += await self._receipts(show.id, http, connection)
        except AssertionError as error:
            return [str(Violation("the ledger recounts", str(error)))]
        finally:
            connection.terminate()
        return [str(violation) for violation in found]

    async def _recounted(self, show: int, get: Get) -> list[Violation]:
        """What `mysetlist audit` does."""
        try:
            found = await audit(get, str(show), earlier=self._kept.get(show), settle_s=0)
        except Missing as error:
            return [Violation("the ledger recounts", f"show {show}: {error}")]
        self._kept[show] = found.checkpoint
        is_compared = any("result has the same counts" in fact for fact in found.facts)
        if is_compared and not found.problems:
            return []
        return [Violation("the ledger recounts", f"show {show}: {' '.join(found.problems or found.facts)}")]

    async def _receipts(self, show: int, http: aiohttp.ClientSession, connection: Any) -> list[Violation]:
        found = []
        for user in self._rng.sample(self._stage.users, RECEIPTS):
            headers = {"Authorization": f"Bearer {user.token}"}
            async with http.get(f"/api/shows/{show}/receipt", headers=headers) as answer:
                receipt = await answer.json()
            held = {row[0]: row[1] for row in await connection.fetch(_HELD, show, user.id)}
            if why := _wrong_receipt(receipt, held):
                found.append(Violation("a receipt proves its fan's votes", f"user {user.id}, show {show}: {why}"))
        return found


def _wrong_receipt(receipt: dict[str, Any], held: dict[int, str]) -> str:
    """What is wrong with the answer to a fan who holds these votes."""
    if "votes" not in receipt:
        return f"it is {receipt}"
    told = {one["song"]: one["choice"] for one in receipt["votes"]}
    if told != held:
        return f"it tells {told}, the votes are {held}"
    checkpoint = read(receipt["checkpoint"], VerifierKey.parse(receipt["key"]))
    fans = set()
    for one in receipt["votes"]:
        data = base64.b64decode(one["entry"])
        entry = Entry.parse(data)
        if entry is None or (entry.song, _CHOICES.get(entry.choice)) != (one["song"], one["choice"]):
            return f"entry {one['index']} is not the vote {one['choice']} on song {one['song']}"
        fans.add(entry.fan)
        proof = [base64.b64decode(hash_) for hash_ in one["proof"]]
        if not check_inclusion(one["index"], checkpoint.size, leaf_hash(data), proof, checkpoint.root):
            return f"entry {one['index']} is not under the signed root"
    return "" if len(fans) < 2 else "its entries are of several fans"
