"""RelationNet's answer to new classes: the comparison is learned beforehand, the classes come from the support."""

from typing import Any, Self

from torch import nn

from groundwave.adapt.linear import FeatureLearner
from groundwave.adapt.support import check_support
from groundwave.contracts import Record
from groundwave.errors import ModelError
from groundwave.nn.relation import RelationHead


class Relation(FeatureLearner):
    """Give a trained `RelationHead` the classes of a support; nothing is trained (Sung et al., 2018).

    Not in `LEARNERS`, because it needs that head: `Relation(model.head)` reads the features of a model that was
    pretrained with the objective `relationnet`.

    Args:
        head: the trained comparison.

    Raises:
        ModelError: another head, or none.
    """

    head_name = "relation"
    head: RelationHead

    def __init__(self, head: nn.Module | None) -> None:
        if not isinstance(head, RelationHead):
            raise ModelError(
                got=f"a model with a {type(head).__name__}" if head else "a model without a head",
                expected="a RelationHead",
                do="pretrain with the objective relationnet",
            )
        self.trained = head

    def fit(self, support: Record) -> Self:
        """Take the feature maps of the support, class by class."""
        features, label, _ = check_support(support)
        self.head = self.trained.remembering(features, label)
        return self

    def head_args(self) -> dict[str, Any]:
        """Return the arguments that rebuild the head."""
        return self.head.args()
