"""A recorder of everything that fans and watchers are told, and a checker of it; docs/soak.md says what is checked."""
