/**
 * Linux's names and texts are bytes; the kernel holds them as byte strings (one char per byte, 0–255). The SDK speaks
 * JavaScript strings, which stand for UTF-8.
 */
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A JavaScript string or bytes as bytes. */
export function toBytes(data: string | Uint8Array): Uint8Array {
  return typeof data === 'string' ? encoder.encode(data) : data;
}

export function toText(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** A JavaScript string as a byte string. */
export function toByteString(text: string): string {
  // Most names are ASCII, where both are the same.
  // oxlint-disable-next-line no-control-regex
  if (/^[\x00-\x7f]*$/.test(text)) return text;
  return bytesToByteString(encoder.encode(text));
}

export function bytesToByteString(bytes: Uint8Array): string {
  let s = '';
  for (let i = 0; i < bytes.length; i += 4096)
    s += String.fromCharCode(...bytes.subarray(i, i + 4096));
  return s;
}

/** A byte string as a JavaScript string; what is no UTF-8 becomes replacement characters. */
export function fromByteString(bytes: string): string {
  // oxlint-disable-next-line no-control-regex
  if (/^[\x00-\x7f]*$/.test(bytes)) return bytes;
  return decoder.decode(byteStringToBytes(bytes));
}

export function byteStringToBytes(s: string): Uint8Array {
  const bytes = new Uint8Array(s.length);
  for (let i = 0; i < s.length; i++) bytes[i] = s.charCodeAt(i);
  return bytes;
}

export function concat(chunks: readonly Uint8Array[]): Uint8Array {
  if (chunks.length === 1) return chunks[0]!;
  const whole = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}
