"""From a neuron to text-to-3D: the library behind the book."""

import os

# Threads that spin at barriers on busy cores cost far more than they save. It counts if torch is imported after this.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# transformers warns at every import of the torchvision that this package does without.
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
