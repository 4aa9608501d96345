"""Facts of the TFLite schema (tensorflow/compiler/mlir/lite/schema/schema.fbs, version 3)."""

from __future__ import annotations

import numpy as np

from ...ir import DType

# TensorType -> element type; the others (strings, complex numbers, ...) are refused by name.
TENSOR_TYPES = {
    0: DType.F32, 2: DType.I32, 3: DType.U8, 4: DType.I64, 6: DType.BOOL, 7: DType.I16, 9: DType.I8,
    12: DType.U64, 15: DType.U32,
}  # fmt: skip
# Types of constants alone -> the type that they are read as, which holds all of their values.
CONSTANT_TYPES = {1: DType.F32, 17: DType.I8, 19: DType.I8}  # float16, int4, int2
# Bits of an element of which a byte holds several, the first in its lowest bits.
PACKED_BITS = {17: 4, 19: 2}
# How an element is stored, where that is not the type that it is read as.
STORED_TYPES = {1: np.dtype(np.float16)}
TENSOR_TYPE_NAMES = (
    "FLOAT32 FLOAT16 INT32 UINT8 INT64 STRING BOOL INT16 COMPLEX64 INT8 FLOAT64 COMPLEX128 UINT64 "
    "RESOURCE VARIANT UINT32 UINT16 INT4 BFLOAT16 INT2 UINT4"
).split()

PADDINGS = ("same", "valid")
ACTIVATIONS = ("none", "relu", "relu_n1_to_1", "relu6", "tanh", "sign_bit")

Options = dict[str, tuple[int, str, float]]
"""Of an operator: name -> (slot, kind, default). "i32s" is a vector of int32."""
_CONV: Options = {
    "padding": (0, "i8", 0), "stride_w": (1, "i32", 0), "stride_h": (2, "i32", 0),
    "activation": (3, "i8", 0), "dilation_w": (4, "i32", 1), "dilation_h": (5, "i32", 1),
}  # fmt: skip
_POOL: Options = {
    "padding": (0, "i8", 0), "stride_w": (1, "i32", 0), "stride_h": (2, "i32", 0),
    "filter_w": (3, "i32", 0), "filter_h": (4, "i32", 0), "activation": (5, "i8", 0),
}  # fmt: skip
_ACTIVATION: Options = {"activation": (0, "i8", 0)}
_SUM: Options = {**_ACTIVATION, "pot_scale_int16": (1, "bool", 1)}
_REDUCE: Options = {"keep_dims": (0, "bool", 0)}
_RESIZE_NEAREST: Options = {"align_corners": (0, "bool", 0), "half_pixel_centers": (1, "bool", 0)}
_RESIZE_BILINEAR: Options = {"align_corners": (2, "bool", 0), "half_pixel_centers": (3, "bool", 0)}
_BLOCK: Options = {"block_size": (0, "i32", 0)}

