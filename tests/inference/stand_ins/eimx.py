"""Stands in for AWS's eimx: importing it gives MXNet the backend EIA, which takes a symbol as it is and counts."""

from typing import Any

import mxnet as mx

optimised: list[str] = []


def optimize_for(symbol: Any, backend: str) -> Any:
    optimised.append(backend)
    return symbol


mx.sym.Symbol.optimize_for = optimize_for
