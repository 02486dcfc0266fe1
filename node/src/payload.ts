/** What a payload is in JavaScript. The conversion is in `encode.ts` and `decode.ts`. */

/**
 * A payload as it is read: one natural value.
 *
 * A whole number within ±(2^53 − 1) is a `number`, beyond it a `bigint`. Bytes are a `Uint8Array`
 * of their own. Objects have the prototype of `{}`.
 */
export type Payload =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | Payload[]
  | { [key: string]: Payload };

/**
 * A payload as it is published: null, a boolean, a number, a bigint, a string, a `Uint8Array` (so
 * also a `Buffer`), an array, or a plain object. What an object is, is checked when it is
 * published.
 *
 * - A number that is a safe integer becomes an integer, −0 and every other finite number a float;
 *   NaN and infinities are refused.
 * - A bigint becomes an integer and must be in −2^63 … 2^64 − 1.
 * - A property whose value is `undefined` is left out, as in JSON; anywhere else it is refused.
 * - Dates, maps, sets, functions, symbols, class instances and other typed arrays are refused with
 *   a message that names their path. Symbol keys are left out, as in JSON.
 *
 * Declare the shape of a payload as a `type`: an `interface` has no index signature, so it is not
 * taken for a plain object.
 */
export type PayloadInput =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly PayloadInput[]
  | { readonly [key: string]: PayloadInput | undefined };
