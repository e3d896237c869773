"""`python -m nvr_box reencode`: after another `appearance` was chosen, make the codes of stored passages again.

Opens the originals in the best shots with the operators' keys, in this process's memory alone, and keeps nothing but
codes. It may run beside a running box, be stopped or killed, and run again: it goes on where it was. Passphrases come
from standard input, one a line, or are typed at a terminal and not shown.
"""

import asyncio
import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path

import models
from base.errors import Error, SealError
from models import ModelsConfig
from nvr_box.audit.log import Audit
from nvr_box.db.database import Store
from nvr_box.keys import day as day_keys
from nvr_box.keys.passphrase import unlocked
from nvr_box.keys.store import KeyFolder
from nvr_box.search.reencode import ReencodeProgress, Reencoder
from nvr_box.state import CONSOLE
from wire.keys import Identity


async def run(
    config: ModelsConfig, store: Store, keys: KeyFolder, *, files: Sequence[Path], passphrases: Sequence[str]
) -> ReencodeProgress:
    """The command.

    Raises:
        SealError: the passphrases open no key.
        ModelError: the model cannot be trusted.
        StoreError: the database refuses; what was done stays done.
    """
    log = Audit(store)
    identities = await asyncio.to_thread(_identities, keys, files, passphrases)
    encoder = await asyncio.to_thread(models.load_appearance, config)
    work = Reencoder(store, encoder, identities)
    progress = ReencodeProgress(await work.count())
    model = encoder.model
    await log.write(CONSOLE.name, "reencode", model=model, passages=progress.total, key=identities[0].kid.hex())
    why = "stopped"
    try:
        async for progress in work.run():
            _show(progress)
        why = "finished"
    except Error as error:
        why = str(error)
        raise
    finally:
        left = progress.stayed.total()
        await log.write(CONSOLE.name, "reencode-end", model=model, done=progress.done, stayed=left, why=why)
    print(f"{progress.done} of {progress.total} passages carry codes of {model} now")
    for reason, count in progress.stayed.most_common():
        print(f"{count} keep their old code: {reason}")
    return progress


def _identities(keys: KeyFolder, files: Sequence[Path], passphrases: Sequence[str]) -> list[Identity]:
    """What the passphrases open, and the days behind it."""
    sealed = keys.sealed()
    operators = unlocked([*sealed.operators, *files], passphrases)
    if not operators:
        raise SealError("the passphrase opens no reveal key")
    found = list(operators)
    for path in sealed.days:
        with contextlib.suppress(SealError):
            found.append(day_keys.unseal(path, operators))
    return found


def _show(progress: ReencodeProgress) -> None:
    line = f"{progress.seen} of {progress.total}"
    if sys.stdout.isatty():
        print(f"\r{line}", end="" if progress.seen < progress.total else "\n", flush=True)
    else:
        print(line, flush=True)
