"""Which boards a model fits, what it takes there, and what would make it fit: `tinyc fit`."""

from .asked import Asked, Row
from .fit import facts, refused, rows

__all__ = ["Asked", "Row", "facts", "refused", "rows"]
