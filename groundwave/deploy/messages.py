"""What the HTTP door takes and gives, as JSON."""

import base64
import binascii
import math
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag
from torch import Tensor

from groundwave.data.samples import sample_type, to_complex
from groundwave.errors import DataError

MOST_RECORDS = 1024  # of one request

Row = Annotated[list[float], Field(min_length=1)]  # NaN and infinity, too: the contract tells of which record they are
Rows = Annotated[list[Row], Field(min_length=1, max_length=MOST_RECORDS)]
Label = Annotated[str, Field(min_length=1, max_length=200)]


class Strict(BaseModel):
    """A message without fields that nobody reads."""

    model_config = ConfigDict(extra="forbid")


class Encoded(Strict):
    """Records as the bytes of their numbers, row by row, in Base64."""

    data: Annotated[str, Field(min_length=4, pattern=r"^[A-Za-z0-9+/]+={0,2}$", description="Base64")]
    datatype: Annotated[
        Literal["cf32_le", "ci16_le", "ci8", "cu8", "rf32_le"],
        Field(description="SigMF type; integers have full scale 1; rf32_le for decibels and pictures"),
    ]
    shape: Annotated[
        list[Annotated[int, Field(ge=1, le=1 << 24)]],
        Field(min_length=2, max_length=4, description="of the numbers, records first: [records, (antenna,) time], ..."),
    ]

    @property
    def num_records(self) -> int:
        """How many there are."""
        return self.shape[0]

    def tensor(self) -> Tensor:
        """Return the records; raises `DataError` where bytes and shape do not belong together."""
        try:
            raw = base64.b64decode(self.data, validate=True)
        except binascii.Error as error:
            raise DataError(
                f"data that are no Base64 ({error})", "Base64 of the samples' bytes", "encode them so"
            ) from error
        kind = sample_type(self.datatype)
        if len(raw) != kind.num_bytes * math.prod(self.shape):
            raise DataError(
                got=f"{len(raw)} bytes for {self.datatype} of shape {self.shape}",
                expected=f"{kind.num_bytes * math.prod(self.shape)}",
                do="correct shape or datatype",
            )
        if self.shape[0] > MOST_RECORDS:
            raise DataError(f"{self.shape[0]} records", f"at most {MOST_RECORDS}", "ask in several requests")
        numbers = np.frombuffer(raw, kind.component)
        values = to_complex(numbers, True) if kind.is_complex else numbers.astype(np.float32)
        return torch.from_numpy(values.reshape(self.shape).copy())


class Plain(Strict):
    """Records of one antenna as lists of I and of Q."""

    i: Annotated[Rows, Field(description="[records, time]")]
    q: Annotated[Rows, Field(description="as many")]

    @property
    def num_records(self) -> int:
        """How many there are."""
        return len(self.i)

    def tensor(self) -> Tensor:
        """Return complex64 `[records, time]`; raises `DataError` for rows of different lengths."""
        lengths = {len(row) for row in (*self.i, *self.q)}
        if len(lengths) > 1 or len(self.i) != len(self.q):
            raise DataError(
                got=f"{len(self.i)} rows of I, {len(self.q)} of Q, {min(lengths)} to {max(lengths)} long",
                expected="as many rows of each, all of one length",
                do="send as many numbers of I as of Q, for each record",
            )
        return torch.complex(torch.tensor(self.i), torch.tensor(self.q)).to(torch.complex64)


def _form(records: Any) -> str:
    """Return in which form records are meant, so that a mistake is told of that form alone."""
    return "lists" if isinstance(records, dict) and not records.keys().isdisjoint(Plain.model_fields) else "bytes"


class Records(Strict):
    """A request: records as the model's contract takes them."""

    records: Annotated[Annotated[Encoded, Tag("bytes")] | Annotated[Plain, Tag("lists")], Discriminator(_form)]


class Question(Records):
    """Records to be named, by the model's own head or one that `/adapt` has made."""

    head: Annotated[Label | None, Field(description="what /adapt has returned")] = None


class Lesson(Records):
    """Records with their labels, from which a head is learned."""

    labels: Annotated[list[Label], Field(min_length=2, max_length=MOST_RECORDS, description="one for each record")]
    learner: Literal["lda", "logistic", "prototypes", "ridge"] = "logistic"


class Features(BaseModel):
    """What the model sees in each record."""

    features: list[list[float]]


class Prediction(BaseModel):
    """The likeliest class of each record, and the probabilities of all."""

    classes: list[str]
    labels: list[str]
    probabilities: list[list[float]]


class Adapted(BaseModel):
    """A head that has been learned, to be named in requests; it lives until the server ends, or others push it out."""

    head: str
    classes: list[str]
    num_labels: int


class Card(BaseModel):
    """What the model is."""

    name: str
    version: str
    modality: str
    contract: dict[str, Any]
    classes: list[str]
    num_features: int
    num_parameters: int
    card: str


class Health(BaseModel):
    """Whether the server answers, and how many records wait."""

    status: Literal["ok", "busy"]
    version: str
    waiting: int


class Fault(BaseModel):
    """What was wrong, and what to do."""

    kind: str
    got: str
    expected: str
    do: str


class Refusal(BaseModel):
    """A request that was not answered."""

    error: Fault
