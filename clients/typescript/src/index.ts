// Checks elenchus receipts. See README.md.
export { InputError } from "./bytes.js";
export { CANCELLED, cancelDigest, claimDigest, claimID, requestDigest, type Claim, type Domain, type Request } from "./claim.js";
export { openModel, parseSecret, type Model } from "./model.js";
export { parseReceipt, verifyReceipt, type Outcome, type Receipt, type Report, type Statement, type VerifyOptions } from "./receipt.js";
export { evaluate, generate, type Answer, type Job } from "./run.js";
export { Unsupported } from "./template.js";
export { Tokenizer } from "./text.js";
