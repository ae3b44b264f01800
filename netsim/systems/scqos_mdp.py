"""SC-QoS as a decision problem: what an agent may decide and what it sees (specification scqos 5.1, 5.2).

Discrete: bits a feature of every user (zeta) and a one-to-one assignment of subchannels (rho). Continuous:
shares of the band and of the power, or whole beams. Arrays have any leading axes.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.optimize import linear_sum_assignment

from phy.parameters import Checked, ParameterError, one_of, parameter

SOFTNESS = 2.0  # shares are softmax(2 x), x in [-1, 1]: the smallest of three is 1 / (1 + 2 e^4)
TEMPLATE = 0.7  # D3QN's templates: logit 0.7 for the favoured user, -0.35 for the others
GAIN_MEAN_DB, GAIN_SPREAD_DB = 18.0, 5.0
_MAX_PERMUTATIONS = 50_000


@dataclass(frozen=True)
class Interface(Checked):
    """What agents see and control."""

    beam: str = parameter(
        "mrt",
        meaning="beams: matched with a share of the power (mrt), or every coefficient from the agent (raw)",
        source="scqos 5.2",
        rule=one_of("mrt", "raw"),
    )
    observe_gain: bool = parameter(
        True, meaning="the state holds the gains that the paper's normalised h hides", source="scqos E-15"
    )


@dataclass(frozen=True)
class ActionSpace:
    """The discrete and continuous actions of `num_ues` users, `num_subchannels` and `num_tx_ant` antennas."""

    num_ues: int
    num_subchannels: int
    num_tx_ant: int
    max_bits: int = 3
    beam: str = "mrt"

    @cached_property
    def assignments(self) -> np.ndarray:
        """int64[C! / (C - U)!, u]: all one-to-one assignments, in lexicographic order."""
        count = int(np.prod(np.arange(self.num_subchannels - self.num_ues + 1, self.num_subchannels + 1)))
        if count > _MAX_PERMUTATIONS:
            raise ParameterError(f"{count} assignments: at most {_MAX_PERMUTATIONS}, use assignment scores")
        return np.array(list(itertools.permutations(range(self.num_subchannels), self.num_ues)))

    @cached_property
    def bit_choices(self) -> np.ndarray:
        """int64[N^U, u]: all choices of bits, the last user's changing first."""
        return np.array(list(itertools.product(range(1, self.max_bits + 1), repeat=self.num_ues)))

    @property
    def num_discrete(self) -> int:
        """Size of the joint discrete action, 27 x 6 = 162 at the default."""
        return len(self.bit_choices) * len(self.assignments)

    @property
    def num_continuous(self) -> int:
        """Size of the continuous action: 2 U, or U + 2 U M with raw beams."""
        return self.num_ues * (2 if self.beam == "mrt" else 1 + 2 * self.num_tx_ant)

    def discrete(self, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Joint index int[...] to bits int64[..., u] and subchannels int64[..., u]."""
        zeta, rho = np.divmod(index, len(self.assignments))
        return self.bit_choices[zeta], self.assignments[rho]

    def index(self, bits: np.ndarray, subchannel: np.ndarray) -> np.ndarray:
        """Inverse of `discrete`."""
        place = self.max_bits ** np.arange(self.num_ues)[::-1]
        zeta = ((np.asarray(bits) - 1) * place).sum(axis=-1)
        same = (np.asarray(subchannel)[..., None, :] == self.assignments).all(axis=-1)
        if not same.any(axis=-1).all():
            raise ParameterError("subchannel: must be a one-to-one assignment")
        return zeta * len(self.assignments) + same.argmax(axis=-1)

    def one_hot(self, bits: np.ndarray, subchannel: np.ndarray) -> np.ndarray:
        """float32[..., U N + U C]: what the actor of the continuous part is told of the discrete one."""
        return np.concatenate(
            [_one_hot(np.asarray(bits) - 1, self.max_bits), _one_hot(subchannel, self.num_subchannels)],
            axis=-1,
        )

    def assign(self, scores: np.ndarray) -> np.ndarray:
        """Best assignment int64[..., u] for scores[..., u, c] (the relaxed actions of DDPG and TD3)."""
        flat = scores.reshape(-1, self.num_ues, self.num_subchannels)
        found = np.stack([linear_sum_assignment(one, maximize=True)[1] for one in flat])
        return found.reshape(*scores.shape[:-2], self.num_ues)

    def shares(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Continuous action x[..., 2 U] in [-1, 1] to shares of band and power, float64[..., u] (mrt)."""
        u = self.num_ues
        return softmax(SOFTNESS * x[..., :u]), softmax(SOFTNESS * x[..., u : 2 * u])

    def raw_beams(self, x: np.ndarray, power_w: float) -> tuple[np.ndarray, np.ndarray]:
        """x[..., U + 2 U M] to shares of the band and beams complex128[..., u, m] in sqrt(W), total power_w.

        After the U logits stand Re f and Im f of user 0, then of user 1, ...
        """
        u = self.num_ues
        parts = x[..., u:].reshape(*x.shape[:-1], u, 2, self.num_tx_ant)
        beams = parts[..., 0, :] + 1j * parts[..., 1, :]
        norm = np.sqrt((np.abs(beams) ** 2).sum(axis=(-2, -1), keepdims=True))
        return softmax(SOFTNESS * x[..., :u]), beams * (np.sqrt(power_w) / np.maximum(norm, 1e-12))

    @cached_property
    def templates(self) -> np.ndarray:
        """float64[1 + U, u]: D3QN's shares, equal and one user favoured."""
        u = self.num_ues
        logits = TEMPLATE * np.where(np.eye(u, dtype=bool), 1.0, -1.0 / max(u - 1, 1))
        return softmax(np.concatenate([np.zeros((1, u)), logits]))

    @property
    def num_templated(self) -> int:
        """Size of D3QN's action: discrete actions x templates of the band x templates of the power."""
        return self.num_discrete * len(self.templates) ** 2

    def templated(self, index: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """D3QN's index int[...] to bits, subchannels, shares of band and power, each [..., u]."""
        rest, power = np.divmod(index, len(self.templates))
        joint, band = np.divmod(rest, len(self.templates))
        return *self.discrete(joint), self.templates[band], self.templates[power]


@dataclass(frozen=True)
class Previous:
    """What became of the last slot, arrays [..., u]; `nothing` before the first one."""

    bits: np.ndarray  # int64, 0: none
    subchannel: np.ndarray  # int64, -1: none
    band_share: np.ndarray
    power_share: np.ndarray
    beams: np.ndarray  # complex128[..., u, m] in units of the square root of the total power
    valid_sqe: np.ndarray
    latency: np.ndarray  # in units of the latency limit, capped
    reward: np.ndarray  # float64[...]


def nothing(space: ActionSpace, shape: tuple[int, ...] = ()) -> Previous:
    """`Previous` of the first slot of an episode."""
    zero, users = np.zeros((*shape, space.num_ues)), (*shape, space.num_ues)
    none = np.zeros(users, np.int64)
    beams = np.zeros((*users, space.num_tx_ant), np.complex128)
    return Previous(none, none - 1, zero, zero, beams, zero, zero, np.zeros(shape))


@dataclass(frozen=True)
class StateLayout:
    """The state vector of 5.1: [zeta | rho | b | beam | e | (h) | valid SQE | G | r | (gain)]."""

    space: ActionSpace
    num_features: int = 64
    observe_gain: bool = True

    @property
    def sizes(self) -> dict[str, int]:
        """Length of each part, in order."""
        a, raw = self.space, self.space.beam == "raw"
        u, c, m = a.num_ues, a.num_subchannels, a.num_tx_ant
        return {
            "bits": u * a.max_bits,
            "subchannel": u * c,
            "band": u,
            "beam": 2 * u * m if raw else u,
            "embedding": u * self.num_features,
            "h": 2 * u * c * m if raw else 0,
            "sqe": u,
            "latency": u,
            "reward": 1,
            "gain": u * c if self.observe_gain else 0,
        }

    @property
    def size(self) -> int:
        """Length of the state."""
        return sum(self.sizes.values())

    def vector(
        self, previous: Previous, embedding: np.ndarray, h: np.ndarray, full_snr: np.ndarray
    ) -> np.ndarray:
        """float32[..., size].

        Args:
            embedding: float[..., u, D], e_u of the sentence to be sent. h: complex[..., u, c, m]. full_snr:
            float[..., u, c], SNR with all power and a matched beam, linear.
        """
        a, p = self.space, previous
        lead = embedding.shape[:-2]
        norm = np.linalg.norm(embedding, axis=-1, keepdims=True)
        parts = [
            _one_hot(p.bits - 1, a.max_bits),
            _one_hot(p.subchannel, a.num_subchannels),
            p.band_share,
            _real(p.beams, lead) if a.beam == "raw" else p.power_share,
            (embedding / np.where(norm > 0.0, norm, 1.0)).reshape(*lead, -1),
        ]
        if a.beam == "raw":
            # normalised over all subchannels of a user, as (19b)
            whole = np.sqrt((np.abs(h) ** 2).sum(axis=(-2, -1), keepdims=True))
            parts.append(_real(h / whole, lead))
        parts += [p.valid_sqe, p.latency, p.reward[..., None]]
        if self.observe_gain:
            gain_db = 10.0 * np.log10(full_snr)
            parts.append(((gain_db - GAIN_MEAN_DB) / GAIN_SPREAD_DB).reshape(*lead, -1))
        return np.concatenate(parts, axis=-1).astype(np.float32)


def softmax(x: np.ndarray) -> np.ndarray:
    """Over the last axis."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def _one_hot(index: np.ndarray, size: int) -> np.ndarray:
    """float32[..., u size] of int[..., u]; all zeros for an index below 0."""
    hot = (np.asarray(index)[..., None] == np.arange(size)).astype(np.float32)
    return hot.reshape(*hot.shape[:-2], -1)


def _real(z: np.ndarray, lead: tuple[int, ...]) -> np.ndarray:
    """Re and Im side by side, flat behind the leading axes: complex[*lead, *] to float64[*lead, 2 size]."""
    return np.stack([z.real, z.imag], axis=-1).reshape(*lead, -1)
