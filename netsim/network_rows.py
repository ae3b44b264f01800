"""The rows of the trace that the conductor writes, whatever the system."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from netsim.agents.timed import Decision
from netsim.buffer import Buffer, Packet
from netsim.link import Grants
from netsim.recorder import Recorder
from netsim.system import Outcome, System, Transmission
from phy.bursts import Received


class Rows:
    """Writes slots, packets and decisions of one run into its trace."""

    def __init__(self, trace: Recorder, system: System, slot_ns: int) -> None:
        self.trace, self.system, self.slot_ns = trace, system, slot_ns
        self._decision_row = trace.rows("decisions")

    def slot(
        self,
        slot: int,
        episode: int,
        queued: list[int],
        buffers: Sequence[Buffer],
        grants: Grants,
        sent: list[Transmission],
        received: Received | None,
        outcome: Outcome,
    ) -> None:
        """The slot, and what each device was granted, has received and holds; `queued`: packets a device at
        the slot's start.
        """
        trace, start_ns = self.trace, slot * self.slot_ns
        ue, cell = np.arange(self.system.num_ues), self.system.cell_of_ue
        trace.append(
            "slots",
            slot=slot,
            episode=episode,
            start_ns=start_ns,
            reward=outcome.reward,
            objective=outcome.objective,
            num_violations=outcome.violations,
        )
        trace.extend(
            "grants",
            slot=slot,
            ue=ue,
            cell=cell,
            start_ns=start_ns,
            bandwidth_hz=grants.bandwidth_hz,
            power_w=grants.power_w,
            compression=grants.compression,
            bits_per_symbol=grants.bits_per_symbol,
            subchannel=grants.subchannel,
        )
        gain, sinr_db = self.system.reception(grants)
        bits, blocks, bit_errors, block_errors = self._received(sent, received)
        trace.extend(
            "receptions",
            slot=slot,
            ue=ue,
            cell=cell,
            gain=gain,
            sinr_db=np.where(np.array(blocks) > 0, sinr_db, np.nan),
            num_bits=bits,
            num_bit_errors=bit_errors if received is not None else -1,
            num_blocks=blocks,
            num_block_errors=block_errors if received is not None else -1,
        )
        trace.extend(
            "buffers",
            slot=slot,
            ue=ue,
            queued_start=queued,
            queued=[len(b) for b in buffers],
            arrived=[b.arrived for b in buffers],
            delivered=[b.delivered for b in buffers],
            dropped=[b.dropped for b in buffers],
            blocked=[b.blocked for b in buffers],
        )

    def _received(self, sent: list[Transmission], received: Received | None) -> list[list[int]]:
        """Of each device in the slot: bits, blocks, wrong bits and blocks with wrong bits."""
        bits, blocks, bit_errors, block_errors = totals = [[0] * self.system.num_ues for _ in range(4)]
        each = received.num_bit_errors.tolist() if received is not None else [0] * len(sent)
        for transmission, errors in zip(sent, each):
            ue = transmission.block.ue
            bits[ue] += transmission.block.num_bits
            blocks[ue] += 1
            bit_errors[ue] += errors
            block_errors[ue] += errors > 0
        return totals

    def packets(self, packets: Collection[Packet]) -> None:
        """Packets whose fate is known, or that the run leaves in a buffer."""
        if not packets:
            return
        # a slot's packets column by column: a third of the cost of their rows one by one
        self.trace.extend(
            "packets",
            id=[p.id for p in packets],
            ue=[p.ue for p in packets],
            item=[p.item for p in packets],
            task=[p.task for p in packets],
            created_ns=[p.created_ns for p in packets],
            sent_ns=[p.sent_ns for p in packets],
            delivered_ns=[p.delivered_ns for p in packets],
            fate=[p.fate for p in packets],
            num_bits=[p.num_bits for p in packets],
            num_bit_errors=[p.num_bit_errors for p in packets],
            compression=[p.compression for p in packets],
            label=[p.label for p in packets],
            decision=[p.decision for p in packets],
            score=[p.score for p in packets],
        )

    def decision(self, decision: Decision) -> None:
        """A decision that is over, with its reward."""
        self._decision_row(
            t_ns=decision.decided_ns,
            agent=decision.agent,
            slot=decision.decided_ns // self.slot_ns,
            observed_ns=decision.observed_ns,
            received_ns=decision.received_ns,
            applied_ns=decision.applied_ns,
            reward=decision.reward,
        )
