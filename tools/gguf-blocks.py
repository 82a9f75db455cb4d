"""Adds to importer/gguf/testdata/blocks.json: random blocks of a format and their float32 values.

    python tools/gguf-blocks.py importer/gguf/testdata/blocks.json IQ4_NL IQ4_XS   (gguf 0.19.0, numpy)

The first two blocks are random but for a finite scale, the last two have the largest finite scale and
a subnormal one. Run by hand when a format is added, never in CI.
"""
import json, sys
import numpy as np
from gguf import GGMLQuantizationType, GGML_QUANT_SIZES
from gguf.quants import dequantize

path, names = sys.argv[1], sys.argv[2:]
with open(path) as f:
    vectors = [v for v in json.load(f) if v["type"] not in names]
rng = np.random.default_rng(20)
for name in names:
    t = GGMLQuantizationType[name]
    size = GGML_QUANT_SIZES[t][1]
    raw = rng.integers(0, 256, (4, size), dtype=np.uint8)
    scales = np.array([0.0123, -1.75, 65504, 3e-7], dtype=np.float16)  # both formats begin with it
    raw[:, :2] = scales.view(np.uint8).reshape(4, 2)
    floats = dequantize(raw, t).astype(np.float32)
    vectors.append({"type": name, "blocks": raw.tobytes().hex(), "floats": floats.tobytes().hex()})
with open(path, "w") as f:
    json.dump(vectors, f, indent=1)
    f.write("\n")
