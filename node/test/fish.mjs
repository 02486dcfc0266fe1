// A fish that several tests observe.
import { fish } from 'millpond';

/** What {@link seen} folds. */
export const GRAIN = "FROM 'grain'";

/** A fish that counts events and remembers their payloads. */
export function seen(id, rest = {}) {
  return fish({
    id,
    version: 1,
    query: GRAIN,
    initial: () => [],
    step: (payloads, event) => {
      payloads.push(event.payload);
      return payloads;
    },
    ...rest,
  });
}
