"""argon2id alone: how many of these hashes a second the cores that this process may use can verify at all."""

import os
import sys
import time
from threading import Thread

from argon2 import PasswordHasher


def main(stored_hash: str, password: str, seconds: float) -> None:
    hasher = PasswordHasher()
    verified = []
    begin = time.perf_counter()

    def work() -> None:
        count = 0
        while time.perf_counter() - begin < seconds:
            hasher.verify(stored_hash, password)
            count += 1
        verified.append(count)

    threads = [Thread(target=work) for _ in os.sched_getaffinity(0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(sum(verified) / (time.perf_counter() - begin))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
