"""Keys and passphrases of the keystore (ONVIF Security Configuration 26.06, 5.2.6.1 and 5.2.6.2)."""

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta

from onvif.errors import invalid
from onvif.keystore import Keystore, uploads
from onvif.keystore.algorithms import CURVES, RSA_BITS, PrivateKey, generate_ecc, generate_rsa
from onvif.service import Call, Reply, operation

_RSA_SECONDS = {2048: 2, 3072: 6, 4096: 15}
"""Estimates for a Raspberry Pi, by key length."""
_log = logging.getLogger(__name__)


class KeyOperations:
    """The handlers."""

    def __init__(self, keystore: Keystore) -> None:
        self._keys = keystore.keys
        self._generating: set[asyncio.Task[None]] = set()

    @operation("CreateRSAKeyPair")
    async def create_rsa_key_pair(self, call: Call) -> Reply:
        bits = int(call.request.KeyLength)
        if bits not in RSA_BITS:
            raise invalid(f"RSA keys have {', '.join(map(str, RSA_BITS))} bits", "KeyLength")
        return self._generate(call, lambda: generate_rsa(bits), _RSA_SECONDS[bits])

    @operation("CreateECCKeyPair")
    async def create_ecc_key_pair(self, call: Call) -> Reply:
        curve = str(call.request.EllipticCurve)
        if curve not in CURVES:
            raise invalid(f"the curves {', '.join(CURVES)} are supported", "UnsupportedEllipticCurve")
        return self._generate(call, lambda: generate_ecc(curve), 1)

    @operation("UploadKeyPairInPKCS8")
    async def upload_key_pair_in_pkcs8(self, call: Call) -> Reply:
        requested = call.request
        passphrase = self._keys.requested_passphrase(requested.EncryptionPassphrase, requested.EncryptionPassphraseID)
        pair = uploads.pkcs8(bytes(requested.KeyPair or b""), passphrase)
        known = self._keys.of(pair.public_key())
        if known is not None and known.status != "ok":
            raise invalid(f"the key {known.id} is {known.status}", "InvalidKeyStatus")
        return {"KeyID": self._keys.add(pair, str(requested.Alias or ""), external=True).id}

    @operation("GetKeyStatus")
    async def get_key_status(self, call: Call) -> Reply:
        return {"KeyStatus": self._keys.get(str(call.request.KeyID)).status}

    @operation("GetPrivateKeyStatus")
    async def get_private_key_status(self, call: Call) -> Reply:
        return {"hasPrivateKey": bool(self._keys.get(str(call.request.KeyID)).private)}

    @operation("GetAllKeys")
    async def get_all_keys(self, _call: Call) -> Reply:
        return {
            "KeyAttribute": [
                {
                    "KeyID": key.id, "Alias": key.alias, "hasPrivateKey": bool(key.private), "KeyStatus": key.status,
                    "externallyGenerated": key.external, "securelyStored": False,
                }
                for key in self._keys.all()
            ]
        }  # fmt: skip

    @operation("DeleteKey")
    async def delete_key(self, call: Call) -> Reply:
        self._keys.delete(str(call.request.KeyID))
        return {}

    @operation("UploadPassphrase")
    async def upload_passphrase(self, call: Call) -> Reply:
        requested = call.request
        kept = self._keys.add_passphrase(str(requested.Passphrase or ""), str(requested.PassphraseAlias or ""))
        return {"PassphraseID": kept}

    @operation("GetAllPassphrases")
    async def get_all_passphrases(self, _call: Call) -> Reply:
        return {
            "PassphraseAttribute": [{"PassphraseID": kept.id, "Alias": kept.alias} for kept in self._keys.passphrases()]
        }

    @operation("DeletePassphrase")
    async def delete_passphrase(self, call: Call) -> Reply:
        self._keys.delete_passphrase(str(call.request.PassphraseID))
        return {}

    def _generate(self, call: Call, make: Callable[[], PrivateKey], estimated_s: int) -> Reply:
        key_id = self._keys.begin(str(call.request.Alias or ""))
        task = asyncio.create_task(self._finish(key_id, make), name=f"generate {key_id}")
        self._generating.add(task)
        task.add_done_callback(self._generating.discard)
        return {"KeyID": key_id, "EstimatedCreationTime": timedelta(seconds=estimated_s)}

    async def _finish(self, key_id: str, make: Callable[[], PrivateKey]) -> None:
        try:
            pair = await asyncio.to_thread(make)
        except (ValueError, MemoryError) as problem:
            _log.warning("the key %s could not be generated: %s", key_id, problem)
            self._keys.finish(key_id, None)
        else:
            self._keys.finish(key_id, pair)
