// Writes GGUF files of the shapes that `elenchus bench` draws, with drawn weights in Q8_0, or in Q4_0
// with embeddings in Q8_0: as many bits a weight as the classes that they are compared with.
import { closeSync, openSync, renameSync, writeSync } from "node:fs";

// The shapes of app/bench_synth.go: embeddings are the head's weights too, unless untied.
export const shapes = {
	"smollm2-135m": { vocab: 49152, dim: 576, heads: 9, kvHeads: 3, headDim: 64, ff: 1536, layers: 30 },
	"llama-3.2-1b": { vocab: 128256, dim: 2048, heads: 32, kvHeads: 8, headDim: 64, ff: 8192, layers: 16 },
};

const types = { f32: { id: 0, bytes: 4, elems: 1 }, q4_0: { id: 2, bytes: 18, elems: 32 }, q8_0: { id: 8, bytes: 34, elems: 32 } };

const u32 = (v) => { const b = Buffer.alloc(4); b.writeUInt32LE(v); return b; };
const f32 = (v) => { const b = Buffer.alloc(4); b.writeFloatLE(v); return b; };
const u64 = (v) => { const b = Buffer.alloc(8); b.writeBigUInt64LE(BigInt(v)); return b; };
const text = (s) => { const b = Buffer.from(s); return Buffer.concat([u64(b.length), b]); };
const array = (type, items) => Buffer.concat([u32(type), u64(items.length), ...items]);
const kinds = { u32: 4, f32: 6, string: 8, array: 9 };
const entry = (key, kind, value) => Buffer.concat([text(key), u32(kinds[kind]), value]);

function metadata(z) {
	const ids = [...Array(z.vocab).keys()];
	const word = (i) => (i < 3 ? ["<unk>", "<s>", "</s>"][i] : i < 259 ? `<0x${(i - 3).toString(16).toUpperCase().padStart(2, "0")}>` : `▁w${i}`);
	const i32 = (v) => u32(v);
	const n = (key, v) => entry(`llama.${key}`, "u32", u32(v));
	return [
		entry("general.architecture", "string", text("llama")), entry("general.name", "string", text("drawn")),
		n("vocab_size", z.vocab), n("context_length", 8192), n("embedding_length", z.dim), n("block_count", z.layers),
		n("feed_forward_length", z.ff), n("attention.head_count", z.heads), n("attention.head_count_kv", z.kvHeads),
		n("rope.dimension_count", z.headDim), n("attention.key_length", z.headDim), n("attention.value_length", z.headDim),
		entry("llama.attention.layer_norm_rms_epsilon", "f32", f32(1e-5)), entry("llama.rope.freq_base", "f32", f32(1e4)),
		entry("tokenizer.ggml.model", "string", text("llama")),
		entry("tokenizer.ggml.tokens", "array", array(kinds.string, ids.map((i) => text(word(i))))),
		entry("tokenizer.ggml.scores", "array", array(kinds.f32, ids.map((i) => f32(-i)))),
		entry("tokenizer.ggml.token_type", "array", array(5, ids.map((i) => i32(i === 0 ? 2 : i < 3 ? 3 : i < 259 ? 6 : 1)))),
		entry("tokenizer.ggml.bos_token_id", "u32", u32(1)), entry("tokenizer.ggml.eos_token_id", "u32", u32(2)),
	];
}

function tensors(z, type) {
	const q = z.heads * z.headDim, kv = z.kvHeads * z.headDim;
	const out = [["token_embd.weight", "q8_0", z.dim, z.vocab], ["output_norm.weight", "f32", z.dim, 1]];
	for (let i = 0; i < z.layers; i++) {
		const add = (name, k, rows) => out.push([`blk.${i}.${name}.weight`, rows === 1 ? "f32" : type, k, rows]);
		add("attn_norm", z.dim, 1);
		add("ffn_norm", z.dim, 1);
		add("attn_q", z.dim, q);
		add("attn_k", z.dim, kv);
		add("attn_v", z.dim, kv);
		add("attn_output", q, z.dim);
		add("ffn_gate", z.dim, z.ff);
		add("ffn_up", z.dim, z.ff);
		add("ffn_down", z.ff, z.dim);
	}
	return out;
}

// fill draws n blocks of weights whose deviation is about one over the root of k.
function fill(buffer, type, k, state) {
	const { bytes, elems } = types[type];
	if (type === "f32") {
		for (let at = 0; at < buffer.length; at += 4) buffer.writeFloatLE(1, at);
		return;
	}
	const words = new Uint32Array(buffer.buffer, buffer.byteOffset, buffer.length / 4);
	for (let i = 0; i < words.length; i++) {
		state.x ^= state.x << 13;
		state.x ^= state.x >>> 17;
		state.x ^= state.x << 5;
		words[i] = state.x;
	}
	const d = half(Math.sqrt(3 / k) / (elems === 32 && bytes === 18 ? 8 : 127));
	for (let at = 0; at < buffer.length; at += bytes) buffer.writeUInt16LE(d, at);
}

// half is v, from 2^-14 to 1, as a 16-bit float.
function half(v) {
	const e = Math.floor(Math.log2(v));
	return ((e + 15) << 10) | Math.min(1023, Math.round((v / 2 ** e - 1) * 1024));
}

// write makes the file of a shape; type is q8_0 or q4_0.
export function write(path, z, type) {
	const list = tensors(z, type).map(([name, t, k, rows]) => ({ name, t, k, rows, bytes: (k * rows / types[t].elems) * types[t].bytes }));
	const meta = metadata(z), info = [];
	const pad = (n) => (32 - (n % 32)) % 32;
	let offset = 0;
	for (const l of list) {
		const dims = l.rows === 1 ? [l.k] : [l.k, l.rows];
		info.push(Buffer.concat([text(l.name), u32(dims.length), ...dims.map(u64), u32(types[l.t].id), u64(offset)]));
		offset += l.bytes + pad(l.bytes);
	}
	const head = Buffer.concat([Buffer.from("GGUF"), u32(3), u64(list.length), u64(meta.length), ...meta, ...info]);
	const file = openSync(path + ".part", "w"), state = { x: 0x9e3779b9 };
	writeSync(file, Buffer.concat([head, Buffer.alloc(pad(head.length))]));
	for (const l of list) {
		const step = types[l.t].bytes * 2 ** 17; // a whole number of blocks and of words
		for (let at = 0; at < l.bytes; at += step) {
			const b = Buffer.from(new ArrayBuffer(Math.min(step, l.bytes - at)));
			fill(b, l.t, l.k, state);
			writeSync(file, b);
		}
		writeSync(file, Buffer.alloc(pad(l.bytes)));
	}
	closeSync(file);
	renameSync(path + ".part", path);
}
