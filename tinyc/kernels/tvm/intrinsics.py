"""The micro-kernels of ``firmware/kernels/tinyc_tensor.h`` as TVM's tensor intrinsics.

Each has its meaning in TIR, which `Schedule.tensorize` compares with the loops that it is to
replace, and the call that takes their place. Both are parsed from TVMScript by TVM.
"""

# The parser of TVMScript evaluates annotations itself: they must not become strings here.

from typing import Any

from . import tvm as _module


def _register(name: str, description: Any, implementation: Any) -> str:
    intrinsic = _module().s_tir.TensorIntrin
    if intrinsic.get(name, allow_missing=True) is None:
        intrinsic.register(name, description, implementation)
    return name


def gemm(quads: int, channels: int, pixels: int) -> str:
    """acc[channels, pixels] += columns . weights, over two or more quads of inputs.

    Within a quad, input k of 0..3 lies at row k % 2, half k // 2: what SXTB16 leaves of a word.
    """
    if (channels, pixels) == (2, 4):
        return _gemm_pairs(quads, channels, pixels)
    return _gemm_rows(quads, channels)


def _gemm_pairs(quads: int, channels: int, pixels: int) -> str:
    from tvm.script import tirx as T

    @T.prim_func(s_tir=True)
    def description(a: T.handle, b: T.handle, c: T.handle) -> None:
        columns = T.match_buffer(a, (quads, 2, pixels, 2), "int16", offset_factor=1)
        weights = T.match_buffer(b, (quads, 2, 2, channels), "int8", offset_factor=1)
        acc = T.match_buffer(c, (channels, pixels), "int32", offset_factor=1, scope="local")
        with T.sblock("root"):
            T.reads(
                acc[0:channels, 0:pixels],
                columns[0:quads, 0:2, 0:pixels, 0:2],
                weights[0:quads, 0:2, 0:2, 0:channels],
            )
            T.writes(acc[0:channels, 0:pixels])
            for i, p, quad, r, h in T.grid(channels, pixels, quads, 2, 2):
                with T.sblock("update"):
                    vi, vp, vquad, vr, vh = T.axis.remap("SSRRR", [i, p, quad, r, h])
                    acc[vi, vp] = acc[vi, vp] + T.Cast(
                        "int32", columns[vquad, vr, vp, vh]
                    ) * T.Cast("int32", weights[vquad, vr, vh, vi])

    @T.prim_func(s_tir=True)
    def implementation(a: T.handle, b: T.handle, c: T.handle) -> None:
        columns = T.match_buffer(a, (quads, 2, pixels, 2), "int16", offset_factor=1)
        weights = T.match_buffer(b, (quads, 2, 2, channels), "int8", offset_factor=1)
        acc = T.match_buffer(c, (channels, pixels), "int32", offset_factor=1, scope="local")
        with T.sblock("root"):
            T.reads(
                acc[0:channels, 0:pixels],
                columns[0:quads, 0:2, 0:pixels, 0:2],
                weights[0:quads, 0:2, 0:2, 0:channels],
            )
            T.writes(acc[0:channels, 0:pixels])
            T.evaluate(
                T.call_extern(
                    "void", f"tinyc_gemm_{channels}x{pixels}",
                    weights.access_ptr("r"), columns.access_ptr("r"), acc.access_ptr("rw"),
                    quads,
                )
            )  # fmt: skip

    return _register(f"tinyc.gemm_{channels}x{pixels}_{quads}", description, implementation)


