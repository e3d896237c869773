"""One onnxruntime session: made from proven weights, on the first provider that is really there.

A session may be called from any thread, one call at a time per session is what this project does.
"""

import logging
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

# onnxruntime 1.31 keeps a device number and reports its use to its maker unless this is set before it loads.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime  # after the switch

from base.errors import ModelError
from models.config import ModelsConfig
from models.registry import ModelEntry, ModelRegistry, Tensor

log = logging.getLogger(__name__)
# The package exports its names without declaring them.
ort: Any = onnxruntime
Floats = npt.NDArray[np.float32]
# Half precision where it is the hardware's own; engines are built once, minutes long, and kept.
_OPTIONS = {"TensorrtExecutionProvider": {"trt_fp16_enable": "1", "trt_engine_cache_enable": "1"}}


def choose_providers(wanted: tuple[str, ...]) -> list[str]:
    """Those of `wanted` that this build of onnxruntime has, in order.

    Raises:
        ModelError: none of them is there; running on a provider that was not requested would be a surprise.
    """
    available = ort.get_available_providers()
    chosen = [name for name in wanted if name in available]
    for name in wanted:
        if name not in available:
            log.warning("execution provider %s is not in this onnxruntime", name)
    if not chosen:
        raise ModelError(
            f"none of the execution providers {', '.join(wanted)} is there; this onnxruntime has {', '.join(available)}"
        )
    return chosen


class InferenceSession:
    """A loaded network; `run` gives its outputs by name."""

    def __init__(self, entry: ModelEntry, weights: bytes, config: ModelsConfig) -> None:
        self.entry = entry
        options = ort.SessionOptions()
        options.intra_op_num_threads = config.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Spinning threads would take from the encoder what the detector does not use.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # Input sizes vary (tiles, crops): a pattern per size would grow the arena for each.
        options.enable_mem_pattern = False
        providers = choose_providers(config.wanted)
        try:
            self._session: Any = ort.InferenceSession(
                weights, options, providers=[(name, _OPTIONS.get(name, {})) for name in providers]
            )
        except Exception as error:  # onnxruntime raises a dozen private types that share only Exception
            raise ModelError(f"model {entry.name}: onnxruntime refuses the graph: {error}") from error
        self.provider = str(self._session.get_providers()[0])
        if self.provider != providers[0]:
            log.warning("model %s runs on %s, for %s could not start", entry.name, self.provider, providers[0])
        self._check("input", (entry.input,), self._session.get_inputs())
        self._check("output", entry.outputs, self._session.get_outputs())

    @classmethod
    def load(cls, name: str, config: ModelsConfig, registry: ModelRegistry | None = None) -> "InferenceSession":
        """The model called `name` in the registry; ModelError names what is wrong with it."""
        registry = registry or ModelRegistry.read()
        return cls(registry.entry(name), registry.weights(name, config.weights), config)

    def _check(self, kind: str, expected: tuple[Tensor, ...], found: Sequence[Any]) -> None:
        shapes = {value.name: value.shape for value in found}
        for tensor in expected:
            if tensor.name not in shapes:
                raise ModelError(f"model {self.entry.name}: no {kind} {tensor.name!r}, but {', '.join(shapes)}")
            shape = [size if isinstance(size, int) else 0 for size in shapes[tensor.name]]
            if shape != list(tensor.shape):
                raise ModelError(f"model {self.entry.name}: {kind} {tensor.name!r} is {shape}, want {tensor.shape}")

    def run(self, image: Floats, outputs: tuple[str, ...]) -> list[Floats]:
        """The named outputs for `image` (n, 3, h, w), normalised by the caller.

        Raises:
            ModelError: the runtime failed, or an output is not finite; nothing of such a result may be used.
        """
        try:
            results: list[Floats] = self._session.run(list(outputs), {self.entry.input.name: image})
        except Exception as error:  # see above; a lost device must mask the picture, not end the process
            raise ModelError(f"model {self.entry.name}: inference failed: {error}") from error
        for name, result in zip(outputs, results, strict=True):
            # The sum is not finite when any element is not; one pass, no temporary array.
            if not np.isfinite(result.sum(dtype=np.float64)):
                raise ModelError(f"model {self.entry.name}: output {name} holds a value that is not a finite number")
        return results

    def normalised(self, rgb: npt.NDArray[np.uint8]) -> Floats:
        """(h, w, 3) or (n, h, w, 3) RGB 0..255 → (n, 3, h, w) in the channel order and range of the network."""
        pictures = rgb if rgb.ndim == 4 else rgb[None]
        if self.entry.order == "BGR":
            pictures = pictures[..., ::-1]
        blob = np.ascontiguousarray(pictures.transpose(0, 3, 1, 2), dtype=np.float32)
        for channel in range(3):
            blob[:, channel] -= self.entry.mean[channel]
            blob[:, channel] *= 1.0 / self.entry.deviation[channel]
        return blob
