// A metadata extractor for the AI SDK's OpenAI-compatible provider: the receipt of an answer is in
// providerMetadata.elenchus.receipt, of whole and streamed answers alike.
//
//   createOpenAICompatible({ name: "elenchus", baseURL, metadataExtractor: receipts })

export interface ReceiptMetadata {
  [provider: string]: { [name: string]: string };
}

function receiptIn(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const r = (value as Record<string, unknown>)["elenchus_receipt"];
  return typeof r === "string" ? r : undefined;
}

const metadata = (receipt: string | undefined): ReceiptMetadata | undefined => (receipt === undefined ? undefined : { elenchus: { receipt } });

export const receipts = {
  extractMetadata: async ({ parsedBody }: { parsedBody: unknown }): Promise<ReceiptMetadata | undefined> => metadata(receiptIn(parsedBody)),
  createStreamExtractor() {
    let last: string | undefined;
    return {
      processChunk(chunk: unknown): void {
        last = receiptIn(chunk) ?? last;
      },
      buildMetadata: (): ReceiptMetadata | undefined => metadata(last),
    };
  },
};
