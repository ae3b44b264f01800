"""SC-QoS as learning agents see it: the state (19) as a vector, and the vectors that are actions.

Three kinds of agents need three decodings of the same decision (specification scqos 5.2, 6.3):

hybrid      [index of bits and subchannels | shares of band and power], SAC beside discrete SAC
relaxed     [scores of bits | scores of subchannels | shares], everything in [-1, 1]: DDPG, TD3, SAC alone
templated   [index], everything discretised: D3QN
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from netsim.systems.scqos_mdp import ActionSpace, StateLayout
from netsim.systems.scqos_radio import assigned_channel
from netsim.systems.scqos_system import Action, Observation
from phy.beamforming import mrt
from phy.parameters import Checked, ParameterError, one_of, parameter

KINDS = ("hybrid", "relaxed", "templated")


@dataclass(frozen=True)
class Decoding(Checked):
    """How an agent's vector becomes a decision."""

    kind: str = parameter(
        "hybrid", meaning="what the vector holds", source="scqos 5.2, 6.3", rule=one_of(*KINDS)
    )


@dataclass(frozen=True, slots=True)
class DecodedAction(Action):
    """An action with the vector that it was decoded from."""

    vector: np.ndarray


class ScqosView:
    """State float32[layout.size]; action float32[action_size] by the decoding's kind.

    Args:
        power_w: total transmit power (for whole beams).

    Raises:
        ParameterError: templates and whole beams together (templates are shares).
    """

    def __init__(self, space: ActionSpace, layout: StateLayout, power_w: float, decoding: Decoding) -> None:
        if decoding.kind == "templated" and space.beam == "raw":
            raise ParameterError("interface.beam = raw: must be mrt for an agent that picks templates")
        self.space, self.layout, self.decoding, self._power_w = space, layout, decoding, power_w
        u = space.num_ues
        self._num_scores = u * (space.max_bits + space.num_subchannels)
        self.state_size = layout.size
        self.action_size = {
            "hybrid": 1 + space.num_continuous,
            "relaxed": self._num_scores + space.num_continuous,
            "templated": 1,
        }[decoding.kind]

    @cached_property
    def told(self) -> np.ndarray:
        """float32[num_discrete, U N + U C]: the one-hot of every discrete action."""
        return self.space.one_hot(*self.space.discrete(np.arange(self.space.num_discrete)))

    @cached_property
    def parts(self) -> np.ndarray:
        """float32[num_discrete, U N C]: 1 where a discrete action gives a user that many bits on that
        subchannel.
        """
        a = self.space
        bits, subchannel = a.discrete(np.arange(a.num_discrete))
        pair = (bits - 1) * a.num_subchannels + subchannel
        hot = pair[..., None] == np.arange(a.max_bits * a.num_subchannels)
        return hot.reshape(a.num_discrete, -1).astype(np.float32)

    def state(self, observation: Observation) -> np.ndarray:
        """(19) as the system has it."""
        return observation.vector

    def action(self, vector: np.ndarray, observation: Observation) -> DecodedAction:
        """The decision in a vector float32[action_size]."""
        bits, subchannel, band, power, beams = self.decode(vector[None], observation.h[None])
        return DecodedAction(bits[0], subchannel[0], band[0], power[0], beams[0], vector)

    def decode(
        self, vectors: np.ndarray, h: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Decisions of several runs: bits, subchannels, shares of band and power [e, u], beams [e, u, m].

        Args:
            vectors: float32[e, action_size]. h: complex128[e, u, c, m], the channels that the agent saw.
        """
        a, x = self.space, vectors.astype(np.float64)
        if self.decoding.kind == "templated":
            bits, subchannel, band, power = a.templated(_index(x[:, 0], a.num_templated))
            return bits, subchannel, band, power, mrt(assigned_channel(h, subchannel))
        if self.decoding.kind == "hybrid":
            bits, subchannel = a.discrete(_index(x[:, 0], a.num_discrete))
            rest = np.clip(x[:, 1:], -1.0, 1.0)
        else:
            x = np.clip(x, -1.0, 1.0)
            u, n = a.num_ues, a.max_bits
            bits = 1 + x[:, : u * n].reshape(-1, u, n).argmax(axis=-1)
            scores = x[:, u * n : self._num_scores].reshape(-1, u, a.num_subchannels)
            subchannel, rest = a.assign(scores), x[:, self._num_scores :]
        if a.beam == "mrt":
            band, power = a.shares(rest)
            return bits, subchannel, band, power, mrt(assigned_channel(h, subchannel))
        band, beams = a.raw_beams(rest, self._power_w)
        norm = np.linalg.norm(beams, axis=-1)
        unit = beams / np.where(norm > 0.0, norm, 1.0)[..., None]
        return bits, subchannel, band, norm**2 / self._power_w, unit


def _index(x: np.ndarray, count: int) -> np.ndarray:
    """The nearest index below `count`, int64."""
    return np.clip(np.rint(x), 0, count - 1).astype(np.int64)
