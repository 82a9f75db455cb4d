// Holds the module that reads receipts and computes answers, away from the page, so that the page stays alive.
import "./wasm_exec.js";

let starting;
let cancelled = false;

/** Starts the module once; a start that failed can be tried again. */
function start() {
  starting ??= (async () => {
    const go = new globalThis.Go();
    const reply = await fetch("/check/receipt.wasm");
    if (!reply.ok) throw new Error(await reply.text());
    const { instance } = await WebAssembly.instantiateStreaming(reply, go.importObject);
    void go.run(instance);
    return globalThis.elenchus;
  })();
  starting.catch(() => (starting = undefined));
  return starting;
}

/** What a function of the module gives, or its refusal as an error. */
function read(json) {
  const value = JSON.parse(json);
  if (value && typeof value.error === "string") throw new Error(value.error);
  return value;
}

/** Lets messages in, such as the wish to stop. */
const breathe = () => new Promise((done) => setTimeout(done, 0));

/** Fetches a model file, telling how much has come. */
async function download(url, key, tell) {
  const reply = await fetch(url, { headers: key ? { Authorization: `Bearer ${key}` } : {} });
  if (!reply.ok) {
    const body = await reply.json().catch(() => null);
    throw new Error(body?.error?.message ?? `the gateway answered ${reply.status}`);
  }
  const size = Number(reply.headers.get("Content-Length")) || 0;
  const parts = [];
  let have = 0;
  for (const reader = reply.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    have += value.length;
    tell({ loaded: have, size });
    if (cancelled) {
      await reader.cancel();
      throw new Error("stopped");
    }
  }
  const out = new Uint8Array(have);
  parts.reduce((at, p) => (out.set(p, at), at + p.length), 0);
  return out;
}

const calls = {
  describe: async (api, { text }) => read(api.describe(text)),
  questions: async (api, { text, place }) => read(api.questions(text, place)),
  judge: async (api, { text, place, replies }) => read(api.judge(text, place, replies)),
  async compute(api, { text, url, key, file }, tell) {
    cancelled = false;
    const model = read(api.load(file ?? (await download(url, key, tell))));
    tell({ model });
    read(api.begin(text));
    for (;;) {
      await breathe();
      if (cancelled) throw new Error("stopped");
      const news = read(api.step());
      tell({ news });
      if (news.over) return read(api.result());
    }
  },
};

self.onmessage = async ({ data: { id, call, args } }) => {
  if (call === "cancel") {
    cancelled = true;
    return;
  }
  try {
    const value = await calls[call](await start(), args, (news) => self.postMessage({ id, news }));
    self.postMessage({ id, value });
  } catch (e) {
    self.postMessage({ id, error: String(e?.message ?? e) });
  }
};
