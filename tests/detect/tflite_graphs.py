"""A small .tflite network, written with the schema that comes with ai-edge-litert: the mean of each 2 x 2 pixels."""

import flatbuffers
from ai_edge_litert import schema_py_generated as tfl

TYPES = {"float32": tfl.TensorType.FLOAT32, "int8": tfl.TensorType.INT8, "uint8": tfl.TensorType.UINT8}


def pooling(size: tuple[int, int], kind: str = "float32", scale: float = 0.0, zero: int = 0, any_size: bool = False) -> bytes:
    """From (1, height, width, 3) to half of it; of integers that stand for (value - zero) * scale if a scale is given."""
    width, height = size

    def tensor(name: str, shape: list[int]) -> tfl.TensorT:
        made = tfl.TensorT()
        made.name, made.shape, made.type, made.buffer = name, shape, TYPES[kind], 0
        if any_size:
            made.shapeSignature = [1, -1, -1, 3]
        if scale:
            made.quantization = tfl.QuantizationParametersT()
            made.quantization.scale, made.quantization.zeroPoint = [scale], [zero]
        return made

    pool = tfl.OperatorT()
    pool.inputs, pool.outputs, pool.opcodeIndex = [0], [1], 0
    pool.builtinOptionsType = tfl.BuiltinOptions.Pool2DOptions
    pool.builtinOptions = tfl.Pool2DOptionsT()
    pool.builtinOptions.padding = tfl.Padding.VALID
    for entry in ("filterWidth", "filterHeight", "strideW", "strideH"):
        setattr(pool.builtinOptions, entry, 2)
    graph = tfl.SubGraphT()
    graph.tensors = [tensor("image", [1, height, width, 3]), tensor("mean", [1, height // 2, width // 2, 3])]
    graph.inputs, graph.outputs, graph.operators = [0], [1], [pool]
    code = tfl.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = tfl.BuiltinOperator.AVERAGE_POOL_2D
    code.version = 2 if kind == "int8" else 1
    model = tfl.ModelT()
    model.version, model.operatorCodes, model.subgraphs, model.buffers = 3, [code], [graph], [tfl.BufferT()]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
