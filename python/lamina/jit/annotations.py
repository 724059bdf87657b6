"""The types with which code for TorchScript's compiler annotates; they are those of ``typing``."""

from typing import Any, Dict, List, Optional, Tuple, Union  # noqa: UP035

__all__ = ["Any", "Dict", "List", "Optional", "Tuple", "Union"]
