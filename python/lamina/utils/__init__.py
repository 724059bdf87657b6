"""What training loops need around the mathematics: ``data`` feeds them, ``hooks`` lets others listen in."""

from . import data, hooks

__all__ = ["data", "hooks"]
