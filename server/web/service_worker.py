"""The script of the service worker, which keeps the page in the browser (docs/adr/0045-pages-without-a-network.md)."""

from __future__ import annotations

import re

import msgspec

from server.web.static_files import StaticFiles

# Deletes what a worker has kept, and the worker. A page that is open goes on as it is.
CLEARING_SCRIPT = """\
addEventListener("install", () => skipWaiting());
addEventListener("activate", (event) => event.waitUntil((async () => {
  for (const name of await caches.keys()) await caches.delete(name);
  await registration.unregister();
})()));
"""


def worker_script(files: StaticFiles, page: str, headers: dict[str, str]) -> str:
    """The worker of this version: its page and its addresses, then `static/service-worker.js`.

    The page is inside the script, so the two are always of one version, whichever node answers.

    Takes: page, the HTML of index.html as the brand of the host has it; headers, of a page
    """
    named = re.findall(r'"(/(?:static|brand)/[^"]+)"', page)
    # What is loaded later stands beside the script that loads it, in the folder of the page's language.
    [script] = [address for address in named if address.endswith("/app.js")]
    late = [script.removesuffix("app.js") + name for name in files.late_names("app.js")]
    shell = {
        "version": files.version,
        "page": page,
        "headers": headers,
        "files": sorted({*named, *late}),
    }
    return f"self.shell = {msgspec.json.encode(shell).decode()};\n{files.page('service-worker.js')}"
