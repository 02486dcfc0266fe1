/**
 * Clocks and chance, held while code of a fish runs in a lab: so a step that asks for the day gives
 * another state when it is asked again, and a test that runs within one second finds it.
 *
 * Not held: what the code took hold of before, and whatever else is outside of it.
 */

const { Date: RealDate } = globalThis;

/** The days from one moment to the next; no whole number, so the time of the day changes, too. */
const STEP_DAYS = 37.37;
const DAY_MS = 86_400_000;
/** As many moments on each side of a lab's time. */
const MOMENTS = 11;

/**
 * Runs `code` at the moment of this number: before or after `aroundMs` (ms since 1970), many days
 * apart from the moment before. Its chance begins anew each time.
 */
export function atMoment<T>(moment: number, aroundMs: number, code: () => T): T {
  const side = moment % 2 === 0 ? 1 : -1;
  const days = side * (1 + ((moment >> 1) % MOMENTS)) * STEP_DAYS;
  const now = Math.round(aroundMs + days * DAY_MS);
  let chance = (moment + 1) * 0x9e3779b9;
  const random = (): number => {
    chance = (chance + 0x6d2b79f5) | 0;
    let bits = Math.imul(chance ^ (chance >>> 15), 1 | chance);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return ((bits ^ (bits >>> 14)) >>> 0) / 4_294_967_296;
  };
  const date = new Proxy(RealDate, {
    construct: (target, given: unknown[], made: typeof Date) =>
      Reflect.construct(target, given.length === 0 ? [now] : given, made) as object,
    apply: () => new RealDate(now).toString(),
    get: (target, name) => (name === 'now' ? () => now : (Reflect.get(target, name) as unknown)),
  });
  const restore = [
    put(globalThis, 'Date', date),
    put(globalThis.performance, 'now', () => now - aroundMs + MOMENTS * STEP_DAYS * DAY_MS),
    put(Math, 'random', random),
  ];
  try {
    return code();
  } finally {
    for (const undo of restore) undo();
  }
}

/** Puts a value in the place of a property; gives what undoes it. */
function put(object: object, name: string, value: unknown): () => void {
  const before = Object.getOwnPropertyDescriptor(object, name);
  const own = { value, configurable: true, writable: true, enumerable: false };
  Object.defineProperty(object, name, own);
  return () => {
    if (before === undefined) Reflect.deleteProperty(object, name);
    else Object.defineProperty(object, name, before);
  };
}
