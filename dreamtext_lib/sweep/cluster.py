"""Jobs on Ray: on this machine alone, or on a cluster; those of a worker or node that dies are done again elsewhere."""

import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from ..files import write_json
from .folder import Job, Row, row_there, work, write_row

ENOUGH = 80 << 20  # bytes of Ray's store of objects, near its least; rows are small and all else is in files
PACKAGE = Path(__file__).parents[2]  # from where a worker imports the code that is at work here
BEGINS = 3  # times that Ray is started on a machine too busy to start it in the time that it allows itself


class Share(NamedTuple):
    """What a job is given, and how often it is tried."""

    cpus: int = 1  # cores, and threads of torch
    gpus: float = 0.0  # GPUs; below 1, several jobs share one
    retries: int = 3  # further tries of a job whose worker or node died


def check_ray() -> None:
    """Raise ValueError unless Ray is installed."""
    if find_spec("ray") is None:
        raise ValueError("a sweep runs on Ray, which is not installed; pip install 'dreamtext[sweep]'")


@contextmanager
def connected(address: str | None = None) -> Iterator[Any]:
    """Ray, started on this machine and stopped at the end, or connected to the cluster at an address.

    Here it listens on 127.0.0.1 alone, has no dashboard, sends no statistics, and its files go at the end.
    Raises ValueError if it cannot be had.
    """
    check_ray()
    quiet = {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": True}
    with lightly(here=not address) as home:
        import ray

        ray._private.worker._worker_logs_enabled = False  # pages about a worker that died, amid the bar
        try:
            if address:
                join(ray, address, quiet)
            else:
                begin(ray, home, quiet)
            yield ray
        finally:
            ray.shutdown()
            ray._private.worker._worker_logs_enabled = True


def join(ray: Any, address: str, quiet: dict[str, Any]) -> None:
    """Connect to a cluster."""
    try:
        ray.init(address, **quiet)
    except Exception as error:
        text = " ".join(str(error).split())[:200]
        raise ValueError(
            f"no Ray cluster lets this program in at '{address}' ({text}); 'ray start --head' begins one, and where it"
            " asks for a token, set RAY_AUTH_MODE=token here too"
        ) from error


def check_address(address: str) -> None:
    """Raise ValueError unless it is 'auto', or something listens there; Ray itself would try for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if address == "auto":
        return
    if not (host and colon and port.isdecimal() and 0 < int(port) < 2**16):
        raise ValueError(f"--address is '{address}'; it must be HOST:PORT of a Ray cluster, or auto")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except OSError as error:
        why = error.strerror or error
        raise ValueError(f"no Ray cluster answers at '{address}' ({why}); 'ray start --head' begins one") from error


def begin(ray: Any, home: Path, quiet: dict[str, Any]) -> None:
    """Start Ray on this machine, with its files in a folder."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    for left in reversed(range(BEGINS)):
        try:
            ray.init(
                "local",
                num_cpus=cores,
                include_dashboard=False,
                object_store_memory=ENOUGH,
                _node_ip_address="127.0.0.1",
                _temp_dir=str(home / "ray"),
                **quiet,
            )
            return
        except Exception as error:
            ray.shutdown()
            if not left:
                text = " ".join(str(error).split())
                raise ValueError(f"Ray does not start on this machine ({text[:200]}); is it very busy?") from error


@contextmanager
def lightly(here: bool = True) -> Iterator[Path]:
    """A folder for Ray's files, and an environment in which its processes start quickly and, if so, stay `here`.

    Each of them imports jsonschema. Beside Jupyter that builds a grammar of addresses, for seconds, to check what no
    one here asks it to check: a module of that name which is none spares it. The folder's path is short, since Ray puts
    sockets into it, whose paths may have a hundred letters.
    """
    home = Path(tempfile.mkdtemp(prefix="dreamtext-", dir="/tmp" if os.path.isdir("/tmp") else None))
    light = home / "light"
    light.mkdir()
    (light / "rfc3987_syntax.py").write_text('raise ImportError("not needed")\n', encoding="utf-8")
    sets = {
        "PYTHONPATH": os.pathsep.join(filter(None, (str(light), os.environ.get("PYTHONPATH"), str(PACKAGE)))),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # a job that asks for no GPU is left what there is
    }
    if here:
        sets["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # Ray's word, on every system, for 127.0.0.1 alone
    before = {name: os.environ.get(name) for name in sets}
    os.environ |= sets
    sys.path.insert(0, str(light))
    try:
        yield home
    finally:
        sys.path.remove(str(light))
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
        shutil.rmtree(home, ignore_errors=True)


def check_share(ray: Any, share: Share) -> None:
    """Raise ValueError unless some node has what a job is to be given; it would wait for ever."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if not any(node.get("CPU", 0) >= share.cpus and node.get("GPU", 0) >= share.gpus for node in nodes):
        have = "; ".join(f"{node.get('CPU', 0):g} cores, {node.get('GPU', 0):g} GPUs" for node in nodes)
        raise ValueError(
            f"no machine has the {share.cpus} cores and {share.gpus:g} GPUs that a run is to have ({have});"
            " ask for less by --cpus-per-run and --gpus-per-run"
        )


def results(
    ray: Any,
    jobs: Sequence[Job],
    sweep: Path,
    run: Callable[[Job, Path], Row],
    *,
    words: Callable[[BaseException], str],
    share: Share,
    asked: Callable[[], bool] = lambda: False,
) -> Iterator[tuple[Job, Row]]:
    """Do all jobs and give each with its row as it comes. Once `asked()`, none is begun, and those at work are stopped.

    run and words: as `folder.work` has them. A row that did not come to the sweep's folder, since its node does not
    see it or died, is written there.
    """
    how = {"num_cpus": share.cpus, "num_gpus": share.gpus, "max_retries": share.retries}
    remote, profile = ray.remote(**how)(task), os.environ.get("DREAMTEXT_PROFILE", "toy")
    waiting = {
        remote.remote(job, sweep.absolute(), run, words, threads=share.cpus, profile=profile): job for job in jobs
    }
    stopping = False
    while waiting:
        ready, _ = ray.wait(list(waiting), num_returns=len(waiting), timeout=0.5)
        for ref in ready:
            job, row = waiting.pop(ref), outcome(ray, ref, words, share.retries)
            if row is not None:
                keep(job, sweep, row)
                yield job, row
        if asked() and not stopping:
            stopping = True
            for ref in waiting:
                ray.cancel(ref)


def task(job: Job, sweep: Path, run: Callable, words: Callable, *, threads: int, profile: str) -> Row:
    """A job in a worker of Ray, with so many threads, under the profile of the one who asked."""
    import torch

    os.environ["DREAMTEXT_PROFILE"] = profile
    torch.set_num_threads(threads)
    return work(job, sweep, run, words)


def outcome(ray: Any, ref: Any, words: Callable[[BaseException], str], retries: int) -> Row | None:
    """The row of a task that is no longer at work; None if it was stopped."""
    from ray.exceptions import RayError, RayTaskError, TaskCancelledError

    try:
        return ray.get(ref)
    except TaskCancelledError:
        return None
    except RayTaskError as error:
        return {"error": words(error.cause)}
    except RayError as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        return {"error": f"its worker died, the last of {retries + 1} times ({lines[0].rstrip('.')[:200]})"}


def keep(job: Job, sweep: Path, row: Row) -> None:
    """Write a job and its row unless they are there: not a row of an earlier, failed try. A full disk is let pass."""
    home = sweep / job["folder"]
    with suppress(OSError):
        if not (home / "job.json").exists():
            write_json(home / "job.json", job)
        if row_there(job, sweep) is None:
            write_row(job, sweep, row)
