"""Answers with the replies of an archived run, place by place: repeats a run without network or money."""

from decimal import Decimal

from discovery.archive import Archive
from discovery.endpoint import NoReply, Reply, Request
from discovery.price import Price
from discovery.records import ExchangeState, Place, Run


class RecordedEndpoint:
    """The replies that a run has stored.

    Attributes:
        model: Which run they are from.
        price: Nothing.
    """

    def __init__(self, archive: Archive, source: Run) -> None:
        """Args:
        archive: Where the run is.
        source: The run that was recorded.
        """
        self.model = f"recorded:{source.name}"
        self.price = Price.flat(Decimal(0), Decimal(0), "recorded replies")
        self._exchanges = archive.exchanges
        self._source = source

    def complete(self, request: Request, place: Place) -> Reply | NoReply:
        """What the model answered at this place of the recorded run, whatever is asked now."""
        found = self._exchanges.answered(self._source.id, place.iteration, place.turn)
        if found is None:
            where = f"call {place.turn} of iteration {place.iteration}"
            return NoReply(ExchangeState.UNSENT, f"run {self._source.name} holds no reply to {where}")
        return Reply(found.reply, found.message, found.finish_reason, found.usage, Decimal(0), found.raw)
