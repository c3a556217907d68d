"""Model files, and how they are damaged: their graph, their card, their bytes."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from benchmarks.fuzz_bytes import changed_bytes
from benchmarks.fuzz_child import CRASHED, HUNG, run_forked
from webcam_classifier.events.json_lines import frame_fields
from webcam_classifier.frame import Frame
from webcam_classifier.live.loop import LabelledFrame
from webcam_classifier.live.terminal_lines import top_labels
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.model.writer import model_bytes
from webcam_classifier.model_card import (
    BATCH_AXIS,
    CARD_KEY,
    INPUT_NAME,
    OUTPUT_NAME,
    UNKNOWN_NAME,
    ModelCard,
    ModelError,
)
from webcam_classifier.runtime.model_structure import structure_problem
from webcam_classifier.runtime.untrusted_model import TRIED_WITHIN, note_as_ours
from webcam_classifier.runtime.untrusted_model_trial import (
    limit_memory,
    trial_memory,
    trial_problem,
)
from webcam_classifier.visible_text import json_line

_OPERATORS = (
    "Add", "Mul", "Div", "Log", "Sqrt", "MatMul", "Softmax", "Relu", "Transpose", "Reshape",
    "Concat", "Loop", "If", "Expand", "Tile", "ConstantOfShape", "NonZero", "Range", "EPContext",
    "ReduceMean", "Identity", "NoSuchOperator", "RandomNormal", "Resize", "Gather", "Pad", "Cast",
)  # fmt: skip
_NUMBERS = (0, -1, 1, 2, 7, 2**31 - 1, -(2**31), 2**40, 2**62)
_REALS = (0.0, -1.0, 1e30, -1e30, math.nan, math.inf, -math.inf, 1e-40)
_VALUES: tuple[object, ...] = (
    None, True, -1, 0, 1, 2**70, 1e308, math.nan, math.inf, "", "x", [], {}, ["a"], ["a", "a"],
    [1, 2], ["\x1b[31mred", "b"], ["a\u202eb", "c"], [None], {"a": 1}, "\x1b]0;title\x07",
)  # fmt: skip


def tiny_model() -> bytes:
    """A whole model of five nodes: the brightest channel of a picture wins."""
    weights = np.diag(np.full(3, 10 / 255, np.float32))
    nodes = [
        helper.make_node("Cast", [INPUT_NAME], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["numbers", "axes"], ["means"], keepdims=0),
        helper.make_node("MatMul", ["means", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], [OUTPUT_NAME], axis=-1),
        helper.make_node("ReduceSum", ["means", "last"], [UNKNOWN_NAME], keepdims=0),
    ]
    size = 32
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(INPUT_NAME, TensorProto.UINT8, [BATCH_AXIS, size, size, 3])],
        [
            helper.make_tensor_value_info(OUTPUT_NAME, TensorProto.FLOAT, [BATCH_AXIS, 3]),
            helper.make_tensor_value_info(UNKNOWN_NAME, TensorProto.FLOAT, [BATCH_AXIS]),
        ],
        [
            numpy_helper.from_array(weights, "weights"),
            numpy_helper.from_array(np.array([1, 2], np.int64), "axes"),
            numpy_helper.from_array(np.array([1], np.int64), "last"),
        ],
    )
    card = ModelCard(
        labels=("blue", "green", "red"),
        input_size=size,
        backbone="none",
        mode="head",
        weights="none",
        created_at="2026-01-01T00:00:00Z",
        dataset="colours",
        data_hash="0" * 64,
        accuracy=0.9,
        accuracy_count=10,
        unknown_threshold=400.0,
    )
    opsets = [helper.make_opsetid("", 18)]
    return model_bytes(helper.make_model(graph, opset_imports=opsets, ir_version=9), card)


def damaged_model(whole: Sequence[bytes], random: Random) -> bytes:
    """Damage one of some model files.

    Args:
        whole: The files.
        random: Decides.
    """
    content = random.choice(whole)
    kind = random.randrange(10)
    if kind < 2:
        return changed_bytes(content, random)
    if random.random() < 0.01:
        return content + _nested_graphs(random.choice((3, 12, 40, 3000)))
    model = onnx.ModelProto.FromString(content)
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        change = _change_card if kind < 5 else random.choice(_GRAPH_CHANGES)
        try:
            change(model, random)
        except (ValueError, TypeError, IndexError, AttributeError, KeyError, RecursionError):
            continue  # this graph has no such place
    if random.random() < 0.05:
        return changed_bytes(model.SerializeToString(), random)
    return bytes(model.SerializeToString())


def ask_model(content: bytes) -> str:
    """Open a model file and use it as live.py does; say what came of it.

    The trial is forked here instead of begun anew, which takes a hundredth of the time; its code
    and bounds are the same.
    """
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        path = Path(folder) / "model.onnx"
        path.write_bytes(content)
        if structure_problem(content) is not None:
            return "refused by its structure"

        def trial() -> str:
            limit_memory(trial_memory(path))
            return "refused" if trial_problem(path) else "whole"

        ended = run_forked(trial, TRIED_WITHIN)
        if ended.outcome in (CRASHED, HUNG):
            return f"refused by a trial that ended ({ended.outcome})"
        if ended.outcome != "whole":
            return ended.outcome if ended.outcome != "refused" else "refused by its trial"
        note_as_ours(content)
        return _use(path)


def _use(path: Path) -> str:
    random = np.random.default_rng(1)
    try:
        classifier = Classifier(path)
        classifier.warm_up()
        for value in (0, 60, 255):
            image = np.full((60, 80, 3), value, np.uint8)
            image[20:40] = random.integers(0, 256, (20, 80, 3), dtype=np.uint8)
            prediction = classifier.classify(image)
            total = float(prediction.probabilities.sum())
            if not (abs(total - 1) < 0.05 and 0 <= prediction.confidence <= 1.001):
                return "no probabilities"
            words = top_labels(prediction, 3) + prediction.shown_label
            if not words.replace("\u200d", "").replace("\u200c", "").isprintable():
                return "words that a terminal can't take"
            labelled = LabelledFrame(Frame(image, 0, 0.0), prediction, prediction, 0.0, 0.0, 1.0)
            line = json_line(frame_fields(labelled)).encode()
            json.loads(line.decode("utf-8"), parse_constant=_refuse)
    except ModelError as error:
        return "refused in use" if "\x1b" not in str(error) else "words that a terminal can't take"
    return "answered"


def _refuse(name: str) -> None:
    raise ValueError(f"{name} in a line of JSON")


def _change_card(model: onnx.ModelProto, random: Random) -> None:
    (entry,) = (one for one in model.metadata_props if one.key == CARD_KEY)
    fields = json.loads(entry.value)
    names = [field.name for field in dataclasses.fields(ModelCard)]
    kind = random.randrange(8)
    if kind == 0:
        depth = random.choice((10, 3000, 200_000))
        entry.value = "[" * depth + "]" * depth
    elif kind == 1:
        fields[random.choice(names)] = json.loads("[" * 900 + "]" * 900)
        entry.value = json.dumps(fields)
    elif kind == 2:
        damaged = changed_bytes(entry.value.encode(), random)
        entry.value = damaged.decode("utf-8", errors="replace")
    elif kind == 3:
        model.metadata_props.add(key=CARD_KEY, value=json.dumps(random.choice(_VALUES)))
    elif kind == 4:
        fields.pop(random.choice(names), None)
        entry.value = json.dumps(fields)
    elif kind == 5:
        label = random.choice(
            ("\x1b[2J", "\u202e", "\u200b", "\x9b31m", "\ud800", "\n", "a" * 9999)
        )
        fields["labels"][random.randrange(len(fields["labels"]))] = label
        entry.value = json.dumps(fields)
    else:
        fields[random.choice(names)] = random.choice(_VALUES)
        entry.value = json.dumps(fields)


def _change_operator(model: onnx.ModelProto, random: Random) -> None:
    random.choice(model.graph.node).op_type = random.choice(_OPERATORS)


def _change_wiring(model: onnx.ModelProto, random: Random) -> None:
    nodes = model.graph.node
    one, other = random.choice(nodes), random.choice(nodes)
    one.input[random.randrange(len(one.input))] = random.choice(
        [*other.input, *other.output, "", "nowhere"]
    )


def _change_nodes(model: onnx.ModelProto, random: Random) -> None:
    nodes = model.graph.node
    place = random.randrange(len(nodes))
    if random.random() < 0.5:
        nodes.pop(place)
    else:
        node = nodes.add()
        node.CopyFrom(nodes[place])


def _change_attribute(model: onnx.ModelProto, random: Random) -> None:
    node = random.choice([node for node in model.graph.node if node.attribute])
    attribute = random.choice(node.attribute)
    attribute.i = random.choice(_NUMBERS)
    attribute.f = random.choice(_REALS)
    for place in range(len(attribute.ints)):
        attribute.ints[place] = random.choice(_NUMBERS)
    if random.random() < 0.2:
        attribute.type = random.randrange(15)


def _change_tensor(model: onnx.ModelProto, random: Random) -> None:
    tensor = random.choice(model.graph.initializer)
    kind = random.randrange(7)
    if kind == 0:
        tensor.dims[random.randrange(len(tensor.dims))] = random.choice(_NUMBERS)
    elif kind == 1:
        tensor.data_type = random.randrange(25)
    elif kind == 2:
        tensor.raw_data = tensor.raw_data[: random.randrange(len(tensor.raw_data))]
    elif kind == 3:
        values = bytearray(tensor.raw_data)
        place = random.randrange(0, len(values), 4)
        values[place : place + 4] = np.float32(random.choice(_REALS)).tobytes()
        tensor.raw_data = bytes(values)
    elif kind == 4:
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=random.choice(("/etc/passwd", "../x", "x")))
    elif kind == 5:
        tensor.dims.append(random.choice(_NUMBERS))
    else:
        tensor.raw_data = np.full(len(tensor.raw_data) // 4, np.nan, np.float32).tobytes()


def _change_interface(model: onnx.ModelProto, random: Random) -> None:
    value = random.choice([*model.graph.input, *model.graph.output])
    kind = random.randrange(4)
    if kind == 0:
        value.type.tensor_type.elem_type = random.randrange(20)
    elif kind == 1:
        dimensions = value.type.tensor_type.shape.dim
        random.choice(dimensions).dim_value = random.choice(_NUMBERS)
    elif kind == 2:
        value.name = random.choice(("", "other", INPUT_NAME, OUTPUT_NAME, UNKNOWN_NAME))
    else:
        model.graph.output.add().CopyFrom(value)


def _change_versions(model: onnx.ModelProto, random: Random) -> None:
    if random.random() < 0.5:
        model.ir_version = random.choice((0, 1, 3, 99, 2**62))
    else:
        random.choice(model.opset_import).version = random.choice((0, 1, 6, 13, 99, 2**62))


def _add_greedy_node(model: onnx.ModelProto, random: Random) -> None:
    """Put a node before everything that wants much memory or time."""
    graph = model.graph
    huge = random.choice(([2**20, 2**20], [2**33], [10**5, 10**4], [2**15, 2**15, 4]))
    graph.initializer.append(numpy_helper.from_array(np.array(huge, np.int64), "huge"))
    graph.node.insert(0, helper.make_node("ConstantOfShape", ["huge"], ["space"]))
    graph.output.append(helper.make_tensor_value_info("space", TensorProto.FLOAT, None))


def _add_loop(model: onnx.ModelProto, random: Random) -> None:
    add_loop(model, random.choice((10, 10**5, 10**12)))


def add_loop(model: onnx.ModelProto, rounds: int) -> None:
    """Put a loop before everything, which may end after years.

    Args:
        model: Changed in place.
        rounds: Of the loop; a million take about a second.
    """
    step = helper.make_node("Add", ["sum_in", "one"], ["sum_out"])
    keep = helper.make_node("Identity", ["go_in"], ["go_out"])
    body = helper.make_graph(
        [step, keep],
        "body",
        [
            helper.make_tensor_value_info("round", TensorProto.INT64, []),
            helper.make_tensor_value_info("go_in", TensorProto.BOOL, []),
            helper.make_tensor_value_info("sum_in", TensorProto.FLOAT, [1]),
        ],
        [
            helper.make_tensor_value_info("go_out", TensorProto.BOOL, []),
            helper.make_tensor_value_info("sum_out", TensorProto.FLOAT, [1]),
        ],
    )
    graph = model.graph
    graph.initializer.extend(
        [
            numpy_helper.from_array(np.array(rounds, np.int64), "rounds"),
            numpy_helper.from_array(np.array(True), "go"),
            numpy_helper.from_array(np.array([0], np.float32), "zero"),
            numpy_helper.from_array(np.array([1], np.float32), "one"),
        ]
    )
    node = helper.make_node("Loop", ["rounds", "go", "zero"], ["looped"], body=body)
    graph.node.insert(0, node)
    graph.output.append(helper.make_tensor_value_info("looped", TensorProto.FLOAT, [1]))


def _nested_graphs(depth: int) -> bytes:
    """A graph within graphs, deeper than anything that reads them by calling itself may go.

    It is a part of a model's message, which a reader adds to the graph that is there.
    """
    inner = b""
    for _ in range(depth):
        attribute = _field(1, b"then_branch") + _field(6, inner) + b"\xa0\x01\x05"
        inner = _field(1, _field(4, b"If") + _field(1, b"go") + _field(5, attribute))
    return _field(7, inner)


def _field(number: int, value: bytes) -> bytes:
    size, head = len(value), bytearray((number << 3 | 2,))
    while size > 0x7F:
        head.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes((*head, size)) + value


_GRAPH_CHANGES: tuple[Callable[[onnx.ModelProto, Random], None], ...] = (
    _change_operator,
    _change_wiring,
    _change_nodes,
    _change_attribute,
    _change_tensor,
    _change_tensor,
    _change_interface,
    _change_versions,
    _add_greedy_node,
    _add_loop,
)
