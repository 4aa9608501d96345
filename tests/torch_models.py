"""PyTorch networks of the tests, float and quantized by PT2E; ``file.py:function`` names them."""

from __future__ import annotations

from typing import Any

import torch
from litert_torch.quantize.pt2e_quantizer import PT2EQuantizer, get_symmetric_quantization_config
from torch import nn
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e


class Block(nn.Module):
    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(after)
        self.down = nn.Conv2d(before, after, 1, stride) if stride > 1 else nn.Identity()

    def forward(self, x: Any) -> Any:
        y = torch.relu(self.norm1(self.conv1(x)))
        return torch.relu(self.norm2(self.conv2(y)) + self.down(x))


class ResNet8(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.blocks = nn.Sequential(Block(8, 8, 1), Block(8, 16, 2), Block(16, 32, 2))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.drop = nn.Dropout(0.2)
        self.head = nn.Linear(32, 10)

    def forward(self, image: Any) -> Any:
        return self.head(self.drop(torch.flatten(self.pool(self.blocks(self.stem(image))), 1)))


def separable(before: int, after: int, stride: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(before, before, 3, stride, 1, groups=before, bias=False),
        nn.BatchNorm2d(before), nn.ReLU6(),
        nn.Conv2d(before, after, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU6(),
    )  # fmt: skip


class Depthwise(nn.Module):
    """Like DS-CNN, of MLPerf Tiny."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 8, (5, 3), 2, (2, 1)), nn.BatchNorm2d(8), nn.ReLU6(), separable(8, 16, 1),
            separable(16, 24, 2), nn.AvgPool2d((4, 3)), nn.Flatten(), nn.Linear(24, 5),
        )  # fmt: skip

    def forward(self, sound: Any) -> Any:
        return self.body(sound)


SHAPES = {ResNet8: (3, 16, 16), Depthwise: (1, 16, 10)}


def lived(kind: Any) -> nn.Module:
    """A network with seeded weights whose batch normalization has seen some inputs."""
    torch.manual_seed(1)
    module: nn.Module = kind().train()
    with torch.no_grad():
        for _ in range(4):
            module(torch.randn(8, *SHAPES[kind]))
    return module


def quantized(kind: Any, fold: bool = False) -> tuple[nn.Module, Any]:
    """It in int8, per channel, by PT2E."""
    scheme = get_symmetric_quantization_config(is_per_channel=True)
    example = torch.randn(1, *SHAPES[kind])
    exported = torch.export.export(lived(kind).eval(), (example,)).module()
    prepared = prepare_pt2e(exported, PT2EQuantizer().set_global(scheme))
    for _ in range(8):
        prepared(torch.randn(1, *SHAPES[kind]))
    return convert_pt2e(prepared, fold_quantize=fold), example


def resnet8() -> Any:
    return lived(ResNet8), torch.randn(4, 3, 16, 16)


def resnet8_int8() -> Any:
    return quantized(ResNet8)


def depthwise_int8() -> Any:
    return quantized(Depthwise, fold=True)


class Mixed(nn.Module):
    """Several inputs and outputs, of several types, some in dicts and tuples, by keyword too."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(9, 4)
        self.dense = nn.Linear(4, 3)
        self.register_buffer("offset", torch.tensor([1.0, -2.0, 3.0]))

    def forward(self, ids: Any, more: Any, *, gain: Any, twice: bool = True) -> Any:
        y = self.dense(self.table(ids).mean(1)) + more["v"] * gain
        best = torch.argmax(y, 1)
        return {"zeta": y * (2 if twice else 1), "alpha": (y - self.offset, best), "w": more["w"]}


def mixed() -> Any:
    torch.manual_seed(1)
    ids, v, w = torch.randint(0, 9, (1, 5)), torch.randn(1, 3), torch.randn(1, 2)
    arguments = (ids, {"w": w, "v": v})
    return torch.export.export(Mixed().eval(), arguments, {"gain": torch.randn(1, 3)})


def unbatched() -> Any:
    return nn.Linear(16, 3), torch.randn(16)


def number() -> Any:
    return 3


def no_example() -> Any:
    return ResNet8()


def no_tensor() -> Any:
    return ResNet8(), 3


class Branching(nn.Module):
    def forward(self, x: Any) -> Any:
        return x + 1 if x.sum() > 0 else x - 1


def branching() -> Any:
    return Branching(), torch.randn(1, 3)


class Unknown(nn.Module):
    def forward(self, x: Any) -> Any:
        return torch.linalg.eigvals(x).real


def unknown() -> Any:
    return Unknown(), torch.randn(1, 3, 3)


def dynamic() -> Any:
    shapes = ({0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC},)
    return torch.export.export(nn.ReLU(), (torch.randn(2, 3),), dynamic_shapes=shapes)
