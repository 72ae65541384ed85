"""Smoke."""
from server.app import Node
from tests.support.theatre import Theatre
from tests.support.talker import Talker

async def test_smoke(node: Node, theatre: Theatre) -> None:
    """A vote comes back."""
    show = await theatre.show(7)
    async with Talker.connect(node.url) as fan:
        await fan.hello(await theatre.token())
        print(await fan.watch("votes:7"))
        print(await fan.cast(7, (show.first, "up")))
        print(await fan.push("votes:7"))
