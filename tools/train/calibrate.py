"""Finds the temperature at which a trained checkpoint predicts best.

    python calibrate.py --run DIR --text STORIES.txt

A model that has seen its text many times is too sure of itself on other text.
This prints nats per byte of the validation stories for logits divided by 1.0,
1.05, ..., 1.4; export.py --temperature builds the best of them into the final
norm. The most likely token never changes.
"""

import argparse
import os

import torch

import bpe
import corpus
import train
from model import Config, Llama


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--run", required=True, help="folder that train.py wrote")
    p.add_argument("--text", required=True, help="the text it was trained on")
    args = p.parse_args()
    checkpoint = torch.load(os.path.join(args.run, "model.pt"), weights_only=True)
    tokenizer = bpe.Tokenizer.load(os.path.join(args.run, "tokenizer.json"))
    model = Llama(Config(**checkpoint["config"]))
    _, validation = corpus.split(corpus.read_stories(args.text))
    sequences = [train.encode(story, tokenizer) for story in validation]
    for percent in range(100, 145, 5):
        model.load_state_dict(checkpoint["weights"])
        model.norm.weight.data /= percent / 100
        held_out = train.evaluate(model, sequences, tokenizer, 256)
        print(f"temperature {percent / 100:.2f} validation {held_out:.4f} nats/byte", flush=True)


if __name__ == "__main__":
    main()
