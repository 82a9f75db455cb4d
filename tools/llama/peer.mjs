// Runs a GGUF file on llama.cpp as llama-bench does: for each line {mode, flash, threads, context, tokens,
// requests} of the standard input it prints one of results. Decode is of the median token and draws no sample; the
// processor time is that of all tokens.
//
//	node peer.mjs FILE
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { getLlama } from "node-llama-cpp";

const room = 4096;
const llama = await getLlama({ gpu: false, build: "never", progressLogs: false, logLevel: "error" });
const model = await llama.loadModel({ modelPath: process.argv[2], useMmap: true });
const contexts = {};

async function contextOf(flash, requests) {
	const key = `${flash} ${requests}`;
	contexts[key] ??= await model.createContext({ contextSize: requests > 1 ? 1024 : room, sequences: requests, batchSize: 512, threads: 1, flashAttention: flash });
	return contexts[key]._ctx;
}

// decode feeds n ids from a position on, the last of which gives logits, to each of some requests.
async function decode(ctx, at, n, requests) {
	ctx.initBatch(n * requests.length);
	for (const q of requests) {
		ctx.addToBatch(q, at, Uint32Array.from({ length: n }, (_, i) => 300 + ((at + i) * 7919 + q) % 40000), Uint32Array.of(n - 1));
	}
	await ctx.decodeBatch();
}

async function prompt(ctx, n, requests) {
	for (const q of requests) for (let at = 0; at < n; at += 512) await decode(ctx, at, Math.min(512, n - at), [q]);
}

// spent is what work took, in seconds of wall and processor time.
async function spent(work) {
	const cpu = process.cpuUsage(), start = process.hrtime.bigint();
	await work();
	const wall = Number(process.hrtime.bigint() - start) / 1e9, used = process.cpuUsage(cpu);
	return { wall, cpu: (used.user + used.system) / 1e6 };
}

async function measure(o) {
	const requests = Array.from({ length: o.requests }, (_, q) => q), ctx = await contextOf(o.flash, o.requests);
	ctx.setThreads(o.threads);
	for (const q of requests) ctx.disposeSequence(q);
	if (o.mode === "prefill") {
		const t = await spent(() => prompt(ctx, o.context, requests)), all = o.context * o.requests;
		return { tokens_per_second: all / t.wall, tokens_per_cpu_second: all / t.cpu };
	}
	await prompt(ctx, Math.max(1, o.context), requests);
	const took = [];
	const all = await spent(async () => {
		for (let i = 0; i < o.tokens; i++) took.push((await spent(() => decode(ctx, Math.max(1, o.context) + i, 1, requests))).wall);
	});
	took.sort((a, b) => a - b);
	return { tokens_per_second: o.requests / took[took.length >> 1], tokens_per_cpu_second: o.requests * o.tokens / all.cpu };
}

const backend = readFileSync("/proc/self/maps", "utf8").match(/libggml-cpu[^/\s]*\.so/)?.[0] ?? "built in";
console.log(JSON.stringify({ llama_cpp: llama.llamaCppRelease?.release, backend, system: llama.systemInfo }));
for await (const line of createInterface({ input: process.stdin })) console.log(JSON.stringify(await measure(JSON.parse(line))));
process.exit(0);
