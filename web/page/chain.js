// What a chain says about a receipt: the gateway's word, or the replies of a node that the user names.
import { ask } from "./verifier.js";

/** Asks the gateway; it sends the path of the claim in its batch, too. */
export async function askGateway(text, key) {
  const reply = await fetch("/v1/receipts", { method: "POST", body: text, headers: key ? { Authorization: `Bearer ${key}` } : {} });
  const body = await reply.json().catch(() => null);
  if (!reply.ok) throw new Error(body?.error?.message ?? `the gateway answered ${reply.status}`);
  return body;
}

/** One question by JSON-RPC. */
async function question(url, id, { method, params }) {
  const reply = await fetch(url, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ jsonrpc: "2.0", id, method, params }), credentials: "omit",
  }).catch(() => {
    throw new Error("this address cannot be reached from a page: it is down, or it does not admit pages of other origins (CORS)");
  });
  const body = await reply.json().catch(() => null);
  if (!body || body.error || !("result" in body)) throw new Error(`${method}: ${body?.error?.message ?? "no reply that JSON-RPC knows"}`);
  return body.result;
}

/** Asks a chain; batch is the path that the gateway named, or null. The verifier judges the replies. */
export async function askChain(text, url, batch) {
  const place = batch ? JSON.stringify(batch) : "";
  const questions = await ask("questions", { text, place });
  const replies = {};
  for (const [i, q] of questions.entries()) replies[q.name] = await question(url, i + 1, q);
  return ask("judge", { text, place, replies: JSON.stringify(replies) });
}
