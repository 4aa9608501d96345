"""``python -m tinyc.cli``: the ``tinyc`` command."""

from .app import main

if __name__ == "__main__":  # the workers of a search import it too
    main()
