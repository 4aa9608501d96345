"""``python -m tinyc.cli``: the ``tinyc`` command."""

from .app import main

main()
