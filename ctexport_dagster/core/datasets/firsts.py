"""From which partition on each dataset goes out with its flow: its first one, which carries everything."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict


class FirstPartitions(BaseModel):
    """Of every dataset that a flow had when it last ran; one that was removed is forgotten, and may come back anew."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    datasets: dict[str, str | None] = {}
    """Name → its first partition; None for the flow's own first, whichever that is."""

    def with_run(
        self, declared: Sequence[str], partition: str, *, newest: str | None, following: str
    ) -> "FirstPartitions":
        """With a run of `partition` noted, by which these datasets are declared.

        A dataset that is new begins with that partition, or, where it is a re-run, with the one `following` the
        `newest` that ever ran: what was delivered without it stays as it is. Those of a flow that never ran begin with
        it. Partition keys sort by time as text does.
        """
        if newest is None:
            return FirstPartitions(datasets=dict.fromkeys(declared))
        begins = partition if partition > newest else following
        return FirstPartitions(datasets={name: self.datasets.get(name, begins) for name in declared})
