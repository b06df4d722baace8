"""From a neuron to text-to-3D: the library behind the book."""

import os

# transformers warns at every import of the torchvision that this package does without.
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
