"""Train a text codec: `python -m netsim.semantics.train_text --name english --out FOLDER`.

Merged recipe of Algorithms 1 to 3 (see `text_training`). `english` learns from Europarl and `sotu` with one
vocabulary, `grammar` from the reference corpus; `--corpora` takes others, for instance `sotu` alone on a
machine without Europarl. Called again after an interruption, the command continues from its checkpoint to
the same result.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from netsim.semantics import text_grammar
from netsim.semantics.image_codec import save_codec
from netsim.semantics.progress import Progress
from netsim.semantics.similarity import load_metric
from netsim.semantics.text_codec import TextCodec, load_text_codec, shipped_text_tensors
from netsim.semantics.text_corpora import Vocabulary, covered_spans, frequent_words, load_text
from netsim.semantics.text_measure import measured
from netsim.semantics.text_network import TextShape
from netsim.semantics.text_training import BLOCK, Batches, TextTrainer, TextTraining
from phy.parameters import ParameterError

CHECK_BLOCKS = 20  # blocks of 25 steps between two lines of output
SAVE_S = 120.0
CHECKED = 200  # held-out sentences in a line of output


@dataclass(frozen=True)
class Plan:
    """Corpora, sizes and settings of one named codec.

    `words` 0 takes the grammar's own vocabulary; `layers` are those of encoder and decoder. Sentences have
    at most `max_words` words (the grammar has its own limit, 29).
    """

    corpora: tuple[str, ...]
    words: int
    max_words: int
    tied: bool
    layers: tuple[int, int]
    training: TextTraining


PLANS = {
    "grammar": Plan(("grammar",), 0, text_grammar.MAX_WORDS, False, (2, 2), TextTraining()),
    "english": Plan(
        ("europarl", "sotu"),
        3000,
        12,
        True,
        (2, 2),
        TextTraining(
            steps=18000,
            clean_steps=3000,
            settled_steps=6000,
            batch_tokens=2048,
            optimiser="muon",
            clean_rate=2e-3,
            rate=2e-3,
            span_share=0.7,
            word_drop=0.1,
        ),
    ),
}


@dataclass(frozen=True)
class Material:
    """What a training reads: vocabulary, training batches, validation sentences, and a hash of all that."""

    vocabulary: Vocabulary
    batches: Batches
    check: tuple[str, ...]
    sources: tuple[str, ...]
    sha256: str


def gather(plan: Plan, data_dir: Path | None = None, limit: int | None = None) -> Material:
    """Read the corpora of a plan; `limit` takes the first so many training sentences of each."""
    words = (
        text_grammar.vocabulary() if plan.words == 0 else frequent_words(plan.corpora, plan.words, data_dir)
    )
    vocabulary = Vocabulary(words)
    sets = [load_text(c, "train", vocabulary, data_dir, plan.max_words) for c in plan.corpora]
    sentences = [s for one in sets for s in one.sentences[:limit]]
    spans: list[str] = []
    if plan.training.span_share > 0:
        spans = [s for c in plan.corpora for s in covered_spans(c, vocabulary, data_dir)]
    held_out = [load_text(c, "val", vocabulary, data_dir, plan.max_words) for c in plan.corpora]
    check = tuple(s for one in held_out for s in one.sentences[: CHECKED // len(plan.corpora)])
    digest = hashlib.sha256("\n".join([*words, "", *sentences, "", *spans]).encode()).hexdigest()
    longest = max((s.count(" ") + 2 for s in spans), default=2)
    batches = Batches(
        vocabulary.encode(sentences),
        vocabulary.encode(spans, longest + 1).astype(np.int16),
        plan.training,
        len(vocabulary),
    )
    return Material(vocabulary, batches, check, tuple(s.source for s in sets), digest)


def train(
    material: Material,
    shape: TextShape,
    training: TextTraining,
    checkpoint: Path,
    say: Callable[[str], None] = lambda line: None,
    stop_after: int | None = None,
    start: TextCodec | None = None,
) -> TextTrainer:
    """Run (or continue) a training up to its last step, or `stop_after` steps of it, with checkpoints.

    `start` is a codec of the same vocabulary whose weights the training begins with.
    """
    of_data = material.sha256 if start is None else f"{material.sha256} from {start.sha256}"
    trainer = TextTrainer(material.batches, shape, training, of_data)
    if start is not None:
        if start.vocabulary.words != material.vocabulary.words:
            raise ParameterError(f"start: vocabulary of {start.name}: must be that of the corpora")
        trainer.start_from(start.tensors, start.description["p_th"])
    if checkpoint.exists():
        trainer.resume(checkpoint)
        say(f"continuing after step {trainer.step}")
    last = training.steps if stop_after is None else min(stop_after, training.steps)
    saved, losses = time.monotonic(), []
    with Progress(max(last - trainer.step, 1), "steps") as progress:
        while trainer.step < last:
            losses.append(trainer.run_block(progress))
            if time.monotonic() - saved > SAVE_S or trainer.step >= last:
                trainer.save(checkpoint)
                saved = time.monotonic()
            if trainer.step % (CHECK_BLOCKS * BLOCK) == 0 or trainer.step >= last:
                ce, mse = (float(np.mean([x[k] for x in losses])) for k in ("ce", "feature_mse"))
                say(f"step {trainer.step}/{training.steps}  ce {ce:.3f}  feature mse {mse:.3f}  "
                    f"{_exact(trainer, material)}")  # fmt: skip
                losses = []
    return trainer


def _exact(trainer: TextTrainer, material: Material) -> str:
    codec = codec_of("check", trainer, {"words": " ".join(material.vocabulary.words[4:])})
    found, _ = measured(codec, material.check, (), load_metric("token_f1"))
    shown = "  ".join(f"{'-' if q.bits is None else q.bits}: {q.exact:.3f}/{q.tokens:.3f}" for q in found)
    return f"val exact/words by bits  {shown}"


def codec_of(name: str, trainer: TextTrainer, more: dict[str, Any]) -> TextCodec:
    """The codec that the trainer's weights, rounded to float16, make."""
    state = {k: v.detach().numpy() for k, v in trainer.network.state_dict().items()}
    description = {"shape": asdict(trainer.shape), "p_th": trainer.p_th.tolist(), **more}
    return TextCodec(name, shipped_text_tensors(state), description, "")


