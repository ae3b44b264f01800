"""Who makes the runs: this process, processes of this machine, or a Dask cluster; the results are the same.

The default is a plain pool of processes: it needs no package, starts in the time of an import (a local Dask
cluster takes seconds more for its scheduler) and loses nothing, since the runs of a campaign do not talk to
each other. A cluster needs no shared file system: workers send the finished file back.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import tempfile
import threading
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection, get_context, parent_process
from pathlib import Path

from netsim import simulate
from netsim.scenario import Scenario
from netsim.studies import values
from netsim.studies.campaign import Task, Workers
from netsim.studies.version import code_version
from phy.parameters import ParameterError

_DIED = "the process that ran it died"


def workers(jobs: int, scheduler: str | None = None) -> Workers:
    """`jobs` processes here, or the workers of a Dask scheduler (`local`: a cluster of `jobs` processes)."""
    if scheduler is not None:
        return functools.partial(on_cluster, scheduler=scheduler, jobs=jobs)
    return functools.partial(in_processes, jobs=jobs) if jobs > 1 else in_this_process


def in_this_process(tasks: Sequence[Task]) -> Iterator[tuple[Task, str]]:
    """One after the other."""
    for task in tasks:
        yield task, make(task.variant.scenario, task.run, task.folder)


def in_processes(tasks: Sequence[Task], jobs: int) -> Iterator[tuple[Task, str]]:
    """In a pool of processes. When one of them dies, whatever was in the pool is tried again, each task in a
    process of its own, so that only the task at fault fails.
    """
    left = yield from _in_pool(tasks, min(jobs, len(tasks)))
    for task in left:
        for dead in (yield from _in_pool([task], 1)):
            yield dead, _DIED


def _in_pool(tasks: Sequence[Task], jobs: int) -> Generator[tuple[Task, str], None, list[Task]]:
    """Runs tasks; returns those that were lost with the pool."""
    lost: list[Task] = []
    if not tasks:
        return lost
    # spawn: the parent may hold threads (numba, HDF5) that do not survive a fork
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_die_with_parent) as pool:
        futures: dict[Future[str], Task] = {}
        try:
            for task in tasks:
                futures[pool.submit(make, task.variant.scenario, task.run, task.folder)] = task
        except BrokenProcessPool:
            lost += tasks[len(futures) :]
        for future in as_completed(futures):
            try:
                reason = future.result()
            except BrokenProcessPool:
                lost.append(futures[future])
            else:
                yield futures[future], reason
    return lost


def make(scenario: Scenario, run: int, folder: Path) -> str:
    """Runs one task into its file; "" or, in one line, why there is none. Its figures are found here, too,
    where many processes work, and not one after another where they are wanted.
    """
    try:
        values.values_of_file(simulate.run_to_file(scenario, run, folder), scenario)
    except Exception as error:  # whatever it is, the campaign goes on and lists it
        return reason_of(error)
    return ""


def reason_of(error: BaseException) -> str:
    """An exception in one line, with its kind unless it is one of ours."""
    text = " ".join(str(error).split())
    return text if isinstance(error, ParameterError) else f"{type(error).__name__}: {text}"


def _die_with_parent() -> None:
    """A worker whose parent was killed would wait for work for ever; this thread ends it."""
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="parent watch").start()


def on_cluster(tasks: Sequence[Task], scheduler: str, jobs: int) -> Iterator[tuple[Task, str]]:
    """On a Dask cluster; the scheduler may be `local`. Files come back as bytes and appear by rename.

    Raises:
        ParameterError: the scheduler does not answer.
    """
    import distributed

    if not tasks:
        return
    with contextlib.ExitStack() as stack:
        address = scheduler
        if scheduler == "local":
            cluster = distributed.LocalCluster(
                n_workers=jobs, threads_per_worker=1, dashboard_address=None, silence_logs=logging.CRITICAL
            )
            stack.callback(cluster.close)
            address = cluster.scheduler_address
        try:
            client = distributed.Client(address, timeout="10s", set_as_default=False)
        except (OSError, ValueError) as error:
            text = f"--scheduler {scheduler}: {reason_of(error)}: must be a running Dask scheduler"
            raise ParameterError(text) from None
        stack.callback(client.close)
        version = code_version()
        futures = {
            client.submit(_make_bytes, task.variant.scenario, task.run, version, pure=False): task
            for task in tasks
        }
        for future in distributed.as_completed(list(futures), loop=client.loop):
            task = futures[future]
            if future.status == "finished":
                content, reason = future.result()
                yield task, reason or _keep(content, task)
            else:
                yield task, reason_of(future.exception())
            future.release()


def _make_bytes(scenario: Scenario, run: int, version: str) -> tuple[bytes, str]:
    """On a cluster's worker: the finished file, or the reason why there is none."""
    if code_version() != version:
        return b"", f"the worker runs other code ({code_version()}): must be {version}"
    with tempfile.TemporaryDirectory(prefix="netsim-") as folder:
        reason = make(scenario, run, Path(folder))
        return (b"", reason) if reason else ((Path(folder) / f"run{run}.h5").read_bytes(), "")


def _keep(content: bytes, task: Task) -> str:
    """Writes a file that came over the network, whole or not at all; "" or the reason of the failure."""
    try:
        task.folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f"{task.path.name}.", suffix=".part", dir=task.folder)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, task.path)
    except OSError as error:
        return reason_of(error)
    return ""
