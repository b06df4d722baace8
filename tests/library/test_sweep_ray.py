"""Sweeps on a real Ray: this machine alone, a cluster of two nodes of which one is killed, workers that die, a stop."""

import os
import threading
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from dreamtext_lib.sweep.cluster import Share, check_share, connected, lightly, results
from dreamtext_lib.sweep.folder import rows_there

if find_spec("ray") is None:
    pytest.skip("Ray is not installed (it has no wheel for every system); sweeps were not run", allow_module_level=True)


def jobs_of(*subjects):
    return [
        {"folder": f"r/{s}-{i}", "recipe": "r", "prompt": s, "seed": i, "score": {}} for i, s in enumerate(subjects)
    ]


@pytest.fixture(scope="module", autouse=True)
def importable():
    """The jobs of `sweep_jobs.py` can be imported in workers too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
        yield


@pytest.fixture(scope="module")
def here(importable):
    with connected() as ray:
        yield ray


def test_a_failing_job_is_a_row_and_a_dying_worker_another_try(here, tmp_path):
    from sweep_jobs import fateful

    jobs = jobs_of("fails", "dies once", "dies always", "tells")
    share = Share(retries=2)
    rows = {j["prompt"]: row for j, row in results(here, jobs, tmp_path, fateful, words=str, share=share)}
    assert rows["fails"] == {"error": "the prompt is 'fails'"}
    assert rows["dies once"]["tries"] == 2
    assert rows["dies always"]["error"].startswith("its worker died, the last of 3 times (")
    assert (tmp_path / "r/dies always-2/tries").read_text(encoding="utf-8") == "xxx"
    assert rows["tells"] == {"tries": 1, "threads": 1, "address": "127.0.0.1"}
    assert set(rows_there(jobs, tmp_path)) == {"r/dies once-1", "r/tells-3"}  # those that failed are missing still


def test_a_row_that_is_there_is_not_made_again(here, tmp_path):
    from sweep_jobs import fateful

    (job,) = jobs_of("tells")
    for _ in range(2):
        ((_, row),) = results(here, [job], tmp_path, fateful, words=str, share=Share())
        assert row["tries"] == 1


def test_what_no_machine_has_is_refused(here):
    with pytest.raises(ValueError, match=r"no machine has the 4096 cores and 0.5 GPUs that a run is to have \(\d+ cor"):
        check_share(here, Share(4096, 0.5))


def test_a_stop_lets_those_at_work_save_and_begins_no_other(here, tmp_path):
    from sweep_jobs import patient

    jobs, began = jobs_of(*("patient",) * 40), time.monotonic()

    def asked():
        return any(tmp_path.glob("r/*/steps"))

    assert list(results(here, jobs, tmp_path, patient, words=str, share=Share(), asked=asked)) == []
    begun = {path.parent for path in tmp_path.glob("r/*/steps")}
    assert 1 <= len(begun) < 40 and time.monotonic() - began < 55  # a job alone takes a minute
    assert {path.parent for path in tmp_path.glob("r/*/stopped")} == begun
    assert rows_there(jobs, tmp_path) == {}


def test_a_cluster_loses_a_node_and_no_job(here, tmp_path, monkeypatch, capfd):
    from sweep_jobs import sleepy

    here.shutdown()  # one connection a program
    with lightly() as home:
        monkeypatch.setenv("RAY_TMPDIR", str(home))  # where a cluster leaves its address
        from ray.cluster_utils import Cluster

        own = {"node_ip_address": "127.0.0.1", "include_dashboard": False, "num_cpus": 2}
        cluster = Cluster(initialize_head=True, head_node_args=own)
        try:
            other = cluster.add_node(node_ip_address="127.0.0.1", num_cpus=2)
            with connected(cluster.address) as ray:
                capfd.readouterr()
                mine = ray.get_runtime_context().get_node_id()
                (its,) = {node["NodeID"] for node in ray.nodes()} - {mine}

                def kill():
                    while not any(tmp_path.glob(f"r/*/began-{its}")):
                        time.sleep(0.05)
                    cluster.remove_node(other, allow_graceful=False)

                killer = threading.Thread(target=kill, daemon=True)
                killer.start()
                jobs = jobs_of(*("sleepy",) * 10)
                rows = {j["seed"]: row for j, row in results(ray, jobs, tmp_path, sleepy, words=str, share=Share())}
                killer.join(30)
                assert not other.any_processes_alive()
                assert capfd.readouterr() == ("", "")  # what Ray says of it would break the bar
        finally:
            cluster.shutdown()
    assert {seed: row.get("square") for seed, row in rows.items()} == {seed: seed**2 for seed in range(10)}
    assert len(rows_there(jobs, tmp_path)) == 10
    twice = [job for job in jobs if len(list((tmp_path / job["folder"]).glob("began-*"))) == 2]
    assert twice and all(rows[job["seed"]]["node"] == mine for job in twice)