def _gemm_rows(quads: int, channels: int) -> str:
    from tvm.script import tirx as T

    @T.prim_func(s_tir=True)
    def description(a: T.handle, b: T.handle, c: T.handle) -> None:
        columns = T.match_buffer(a, (quads, 2, 1, 2), "int16", offset_factor=1)
        weights = T.match_buffer(b, (quads, channels, 2, 2), "int8", offset_factor=1)
        acc = T.match_buffer(c, (channels, 1), "int32", offset_factor=1, scope="local")
        with T.sblock("root"):
            T.reads(
                acc[0:channels, 0:1],
                columns[0:quads, 0:2, 0:1, 0:2],
                weights[0:quads, 0:channels, 0:2, 0:2],
            )
            T.writes(acc[0:channels, 0:1])
            for i, quad, r, h in T.grid(channels, quads, 2, 2):
                with T.sblock("update"):
                    vi, vquad, vr, vh = T.axis.remap("SRRR", [i, quad, r, h])
                    acc[vi, 0] = acc[vi, 0] + T.Cast("int32", columns[vquad, vr, 0, vh]) * T.Cast(
                        "int32", weights[vquad, vi, vh, vr]
                    )

    @T.prim_func(s_tir=True)
    def implementation(a: T.handle, b: T.handle, c: T.handle) -> None:
        columns = T.match_buffer(a, (quads, 2, 1, 2), "int16", offset_factor=1)
        weights = T.match_buffer(b, (quads, channels, 2, 2), "int8", offset_factor=1)
        acc = T.match_buffer(c, (channels, 1), "int32", offset_factor=1, scope="local")
        with T.sblock("root"):
            T.reads(
                acc[0:channels, 0:1],
                columns[0:quads, 0:2, 0:1, 0:2],
                weights[0:quads, 0:channels, 0:2, 0:2],
            )
            T.writes(acc[0:channels, 0:1])
            T.evaluate(
                T.call_extern(
                    "void", f"tinyc_gemm_{channels}x1",
                    weights.access_ptr("r"), columns.access_ptr("r"), acc.access_ptr("rw"),
                    quads,
                )
            )  # fmt: skip

    return _register(f"tinyc.gemm_{channels}x1_{quads}", description, implementation)


def widen(pixels: int) -> str:
    """Four bytes of a pixel -> its place in the columns of ``pixels`` pixels."""
    from tvm.script import tirx as T

    row = 2 * pixels

    @T.prim_func(s_tir=True)
    def description(a: T.handle, c: T.handle) -> None:
        source = T.match_buffer(a, (4,), "int8", offset_factor=1)
        columns = T.match_buffer(c, (2, 1, 2), "int16", offset_factor=1, strides=[row, 2, 1])
        with T.sblock("root"):
            T.reads(source[0:4])
            T.writes(columns[0:2, 0:1, 0:2])
            for r, h in T.grid(2, 2):
                with T.sblock("widen"):
                    vr, vh = T.axis.remap("SS", [r, h])
                    columns[vr, 0, vh] = T.Cast("int16", source[vh * 2 + vr])

    @T.prim_func(s_tir=True)
    def implementation(a: T.handle, c: T.handle) -> None:
        source = T.match_buffer(a, (4,), "int8", offset_factor=1)
        columns = T.match_buffer(c, (2, 1, 2), "int16", offset_factor=1, strides=[row, 2, 1])
        with T.sblock("root"):
            T.reads(source[0:4])
            T.writes(columns[0:2, 0:1, 0:2])
            T.evaluate(
                T.call_extern(
                    "void", "tinyc_widen4", source.access_ptr("r"), columns.access_ptr("w"), row
                )
            )

    return _register(f"tinyc.widen4_{pixels}", description, implementation)


def tap() -> str:
    """acc[4 channels] += source[4 channels] * weights[4 channels]."""
    from tvm.script import tirx as T

    @T.prim_func(s_tir=True)
    def description(a: T.handle, b: T.handle, c: T.handle) -> None:
        source = T.match_buffer(a, (4,), "int8", offset_factor=1)
        weights = T.match_buffer(b, (4,), "int8", offset_factor=1)
        acc = T.match_buffer(c, (4,), "int32", offset_factor=1, scope="local")
        with T.sblock("root"):
            T.reads(acc[0:4], source[0:4], weights[0:4])
            T.writes(acc[0:4])
            for i in T.serial(4):
                with T.sblock("update"):
                    vi = T.axis.remap("S", [i])
                    acc[vi] = acc[vi] + T.Cast("int32", source[vi]) * T.Cast("int32", weights[vi])

    @T.prim_func(s_tir=True)
    def implementation(a: T.handle, b: T.handle, c: T.handle) -> None:
        source = T.match_buffer(a, (4,), "int8", offset_factor=1)
        weights = T.match_buffer(b, (4,), "int8", offset_factor=1)
        acc = T.match_buffer(c, (4,), "int32", offset_factor=1, scope="local")
        with T.sblock("root"):
            T.reads(acc[0:4], source[0:4], weights[0:4])
            T.writes(acc[0:4])
            T.evaluate(
                T.call_extern(
                    "void", "tinyc_tensor_tap4",
                    source.access_ptr("r"), weights.access_ptr("r"), acc.access_ptr("rw"),
                )
            )  # fmt: skip

    return _register("tinyc.tap4", description, implementation)
