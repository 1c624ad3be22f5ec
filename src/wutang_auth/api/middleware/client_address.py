"""The address that a request comes from."""

import ipaddress
from functools import lru_cache

from wutang_auth.api.header_values import forwarded_node
from wutang_auth.settings import Network

_MAX_HOPS = 32
_MAX_KEPT = 256


def client_address(
    peer: str | None, forwarded: bytes, trusted: tuple[Network, ...], *, is_rfc_7239: bool = False
) -> str | None:
    """The nearest address that is not one of our proxies; None where the server does not know its peer.

    `forwarded` is the value of `X-Forwarded-For`, or where `is_rfc_7239` of `Forwarded` (RFC 7239). It is read from
    right to left, since only its right end was written by proxies that we trust; what a client wrote itself is to the
    left of that.
    """
    if peer is not None and peer.startswith("::ffff:"):  # IPv4, on a socket that listens for both
        peer = _canonical(peer) or peer
    if not forwarded or not trusted:
        return peer
    # SECURITY: what a client can make long is not kept
    find = _nearest_untrusted_kept if len(forwarded) <= _MAX_KEPT else _nearest_untrusted
    return find(peer, forwarded, trusted, is_rfc_7239)


def _nearest_untrusted(
    peer: str | None,
    forwarded: bytes,
    trusted: tuple[Network, ...],
    is_rfc_7239: bool,
) -> str | None:
    address = peer
    # SECURITY: at each comma, also one inside of a quotation, which a client may have begun; what is torn is no element
    hops = forwarded.decode("latin-1").split(",")
    for hop in reversed(hops[-_MAX_HOPS:]):
        if address is None or not _is_trusted(address, trusted):
            break
        parsed = _canonical(forwarded_node(hop) if is_rfc_7239 else hop.strip())
        if parsed is None:
            break
        address = parsed
    return address


_nearest_untrusted_kept = lru_cache(maxsize=4096)(_nearest_untrusted)


def _is_trusted(address: str, trusted: tuple[Network, ...]) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in trusted)


def _canonical(hop: str) -> str | None:
    """An address without port and brackets, in its canonical form; None for anything else."""
    if hop.startswith("["):
        hop = hop[1:].partition("]")[0]
    elif hop.count(":") == 1:
        hop = hop.partition(":")[0]
    try:
        address = ipaddress.ip_address(hop)
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)
