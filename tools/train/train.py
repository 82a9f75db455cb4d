"""Trains the default model on one text file.

    python train.py --text STORIES.txt --out DIR [options]

Writes DIR/tokenizer.json, DIR/model.pt (weights averaged over the last part of
the run, with the configuration) and prints one line per evaluation. One story
in twenty is never trained on (corpus.is_validation) unless --all is given.
Creating the file DIR/cooldown ends the level part of the learning rate after
the epoch under way; to repeat such a run, give the epochs it printed.
"""

import argparse
import dataclasses
import os
import random
import time

import torch
from torch.nn import functional as F

import bpe
import corpus
import names
from model import Config, Llama


def parse_arguments():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--text", required=True, help="stories separated by <|endoftext|>")
    p.add_argument("--out", required=True, help="folder for checkpoints")
    p.add_argument("--all", action="store_true", help="train on the validation stories too")
    p.add_argument("--epochs", type=float, default=14)
    p.add_argument("--cooldown", type=float, default=6,
                   help="epochs at the end over which the rates fall to zero")
    p.add_argument("--batch-tokens", type=int, default=4096)
    p.add_argument("--rename", type=float, default=0.9,
                   help="share of stories whose people are renamed, anew every epoch")
    p.add_argument("--matrix-rate", type=float, default=0.02, help="Muon learning rate")
    p.add_argument("--vector-rate", type=float, default=0.003, help="AdamW learning rate")
    p.add_argument("--decay", type=float, default=0.1, help="weight decay of the matrices")
    p.add_argument("--average", type=float, default=0.99, help="decay of the weight average")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--checkpoint-seconds", type=float, default=180)
    for field in dataclasses.fields(Config):
        p.add_argument("--" + field.name.replace("_", "-"), type=field.type,
                       default=field.default)
    return p.parse_args()


def windows(ids, context, rng):
    """One training sequence of at most context + 1 ids from a whole story.

    A story that is longer yields its beginning half of the time, and otherwise
    a window from a random place, so that its end is seen as well.
    """
    spare = len(ids) - (context + 1)
    if spare <= 0:
        return ids
    start = 0 if rng.random() < 0.5 else rng.randint(1, spare)
    return ids[start:start + context + 1]


def batches(stories, tokenizer, args, rng):
    """Batches of one epoch: stories of like length together, in random order."""
    sequences = []
    for story in stories:
        if rng.random() < args.rename:
            story = names.rename(story, rng)
        sequences.append(windows(encode(story, tokenizer), args.context, rng))
    sequences.sort(key=lambda ids: len(ids) + rng.uniform(0, 24))
    result, current = [], []
    for ids in sequences:
        longest = max([len(ids)] + [len(other) for other in current])
        if current and longest * (len(current) + 1) > args.batch_tokens:
            result.append(current)
            current = []
        current.append(ids)
    result.append(current)
    rng.shuffle(result)
    return [pad(batch) for batch in result]


def pad(sequences):
    """Inputs and targets, [batch, time]; padding is target -100, never scored."""
    longest = max(map(len, sequences)) - 1
    inputs = torch.full((len(sequences), longest), bpe.EOS)
    targets = torch.full((len(sequences), longest), -100)
    for row, ids in enumerate(sequences):
        inputs[row, :len(ids) - 1] = torch.tensor(ids[:-1])
        targets[row, :len(ids) - 1] = torch.tensor(ids[1:])
    return inputs, targets


def loss_of(model, inputs, targets, reduction="mean"):
    with torch.autocast("cpu", torch.bfloat16):
        hidden = model(inputs)
        logits = model.logits(hidden[targets >= 0])
    return F.cross_entropy(logits.float(), targets[targets >= 0], reduction=reduction)


@torch.no_grad()
def evaluate(model, sequences, tokenizer, limit):
    """Nats per byte of text over the first `limit` ids of each sequence."""
    model.eval()
    ordered = sorted((ids[:limit] for ids in sequences), key=len)
    nats = 0.0
    for at in range(0, len(ordered), 16):
        inputs, targets = pad(ordered[at:at + 16])
        nats += loss_of(model, inputs, targets, "sum").item()
    model.train()
    size = sum(len(tokenizer.token_bytes(i)) for ids in ordered for i in ids[1:])
    return nats / (size - len(ordered))  # without the space that opens each story


