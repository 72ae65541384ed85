"""The address in a link of `mysetlist token --link`."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from server.cli.token import address_for_links
from server.node.upgrades import Upgrades
from server.settings import Settings


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ({}, "http://127.0.0.1:8190"),
        ({"MYSETLIST_ORIGINS": "https://fans.example,https://band.example"}, "https://fans.example"),
        (
            {"MYSETLIST_ORIGINS": "https://fans.example", "MYSETLIST_PUBLIC_URL": "https://vote.example"},
            "https://vote.example",
        ),
    ],
)
async def test_a_link_leads_to_the_node_that_runs(tmp_path: Path, given: dict[str, str], address: str) -> None:
    """The public address, else the first of the sites that may connect, else the node with this data dir."""
    settings = Settings.from_environ(given, data_dir=tmp_path)
    before = signal.getsignal(signal.SIGUSR2)
    try:
        with Upgrades.asked_for(tmp_path, 8190):
            assert address_for_links(settings) == address
    finally:
        signal.signal(signal.SIGUSR2, before)
    if not given:
        assert address_for_links(settings) == "http://127.0.0.1:8080"
