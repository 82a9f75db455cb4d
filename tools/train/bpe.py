"""A SentencePiece-style BPE tokenizer with byte fall-back: training and use.

The vocabulary is laid out as in Llama: `<unk>` 0, `<s>` 1, `</s>` 2, the 256
bytes at 3..258, then the merged pieces in the order they were learned with
score -1, -2, ..., then the single characters. Encoding repeatedly joins the
adjacent pair whose piece scores highest, the leftmost one on a tie, and spells
out in bytes whatever is left outside the vocabulary. This is the algorithm
that readers of `tokenizer.ggml.model = "llama"` run.
"""

import collections
import json
import re

UNK, BOS, EOS = 0, 1, 2
FIRST_BYTE = 3
FIRST_PIECE = 259
SPACE = "\u2581"

# GGUF token types.
NORMAL, UNKNOWN, CONTROL, BYTE = 1, 2, 3, 6

# While learning, merges stay inside one of these: a word with its apostrophes
# ("don't"), a digit or a run of punctuation, each with the space before it.
# A line feed is always the byte 0x0A.
LETTERS = r"(?:[A-Za-z]|(?<=[A-Za-z])'(?=[A-Za-z]))+"
CHUNK = re.compile(f"{SPACE}?{LETTERS}|{SPACE}?[0-9]|"
                   f"{SPACE}?[^A-Za-z0-9\n{SPACE}]+|{SPACE}")

# So a piece has a space at most as its first character and never a line feed,
# and encoding these one by one is the same as encoding the whole text.
WORD = re.compile(f"{SPACE}?[^{SPACE}\n]+|{SPACE}|\n")


def mark_spaces(text):
    """Puts the leading space before the text and makes every space visible."""
    return SPACE + text.replace(" ", SPACE) if text else text


def train(texts, vocabulary_size):
    """Learns a vocabulary of exactly vocabulary_size pieces from texts."""
    chunks = collections.Counter()
    for text in texts:
        chunks.update(CHUNK.findall(mark_spaces(text)))
    characters = sorted({c for chunk in chunks for c in chunk})
    wanted = vocabulary_size - FIRST_PIECE - len(characters)
    if wanted < 0:
        raise ValueError(f"vocabulary size {vocabulary_size} is too small: "
                         f"{FIRST_PIECE + len(characters)} pieces are fixed")
    return Tokenizer(_learn_merges(chunks, wanted) + characters)


def _learn_merges(chunks, count):
    words = [(list(chunk), n) for chunk, n in sorted(chunks.items())]
    frequency = collections.Counter()
    places = collections.defaultdict(set)
    for index, (symbols, n) in enumerate(words):
        for pair in zip(symbols, symbols[1:]):
            frequency[pair] += n
            places[pair].add(index)
    learned = []
    while len(learned) < count:
        pair = max(frequency, key=lambda p: (frequency[p], p), default=None)
        if pair is None or frequency[pair] < 2:
            raise ValueError(f"the text yields only {len(learned)} of {count} merges")
        piece = pair[0] + pair[1]
        for index in sorted(places.pop(pair)):
            symbols, n = words[index]
            for old in zip(symbols, symbols[1:]):
                frequency[old] -= n
            _join(symbols, pair)
            for new in zip(symbols, symbols[1:]):
                frequency[new] += n
                places[new].add(index)
        del frequency[pair]
        if piece not in learned:
            learned.append(piece)
    return learned


def _join(symbols, pair):
    i = 0
    while i + 1 < len(symbols):
        if symbols[i] == pair[0] and symbols[i + 1] == pair[1]:
            symbols[i:i + 2] = [pair[0] + pair[1]]
        i += 1


class Tokenizer:
    """A vocabulary and the two directions of translation."""

    def __init__(self, pieces):
        """pieces: what follows the bytes, best score first."""
        self.pieces = list(pieces)
        self.index = {piece: FIRST_PIECE + i for i, piece in enumerate(self.pieces)}
        if len(self.index) != len(self.pieces):
            raise ValueError("a piece occurs twice")
        self._cache = {}

    def __len__(self):
        return FIRST_PIECE + len(self.pieces)

    def tokens(self):
        """Every token's text, as GGUF stores it."""
        data = [f"<0x{b:02X}>" for b in range(256)]
        return ["<unk>", "<s>", "</s>"] + data + self.pieces

    def scores(self):
        return [0.0] * FIRST_PIECE + [-1.0 - i for i in range(len(self.pieces))]

    def token_types(self):
        return [UNKNOWN, CONTROL, CONTROL] + [BYTE] * 256 + [NORMAL] * len(self.pieces)

    def encode(self, text):
        """Token ids without BOS or EOS."""
        ids = []
        for word in WORD.findall(mark_spaces(text)):
            if word not in self._cache:
                self._cache[word] = self._encode_word(word)
            ids.extend(self._cache[word])
        return ids

    def _encode_word(self, word):
        symbols = list(word)
        while True:
            best = None
            for i in range(len(symbols) - 1):
                rank = self.index.get(symbols[i] + symbols[i + 1])
                if rank is not None and (best is None or rank < best[0]):
                    best = (rank, i)
            if best is None:
                break
            i = best[1]
            symbols[i:i + 2] = [symbols[i] + symbols[i + 1]]
        ids = []
        for symbol in symbols:
            if symbol in self.index:
                ids.append(self.index[symbol])
            else:
                ids.extend(FIRST_BYTE + b for b in symbol.encode())
        return ids

    def token_bytes(self, token):
        """The bytes a token stands for; the control tokens stand for none."""
        if token < FIRST_BYTE:
            return b""
        if token < FIRST_PIECE:
            return bytes([token - FIRST_BYTE])
        return self.pieces[token - FIRST_PIECE].replace(SPACE, " ").encode()

    def decode(self, ids):
        """The text of ids, with the leading space that follows BOS kept."""
        return b"".join(map(self.token_bytes, ids)).decode("utf-8", "replace")

    def save(self, path):
        with open(path, "w", encoding="utf-8") as file:
            json.dump(self.pieces, file, ensure_ascii=False)

    @classmethod
    def load(cls, path):
        with open(path, encoding="utf-8") as file:
            return cls(json.load(file))