def write_codec(
    name: str,
    trainer: TextTrainer,
    plan: Plan,
    material: Material,
    path: Path,
    data_dir: Path | None,
    start: TextCodec | None = None,
) -> TextCodec:
    """Round the weights, state their quality on test sentences, write the file, return what it holds."""
    training = trainer.training
    begun = "" if start is None else f" --start {start.name}.safetensors"
    description: dict[str, Any] = {
        "words": " ".join(material.vocabulary.words[4:]),
        "max_words": plan.max_words,
        "training": asdict(training),
        "steps_done": trainer.step,
        "command": f"python -m netsim.semantics.train_text --name {name} "
        f"--corpora {' '.join(plan.corpora)} --words {plan.words} --max-words {plan.max_words} "
        f"--steps {training.steps} --seed {training.seed} "
        f"--clean-steps {training.clean_steps} --settled-steps {training.settled_steps} "
        f"--layers {trainer.shape.encoder_layers} {trainer.shape.decoder_layers} "
        f"--stop-after {trainer.step}{begun} --out DIR",
        "start": None
        if start is None
        else {
            "sha256": start.sha256,
            **{k: start.description.get(k) for k in ("command", "start", "training")},
        },
        "train_data": {"sources": material.sources, "sha256": material.sha256},
        "attribution": "" if plan.corpora == ("grammar",) else ATTRIBUTION,
        "software": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
    }
    codec = codec_of(name, trainer, description)
    quality = {}
    for corpus in plan.corpora:
        test = load_text(corpus, "test", codec.vocabulary, data_dir, plan.max_words)
        found, _ = measured(codec, test.sentences[:300], (), load_metric("bleu"))
        quality[corpus] = [asdict(q) for q in found]
    codec.description["test_quality_bleu"] = quality
    save_codec(path, codec.tensors, codec.description)
    return load_text_codec(name, path)


