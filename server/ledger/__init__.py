"""ledger: a Merkle log of each show, in which every change of a vote has a leaf (docs/ledger.md, docs/adr/0050).

Owns:    ledger_epochs, ledger_logs, ledger_entries, ledger_nodes, ledger_secrets, ledger_notes; triggers write the notes in the transaction
         of the change.
Threads: one loop on every node, with a connection of its own; one node at a time appends.
Limits:  docs/limits.md, Ledger.
Never:   makes a vote wait, shows an entry before everybody may see the counts, or signs a tree that lacks what it signed before.
"""
