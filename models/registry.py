"""The list of networks (`models.toml`) and the proof that a weight file is the one it names.

A wrong weight file does not fail by itself: it finds no people, and none are masked. So every file is compared with its
size and sha256 before a runtime sees it, and the runtime compares the graph's inputs and outputs with the entry.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from base import config
from base.errors import ConfigError, ModelError

HERE = Path(__file__).parent
WEIGHTS = HERE / "weights"
FORMAT = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Tensor:
    """A graph input or output: `shape` with 0 where the size is free."""

    name: str
    shape: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelEntry:
    """One file of weights: where it came from, what it must be, and, for a network, what it eats.

    Attributes:
        input, outputs: of a network; a table of numbers (.npz) has none.
        order: "BGR" or "RGB", the channel order of the input.
        mean, deviation: per channel in that order, applied to 0..255.
        labels: class numbers of the output that are used, in the order of `names`.
    """

    name: str
    version: int
    file: str
    bytes: int
    sha256: str
    licence: str
    origin: str
    card: str
    input: Tensor = Tensor(name="", shape=())
    outputs: tuple[Tensor, ...] = ()
    order: str = "RGB"
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    deviation: tuple[float, ...] = (1.0, 1.0, 1.0)
    labels: tuple[int, ...] = ()
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.order not in ("BGR", "RGB"):
            raise ValueError(f"order: {self.order!r} is neither BGR nor RGB")
        if len(self.mean) != 3 or len(self.deviation) != 3 or 0.0 in self.deviation:
            raise ValueError("mean, deviation: three numbers each, no deviation zero")
        if len(self.labels) != len(self.names):
            raise ValueError("labels and names differ in length")


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelRegistry:
    """Everything in `models.toml`, of layout `format`."""

    format: int
    models: tuple[ModelEntry, ...]

    def __post_init__(self) -> None:
        if self.format != FORMAT:
            raise ValueError(f"format: {self.format}, this program reads {FORMAT}")

    @classmethod
    def read(cls, path: Path = HERE / "models.toml") -> "ModelRegistry":
        """The registry at `path`.

        Raises:
            ModelError: it is missing or says something this program does not understand.
        """
        try:
            return config.load(cls, path)
        except ConfigError as error:
            raise ModelError(f"model registry: {error}") from error

    def entry(self, name: str) -> ModelEntry:
        """The entry called `name`; ModelError names the known ones."""
        for entry in self.models:
            if entry.name == name:
                return entry
        raise ModelError(f"no model is called {name!r}; known: {', '.join(e.name for e in self.models)}")

    def weights(self, name: str, folder: Path | None = None) -> bytes:
        """The bytes of a weight file, proven to be the ones the entry names.

        Raises:
            ModelError: the file is missing, truncated, another model's, or of another version; the message says which.
        """
        entry = self.entry(name)
        path = (folder or WEIGHTS) / entry.file
        try:
            blob = path.read_bytes()
        except OSError as error:
            raise ModelError(f"model {name}: {path} cannot be read: {error.strerror}") from error
        found = hashlib.sha256(blob).hexdigest()
        if found == entry.sha256:
            return blob
        for other in self.models:
            if other.sha256 == found:
                raise ModelError(f"model {name}: {path} holds the model {other.name}; the files were swapped")
        if len(blob) < entry.bytes:
            raise ModelError(f"model {name}: {path} is truncated: {len(blob)} of {entry.bytes} bytes")
        raise ModelError(
            f"model {name}: {path} is another version or was altered: sha256 {found}, "
            f"expected {entry.sha256} (version {entry.version})"
        )
