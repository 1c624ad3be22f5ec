"""Writes the public keys of the service as PEM files for offline.cfg: `python keys.py http://127.0.0.1:8000 FOLDER`.

It needs `pyjwt[crypto]`. Run it after each rotation of keys, then reload HAProxy.
"""

import sys
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

FILES = ["key1.pem", "key2.pem", "key3.pem", "key4.pem"]

base_url, folder = sys.argv[1:]
keys = jwt.PyJWKClient(f"{base_url}/.well-known/jwks.json").get_signing_keys()
if len(keys) > len(FILES):
    sys.exit(f"offline.cfg names {len(FILES)} files, and the service has {len(keys)} keys: add files to both")
for file in FILES:
    (Path(folder) / file).unlink(missing_ok=True)  # HAProxy does without a file that is not there
for file, key in zip(FILES, keys, strict=False):
    (Path(folder) / file).write_bytes(key.key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
