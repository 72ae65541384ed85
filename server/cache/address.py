"""The parameters in the address of Valkey."""

from __future__ import annotations

import re
from typing import Any


def check_parameters(address: str, parameters: str) -> None:
    """Checks that the driver knows the parameters of an address; otherwise it raises only when it connects.

    Takes:  address, of one server, without the parameters
    Raises: ValueError: its message never quotes the address
    """
    if not parameters:
        return
    # Most addresses have none, and then a command that needs no Valkey imports no driver.
    import redis.asyncio

    try:
        pool: Any = redis.asyncio.ConnectionPool.from_url(f"{address}?{parameters}")
        pool.make_connection()
    except TypeError as error:
        name = re.search(r"'(\w+)'$", str(error))
        unknown = name[1] if name else "one"
        needs_tls = "; it needs the scheme with TLS, rediss://" if unknown.startswith("ssl_") else "; leave it out"
        raise ValueError(f"has a parameter that cannot be used, {unknown}{needs_tls}") from error
    except (ValueError, redis.RedisError) as error:
        raise ValueError(f"has a wrong parameter: {error}") from error
