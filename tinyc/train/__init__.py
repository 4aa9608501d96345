"""Train the networks of ``recipes/``: a recipe and data in, a ``.tflite`` and its accuracy out."""
