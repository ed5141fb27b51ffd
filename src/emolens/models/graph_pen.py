"""An ONNX graph that is read from its answer backwards, and written on at its end."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from emolens.errors import ModelError


class GraphPen:
    """Reads and extends the graph of a model, whose shapes it infers. `where` names the model in errors."""

    def __init__(self, whole: onnx.ModelProto, where: str) -> None:
        graph = onnx.shape_inference.infer_shapes(whole).graph
        self.graph, self.where = whole.graph, where
        self._makers = {name: node for node in graph.node for name in node.output}
        self._constants = {each.name: each for each in graph.initializer}
        known = [*graph.value_info, *graph.output, *graph.input]
        self._shapes = {each.name: [d.dim_value for d in each.type.tensor_type.shape.dim] for each in known}
        self._taken = {*self._makers, *self._constants}

    def maker(self, name: str) -> onnx.NodeProto:
        """The node that gives a value. Raises `ModelError` for an input or a constant."""
        if name not in self._makers:
            raise self.other(f"{name!r} is made by nothing in it")
        node: onnx.NodeProto = self._makers[name]
        return node

    def made_by(self, name: str) -> str:
        """The kind of node that gives a value, empty for an input or a constant."""
        return str(self._makers[name].op_type) if name in self._makers else ""

    def shape(self, name: str) -> list[int]:
        """The sizes of a value, 0 where they are free."""
        if name in self._constants:
            return list(self._constants[name].dims)
        if not self._shapes.get(name):
            raise self.other(f"the shape of {name!r} is not known")
        return self._shapes[name]

    def number(self, name: str) -> np.ndarray:
        """The value of a constant."""
        if name not in self._constants:
            raise self.other(f"{name!r} is no constant")
        return np.asarray(numpy_helper.to_array(self._constants[name]))

    def other(self, why: str) -> ModelError:
        """What to raise for a model that is built in another way."""
        return ModelError(f"{self.where}: not a model whose answer can be traced to places ({why}); it has no map")

    def node(self, kind: str, *inputs: str, **settings: Any) -> str:
        """Add a node with one output. Gives the output's name."""
        return self.nodes(kind, 1, *inputs, **settings)[0]

    def nodes(self, kind: str, outputs: int, *inputs: str, **settings: Any) -> list[str]:
        """Add a node. Gives the names of its outputs."""
        names = [self._name() for _ in range(outputs)]
        self.graph.node.append(helper.make_node(kind, list(inputs), names, **settings))
        return names

    def constant(self, value: np.ndarray | list[int]) -> str:
        """Add a constant; a list holds whole numbers. Gives its name."""
        array = np.array(value, np.int64) if isinstance(value, list) else value
        name = self._name()
        self.graph.initializer.append(numpy_helper.from_array(array, name))
        return name

    def float(self, value: float) -> str:
        """Add one number. Gives its name."""
        return self.constant(np.array(value, np.float32))

    def output(self, value: str, name: str, shape: list[int | str]) -> None:
        """Make a value an output of the model."""
        self.graph.node.append(helper.make_node("Identity", [value], [name]))
        self.graph.output.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape))

    def _name(self) -> str:
        name = f"evidence_{len(self._taken)}"
        self._taken.add(name)
        return name


def setting(node: onnx.NodeProto, name: str, default: int) -> int:
    """A whole number among a node's settings."""
    return next((int(each.i) for each in node.attribute if each.name == name), default)
