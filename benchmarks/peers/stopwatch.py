"""Timing a job, and taking orders for it on standard input; imported by peers under their own interpreters, too."""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping

Job = Callable[[], int]  # makes some records and returns how many


def rate(job: Job, seconds: float) -> tuple[float, int]:
    """Run a job over and over for at least so long; returns records per second and how many they were."""
    done, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < seconds:
        done += job()
    return done / (time.perf_counter() - begun), done


def measured(job: Job, seconds: float, **more: object) -> dict[str, object]:
    """Return a job's rate, how many records that was, and whatever else there is to say."""
    value, n = rate(job, seconds)
    return {"value": value, "n": n, **more}


def serve(makers: Mapping[str, Callable[[], Job]], version: str) -> None:
    """Answer lines "JOB SECONDS" with lines of JSON; a job is made, and run once, when first asked for."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints must not mix with the answers
    jobs: dict[str, Job] = {}
    for line in sys.stdin:
        name, seconds = line.split()
        try:
            if name not in jobs:
                jobs[name] = makers[name]()
                jobs[name]()
            answer = measured(jobs[name], float(seconds), version=version)
        except Exception as error:  # the others go on
            answer = {"failed": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)
