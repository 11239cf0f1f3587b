"""Which metrics an expression reads, and which labels its result has.

The inference follows PromQL's own rules as far as they matter here. `None` stands for "any labels": what is
not known is not reported.
"""

import re
from collections.abc import Callable, Iterator

import promql_parser as pq

Labels = frozenset[str] | None
NOTHING: frozenset[str] = frozenset()
# Functions whose result has no labels.
SCALARS = {"scalar", "vector", "time", "pi"}
# `absent` takes its labels from the equality matchers of its argument.
ABSENT = {"absent", "absent_over_time"}


def parse(expression: str):
    """The expression's tree; raises ValueError where it is none."""
    return pq.parse(expression)


def children(node) -> Iterator:
    for name in ("lhs", "rhs", "expr", "param", "vector_selector"):
        child = getattr(node, name, None)
        if child is not None:
            yield child
    yield from getattr(node, "args", None) or ()


def selectors(node) -> Iterator[pq.VectorSelector]:
    if isinstance(node, pq.VectorSelector):
        yield node
    for child in children(node):
        yield from selectors(child)


def rated(node) -> Iterator[pq.VectorSelector]:
    """The selectors that only make sense on counters."""
    if isinstance(node, pq.Call) and node.func.name in ("rate", "increase", "irate"):
        yield from selectors(node)
    else:
        for child in children(node):
            yield from rated(child)


def name_of(selector: pq.VectorSelector) -> str:
    if selector.name:
        return selector.name
    return next((m.value for m in matchers(selector) if m.name == "__name__"), "")


def matchers(selector: pq.VectorSelector) -> list:
    return list(selector.matchers.matchers) if selector.matchers else []


def labels(node, known: Callable[[str], Labels], complain: Callable[[str], None]) -> Labels:
    """The labels of the expression's result. `known` gives those of a metric, `complain` hears of
    labels that are used and not there."""

    def walk(node) -> Labels:
        match node:
            case pq.VectorSelector():
                return known(name_of(node))
            case pq.NumberLiteral() | pq.StringLiteral():
                return NOTHING
            case pq.MatrixSelector():
                return walk(node.vector_selector)
            case pq.AggregateExpr():
                return aggregate(node)
            case pq.Call():
                return call(node)
            case pq.BinaryExpr():
                return binary(node)
            case _:
                return walk(next(children(node)))

    def aggregate(node) -> Labels:
        inner = walk(node.expr)
        modifier = node.modifier
        if str(node.op) in ("topk", "bottomk"):
            return inner
        if modifier is None:
            return NOTHING
        named = frozenset(modifier.labels)
        missing(named, inner, f"{node.op} names")
        if modifier.type == pq.AggModifierType.By:
            return named
        return None if inner is None else inner - named

    def call(node) -> Labels:
        name = node.func.name
        inner = [walk(argument) for argument in node.args]
        if name in SCALARS:
            return NOTHING
        if name in ABSENT:
            return frozenset(m.name for s in selectors(node) for m in matchers(s) if m.op == pq.MatchOp.Equal)
        if name == "histogram_quantile":
            missing(frozenset({"le"}), inner[1], "histogram_quantile needs")
            return None if inner[1] is None else inner[1] - {"le"}
        if name in ("label_replace", "label_join"):
            return None
        for argument, found in zip(node.args, inner, strict=True):
            if not isinstance(argument, (pq.NumberLiteral, pq.StringLiteral)):
                return found
        return NOTHING

    def binary(node) -> Labels:
        left, right = walk(node.lhs), walk(node.rhs)
        if is_one_number(node.rhs):
            return left
        if is_one_number(node.lhs):
            return right
        modifier = node.modifier
        matching = modifier.matching if modifier else None
        named = frozenset(matching.labels) if matching else NOTHING
        is_on = matching is not None and matching.type == pq.LabelModifierType.Include
        if is_on:
            missing(named, left, "on(…) names, on its left side,")
            missing(named, right, "on(…) names, on its right side,")
        op = str(node.op)
        if op in ("and", "unless"):
            return left
        if op == "or":
            # A result may come from either side; what both have is certain.
            return None if left is None or right is None else left & right
        cardinality = str(modifier.card) if modifier else ""
        if "ManyToOne" in cardinality:
            return left
        if "OneToMany" in cardinality:
            return right
        if is_on:
            return named
        if left is not None and right is not None and left != right and not matching and scalarless(node):
            complain(f"its two sides can't match: {sorted(left)} and {sorted(right)}; say on(…)")
        return left

    def is_one_number(node) -> bool:
        is_call = isinstance(node, pq.Call) and node.func.name in SCALARS - {"vector"}
        return is_call or isinstance(node, pq.NumberLiteral)

    def scalarless(node) -> bool:
        return not any(isinstance(n, pq.Call) and n.func.name in SCALARS for n in (node.lhs, node.rhs))

    def missing(named: frozenset[str], have: Labels, what: str) -> None:
        if have is not None and named - have:
            complain(f"{what} {sorted(named - have)}, which is not there; there are {sorted(have)}")

    return walk(node)


TEMPLATE = re.compile(r"\$labels\.(\w+)")
LEGEND = re.compile(r"\{\{\s*(\w+)\s*\}\}")
