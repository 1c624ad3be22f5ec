"""argon2id alone: how many of these hashes a second the cores that this process may use can verify at all."""

import os
import sys
import time
from threading import Thread

import argon2
from nacl import pwhash

VERIFY = {
    "libsodium": lambda stored, password: pwhash.verify(stored.encode(), password.encode()),
    "argon2-cffi": argon2.PasswordHasher().verify,
}


def main(library: str, stored_hash: str, password: str, seconds: float) -> None:
    verify = VERIFY[library]
    verified = []
    begin = time.perf_counter()

    def work() -> None:
        count = 0
        while time.perf_counter() - begin < seconds:
            verify(stored_hash, password)
            count += 1
        verified.append(count)

    threads = [Thread(target=work) for _ in os.sched_getaffinity(0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(sum(verified) / (time.perf_counter() - begin))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4]))
