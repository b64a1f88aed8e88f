"""Lists the operators of TensorFlow Lite Micro: how a sketch registers each of them, and how much code that brings.

Source: micro_mutable_op_resolver.h of tensorflow/tflite-micro at 90b983c2. The bytes are of programs for a Cortex-M4
without its floating-point unit, made of that commit's reference kernels by arm-none-eabi-g++ 12.2 with -Os, newlib-nano
and --gc-sections, TF_LITE_STATIC_MEMORY and TF_LITE_STRIP_ERROR_STRINGS; text and data of the linked program. Another
compiler, -O2, or a vendor's faster kernels make other numbers: they are an estimate of yours.
"""

from typing import NamedTuple

CORE = 23_928
"""Bytes of a program with the interpreter, CONV_2D, and what they need of the C library."""
ASSUMED = 5000
"""Bytes of an operator that was not compiled: more than most that were."""


class Row(NamedTuple):
    """One operator."""

    method: str
    """`AddMETHOD()` of MicroMutableOpResolver registers it."""
    code: int = ASSUMED
    """Bytes that it adds to the program of CORE."""


# fmt: off
RESOLVER: dict[str, Row] = {
    "ABS": Row("Abs"),
    "ADD": Row("Add", 5356),
    "ADD_N": Row("AddN"),
    "ARG_MAX": Row("ArgMax"),
    "ARG_MIN": Row("ArgMin"),
    "ASSIGN_VARIABLE": Row("AssignVariable"),
    "AVERAGE_POOL_2D": Row("AveragePool2D", 2248),
    "BATCH_MATMUL": Row("BatchMatMul"),
    "BATCH_TO_SPACE_ND": Row("BatchToSpaceNd"),
    "BROADCAST_ARGS": Row("BroadcastArgs"),
    "BROADCAST_TO": Row("BroadcastTo"),
    "CALL_ONCE": Row("CallOnce"),
    "CAST": Row("Cast"),
    "CEIL": Row("Ceil"),
    "CONCATENATION": Row("Concatenation", 2304),
    "CONV_2D": Row("Conv2D", 0),
    "COS": Row("Cos"),
    "CUMSUM": Row("CumSum"),
    "DEPTHWISE_CONV_2D": Row("DepthwiseConv2D", 3024),
    "DEPTH_TO_SPACE": Row("DepthToSpace"),
    "DEQUANTIZE": Row("Dequantize", 736),
    "DIV": Row("Div", 4480),
    "DYNAMIC_UPDATE_SLICE": Row("DynamicUpdateSlice"),
    "ELU": Row("Elu"),
    "EMBEDDING_LOOKUP": Row("EmbeddingLookup"),
    "EQUAL": Row("Equal"),
    "EXP": Row("Exp"),
    "EXPAND_DIMS": Row("ExpandDims", 544),
    "FILL": Row("Fill"),
    "FLOOR": Row("Floor"),
    "FLOOR_DIV": Row("FloorDiv"),
    "FLOOR_MOD": Row("FloorMod"),
    "FULLY_CONNECTED": Row("FullyConnected", 3344),
    "GATHER": Row("Gather"),
    "GATHER_ND": Row("GatherNd"),
    "GREATER": Row("Greater"),
    "GREATER_EQUAL": Row("GreaterEqual"),
    "HARD_SWISH": Row("HardSwish", 872),
    "IF": Row("If"),
    "L2_NORMALIZATION": Row("L2Normalization"),
    "L2_POOL_2D": Row("L2Pool2D"),
    "LEAKY_RELU": Row("LeakyRelu", 904),
    "LESS": Row("Less"),
    "LESS_EQUAL": Row("LessEqual"),
    "LOG": Row("Log"),
    "LOGICAL_AND": Row("LogicalAnd"),
    "LOGICAL_NOT": Row("LogicalNot"),
    "LOGICAL_OR": Row("LogicalOr"),
    "LOGISTIC": Row("Logistic", 4392),
    "LOG_SOFTMAX": Row("LogSoftmax"),
    "MAXIMUM": Row("Maximum", 4480),
    "MAX_POOL_2D": Row("MaxPool2D", 2248),
    "MEAN": Row("Mean", 3104),
    "MINIMUM": Row("Minimum", 4480),
    "MIRROR_PAD": Row("MirrorPad", 800),
    "MUL": Row("Mul", 4876),
    "NEG": Row("Neg"),
    "NOT_EQUAL": Row("NotEqual"),
    "PACK": Row("Pack"),
    "PAD": Row("Pad", 2400),
    "PADV2": Row("PadV2", 2400),
    "PRELU": Row("Prelu"),
    "QUANTIZE": Row("Quantize", 1760),
    "READ_VARIABLE": Row("ReadVariable"),
    "REDUCE_ALL": Row("ReduceAll"),
    "REDUCE_MAX": Row("ReduceMax", 1664),
    "REDUCE_MIN": Row("ReduceMin"),
    "RELU": Row("Relu", 808),
    "RELU6": Row("Relu6", 712),
    "RESHAPE": Row("Reshape", 928),
    "RESIZE_BILINEAR": Row("ResizeBilinear"),
    "RESIZE_NEAREST_NEIGHBOR": Row("ResizeNearestNeighbor"),
    "REVERSE_V2": Row("ReverseV2"),
    "ROUND": Row("Round"),
    "RSQRT": Row("Rsqrt"),
    "SELECT_V2": Row("SelectV2"),
    "SHAPE": Row("Shape"),
    "SIN": Row("Sin"),
    "SLICE": Row("Slice"),
    "SOFTMAX": Row("Softmax", 5148),
    "SPACE_TO_BATCH_ND": Row("SpaceToBatchNd"),
    "SPACE_TO_DEPTH": Row("SpaceToDepth"),
    "SPLIT": Row("Split"),
    "SPLIT_V": Row("SplitV"),
    "SQRT": Row("Sqrt"),
    "SQUARE": Row("Square"),
    "SQUARED_DIFFERENCE": Row("SquaredDifference"),
    "SQUEEZE": Row("Squeeze", 608),
    "STRIDED_SLICE": Row("StridedSlice", 4352),
    "SUB": Row("Sub", 5420),
    "SUM": Row("Sum", 2656),
    "SVDF": Row("Svdf"),
    "TANH": Row("Tanh"),
    "TRANSPOSE": Row("Transpose", 1120),
    "TRANSPOSE_CONV": Row("TransposeConv"),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": Row("UnidirectionalSequenceLSTM"),
    "UNPACK": Row("Unpack"),
    "VAR_HANDLE": Row("VarHandle"),
    "WHILE": Row("While"),
    "ZEROS_LIKE": Row("ZerosLike"),
}
# fmt: on
