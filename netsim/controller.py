"""The central controller: stations report what their slot was worth, it forms one reward and sends it to all.

Reports and rewards travel through the signalling, so either may be late or lost. A slot is judged when the
reports of all cells are there, or at the deadline with what has come (green specification 11.2, P6).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from netsim.agents.timed import Decision, TimedAgent
from netsim.engine import Clock, after
from netsim.signalling import Courier, Message, Signalling
from netsim.system import Combine, Node

NODE = "controller"


class Controller:
    """Collects the reports of each slot and rewards the agents, as a rule all with the same number.

    A report that is missing at the deadline is replaced by the cell's last one that came (`hold`), by the
    mean of those that came (`mean`), or the slot goes without a reward (`skip`); without any substitute the
    slot is skipped too.

    Args:
        combine: the reward from the reports of all cells, in the order of `nodes`; a report is a tuple of
            floats. One number for all agents, or one for each.
        record: called with every decision that has been given its reward, and at the end with the others.
    """

    def __init__(
        self,
        env: Clock,
        courier: Courier,
        signalling: Signalling,
        nodes: Sequence[Node],
        agents: Sequence[TimedAgent],
        combine: Combine,
        record: Callable[[Decision], None],
    ) -> None:
        self.env, self.courier, self.signalling = env, courier, signalling
        self.nodes, self.agents, self._combine, self._record = nodes, agents, combine, record
        self._index = {node.cell: index for index, node in enumerate(nodes)}
        self._open: dict[int, tuple[list[Decision | None], list[tuple[float, ...] | None]]] = {}
        self._last: list[tuple[float, ...] | None] = [None] * len(nodes)

    def judge(
        self, slot: int, decisions: list[Decision | None], reports: Sequence[tuple[float, ...]]
    ) -> None:
        """The slot has ended: every cell sends its report, the deadline begins."""
        self._open[slot] = (decisions, [None] * len(self.nodes))
        for node, report in zip(self.nodes, reports, strict=True):
            self.courier.send("report", node.cell, NODE, slot, (node.cell, report), self._on_report)
        after(self.env, self.signalling.report_deadline_ns, lambda _event: self._close(slot))

    def finish(self) -> None:
        """The run is over: decisions still waiting for a reward are recorded without one."""
        for decisions, _reports in self._open.values():
            for decision in decisions:
                if decision is not None and np.isnan(decision.reward):
                    self._record(decision)

    def _on_report(self, message: Message) -> None:
        cell, report = message.content
        index = self._index[cell]
        self._last[index] = report
        if message.slot not in self._open:
            return  # after the deadline: of use as the last one only
        _, reports = self._open[message.slot]
        reports[index] = report
        if all(entry is not None for entry in reports):
            self._close(message.slot)

    def _close(self, slot: int) -> None:
        if slot not in self._open:
            return
        decisions, reports = self._open.pop(slot)
        complete = self._completed(reports)
        combined = self._combine(complete) if complete is not None else None
        rewards = combined if isinstance(combined, Sequence) else [combined] * len(self.nodes)
        for node, agent, decision, reward in zip(self.nodes, self.agents, decisions, rewards, strict=True):
            if decision is None:
                continue
            first = np.isnan(decision.reward)
            if reward is not None:
                if first:
                    decision.reward = reward
                self.courier.send("reward", NODE, node.agent, slot, (decision, reward), agent.on_reward)
            if first:
                self._record(decision)

    def _completed(self, reports: list[tuple[float, ...] | None]) -> list[tuple[float, ...]] | None:
        missing = self.signalling.report_missing
        known = [report for report in reports if report is not None]
        complete: list[tuple[float, ...]] = []
        for report, last in zip(reports, self._last):
            if report is None and missing == "hold":
                report = last
            if report is None and missing == "mean" and known:
                report = tuple(np.mean(known, axis=0).tolist())
            if report is None:
                return None
            complete.append(report)
        return complete
