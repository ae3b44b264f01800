"""Similarities that are found when somebody looks at them: the sentences of many slots are decoded and judged
together.

A transformer that decodes or judges three sentences spends most of its time on reading its weights; a batch
of 64 costs a third of that a sentence. Planners do not look at what a slot was worth, and the trace takes
numbers when many rows wait. So what a slot is worth waits, too, until somebody asks for one of its numbers
(an agent that looks at its state or its reward, a row on its way to the trace) or the backlog is full; all
that wait are then judged. Who asks, and when, changes no number: sentences do not depend on their company
(`tests/netsim/test_scqos_later.py`).
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

FULL = 192  # sentences that wait at most


class Later(NDArrayOperatorsMixin):
    """A number that is found when it is first looked at: by float(), int(), NumPy, arithmetic, comparison."""

    __slots__ = ("_find", "_value")

    def __init__(self, find: Callable[[], float | int]) -> None:
        self._find: Callable[[], float | int] | None = find
        self._value: float | int = 0.0

    def value(self) -> float | int:
        """The number."""
        if self._find is not None:
            self._value, self._find = self._find(), None
        return self._value

    def __float__(self) -> float:
        return float(self.value())

    def __index__(self) -> int:
        return operator.index(self.value())  # type: ignore[arg-type]

    def __repr__(self) -> str:
        return repr(self.value())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.value(), dtype)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        """Every operator, by the mixin, and every NumPy function see the number."""
        seen = [x.value() if isinstance(x, Later) else x for x in inputs]
        return getattr(ufunc, method)(*seen, **options)


class Scores:
    """Similarities float64[k] of a slot's sentences: there already, or in a backlog."""

    def __init__(self, values: np.ndarray | None, settle: Callable[[], None] | None = None) -> None:
        self._values, self._settle = values, settle

    @property
    def values(self) -> np.ndarray:
        """The similarities; those of a backlog are found now, with all others that wait in it."""
        if self._values is None:
            assert self._settle is not None
            self._settle()
        assert self._values is not None, "a settled backlog has a score for everything"
        return self._values

    @values.setter
    def values(self, found: np.ndarray) -> None:
        self._values = found


class Backlog:
    """Received sentences that wait to be decoded and judged.

    Args:
        judge: (item int64[k], features float32[k, D], bits int64[k]) to similarities float64[k].
    """

    def __init__(self, judge: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]) -> None:
        self._judge = judge
        self._waiting: list[tuple[Scores, np.ndarray, np.ndarray, np.ndarray]] = []
        self._count = 0

    def add(self, item: np.ndarray, features: np.ndarray, bits: np.ndarray) -> Scores:
        """Sentences item int64[k] that arrived as features float32[k, D] of bits int64[k] each."""
        scores = Scores(None, self.settle)
        self._waiting.append((scores, item, features, bits))
        self._count += len(item)
        if self._count >= FULL:
            self.settle()
        return scores

    def settle(self) -> None:
        """Decodes and judges all that wait."""
        waiting, self._waiting, self._count = self._waiting, [], 0
        if not waiting:
            return
        slots, items, features, bits = zip(*waiting)
        found = self._judge(np.concatenate(items), np.concatenate(features), np.concatenate(bits))
        ends = np.cumsum([len(item) for item in items])
        for scores, part in zip(slots, np.split(found, ends[:-1])):
            scores.values = part
