"""Inputs that nobody would send, for everything that reads bytes of strangers: no crash, and no memory kept (docs/security.md)."""
