"""Tasks: what a model is tuned for. A task is one class and one line in `TASKS`: its head, its loss, its scores."""

from collections.abc import Callable

from groundwave.contracts import Task
from groundwave.tasks.activity import Activity
from groundwave.tasks.forecasting import Forecasting
from groundwave.tasks.occupancy import Occupancy
from groundwave.tasks.segmentation import Segmentation

TASKS: dict[str, Callable[..., Task]] = {
    "activity": Activity,
    "forecasting": Forecasting,
    "occupancy": Occupancy,
    "segmentation": Segmentation,
}
