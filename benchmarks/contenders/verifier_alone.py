"""wutang-auth-verifier in a service of its own: how fast it verifies, and how soon it refuses who has logged out.

`verifier_alone.py speed|logouts BASE_URL TOKENS` prints a JSON object.
"""

import json
import statistics
import sys
import threading
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from wutang_auth_verifier import RevokedToken, Verifier

CHUNK = 400  # tokens
PACED, PER_SECOND = 1000, 50  # logouts
ALL = 10_000
THREADS = 8


def speed(verifier: Verifier, base_url: str, tokens: Sequence[str]) -> dict[str, float]:
    """Tokens a second: seen before, and new ones against ES256 alone, chunk after chunk in turns."""
    es256 = signature_check(
        jwt.PyJWKClient(f"{base_url}/.well-known/jwks.json").get_signing_key_from_jwt(tokens[0]).key
    )
    new, alone, seen = [], [], []
    for first in range(0, len(tokens) - CHUNK + 1, CHUNK):
        chunk = tokens[first : first + CHUNK]
        new.append(rate(verifier.verify, chunk))
        alone.append(rate(es256, [prepared(token) for token in chunk]))
        seen.append(rate(verifier.verify, chunk * 50))
    ratios = [ours / theirs for ours, theirs in zip(new, alone, strict=True)]
    return {
        "seen": statistics.median(seen),
        "new": statistics.median(new),
        "es256": statistics.median(alone),
        "new_against_es256": statistics.median(ratios),
    }


def rate(verify: Callable[..., object], given: Sequence[object]) -> float:
    begin = time.perf_counter()
    for each in given:
        verify(each)
    return len(given) / (time.perf_counter() - begin)


def prepared(token: str) -> tuple[bytes, bytes]:
    """What is signed, and the signature as OpenSSL wants it."""
    signed, _, tail = token.encode().rpartition(b".")
    signature = urlsafe_b64decode(tail + b"==")
    return signed, encode_dss_signature(int.from_bytes(signature[:32]), int.from_bytes(signature[32:]))


def signature_check(key: ec.EllipticCurvePublicKey) -> Callable[[tuple[bytes, bytes]], None]:
    algorithm = ec.ECDSA(SHA256())
    return lambda given: key.verify(given[1], given[0], algorithm)


class Watcher(threading.Thread):
    """Notes how long it takes until the verifier refuses each token whose logout was answered."""

    def __init__(self, verifier: Verifier) -> None:
        super().__init__(daemon=True)
        self.answered: list[tuple[str, float]] = []
        self.took: list[float] = []
        self.is_last = False
        self._verifier = verifier

    def run(self) -> None:
        while self.answered or not self.is_last:
            for token, at in list(self.answered):
                if self._refuses(token):
                    self.took.append(time.perf_counter() - at)
                    self.answered.remove((token, at))
            time.sleep(0.005)

    def _refuses(self, token: str) -> bool:
        try:
            self._verifier.verify(token)
        except RevokedToken:
            return True
        return False


def logouts(verifier: Verifier, base_url: str, tokens: Sequence[str]) -> dict[str, float]:
    """Seconds from the answered logout to the refusal, of logouts that are spread over the polls; then many more."""
    watcher = Watcher(verifier)
    watcher.start()
    begin, connection = time.perf_counter(), connect(base_url)
    for number, token in enumerate(tokens[:PACED]):
        if log_out(connection, token) != 200:
            raise SystemExit("a logout was refused")
        watcher.answered.append((token, time.perf_counter()))
        time.sleep(max(begin + number / PER_SECOND - time.perf_counter(), 0))
    watcher.is_last = True
    watcher.join(60)
    if len(watcher.took) < PACED:
        raise SystemExit(f"the verifier did not hear of {PACED - len(watcher.took)} logouts within a minute")
    with ThreadPoolExecutor(THREADS) as pool:
        shares = [tokens[PACED + number : ALL : THREADS] for number in range(THREADS)]
        list(pool.map(lambda share: log_out_all(base_url, share), shares))
    watcher.took.sort()
    return {"count": PACED, "p99": watcher.took[PACED * 99 // 100], "most": watcher.took[-1]}


def log_out_all(base_url: str, tokens: Sequence[str]) -> None:
    connection = connect(base_url)
    for token in tokens:
        log_out(connection, token)


def connect(base_url: str) -> HTTPConnection:
    return HTTPConnection(urlsplit(base_url).netloc, timeout=20)


def log_out(connection: HTTPConnection, token: str) -> int:
    connection.request("DELETE", "/api/auth/logout", headers={"Authorization": f"Bearer {token}"})
    answer = connection.getresponse()
    answer.read()
    return answer.status


def main(what: str, base_url: str, file: str) -> None:
    tokens = Path(file).read_text().split()
    with Verifier(base_url, issuer="wutang-auth", audience="wutang", poll_seconds=2.0) as verifier:
        print(json.dumps({"speed": speed, "logouts": logouts}[what](verifier, base_url, tokens)))


if __name__ == "__main__":
    main(*sys.argv[1:])
