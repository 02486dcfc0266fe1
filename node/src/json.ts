/**
 * Payloads that the native half gives as JSON text, without loss: integers of 64 bits are bigints
 * where a number does not hold them, and `{"$bytes": "<base64>"}` are bytes; a map whose only key
 * is `$bytes` after one more `$` stands for itself.
 */
import type { Payload } from './payload';

/** A text, or an integer that a number may not hold. */
const TOKENS = /"(?:[^"\\]|\\.)*"|-?\d{16,}(?![\d.eE])/g;

/** The value that the text says. */
export function fromJson(text: string): Payload {
  // An integer becomes a text after one NUL, and a text after NULs gets one more.
  const marked = text.replace(TOKENS, (token) => {
    if (!token.startsWith('"')) return `"\\u0000${token}"`;
    return token.startsWith('"\\u0000') ? `"\\u0000${token.slice(1)}` : token;
  });
  return natural(JSON.parse(marked));
}

function natural(value: unknown): Payload {
  if (typeof value === 'string') return unmarked(value);
  if (Array.isArray(value)) return value.map(natural);
  if (typeof value !== 'object' || value === null) return value as Payload;
  const pairs = Object.entries(value);
  const [key, inner] = pairs.length === 1 ? (pairs[0] as [string, unknown]) : ['', null];
  if (key === '$bytes') return Uint8Array.from(Buffer.from(inner as string, 'base64'));
  if (/^\$+bytes$/.test(key)) return { [key.slice(1)]: natural(inner) };
  return Object.fromEntries(pairs.map(([name, value]) => [text(name), natural(value)]));
}

function unmarked(value: string): Payload {
  if (!value.startsWith('\0')) return value;
  if (value.startsWith('\0\0')) return value.slice(1);
  const integer = BigInt(value.slice(1));
  const number = Number(integer);
  return Number.isSafeInteger(number) ? number : integer;
}

/** A key is always text. */
function text(name: string): string {
  return name.startsWith('\0') ? name.slice(1) : name;
}
