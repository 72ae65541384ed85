"""The programs in docs/clients.md run without changes."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

from server.node.node import Node
from tests.support.row_factory import RowFactory
from tests.support.running_node import PATIENCE_S
from tests.unit.test_page_state import node_binary

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "clients.md").read_text("utf-8")
PROGRAMS = {"python": [sys.executable, "-"], "js": [str(node_binary()), "--input-type=module", "-"]}


@pytest.mark.parametrize("language", PROGRAMS)
async def test_an_example_votes_and_sees_its_vote(node: Node, factory: RowFactory, language: str) -> None:
    """The program ends by itself when it sees its vote in the counts, and the vote is counted."""
    (program,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    show = await factory.show(7)
    running = await asyncio.create_subprocess_exec(
        *PROGRAMS[language], cwd=ROOT, env={**os.environ, "MYSETLIST_URL": node.url},
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(PATIENCE_S):
        output, errors = await running.communicate(program.encode())
    assert running.returncode == 0, errors.decode()
    assert "Song 0: up, committed" in output.decode()
    assert (await factory.tally(7))[0] == [show.first, 1, 0]
