"""A model behind HTTP: embed, predict, adapt with few labels, the model card, health."""

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any, NamedTuple

import torch
from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException
from torch import Tensor

from groundwave import __version__
from groundwave.adapt import LEARNERS
from groundwave.deploy.batching import Batcher, OverloadedError, TooSlowError
from groundwave.deploy.guard import Guard, Limits, refusal
from groundwave.deploy.messages import (
    Adapted,
    Card,
    Encoded,
    Features,
    Health,
    Lesson,
    Plain,
    Prediction,
    Question,
    Records,
    Refusal,
)
from groundwave.errors import ContractError, DataError, GroundwaveError, ModelError, UnknownNameError
from groundwave.model import Model
from groundwave.nn.dense import Decoder

MOST_HEADS = 64  # learned ones that are kept; the oldest goes first

REFUSALS = {
    400: "the body is no text",
    401: "no token, or another one",
    408: "the request came too slowly",
    413: "the request is too large, or a GET with a body",
    421: "another host was meant",
    422: "the records do not fit the model, or the request is no such JSON",
    429: "too many requests at once; ask again",
    503: "not answered in time; ask again",
}
STATUS = {OverloadedError: 429, TooSlowError: 503, UnknownNameError: 404}


class _Job(NamedTuple):
    """What is asked of the model: features, or the probabilities of its own head."""

    records: Encoded | Plain
    predict: bool


class Service:
    """A model, the heads that were learned since, and the queue before it.

    Args:
        name: of the model.
        model: any; without a head of its own it predicts with learned ones only.
        limits: of requests.
    """

    def __init__(self, name: str, model: Model, limits: Limits) -> None:
        self.name, self.model = name, model
        self.heads: OrderedDict[str, Model] = OrderedDict()
        self.batcher = Batcher(self.compute, most_waiting=limits.waiting_records, seconds=limits.seconds)
        self.seconds = limits.seconds
        self._learning: asyncio.Task[Model] | None = None

    def compute(self, jobs: Sequence[_Job]) -> Sequence[Tensor | Exception]:
        """Answer jobs together where their records have one shape; each that does not fit gets its own error."""
        answers: dict[int, Tensor | Exception] = {}
        groups: dict[tuple[bool, torch.Size], list[tuple[int, Tensor]]] = {}
        for number, job in enumerate(jobs):
            try:
                prepared = self.model.prepare(job.records.tensor())
                groups.setdefault((job.predict, prepared.shape[1:]), []).append((number, prepared))
            except (GroundwaveError, RuntimeError) as error:
                answers[number] = error
        for (predict, _), members in groups.items():
            ask = self.model.predict_prepared if predict else self.model.embed_prepared
            try:
                found = ask(torch.cat([prepared for _, prepared in members]))
                parts: Sequence[Tensor | Exception] = found.split([len(prepared) for _, prepared in members])
            except Exception as error:  # of a network that does not take this length, say: no other group's fault
                parts = [error] * len(members)
            answers |= {number: part for (number, _), part in zip(members, parts, strict=True)}
        return [answers[number] for number in range(len(jobs))]

    async def ask(self, records: Encoded | Plain, predict: bool) -> Tensor:
        """Return features `[B, D]` or probabilities `[B, C]` of records."""
        return await self.batcher.ask(_Job(records, predict), records.num_records)

    async def predict(self, question: Question) -> Prediction:
        """Return the answer of the model's own head, or of a learned one."""
        if question.head is None:
            self._check_names_classes()
            classes, probabilities = self.model.classes, await self.ask(question.records, predict=True)
        else:
            adapted = self.heads.get(question.head)
            if adapted is None:
                raise UnknownNameError("head", question.head, self.heads)
            assert adapted.head is not None
            with torch.no_grad():
                scores = adapted.head(await self.ask(question.records, predict=False))
            classes, probabilities = adapted.classes, scores.softmax(dim=-1)
        labels = [classes[c] for c in probabilities.argmax(dim=-1).tolist()]
        return Prediction(classes=list(classes), labels=labels, probabilities=probabilities.tolist())

    def _check_names_classes(self) -> None:
        if self.model.head is None:
            got = "a model without a head"
        elif isinstance(self.model.head, Decoder):
            got = "a model that answers for cells"
        elif hasattr(self.model.head, "answer"):
            got = "a model that answers directions"
        else:
            return
        raise ModelError(got, "one that names the class of a record", "learn a head with /adapt, and name it")

    async def adapt(self, lesson: Lesson) -> Adapted:
        """Learn a head from labelled records, and return its name; one at a time.

        A learner that takes too long cannot be stopped: until it ends no other begins, and its head is not kept.
        """
        if self._learning is not None and not self._learning.done():
            raise OverloadedError
        self._learning = asyncio.create_task(self._learned(lesson))
        try:
            async with asyncio.timeout(self.seconds):
                adapted = await asyncio.shield(self._learning)
        except TimeoutError:
            raise TooSlowError(self.seconds) from None
        name = secrets.token_hex(8)
        self.heads[name] = adapted
        while len(self.heads) > MOST_HEADS:
            self.heads.popitem(last=False)
        return Adapted(head=name, classes=list(adapted.classes), num_labels=len(lesson.labels))

    async def _learned(self, lesson: Lesson) -> Model:
        features = await self.ask(lesson.records, predict=False)
        return await asyncio.to_thread(self._fit, features, lesson)

    def _fit(self, features: Tensor, lesson: Lesson) -> Model:
        classes = tuple(sorted(set(lesson.labels)))
        label = torch.tensor([classes.index(one) for one in lesson.labels])
        learner = LEARNERS[lesson.learner]().fit({"features": features, "label": label})
        return self.model.with_head(learner.head_name, learner.head, learner.head_args(), classes)

    def card(self) -> Card:
        """Return what the model is."""
        return Card(
            name=self.name,
            version=__version__,
            modality=self.model.contract.modality,
            contract=asdict(self.model.contract),
            classes=list(self.model.classes),
            num_features=self.model.num_features,
            num_parameters=sum(p.numel() for p in self.model.modules().parameters()),
            card=self.model.card,
        )


