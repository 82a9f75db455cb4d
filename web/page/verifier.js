// The page's side of the worker: each call is a promise; news come while it runs.

let worker;
let last = 0;
const waiting = new Map();

function open() {
  if (worker) return worker;
  worker = new Worker("/check/worker.js", { type: "module" });
  worker.onmessage = ({ data: { id, value, error, news } }) => {
    const call = waiting.get(id);
    if (!call) return;
    if (news) {
      call.tell(news);
      return;
    }
    waiting.delete(id);
    if (error === undefined) call.done(value);
    else call.fail(new Error(error));
  };
  worker.onerror = (e) => {
    for (const call of waiting.values()) call.fail(new Error(e.message || "the verifier could not be started"));
    waiting.clear();
    worker = undefined;
  };
  return worker;
}

/** Calls a function of the worker. */
export function ask(call, args, tell = () => {}) {
  return new Promise((done, fail) => {
    const id = ++last;
    waiting.set(id, { done, fail, tell });
    open().postMessage({ id, call, args });
  });
}

/** Asks the worker to stop what it computes. */
export const cancel = () => worker?.postMessage({ id: 0, call: "cancel" });
