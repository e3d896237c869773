"""What a second camera does to a picture of the same person, for a whole batch at once.

View: shift, zoom, mirror. Light: gain, contrast, saturation, colour cast, now and then no colour at all.
Optics: a lower resolution. Occlusion: a rectangle of noise colour, or a piece of another person's picture.
"""

import torch
from torch import Tensor
from torch.nn import functional

MEAN, SPREAD = 0.45, 0.25


def normalise(rgb: Tensor) -> Tensor:
    """(n, h, w, 3) uint8 to the network's input, (n, 3, h, w) float32, channels-last in memory."""
    return (rgb.permute(0, 3, 1, 2).float() / 255 - MEAN) / SPREAD


def uniform(n: int, low: float, high: float, source: torch.Generator) -> Tensor:
    return torch.rand(n, generator=source) * (high - low) + low


def view(x: Tensor, height: int, source: torch.Generator) -> Tensor:
    """Mirror half of the pictures, zoom by 0.88 to 1.12, shift by up to 8 % and sample at `height`."""
    n = len(x)
    zoom = uniform(n, 0.88, 1.12, source)
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0] = zoom * uniform(n, 0.92, 1.08, source) * torch.where(torch.rand(n, generator=source) < 0.5, -1, 1)
    theta[:, 1, 1] = zoom
    theta[:, :, 2] = uniform(2 * n, -0.16, 0.16, source).view(n, 2)
    grid = functional.affine_grid(theta, [n, 3, height, height // 2], align_corners=False)
    return functional.grid_sample(x, grid, padding_mode="border", align_corners=False)


def light(x: Tensor, source: torch.Generator) -> Tensor:
    """Contrast, saturation, gain and cast, drawn for each picture; 5 % lose their colour."""
    n = len(x)

    def each(low: float, high: float, channels: int = 1) -> Tensor:
        return uniform(n * channels, low, high, source).view(n, channels, 1, 1)

    grey = x.mean(1, keepdim=True)
    saturation = each(0.6, 1.4)
    saturation[torch.rand(n, generator=source) < 0.05] = 0
    x = grey + (x - grey) * saturation
    centre = x.mean((2, 3), keepdim=True)
    x = (x - centre) * each(0.7, 1.35) + centre
    return (x + MEAN / SPREAD) * each(0.9, 1.1, 3) * each(0.75, 1.3) - MEAN / SPREAD


def blur(x: Tensor, source: torch.Generator) -> Tensor:
    """Halve the resolution of 15 % of the pictures."""
    chosen = torch.rand(len(x), generator=source) < 0.15
    if chosen.any():
        small = functional.avg_pool2d(x[chosen], 2)
        x[chosen] = functional.interpolate(small, scale_factor=2, mode="bilinear", align_corners=False)
    return x


def occlude(x: Tensor, source: torch.Generator) -> Tensor:
    """Cover 2 to 30 % of half of the pictures, a third of these with another person."""
    n, _, height, width = x.shape
    other = torch.randperm(n, generator=source)
    for index in range(n):
        kind, area, ratio, top, left = torch.rand(5, generator=source).tolist()
        if kind > 0.5:
            continue
        ratio = 0.3 * 11**ratio
        area = (0.02 + 0.28 * area) * height * width
        h, w = min(int((area * ratio) ** 0.5), height - 1), min(int((area / ratio) ** 0.5), width - 1)
        y, z = int(top * (height - h)), int(left * (width - w))
        if kind < 0.17:
            x[index, :, y : y + h, z : z + w] = x[other[index], :, y : y + h, z : z + w]
        else:
            x[index, :, y : y + h, z : z + w] = torch.randn(3, 1, 1, generator=source)
    return x


def augment(rgb: Tensor, height: int, source: torch.Generator) -> Tensor:
    """(n, h, w, 3) uint8 to a batch for training of `height` and half its width, channels-last."""
    x = view(normalise(rgb).contiguous(), height, source)
    x = occlude(blur(light(x, source), source), source)
    return x.contiguous(memory_format=torch.channels_last)