def optimizers(model, args):
    matrices, vectors, embedding = [], [], [model.embedding.weight]
    for name, weight in model.named_parameters():
        if name.startswith("blocks") and weight.dim() == 2:
            matrices.append(weight)
        elif weight.dim() == 1:
            vectors.append(weight)
    muon = torch.optim.Muon(matrices, lr=args.matrix_rate, weight_decay=args.decay,
                            momentum=0.95)
    adam = torch.optim.AdamW([
        {"params": embedding, "weight_decay": args.decay},
        {"params": vectors, "weight_decay": 0.0},
    ], lr=args.vector_rate, betas=(0.9, 0.98))
    return muon, adam


def rate_factor(step, steps, cooldown):
    """Linear up over 30 steps, level, linear down to zero over the last `cooldown`."""
    return min(1.0, (step + 1) / 30, (steps - step) / cooldown)


def save(path, config, weights):
    torch.save({"config": dataclasses.asdict(config), "weights": weights}, path + ".new")
    os.replace(path + ".new", path)


class Average:
    """An exponential average of the weights, with the start-up bias removed."""

    def __init__(self, model, decay):
        self.decay, self.weight = decay, 0.0
        self.sums = {k: torch.zeros_like(v) for k, v in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model):
        self.weight = self.decay * self.weight + (1 - self.decay)
        for key, value in model.state_dict().items():
            self.sums[key].lerp_(value, 1 - self.decay)

    def weights(self):
        return {k: v / self.weight for k, v in self.sums.items()}


def prepare(args):
    """Returns the tokenizer and the training and validation stories."""
    stories = corpus.read_stories(args.text)
    training, validation = corpus.split(stories)
    if args.all:
        training = stories
    tokenizer = bpe.train(training, args.vocabulary)
    tokenizer.save(os.path.join(args.out, "tokenizer.json"))
    return tokenizer, training, validation


def encode(story, tokenizer):
    return [bpe.BOS] + tokenizer.encode(story) + [bpe.EOS]


def train(args):
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    rng = random.Random(args.seed)
    os.makedirs(args.out, exist_ok=True)
    tokenizer, training, validation = prepare(args)
    config = Config(**{f.name: getattr(args, f.name) for f in dataclasses.fields(Config)})
    model = Llama(config)
    shadow = Llama(config)
    average = Average(model, args.average)
    print(f"{sum(p.numel() for p in model.parameters())} parameters, "
          f"{len(training)} training stories, {len(validation)} validation stories", flush=True)
    validation = [encode(story, tokenizer) for story in validation]
    per_epoch = len(batches(training, tokenizer, args, random.Random(0)))
    steps, cooldown = int(per_epoch * args.epochs), int(per_epoch * args.cooldown)
    pair = optimizers(model, args)
    began = saved = time.time()
    queue, recent, step = [], [], 0
    while step < steps:
        if not queue:
            queue = batches(training, tokenizer, args, rng)
        recent.append(update(model, pair, *queue.pop(), rate_factor(step, steps, cooldown)))
        average.update(model)
        step += 1
        if step == steps or step % per_epoch == 0:
            shadow.load_state_dict(average.weights())
            held_out = evaluate(shadow, validation, tokenizer, 256)
            print(f"step {step}/{steps} epoch {step / per_epoch:.1f} "
                  f"loss {sum(recent) / len(recent):.4f} validation {held_out:.4f} nats/byte "
                  f"{time.time() - began:.0f} s", flush=True)
            recent = []
            if os.path.exists(os.path.join(args.out, "cooldown")):
                steps = min(steps, step + cooldown)
        if step == steps or time.time() - saved > args.checkpoint_seconds:
            save(os.path.join(args.out, "model.pt"), config, average.weights())
            saved = time.time()


def update(model, pair, inputs, targets, factor):
    """One step of both optimizers at `factor` times their rates; returns the loss."""
    loss = loss_of(model, inputs, targets)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for optimizer in pair:
        for group in optimizer.param_groups:
            group.setdefault("full_rate", group["lr"])
            group["lr"] = group["full_rate"] * factor
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return loss.item()


if __name__ == "__main__":
    train(parse_arguments())
