"""What a node was given to keep to itself appears nowhere: not in its log, metrics, answers, nor in the list of processes."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import aiohttp
import psutil

from server.people.sessions import mint_token
from tests.support.node_process import SECRET, NodeProcess
from tests.support.row_factory import RowFactory

NOWHERE = "http://127.0.0.1:9"
METRICS_TOKEN = "metrics-token-kept-to-itself"
SIGNING_KEY = base64.b64encode(b"signing key kept to itself").decode()
SECRETS = {
    "MYSETLIST_SECRET": SECRET,
    "MYSETLIST_METRICS_TOKEN": METRICS_TOKEN,
    "MYSETLIST_ALERT_WEBHOOK_SECRET": f"whsec_{SIGNING_KEY}",
    "SPOTIFY_CLIENT_SECRET": "spotify-secret-kept-to-itself",
    "TICKETMASTER_API_KEY": "ticketmaster-key-kept-to-itself",
    "SETLISTFM_API_KEY": "setlistfm-key-kept-to-itself",
}
PLACES = {
    "SPOTIFY_CLIENT_ID": "client",
    "SPOTIFY_API_URL": NOWHERE,
    "SPOTIFY_ACCOUNTS_URL": NOWHERE,
    "TICKETMASTER_API_URL": NOWHERE,
    "SETLISTFM_API_URL": NOWHERE,
    "MYSETLIST_ALERT_WEBHOOK_URL": f"{NOWHERE}/alert?key=alert-key-kept-to-itself",
    "SMTP_URL": "smtp://fan:mail-password-kept-to-itself@127.0.0.1:9",
}
HIDDEN = [
    *SECRETS.values(),
    SIGNING_KEY,
    "alert-key-kept-to-itself",
    "mail-password-kept-to-itself",
    "database-password-kept-to-itself",
]


async def test_no_secret_leaves_a_node(database_url: str, redis_url: str, factory: RowFactory, tmp_path: Path) -> None:
    """Every provider, the mail server and the webhook refuse connections, so each way of reporting an error is used."""
    await factory.show(7)
    (admin,) = await factory.users(1)
    await factory.sql.execute("update users set role = 'admin' where id = $1", admin)
    token = mint_token(SECRET, admin, "admin")
    with_password = database_url.replace("postgres@", "postgres:database-password-kept-to-itself@", 1)
    assert with_password != database_url
    environ = {"DATABASE_URL": with_password, "REDIS_URL": redis_url} | SECRETS | PLACES
    told: list[str] = []
    async with (
        NodeProcess.running(tmp_path, **environ) as node,
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as http,
    ):

        async def ask(path: str) -> str:
            async with http.get(f"{node.url}{path}") as answer:
                text = await answer.text()
                told.extend([text, *answer.headers.values()])
                return text

        services = json.loads(await ask("/api/external-apis/diagnostics?probe=1"))["services"]
        assert all(one["has_key"] and not one["probe"]["is_ok"] for one in services)
        for path in (
            "/readyz",
            "/api/admin/sync-manager",
            "/api/admin/overview",
            "/api/admin/errors",
            "/metrics",
            "/nowhere",
        ):
            await ask(path)
        async with http.get(f"{node.url}/metrics", headers={"Authorization": f"Bearer {METRICS_TOKEN}"}) as answer:
            assert answer.status == 200
            told.append(await answer.text())
        process = psutil.Process(node.pid)
        told += [" ".join(one.cmdline()) for one in (process, *process.children(recursive=True))]
    told += [node.log_path.read_text(), node.output_path.read_text()]
    assert len(node.records("provider.trouble")) >= len(services)
    assert [secret for secret in HIDDEN for text in told if secret in text] == []
