import { isBytes } from './encode';
import { refuse } from './failures';
import { describe } from './options';

/**
 * A payload that is encoded already: the bytes of one CBOR value, published as they are.
 *
 * They are checked when they are published: one value in its deterministic encoding. Not usable
 * inside another payload.
 */
export class Cbor {
  /** The bytes, as they were given: not a copy. */
  readonly data: Uint8Array;

  /** @throws InvalidArgumentError: `data` are no bytes. */
  constructor(data: Uint8Array) {
    const given: unknown = data;
    if (typeof given !== 'object' || given === null || !isBytes(given)) {
      throw refuse(`Cbor: data must be a Uint8Array, not ${describe(given)}`);
    }
    this.data = data;
  }
}
