"""Keys and passphrases of a keystore (ONVIF Security Configuration 26.06, 5.2.6.1 and 5.2.6.2)."""

from collections.abc import Callable
from dataclasses import replace

from cryptography.hazmat.primitives.serialization import load_pem_private_key

from base.settings_file import Stored
from onvif.errors import impossible, invalid
from onvif.keystore.algorithms import PrivateKey, PublicKey, private_pem, public_pem
from onvif.keystore.state import Key, KeystoreState, Passphrase

MOST_KEYS = 16
MOST_PASSPHRASES = 8
LONGEST_PASSPHRASE = 128
LONGEST_ALIAS = 128

Notify = Callable[[str, str, str], None]
"""Key identifier, old status (empty for a new key), new status."""


class KeyPairs:
    """Event loop only.

    Args:
        notify: hears every change of a key's status.
    """

    def __init__(self, stored: Stored[KeystoreState], notify: Notify) -> None:
        self._stored, self._notify = stored, notify
        for key in self.all():
            if key.status == "generating":  # the device was switched off meanwhile
                self._store(replace(key, status="corrupt"))

    def all(self) -> tuple[Key, ...]:
        return self._stored.value.keys

    def get(self, key_id: str) -> Key:
        for key in self.all():
            if key.id == key_id:
                return key
        raise invalid(f"there is no key {key_id[:64]!r}", "KeyID")

    def private(self, key_id: str) -> PrivateKey:
        """The private key.

        Raises:
            Fault: ter:KeyID without a private key, ter:InvalidKeyStatus while it is not `ok`.
        """
        key = self.get(key_id)
        if key.status != "ok":
            raise invalid(f"the key {key_id} is {key.status}", "InvalidKeyStatus")
        if not key.private:
            raise invalid(f"the key {key_id} has no private key", "KeyID")
        return _load(key)

    def begin(self, alias: str) -> str:
        """A place for a key that is being generated; its identifier."""
        return self._new(Key("", alias=alias, status="generating")).id

    def finish(self, key_id: str, pair: PrivateKey | None) -> None:
        """The generated pair, or None when that failed. A key that was deleted meanwhile stays deleted."""
        key = next((key for key in self.all() if key.id == key_id), None)
        if key is None:
            return
        if pair is None:
            self._store(replace(key, status="corrupt"))
        else:
            self._store(replace(key, status="ok", private=private_pem(pair), public=public_pem(pair.public_key())))

    def add(self, pair: PrivateKey, alias: str, *, external: bool) -> Key:
        """Keep a pair; where its public key is known already, that entry gets the private key and is the answer."""
        known = self.of(pair.public_key())
        if known is None:
            public, private = public_pem(pair.public_key()), private_pem(pair)
            return self._new(Key("", public, private, alias, external=external))
        if not known.private:
            known = replace(known, private=private_pem(pair))
            self._store(known)
        return known

    def add_public(self, public: PublicKey, alias: str) -> Key:
        """The entry of a public key, made when there is none."""
        return self.of(public) or self._new(Key("", public_pem(public), alias=alias, external=True))

    def of(self, public: PublicKey) -> Key | None:
        """The entry with this public key."""
        text = public_pem(public)
        return next((key for key in self.all() if key.public == text), None)

    def room(self, more: int = 1) -> None:
        """Raises ter:MaximumNumberOfKeysReached when so many more do not fit."""
        if len(self.all()) + more > MOST_KEYS:
            raise impossible(f"the keystore holds at most {MOST_KEYS} keys", "MaximumNumberOfKeysReached")

    def delete(self, key_id: str) -> None:
        key = self.get(key_id)
        if any(certificate.key_id == key.id for certificate in self._stored.value.certificates):
            raise invalid(f"a certificate refers to the key {key_id}", "ReferenceExists")
        self._stored.change(keys=tuple(kept for kept in self.all() if kept.id != key.id))

    def passphrases(self) -> tuple[Passphrase, ...]:
        return self._stored.value.passphrases

    def passphrase(self, passphrase_id: str) -> str:
        for kept in self.passphrases():
            if kept.id == passphrase_id:
                return kept.text
        raise invalid(f"there is no passphrase {passphrase_id[:64]!r}", "PassphraseID")

    def requested_passphrase(self, text: str | None, passphrase_id: str | None) -> str | None:
        """The passphrase that a request names: directly, or one that is kept; None when it names none."""
        if text is not None:
            return text
        return self.passphrase(passphrase_id) if passphrase_id is not None else None

    def add_passphrase(self, text: str, alias: str) -> str:
        if not text.isprintable() or not 0 < len(text) <= LONGEST_PASSPHRASE:
            raise invalid(f"a passphrase has 1 to {LONGEST_PASSPHRASE} printable characters", "BadPassphrase")
        if len(self.passphrases()) >= MOST_PASSPHRASES:
            raise impossible(f"at most {MOST_PASSPHRASES} passphrases are kept", "MaximumNumberOfPassphrasesReached")
        state = self._stored.value
        kept = Passphrase(f"passphrase-{state.next_number}", text, alias[:LONGEST_ALIAS])
        self._stored.change(passphrases=(*state.passphrases, kept), next_number=state.next_number + 1)
        return kept.id

    def delete_passphrase(self, passphrase_id: str) -> None:
        self.passphrase(passphrase_id)
        self._stored.change(passphrases=tuple(kept for kept in self.passphrases() if kept.id != passphrase_id))

    def _new(self, key: Key) -> Key:
        self.room()
        state = self._stored.value
        made = replace(key, id=f"key-{state.next_number}", alias=key.alias[:LONGEST_ALIAS])
        self._stored.change(keys=(*state.keys, made), next_number=state.next_number + 1)
        self._notify(made.id, "", made.status)
        return made

    def _store(self, key: Key) -> None:
        old = self.get(key.id)
        self._stored.change(keys=tuple(key if kept.id == key.id else kept for kept in self.all()))
        if old.status != key.status:
            self._notify(key.id, old.status, key.status)


def _load(key: Key) -> PrivateKey:
    loaded: PrivateKey = load_pem_private_key(key.private.encode(), None)  # type: ignore[assignment]  # only such are kept
    return loaded
