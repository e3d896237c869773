"""What an operator may choose about the networks; the `[models]` table of both programs' configuration."""

from dataclasses import dataclass
from pathlib import Path

PROFILES = ("standard", "fine", "tiles", "small", "smallest", "low_power", "jetson")
PRECISIONS = ("float", "int8", "auto")
_CPU = ("CPUExecutionProvider",)
_JETSON = ("TensorrtExecutionProvider", "CUDAExecutionProvider", *_CPU)


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelsConfig:
    """Which networks run, on what.

    Attributes:
        providers: onnxruntime execution providers, most wanted first; one that this machine lacks is passed over with
            a warning as long as a later one is there.
        threads: threads of one inference; 1 leaves the other cores to the encoder; 1 to 64.
        profile: "fine" (NanoDet at 512), "standard" (at 416: two thirds of the work, misses smaller people), "tiles"
            (at 416 over the picture and a 2 × 1 grid: twice the work), "small" (at 320: 40 % of the work), "smallest"
            (at 256: a quarter), "low_power" (OIDv4 SSD at 300, in float only: a quarter as well, but it sees less
            than "smallest" and was no quicker on x86), "jetson" (as "tiles", on TensorRT in half precision, else CUDA,
            else the CPU; not measured on a Jetson).
        precision: of NanoDet as the detector: "float", "int8" (two and a half times as fast on x86 with VNNI, half a
            point of average precision lost), or "auto": eight bits where this machine runs them clearly faster and the
            network still knows the self-test's answer.
        appearance: which code describes a person: "stripes" (permissive) or "market64" (finds far more, but its weights
            are licensed for research only). Codes of the two are not comparable.
        weights: another folder to take the weight files from; its files must be those that `models.toml` knows.
    """

    providers: tuple[str, ...] = _CPU
    threads: int = 1
    profile: str = "fine"
    precision: str = "auto"
    appearance: str = "stripes"
    weights: Path | None = None

    def __post_init__(self) -> None:
        if not self.providers:
            raise ValueError("providers: name at least one execution provider")
        if not 1 <= self.threads <= 64:
            raise ValueError(f"threads: {self.threads} is not between 1 and 64")
        if self.profile not in PROFILES:
            raise ValueError(f"profile: {self.profile!r} is not one of {', '.join(PROFILES)}")
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision: {self.precision!r} is not one of {', '.join(PRECISIONS)}")

    @property
    def wanted(self) -> tuple[str, ...]:
        """Providers, most wanted first: those of the profile where the operator names none."""
        return _JETSON if self.profile == "jetson" and self.providers == _CPU else self.providers