OPTIONS: dict[str, Options] = {
    "ADD": _SUM,
    "SUB": _SUM,
    "MUL": _ACTIVATION,
    "AVERAGE_POOL_2D": _POOL,
    "MAX_POOL_2D": _POOL,
    "L2_POOL_2D": _POOL,
    "CONV_2D": {**_CONV, "bias_type": (6, "i8", 0)},
    "DEPTHWISE_CONV_2D": {
        "padding": (0, "i8", 0), "stride_w": (1, "i32", 0), "stride_h": (2, "i32", 0),
        "depth_multiplier": (3, "i32", 0), "activation": (4, "i8", 0),
        "dilation_w": (5, "i32", 1), "dilation_h": (6, "i32", 1),
    },
    "TRANSPOSE_CONV": {
        **{k: _CONV[k] for k in ("padding", "stride_w", "stride_h", "activation")},
        "bias_type": (4, "i8", 0),
    },
    "FULLY_CONNECTED": {
        "activation": (0, "i8", 0), "weights_format": (1, "i8", 0), "keep_num_dims": (2, "bool", 0),
        "asymmetric": (3, "bool", 0), "bias_type": (4, "i8", 0),
    },
    "MEAN": _REDUCE,
    "SUM": _REDUCE,
    "REDUCE_MAX": _REDUCE,
    "REDUCE_MIN": _REDUCE,
    "REDUCE_PROD": _REDUCE,
    "REDUCE_ANY": _REDUCE,
    "REDUCE_ALL": _REDUCE,
    "DIV": _ACTIVATION,
    "L2_NORMALIZATION": _ACTIVATION,
    "SOFTMAX": {"beta": (0, "f32", 0.0)},
    "CONCATENATION": {"axis": (0, "i32", 0), "activation": (1, "i8", 0)},
    "SPLIT": {"num_splits": (0, "i32", 0)},
    "SPLIT_V": {"num_splits": (0, "i32", 0)},
    "PACK": {"values_count": (0, "i32", 0), "axis": (1, "i32", 0)},
    "UNPACK": {"num": (0, "i32", 0), "axis": (1, "i32", 0)},
    "STRIDED_SLICE": {
        "begin_mask": (0, "i32", 0), "end_mask": (1, "i32", 0), "ellipsis_mask": (2, "i32", 0),
        "new_axis_mask": (3, "i32", 0), "shrink_axis_mask": (4, "i32", 0), "offset": (5, "bool", 0),
    },
    "RESHAPE": {"new_shape": (0, "i32s", 0)},
    "SQUEEZE": {"squeeze_dims": (0, "i32s", 0)},
    "MIRROR_PAD": {"mode": (0, "i8", 0)},
    "GATHER": {"axis": (0, "i32", 0), "batch_dims": (1, "i32", 0)},
    "ONE_HOT": {"axis": (0, "i32", 0)},
    "RESIZE_NEAREST_NEIGHBOR": _RESIZE_NEAREST,
    "RESIZE_BILINEAR": _RESIZE_BILINEAR,
    "SPACE_TO_DEPTH": _BLOCK,
    "DEPTH_TO_SPACE": _BLOCK,
    "BATCH_MATMUL": {"adj_x": (0, "bool", 0), "adj_y": (1, "bool", 0)},
    "ARG_MAX": {"output_type": (0, "i8", 0)},
    "CAST": {"in_type": (0, "i8", 0), "out_type": (1, "i8", 0)},
    "LEAKY_RELU": {"alpha": (0, "f32", 0.0)},
    "FAKE_QUANT": {
        "min": (0, "f32", 0.0), "max": (1, "f32", 0.0), "num_bits": (2, "i32", 0),
        "narrow_range": (3, "bool", 0),
    },
    "GELU": {"approximate": (0, "bool", 0)},
    "UNIDIRECTIONAL_SEQUENCE_LSTM": {
        "activation": (0, "i8", 0), "cell_clip": (1, "f32", 0.0), "time_major": (3, "bool", 0),
        "asymmetric": (4, "bool", 0), "diagonal": (5, "bool", 0),
    },
    "CUMSUM": {"exclusive": (0, "bool", 0), "reverse": (1, "bool", 0)},
    "RNN": {"activation": (0, "i8", 0), "asymmetric": (1, "bool", 0)},
    "UNIDIRECTIONAL_SEQUENCE_RNN": {
        "time_major": (0, "bool", 0), "activation": (1, "i8", 0), "asymmetric": (2, "bool", 0),
    },
    "SVDF": {"rank": (0, "i32", 0), "activation": (1, "i8", 0), "asymmetric": (2, "bool", 0)},
    "CALL_ONCE": {"init": (0, "i32", 0)},
    "WHILE": {"cond": (0, "i32", 0), "body": (1, "i32", 0)},
    "IF": {"then": (0, "i32", 0), "else": (1, "i32", 0)},
}  # fmt: skip

