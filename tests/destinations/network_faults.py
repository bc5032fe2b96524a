"""The faults that every kind of destination meets: the network between us and the server."""

from contract import Fault
from fault_proxy import Harm, LostResponse, Refused, ResetAtOnce, ResetInBody, Stall

IN_THE_BODY = 200_000
"""More than any handshake, less than a test's file."""


def network_faults(*, lost_response: LostResponse) -> list[Fault]:
    """Five faults of the network; `lost_response` says how an answer gets lost on this kind's way."""
    harms: dict[str, Harm] = {
        "the connection is refused": Refused(),
        "the connection is reset at once": ResetAtOnce(),
        "the connection is reset in the body": ResetInBody(IN_THE_BODY),
        "the server falls silent": Stall(),
        "the answer is lost": lost_response,
    }
    return [
        Fault(name, "transient", lambda proxy, harm=harm: proxy.inflicting(harm), counts=not isinstance(harm, Refused))
        for name, harm in harms.items()
    ]
