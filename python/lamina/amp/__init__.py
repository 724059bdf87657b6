"""Mixed precision: ``autocast`` chooses a dtype for each operation, ``GradScaler`` keeps float16 gradients
from vanishing."""

from lamina.amp.autocast_mode import autocast, custom_bwd, custom_fwd, is_autocast_available
from lamina.amp.grad_scaler import GradScaler

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]
