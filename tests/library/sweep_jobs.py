"""Jobs for the tests of sweeps: functions that Ray's workers import."""

import os
import time

import ray


def sleepy(job, home):
    """Say in the folder on which node the job began, and take a second."""
    (home / f"began-{ray.get_runtime_context().get_node_id()}").touch()
    time.sleep(1)
    return {"node": ray.get_runtime_context().get_node_id(), "square": job["seed"] ** 2}


def fateful(job, home):
    """Fail, die once, die always, or tell of the process, as the job's prompt has it."""
    with open(home / "tries", "a", encoding="utf-8") as file:
        file.write("x")
    tries = (home / "tries").stat().st_size
    if job["prompt"] == "fails":
        raise ValueError("the prompt is 'fails'")
    if job["prompt"] == "dies always" or (job["prompt"] == "dies once" and tries == 1):
        os._exit(1)
    import torch

    return {"tries": tries, "threads": torch.get_num_threads(), "address": ray.util.get_node_ip_address()}


def patient(job, home):
    """Take a tenth of a second and again, until Ctrl-C; keep count."""
    from dreamtext_lib.drive import interruptible

    with interruptible() as asked:
        for step in range(600):
            time.sleep(0.1)
            (home / "steps").write_text(str(step), encoding="utf-8")
            if asked():
                (home / "stopped").touch()
                raise KeyboardInterrupt
    return {}