# BuiltinOptions without that word at their ends, in the order of their codes.
OPTION_TYPES = """
NONE Conv2D DepthwiseConv2D ConcatEmbeddings LSHProjection Pool2D SVDF RNN FullyConnected Softmax
Concatenation Add L2Norm LocalResponseNormalization LSTM ResizeBilinear Call Reshape SkipGram
SpaceToDepth EmbeddingLookupSparse Mul Pad Gather BatchToSpaceND SpaceToBatchND Transpose Reducer
Sub Div Squeeze SequenceRNN StridedSlice Exp TopKV2 Split LogSoftmax Cast Dequantize MaximumMinimum
ArgMax Less Neg PadV2 Greater GreaterEqual LessEqual Select Slice TransposeConv SparseToDense Tile
ExpandDims Equal NotEqual Shape Pow ArgMin FakeQuant Pack LogicalOr OneHot LogicalAnd LogicalNot
Unpack FloorDiv Square ZerosLike Fill BidirectionalSequenceLSTM BidirectionalSequenceRNN
UnidirectionalSequenceLSTM FloorMod Range ResizeNearestNeighbor LeakyRelu SquaredDifference
MirrorPad Abs SplitV Unique ReverseV2 AddN GatherNd Cos Where Rank ReverseSequence MatrixDiag
Quantize MatrixSetDiag HardSwish If While DepthToSpace NonMaxSuppressionV4 NonMaxSuppressionV5
ScatterNd SelectV2 Densify SegmentSum BatchMatMul Cumsum CallOnce BroadcastTo Rfft2d Conv3D
Hashtable HashtableFind HashtableImport HashtableSize VarHandle ReadVariable AssignVariable Random
Bucketize Gelu DynamicUpdateSlice UnsortedSegmentProd UnsortedSegmentMax UnsortedSegmentMin
UnsortedSegmentSum ATan2 Sign Bitcast BitwiseXor RightShift
""".split()
# Operators whose options are not named after them.
_OPTIONS_OF = {
    "AVERAGE_POOL_2D": "Pool2D", "MAX_POOL_2D": "Pool2D", "L2_POOL_2D": "Pool2D",
    "MEAN": "Reducer", "SUM": "Reducer", "REDUCE_MAX": "Reducer", "REDUCE_MIN": "Reducer",
    "REDUCE_PROD": "Reducer", "REDUCE_ANY": "Reducer", "REDUCE_ALL": "Reducer",
    "L2_NORMALIZATION": "L2Norm", "MAXIMUM": "MaximumMinimum", "MINIMUM": "MaximumMinimum",
    "UNIDIRECTIONAL_SEQUENCE_RNN": "SequenceRNN",
}  # fmt: skip


def options_type(operator: str) -> int | None:
    """The code in BuiltinOptions of an operator's options, None if it has none of its own."""
    name = _OPTIONS_OF.get(operator, operator.replace("_", "")).lower()
    return next((i for i, text in enumerate(OPTION_TYPES) if text.lower() == name), None)


