"""Whether this machine has what a run needs: one finding for each thing, with what to do about it.

Looks and reports; changes nothing, sends no request to a model, and never shows a key.
"""

import os
import platform
import shutil
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

from discovery.errors import EndpointError, PriceError
from discovery.provider import LiteLLMEndpoint, find_price
from sandbox.errors import SandboxError
from sandbox.pool import Pool

LEAST_FREE_BYTES = 1 << 30
KEY_SUFFIX = "_API_KEY"
CONNECT_SECONDS = 3.0
LESSER_LAYERS = frozenset({"namespaces"})
"""Layers whose absence is usual in containers; the others cover what they would."""

OTHER_SYSTEM = "not available on"
"""How the sandbox states a layer of another operating system."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        subject: What.
        state: What was found.
        advice: What to do; empty if it is well.
    """

    subject: str
    state: str
    advice: str = ""


def diagnose(
    folder: Path, model: str = "", base_url: str = "", prices: tuple[Decimal | None, Decimal | None] = (None, None)
) -> Iterator[Finding]:
    """Looks at Python, cores, sandbox, disk and, for a model, its key, price and endpoint.

    Args:
        folder: Where runs are kept; it need not exist.
        model: The model to look at; empty for none.
        base_url: Its endpoint; empty for the provider's own.
        prices: USD per million prompt and completion tokens, where they are given.
    """
    yield Finding("python", f"{platform.python_version()} at {sys.executable}")
    yield Finding("cores", str(os.cpu_count() or 1))
    yield from _sandbox()
    yield _disk(folder)
    yield _keys()
    if model:
        yield from _model(model, base_url, prices)
    if base_url:
        yield _endpoint(base_url)


def _sandbox() -> Iterator[Finding]:
    try:
        with Pool(()) as pool:
            layers = pool.layers()
    except SandboxError as error:
        yield Finding("sandbox", f"does not start: {error}", error.hint or "see docs/sandbox.md")
        return
    for name, state in layers.items():
        if OTHER_SYSTEM in state:
            continue
        if state.startswith("on"):
            yield Finding(f"sandbox {name}", state)
        elif name in LESSER_LAYERS:
            yield Finding(f"sandbox {name}", f"{state}; the other layers cover it")
        else:
            yield Finding(f"sandbox {name}", state, "docs/sandbox.md says what this leaves open")


def _disk(folder: Path) -> Finding:
    place = next(parent for parent in (folder.resolve(), *folder.resolve().parents) if parent.exists())
    if not os.access(place, os.W_OK):
        return Finding("disk", f"{place} can't be written", "give yourself write access, or name another --archive")
    free = shutil.disk_usage(place).free
    state = f"{free / 2**30:.1f} GiB free at {place}"
    return Finding("disk", state, "make room: a run keeps some MB a candidate" if free < LEAST_FREE_BYTES else "")


def _keys() -> Finding:
    names = sorted(name for name in os.environ if name.endswith(KEY_SUFFIX) and os.environ[name])
    return Finding("keys", ", ".join(names) or "none; the grammar needs none, a model its provider's")


def _model(model: str, base_url: str, prices: tuple[Decimal | None, Decimal | None]) -> Iterator[Finding]:
    try:
        price = find_price(model, base_url=base_url, input_usd=prices[0], output_usd=prices[1])
    except (PriceError, EndpointError) as error:
        yield Finding("price", str(error), error.hint)
        return
    tier = price.tiers[0]
    per_million = f"${tier.input_usd * 1_000_000:f} in, ${tier.output_usd * 1_000_000:f} out a million tokens"
    yield Finding("price", f"{per_million} ({price.origin})")
    try:
        LiteLLMEndpoint(model, price, base_url=base_url)
    except EndpointError as error:
        yield Finding("model", str(error), error.hint)
    else:
        yield Finding("model", f"{model}: its key is in the environment, or it needs none")


def _endpoint(base_url: str) -> Finding:
    """Whether something listens at the endpoint; nothing is sent."""
    parts = urlsplit(base_url)
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        with socket.create_connection((parts.hostname or "", port), CONNECT_SECONDS):
            return Finding("endpoint", f"{parts.hostname}:{port} answers")
    except (OSError, ValueError) as error:
        return Finding("endpoint", f"{base_url} can't be reached: {error}", "check --base-url and that it runs")