ATTRIBUTION = (
    "statistics, not sentences, of: Europarl v7 (P. Koehn, Europarl: A Parallel Corpus for Statistical "
    "Machine Translation, MT Summit 2005; proceedings of the European Parliament, no known restriction); "
    "sotu 0.1.2 (MIT; texts of the American Presidency Project, UC Santa Barbara)"
)


def main(arguments: list[str] | None = None) -> int:
    """The command; exit status 0 done, 2 the user's mistake in one line."""
    parser = argparse.ArgumentParser(
        prog="python -m netsim.semantics.train_text", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--name", default="english", choices=sorted(PLANS), help="which plan")
    parser.add_argument("--out", required=True, type=Path, metavar="FOLDER", help="checkpoint and codec")
    parser.add_argument("--corpora", nargs="+", metavar="NAME", help="europarl, sotu, grammar or text files")
    parser.add_argument("--words", type=int, help="size of the vocabulary")
    parser.add_argument("--max-words", type=int, help="longest sentence, in words")
    parser.add_argument("--steps", type=int, help="gradient steps; may be raised when continuing")
    parser.add_argument("--stop-after", type=int, metavar="N", help="end after N steps of the schedule")
    parser.add_argument("--clean-steps", type=int, help="first steps, without quantiser")
    parser.add_argument("--settled-steps", type=int, help="last steps, in which the step size falls")
    parser.add_argument("--layers", type=int, nargs=2, metavar="N", help="layers of encoder and decoder")
    parser.add_argument("--start", type=Path, metavar="CODEC", help="begin with the weights of this codec")
    parser.add_argument("--seed", type=int, help="seed of weights, order and errors")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="look for text here only")
    try:
        run(parser.parse_args(arguments))
    except ParameterError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def run(given: argparse.Namespace) -> None:
    """Gather the text, train, write the codec."""
    plan = PLANS[given.name]
    names = ("steps", "clean_steps", "settled_steps", "seed")
    changed = {n: getattr(given, n) for n in names if getattr(given, n) is not None}
    plan = replace(plan, training=replace(plan.training, **changed))
    if given.corpora:
        plan = replace(plan, corpora=tuple(given.corpora), words=plan.words or 3000)
        if plan.corpora == ("grammar",):
            plan = replace(plan, words=0)
    if given.layers is not None:
        plan = replace(plan, layers=(given.layers[0], given.layers[1]))
    if given.words is not None:
        plan = replace(plan, words=given.words)
    if given.max_words is not None:
        plan = replace(plan, max_words=given.max_words)
    one_thread()
    material = gather(plan, given.data)
    for source in material.sources:
        say(source)
    given.out.mkdir(parents=True, exist_ok=True)
    encoder, decoder = plan.layers
    shape = TextShape(
        vocabulary=len(material.vocabulary), encoder_layers=encoder, decoder_layers=decoder, tied=plan.tied
    )
    start = None if given.start is None else load_text_codec(given.start.stem, given.start)
    checkpoint = given.out / f"{given.name}.ckpt"
    trainer = train(material, shape, plan.training, checkpoint, say, given.stop_after, start)
    path = given.out / f"{given.name}.safetensors"
    codec = write_codec(given.name, trainer, plan, material, path, given.data, start)
    say(f"{path.name}: {path.stat().st_size} bytes")
    say(json.dumps(codec.description["test_quality_bleu"]))


def one_thread() -> None:
    """Products of this size lose by sharing, and the result depends on the number of threads."""
    torch.set_num_threads(1)


def say(line: str) -> None:
    """One line to standard output, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
