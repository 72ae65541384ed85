"""Checks the variables that decide how requests leave this machine: proxies and certificates."""

from __future__ import annotations

import os
import ssl

import httpx

from server.errors import SetupError

_PROXIES = ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY")
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


def check_outgoing() -> str:
    """Checks that a client for HTTP can be made with the variables of this process; gives the names of those that are set.

    Raises: SetupError: one of them is not usable; the message never quotes it, because it may hold a password
    """
    proxies = _set(_PROXIES)
    try:
        # To load certificates takes 20 ms, and without a variable those of the system do not fail.
        if _set(_CERTIFICATES):
            ssl.create_default_context(cafile=os.environ.get("SSL_CERT_FILE"), capath=os.environ.get("SSL_CERT_DIR"))
    except OSError as error:
        named = ", ".join(_set(_CERTIFICATES))
        raise SetupError(
            f"{named}: no certificates can be read there ({error.strerror or error}); correct or unset it"
        ) from error
    try:
        httpx.Client(verify=False).close()  # noqa: S501  # it sends nothing, so it loads no certificates
    except ImportError as error:
        raise SetupError(
            f"{', '.join(proxies)}: a SOCKS proxy needs one more package; install it with: pip install 'httpx[socks]',"
            " or name an http:// proxy"
        ) from error
    except (ValueError, httpx.InvalidURL) as error:
        raise SetupError(
            f"{', '.join(proxies)}: not the address of a proxy; write it as in http://proxy.example.org:3128, and hosts in"
            " NO_PROXY separated by commas"
        ) from error
    return ", ".join((*proxies, *_set(_CERTIFICATES)))


def _set(names: tuple[str, ...]) -> list[str]:
    """Those names that are set, also in lower case."""
    return [form for name in names for form in (name, name.lower()) if os.environ.get(form)]
