"""How a function becomes machine code: compiled by Numba at its first call, then read from a cache.

A module that imports this one takes most of a second to import and is imported where it is first
needed. Numba looks for a change in a kernel's own file only: after a change to a kernel that others
call, touch their files or delete the cache.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Words = NDArray[np.uint64]
Index = NDArray[np.int64]

_Function = TypeVar("_Function", bound=Callable[..., Any])


def kernel(function: _Function) -> _Function:
    """The same function, compiled, which lets other threads run while it does.

    The compiled code is cached beside the source, in the user's cache where that cannot be written,
    and nowhere where neither can.
    """
    # Divisions by zero are not looked for.
    options = {"nogil": True, "error_model": "numpy"}
    try:
        compiled = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # Numba has no narrower error for "no locator available for file".
        compiled = numba.njit(**options)(function)
    return cast("_Function", compiled)


def _load(bits: int) -> Callable[[Bytes, int], Any]:
    """Reads so many bits of a byte array at any position, lowest byte first, without a check."""

    def load(typing: Any, data: Any, at: Any) -> Any:  # noqa: ANN401, ARG001  (Numba's types)
        def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:  # noqa: ANN401
            return builder.load(_address(bits, context, builder, signature, args), align=1)

        return getattr(types, f"uint{bits}")(data, at), code

    return cast("Callable[[Bytes, int], Any]", intrinsic(load))


def _store(typing: Any, data: Any, at: Any, word: Any) -> Any:  # noqa: ANN401, ARG001
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:  # noqa: ANN401
        builder.store(args[2], _address(64, context, builder, signature, args), align=1)
        return context.get_dummy_value()

    return types.void(data, at, types.uint64), code


def _address(bits: int, context: Any, builder: Any, signature: Any, args: Any) -> Any:  # noqa: ANN401
    array = context.make_array(signature.args[0])(context, builder, args[0])
    index = context.cast(builder, args[1], signature.args[1], types.intp)
    return builder.bitcast(builder.gep(array.data, [index]), ir.IntType(bits).as_pointer())


def _count(typing: Any, word: Any) -> Any:  # noqa: ANN401, ARG001
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:  # noqa: ANN401, ARG001
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), code


load8, load32, load64 = _load(8), _load(32), _load(64)
# Writes 8 bytes at any position, lowest byte first, without a check.
store64 = cast("Callable[[Bytes, int, np.uint64], None]", intrinsic(_store))
# Zeros below the lowest bit that is set; one must be.
trailing_zeros = cast("Callable[[np.uint64], int]", intrinsic(_count))
