"""How long each part of a step takes, also where a GPU works on after a call has returned."""

import time

import torch


class Clock:
    """Laps in seconds, from its making on. On CUDA it waits, at each lap, until the device has done its work."""

    def __init__(self, device: torch.device | str = "cpu"):
        self.device = torch.device(device)
        self.seconds: list[float] = []  # of each lap
        self.last = self.now()

    def now(self) -> float:
        """Seconds since some time in the past, once the device is done."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()

    def lap(self) -> float:
        """End a lap; its seconds."""
        now = self.now()
        self.seconds.append(now - self.last)
        self.last = now
        return self.seconds[-1]