def application(name: str, model: Model, *, token: str | None = None, limits: Limits | None = None) -> FastAPI:
    """Return the door to a model as an ASGI application, with its OpenAPI at `/openapi.json`.

    Args:
        name: of the model.
        model: any.
        token: that requests must bring; None only where nobody else can ask.
        limits: of requests.
    """
    limits = limits or Limits()
    service = Service(name, model, limits)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.batcher.start()
        yield
        await service.batcher.stop()

    app = FastAPI(title=f"groundwave: {name}", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None)
    _add_routes(app, service, [Depends(HTTPBearer(auto_error=False))] if token else [])
    _add_errors(app)
    app.add_middleware(Guard, limits=limits, token=token, full=lambda: service.batcher.full)
    return app


def _add_routes(app: FastAPI, service: Service, locked: Sequence[Any]) -> None:
    told: dict[int | str, dict[str, Any]] = {
        status: {"model": Refusal, "description": text} for status, text in REFUSALS.items()
    }
    unknown: dict[int | str, dict[str, Any]] = {404: {"model": Refusal, "description": "no such head"}}

    @app.get("/health", responses={status: told[status] for status in (408, 413, 421)})
    async def health() -> Health:
        """Say whether the server answers; needs no token."""
        return Health(
            status="busy" if service.batcher.full else "ok", version=__version__, waiting=service.batcher.waiting
        )

    few = {status: told[status] for status in (401, 408, 413, 421)}

    @app.get("/model", dependencies=locked, responses=few)  # type: ignore[arg-type]
    async def model() -> Card:
        """Return the model card, the input contract and the classes."""
        return service.card()

    @app.post("/embed", dependencies=locked, responses=told)
    async def embed(asked: Records) -> Features:
        """Return the features of records."""
        return Features(features=(await service.ask(asked.records, predict=False)).tolist())

    @app.post("/predict", dependencies=locked, responses={**told, **unknown})
    async def predict(asked: Question) -> Prediction:
        """Name the class of records."""
        return await service.predict(asked)

    @app.post("/adapt", dependencies=locked, responses=told)
    async def adapt(asked: Lesson) -> Adapted:
        """Learn a head from a few labelled records."""
        if len(asked.labels) != (num_records := asked.records.num_records):
            raise DataError(
                f"{len(asked.labels)} labels for {num_records} records", "one for each", "send as many of either"
            )
        return await service.adapt(asked)


def _add_errors(app: FastAPI) -> None:
    """Tell every error in one form."""

    @app.exception_handler(GroundwaveError)
    async def ours(request: Request, error: GroundwaveError) -> JSONResponse:
        headers = {"retry-after": "1"} if isinstance(error, OverloadedError | TooSlowError) else None
        return JSONResponse(refusal(error), STATUS.get(type(error), 422), headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        got = f"a request that is wrong at {place} ({first['msg']})"
        fault = ContractError(got, "what /openapi.json describes", "correct the request")
        return JSONResponse(refusal(fault), 422)

    @app.exception_handler(Exception)
    async def broken(request: Request, error: Exception) -> JSONResponse:
        got = "an error of the server's own, none of the request's"
        fault = GroundwaveError(got, "an answer", "report this, with what the server has printed")
        return JSONResponse(refusal(fault), 500)

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        asked = f"{request.method} {request.url.path}"
        fault = GroundwaveError(f"{asked} ({error.detail})", "a route of /openapi.json", "correct the request")
        return JSONResponse(refusal(fault), error.status_code, error.headers)
