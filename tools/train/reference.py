"""Writes the float reference files that tests compare an engine with.

    python reference.py --model MODEL.gguf --text HELD_OUT.txt --out DIR

DIR/greedy.jsonl: one line per prompt: BOS + prompt, then the most likely token
64 times or until `</s>` (kept as the last id). `text` is the continuation;
after an empty prompt the one leading space is dropped. `min_top2_gap` is the
smallest distance between the two largest logits of the run.

DIR/ppl.json: every story of HELD_OUT: BOS + encode, cut to 256 tokens, tokens
1.. predicted, natural logarithm, summed in double.
"""

import argparse
import json
import os

import numpy as np

import bpe
import corpus
from inference import Llama, log_softmax

PROMPTS = [
    "",
    "Once upon a time",
    "One day, Lily met a dog",
    "Tom and his mom went to the",
    "The little bird was sad because",
    "\"Can I play with you?\" asked",
]
GREEDY_TOKENS = 64
STORY_TOKENS = 256


def greedy(model, prompt):
    prompt_ids = [bpe.BOS] + model.tokenizer.encode(prompt)
    model.reset()
    logits = model.forward(prompt_ids)[-1]
    ids, gap, total = [], np.inf, 0.0
    while True:
        second, first = np.sort(logits)[-2:]
        ids.append(int(logits.argmax()))
        gap = min(gap, first - second)
        total += log_softmax(logits)[ids[-1]]
        if ids[-1] == bpe.EOS or len(ids) == GREEDY_TOKENS:
            break
        logits = model.forward(ids[-1:])[-1]
    text = model.tokenizer.decode(ids)
    return {"prompt": prompt, "prompt_ids": prompt_ids, "ids": ids,
            "text": text if prompt else text.removeprefix(" "),
            "min_top2_gap": round(float(gap), 6), "sum_logprob": round(float(total), 6)}


def perplexity(model, stories):
    nats, predicted, size = 0.0, 0, 0
    for story in stories:
        ids = ([bpe.BOS] + model.tokenizer.encode(story))[:STORY_TOKENS]
        model.reset()
        likely = log_softmax(model.forward(ids[:-1]))
        nats -= float(likely[np.arange(len(ids) - 1), ids[1:]].sum())
        predicted += len(ids) - 1
        size += len(model.tokenizer.decode(ids[1:]).encode()) - 1  # not the leading space
    return {"stories": len(stories), "max_tokens_per_story": STORY_TOKENS,
            "predicted": predicted, "bytes": size, "nll": round(nats, 6),
            "nll_per_token": round(nats / predicted, 8),
            "nll_per_byte": round(nats / size, 8),
            "perplexity": round(float(np.exp(nats / predicted)), 6)}


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--model", required=True)
    p.add_argument("--text", required=True, help="held-out stories")
    p.add_argument("--out", required=True, help="folder for the two files")
    args = p.parse_args()
    model = Llama(args.model)
    os.makedirs(args.out, exist_ok=True)
    with open(os.path.join(args.out, "greedy.jsonl"), "w", encoding="utf-8") as file:
        for prompt in PROMPTS:
            file.write(json.dumps(greedy(model, prompt), separators=(",", ":")) + "\n")
    result = perplexity(model, corpus.read_stories(args.text))
    with open(os.path.join(args.out, "ppl.json"), "w", encoding="utf-8") as file:
        file.write(json.dumps(result, separators=(",", ":")) + "\n")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