# BuiltinOperator, in the order of its codes.
OPERATORS = """
ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE
EMBEDDING_LOOKUP FLOOR FULLY_CONNECTED HASHTABLE_LOOKUP L2_NORMALIZATION L2_POOL_2D
LOCAL_RESPONSE_NORMALIZATION LOGISTIC LSH_PROJECTION LSTM MAX_POOL_2D MUL RELU RELU_N1_TO_1
RELU6 RESHAPE RESIZE_BILINEAR RNN SOFTMAX SPACE_TO_DEPTH SVDF TANH CONCAT_EMBEDDINGS SKIP_GRAM
CALL CUSTOM EMBEDDING_LOOKUP_SPARSE PAD UNIDIRECTIONAL_SEQUENCE_RNN GATHER BATCH_TO_SPACE_ND
SPACE_TO_BATCH_ND TRANSPOSE MEAN SUB DIV SQUEEZE UNIDIRECTIONAL_SEQUENCE_LSTM STRIDED_SLICE
BIDIRECTIONAL_SEQUENCE_RNN EXP TOPK_V2 SPLIT LOG_SOFTMAX DELEGATE BIDIRECTIONAL_SEQUENCE_LSTM
CAST PRELU MAXIMUM ARG_MAX MINIMUM LESS NEG PADV2 GREATER GREATER_EQUAL LESS_EQUAL SELECT SLICE
SIN TRANSPOSE_CONV SPARSE_TO_DENSE TILE EXPAND_DIMS EQUAL NOT_EQUAL LOG SUM SQRT RSQRT SHAPE POW
ARG_MIN FAKE_QUANT REDUCE_PROD REDUCE_MAX PACK LOGICAL_OR ONE_HOT LOGICAL_AND LOGICAL_NOT UNPACK
REDUCE_MIN FLOOR_DIV REDUCE_ANY SQUARE ZEROS_LIKE FILL FLOOR_MOD RANGE RESIZE_NEAREST_NEIGHBOR
LEAKY_RELU SQUARED_DIFFERENCE MIRROR_PAD ABS SPLIT_V UNIQUE CEIL REVERSE_V2 ADD_N GATHER_ND COS
WHERE RANK ELU REVERSE_SEQUENCE MATRIX_DIAG QUANTIZE MATRIX_SET_DIAG ROUND HARD_SWISH IF WHILE
NON_MAX_SUPPRESSION_V4 NON_MAX_SUPPRESSION_V5 SCATTER_ND SELECT_V2 DENSIFY SEGMENT_SUM
BATCH_MATMUL PLACEHOLDER_FOR_GREATER_OP_CODES CUMSUM CALL_ONCE BROADCAST_TO RFFT2D CONV_3D IMAG
REAL COMPLEX_ABS HASHTABLE HASHTABLE_FIND HASHTABLE_IMPORT HASHTABLE_SIZE REDUCE_ALL
CONV_3D_TRANSPOSE VAR_HANDLE READ_VARIABLE ASSIGN_VARIABLE BROADCAST_ARGS RANDOM_STANDARD_NORMAL
BUCKETIZE RANDOM_UNIFORM MULTINOMIAL GELU DYNAMIC_UPDATE_SLICE RELU_0_TO_1 UNSORTED_SEGMENT_PROD
UNSORTED_SEGMENT_MAX UNSORTED_SEGMENT_SUM ATAN2 UNSORTED_SEGMENT_MIN SIGN BITCAST BITWISE_XOR
RIGHT_SHIFT STABLEHLO_LOGISTIC STABLEHLO_ADD STABLEHLO_DIVIDE STABLEHLO_MULTIPLY
STABLEHLO_MAXIMUM STABLEHLO_RESHAPE STABLEHLO_CLAMP STABLEHLO_CONCATENATE
STABLEHLO_BROADCAST_IN_DIM STABLEHLO_CONVOLUTION STABLEHLO_SLICE STABLEHLO_CUSTOM_CALL
STABLEHLO_REDUCE STABLEHLO_ABS STABLEHLO_AND STABLEHLO_COSINE STABLEHLO_EXPONENTIAL
STABLEHLO_FLOOR STABLEHLO_LOG STABLEHLO_MINIMUM STABLEHLO_NEGATE STABLEHLO_OR STABLEHLO_POWER
STABLEHLO_REMAINDER STABLEHLO_RSQRT STABLEHLO_SELECT STABLEHLO_SUBTRACT STABLEHLO_TANH
STABLEHLO_SCATTER STABLEHLO_COMPARE STABLEHLO_CONVERT STABLEHLO_DYNAMIC_SLICE
STABLEHLO_DYNAMIC_UPDATE_SLICE STABLEHLO_PAD STABLEHLO_IOTA STABLEHLO_DOT_GENERAL
STABLEHLO_REDUCE_WINDOW STABLEHLO_SORT STABLEHLO_WHILE STABLEHLO_GATHER STABLEHLO_TRANSPOSE
DILATE STABLEHLO_RNG_BIT_GENERATOR REDUCE_WINDOW STABLEHLO_COMPOSITE STABLEHLO_SHIFT_LEFT
STABLEHLO_CBRT STABLEHLO_CASE
""".split()
