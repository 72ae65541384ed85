"""Runs the stand-in, and prints the settings with which a node uses it.

.venv/bin/python -m tests.support.providers --port 8099 --artists 50
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib

from tests.support.providers import running_providers
from tests.support.providers.world import World


async def run(port: int, artists: int) -> None:
    """Runs until interrupted."""
    world = World.make(artists=artists)
    async with running_providers(world, port=port) as providers:
        for name, value in providers.environ().items():
            print(f"export {name}={value}", flush=True)
        print(f"# artists: {', '.join(artist.name for artist in world.artists[:8])} …", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A stand-in of setlist.fm, Ticketmaster, Spotify and MusicBrainz.")
    parser.add_argument("--port", type=int, default=8099)
    parser.add_argument("--artists", type=int, default=50)
    given = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run(given.port, given.artists))
