"""The named queries of catalog, a name for each .sql file. `make queries` writes their types to queries.pyi."""

from __future__ import annotations

from pathlib import Path

from server.store.named_queries import load_queries

_FOLDER = Path(__file__).parent

brands = load_queries(_FOLDER / "brands.sql")
calendars = load_queries(_FOLDER / "calendars.sql")
catalogue = load_queries(_FOLDER / "catalogue.sql")
entry_editing = load_queries(_FOLDER / "entry_editing.sql")
merging = load_queries(_FOLDER / "merging.sql")
playlists = load_queries(_FOLDER / "playlists.sql")
public_data = load_queries(_FOLDER / "public_data.sql")
removed_songs = load_queries(_FOLDER / "removed_songs.sql")
rotation = load_queries(_FOLDER / "rotation.sql")
search = load_queries(_FOLDER / "search.sql")
set_order = load_queries(_FOLDER / "set_order.sql")
setlist_editing = load_queries(_FOLDER / "setlist_editing.sql")
show_control = load_queries(_FOLDER / "show_control.sql")
show_making = load_queries(_FOLDER / "show_making.sql")
show_status = load_queries(_FOLDER / "show_status.sql")
sitemap = load_queries(_FOLDER / "sitemap.sql")
song_lists = load_queries(_FOLDER / "song_lists.sql")
suggestions = load_queries(_FOLDER / "suggestions.sql")
