"""Connected components by union and find, for kernels: the lowest member stands for its component.

Source:
    Galler and Fisher, An improved equivalence algorithm (1964).
"""

from __future__ import annotations

from synth.algorithms.kernel import Index, kernel


@kernel
def join(parents: Index, one: int, other: int) -> None:
    """Makes one component of those of two members.

    Args:
        parents: For each member one of its component that is not higher, its own at the start.
        one: A member.
        other: A member.
    """
    one, other = root(parents, one), root(parents, other)
    parents[max(one, other)] = min(one, other)


@kernel
def join_all(parents: Index, ones: Index, others: Index) -> None:
    """`join` for each pair, both of shape (pairs,)."""
    for at in range(len(ones)):
        join(parents, ones[at], others[at])


@kernel
def point_to_roots(parents: Index) -> None:
    """Leaves for each member the lowest of its component."""
    for at in range(len(parents)):
        # Parents come before their children.
        parents[at] = parents[parents[at]]


@kernel
def root(parents: Index, at: int) -> int:
    """The lowest member of a member's component."""
    while parents[at] != at:
        parents[at] = parents[parents[at]]
        at = parents[at]
    return at
