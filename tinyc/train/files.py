"""Files that appear whole or not at all."""

from ..folder import written

__all__ = ["written"]
