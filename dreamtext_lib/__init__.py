"""From a neuron to text-to-3D: the library behind the book."""

import os

# Two threads that spin at barriers on two busy cores cost up to 80 times what they save; it counts if torch comes later.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
