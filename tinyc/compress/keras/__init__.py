"""Techniques on Keras models, a file each: what is trained, or quantized, before it is compiled."""
