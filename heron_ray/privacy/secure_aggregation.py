"""What secure aggregation would send: a cost model of Bonawitz et al. 2017, without any cryptography.

Practical Secure Aggregation for Privacy-Preserving Machine Learning (CCS 2017, IACR ePrint 2017/281): the federation server
learns the sum of the clients' vectors and none of them, even if some clients vanish. Counted message by message; with 16-bit
numbers the model gives that paper's expansions, 1.73 for 2^10 clients and 2^20 numbers, 1.98 for 2^14 clients and 2^24
numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

KEY_BITS: Final = 256
"""Of a public key, a_K (an elliptic curve's)."""

SHARE_BITS: Final = 256
"""Of a secret share, a_S."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecureAggregation:
    """One aggregation of n vectors of m numbers of b bits.

    Attributes:
        client_up_bytes: 2 public keys; 2 encrypted shares for each other client; the masked vector; one share of each client.
        client_down_bytes: 2 public keys and 2 encrypted shares of each other client; the joined vector is not among them.
        server_bytes: Both for all clients.
        expansion: What a client sends and receives for it, over the m b bits that it would send without.
    """

    client_up_bytes: int
    client_down_bytes: int
    server_bytes: int
    expansion: float


def secure_aggregation(clients: int, numbers: int, bits: int = 32) -> SecureAggregation:
    """The cost of one aggregation: 2 n a_K + (5 n - 4) a_S + m ceil(log2 R) bits per client, with R = n (2^b - 1) + 1.

    Args:
        clients: n, none of which vanishes.
        numbers: m.
        bits: b, of a number that is rounded to a fixed point; float32 has 32.

    Example:
        >>> round(secure_aggregation(2**10, 2**20, 16).expansion, 2), round(secure_aggregation(2**14, 2**24, 16).expansion, 2)
        (1.73, 1.98)
    """
    masked = numbers * (clients * (2**bits - 1)).bit_length()
    others = clients - 1
    up = 2 * KEY_BITS + 2 * others * SHARE_BITS + masked + clients * SHARE_BITS
    down = 2 * others * KEY_BITS + 2 * others * SHARE_BITS
    up_bytes, down_bytes = -(-up // 8), -(-down // 8)
    return SecureAggregation(
        client_up_bytes=up_bytes,
        client_down_bytes=down_bytes,
        server_bytes=clients * (up_bytes + down_bytes),
        expansion=(up + down) / (numbers * bits),
    )
