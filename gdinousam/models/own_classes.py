"""Modules that other libraries built, given classes of ours in their place, and counted.

A module stays the object that it is, with its parameters under their names; only its class becomes a subclass of the
one it had. So a copy or a pickle of a model runs its own weights, which it would not with a ``forward`` assigned to an
instance.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import transformers
from torch import nn

OwnClasses = Mapping[type[nn.Module], type[nn.Module]]


def give_own_classes(modules: Iterable[nn.Module], own: OwnClasses, expected: int) -> None:
    """Give modules the classes of ours, in place; modules that have them already are counted and stay.

    modules: a module may come several times; classes that ``own`` does not name are passed over. own: by the exact
    class that a module has now, a subclass of it without attributes of its own to set up. expected: how many are to be
    found. Raises RuntimeError where it is another number, before any is changed.
    """
    new_class = dict(own) | {ours: ours for ours in own.values()}
    found = [module for module in modules if type(module) in new_class]
    if len(found) != expected:
        names = " or ".join(f"{theirs.__module__}.{theirs.__name__}" for theirs in own)
        raise RuntimeError(
            f"found {len(found)} of {expected} modules of class {names} in a model of transformers "
            f"{transformers.__version__}; install a version that setup.py allows, or report it where this one is"
        )
    for module in found:
        module.__class__ = new_class[type(module)]
