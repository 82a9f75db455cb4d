"""Checks that the model tells stories, and that they are its own.

    python check.py --model MODEL.gguf --text TRAINING.txt

Draws 20 stories of at most 200 tokens from BOS alone at temperature 0.8 and
fails (exit 1) unless

  - at least 98 % of their words occur in the training text, and
  - no run of 12 words of the training text is in more than two of them.

A word is a maximal run of letters, digits and apostrophes, in lower case. The
report also counts the stories that contain any copied run, tells where the
longest one begins, and gives the same numbers for held-out stories
(--held-out) cut to the same length: people too open stories alike.
"""

import argparse
import collections
import re
import sys

import numpy as np

import bpe
import corpus
from inference import Llama, log_softmax

WORD = re.compile(r"[a-z0-9']+")
RUN = 12


def words(text):
    return WORD.findall(text.lower())


def runs(text):
    """Every run of RUN words of text, in order."""
    w = words(text)
    return [tuple(w[i:i + RUN]) for i in range(len(w) - RUN + 1)]


def sample(model, rng, length, temperature):
    """One story of at most length tokens, without `</s>`; and whether it ended."""
    model.reset()
    logits = model.forward([bpe.BOS])[-1]
    ids = []
    while len(ids) < length:
        probability = np.exp(log_softmax(logits / temperature))
        token = int(rng.choice(len(probability), p=probability / probability.sum()))
        if token == bpe.EOS:
            return ids, True
        ids.append(token)
        logits = model.forward([token])[-1]
    return ids, False


def longest_copy(text, known):
    """(length in words, index of its first word) of the longest copied stretch."""
    best, stretch = (0, 0), 0
    for index, run in enumerate(runs(text)):
        stretch = stretch + 1 if run in known else 0
        if stretch and stretch + RUN - 1 > best[0]:
            best = (stretch + RUN - 1, index - stretch + 1)
    return best


def report(texts, known, vocabulary):
    """Prints the statistics; returns (share of known words, stories with one same run)."""
    total = sum(len(words(text)) for text in texts)
    unknown = [w for text in texts for w in words(text) if w not in vocabulary]
    shared = collections.Counter()
    copiers = later = 0
    for number, text in enumerate(texts):
        shared.update(set(runs(text)) & known)
        length, start = longest_copy(text, known)
        if length:
            copiers += 1
            later += start > 0
            print(f"  story {number}: {length} copied words from word {start}: "
                  + " ".join(words(text)[start:start + length]))
    share = 1 - len(unknown) / total
    most = max(shared.values(), default=0)
    print(f"  {total} words, {100 * share:.2f} % in the training text, "
          f"not in it: {' '.join(sorted(set(unknown))) or 'none'}")
    print(f"  {copiers} of {len(texts)} stories contain a copied run of {RUN} words, in {later} "
          f"the longest one is not its opening; one same run is in {most} at most")
    return share, most


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--model", required=True)
    p.add_argument("--text", required=True, help="the training text")
    p.add_argument("--held-out", help="stories to compare with")
    p.add_argument("--stories", type=int, default=20)
    p.add_argument("--tokens", type=int, default=200)
    p.add_argument("--temperature", type=float, default=0.8)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--print", action="store_true", help="print the stories")
    args = p.parse_args()
    model = Llama(args.model)
    training = corpus.read_stories(args.text)
    vocabulary = {w for story in training for w in words(story)}
    known = {run for story in training for run in runs(story)}
    rng = np.random.default_rng(args.seed)
    drawn = [sample(model, rng, args.tokens, args.temperature) for _ in range(args.stories)]
    texts = [model.tokenizer.decode(ids).removeprefix(" ") for ids, _ in drawn]
    if args.print:
        for number, text in enumerate(texts):
            print(f"--- story {number}{'' if drawn[number][1] else ' (cut)'}\n{text}")
    print(f"drawn, seed {args.seed}, temperature {args.temperature}, "
          f"{sum(ended for _, ended in drawn)} ended by themselves:")
    share, most = report(texts, known, vocabulary)
    if args.held_out:
        print("held-out stories, for comparison:")
        tokenizer = model.tokenizer
        report([tokenizer.decode(tokenizer.encode(story)[:args.tokens])
                for story in corpus.read_stories(args.held_out)], known, vocabulary)
    allowed = 2 * args.stories / 20
    if share < 0.98 or most > allowed:
        sys.exit(f"failed: needs 98 % known words and one same run in {allowed:g} at most")


if __name__ == "__main__":
    main()
