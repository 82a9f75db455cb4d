// Measures `elenchus bench` beside a prebuilt llama.cpp (npm node-llama-cpp) on drawn weights of the same
// shapes and bits, in turns, and prints the ratios of medians: above 1 elenchus is faster. llama.cpp's
// figure is the better one of flash attention off and on. On a busy machine look at processor time, which
// is compared at one thread (threads of llama.cpp that wait for each other use processor time). With several
// requests each pass, or each batch of llama.cpp, draws a token for each of them.
//
//	go build -o elenchus ./cmd/elenchus && node tools/llama/compare.mjs --elenchus ./elenchus \
//	  [--shapes smollm2-135m,llama-3.2-1b] [--classes r8,b,g4] [--modes decode,prefill] [--threads 1,2] \
//	  [--requests 1] [--decode 0,512] [--prefill 128,512] [--tokens 32] [--turns 5] [--kernel auto] [--folder DIR] [--json FILE]
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { shapes, write } from "./gguf.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const { values: o } = parseArgs({
	options: {
		elenchus: { type: "string", default: "./elenchus" }, shapes: { type: "string", default: Object.keys(shapes).join(",") },
		classes: { type: "string", default: "r8,b,g4" }, modes: { type: "string", default: "decode,prefill" },
		threads: { type: "string", default: "1,2" }, decode: { type: "string", default: "0,512" }, prefill: { type: "string", default: "128,512" },
		tokens: { type: "string", default: "32" }, requests: { type: "string", default: "1" }, turns: { type: "string", default: "5" }, kernel: { type: "string", default: "auto" },
		folder: { type: "string", default: join(tmpdir(), "elenchus-llama") }, json: { type: "string" },
	},
});
const list = (s) => s.split(",");
const typeOf = { r8: "q8_0", b: "q8_0", g4: "q4_0" };

if (!existsSync(join(here, "node_modules", "node-llama-cpp"))) {
	execFileSync("npm", ["install", "--no-save", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund"], { cwd: here, stdio: ["ignore", "ignore", "inherit"] });
}
mkdirSync(o.folder, { recursive: true });

// talk starts a program whose lines answer lines.
function talk(command, args) {
	const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
	const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
	return {
		write: (v) => child.stdin.write(v + "\n"),
		read: async () => {
			const { value, done } = await lines.next();
			if (done) throw new Error(`${command} ${args.join(" ")} ended early`);
			return JSON.parse(value);
		},
		end: () => child.stdin.end(),
	};
}

const median = (v) => v.sort((a, b) => a - b)[v.length >> 1];

// measured are all samples of one shape, class and mode, of each threads and context: [elenchus, off, on].
async function measured(shape, cls, mode, peer) {
	const lengths = list(o[mode]), n = list(o.threads).length * lengths.length;
	const args = ["bench", mode, "--shape", shape, "--class", cls, "--threads", o.threads, "--context", o[mode], "--turns", o.turns, "--kernel", o.kernel, "--requests", o.requests, "--wait"];
	const own = talk(o.elenchus, mode === "decode" ? [...args, "--tokens", String(+o.tokens + 1)] : args), samples = new Map();
	for (let i = 0; i < n * +o.turns; i++) {
		own.write("");
		const row = await own.read(), all = [row];
		for (const flash of [false, true]) {
			peer.write(JSON.stringify({ mode, flash, threads: row.threads, context: row.context, tokens: +o.tokens, requests: +o.requests }));
			all.push(await peer.read());
		}
		const key = `${row.threads} ${row.context}`;
		samples.set(key, [...(samples.get(key) ?? []), all]);
		process.stderr.write(`\r${shape} ${cls} ${mode} ${i + 1}/${n * +o.turns} `);
	}
	own.end();
	process.stderr.write("\n");
	return samples;
}

// compared makes a row of what was measured.
function compared(shape, cls, mode, samples) {
	const { threads, context, kernel } = samples[0][0];
	const mid = (who, key) => median(samples.map((s) => s[who][key]));
	const row = { shape, class: cls, peer_type: typeOf[cls], mode, requests: +o.requests, threads, context, kernel, turns: samples.length };
	for (const [name, key] of [["wall", "tokens_per_second"], ["cpu", "tokens_per_cpu_second"]]) {
		if (name === "cpu" && threads !== 1) continue;
		const own = mid(0, key), off = mid(1, key), on = mid(2, key);
		row[name] = { elenchus: own, llama_cpp: Math.max(off, on), flash_attention: on > off, ratio: own / Math.max(off, on) };
	}
	return row;
}

const out = { llama_cpp: null, rows: [] };
for (const shape of list(o.shapes)) {
	for (const cls of list(o.classes)) {
		const file = join(o.folder, `${shape}-${typeOf[cls]}.gguf`);
		if (!existsSync(file)) write(file, shapes[shape], typeOf[cls]);
		const peer = talk(process.execPath, [join(here, "peer.mjs"), file]);
		out.llama_cpp = await peer.read();
		for (const mode of list(o.modes)) {
			for (const samples of (await measured(shape, cls, mode, peer)).values()) out.rows.push(compared(shape, cls, mode, samples));
		}
		peer.end();
	}
}

const f = (v, digits = 1) => v.toFixed(digits).padStart(8);
console.log(`llama.cpp ${out.llama_cpp.llama_cpp}, ${out.llama_cpp.backend}: ${out.llama_cpp.system}`);
console.log("shape          class mode    threads context   tokens/s  llama.cpp ratio |   a CPU second  llama.cpp ratio");
for (const r of out.rows) {
	const part = (v) => (v ? `${f(v.elenchus)}   ${f(v.llama_cpp)} ${f(v.ratio, 2).slice(3)}` : "");
	const name = `${r.shape.padEnd(14)} ${r.class.padEnd(5)} ${r.mode.padEnd(8)} ${String(r.threads).padStart(6)} ${String(r.context).padStart(7)}`;
	console.log(`${name}   ${part(r.wall)} |       ${part(r.cpu)}`);
}
if (o.json) writeFileSync(o.json, JSON.stringify(out, null, "\t") + "\n");
