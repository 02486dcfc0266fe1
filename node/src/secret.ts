import { guard } from './failures';
import { native } from './native';
import { text } from './options';

/** What a ticket says. Its secret stays inside. */
export interface TicketParts {
  /** The swarm that it admits to: 64 hex digits. */
  readonly swarmId: string;
  /** The node that made it: 64 hex digits. */
  readonly nodeId: string;
  /** Where that node listened: `<ip>:<port>`. */
  readonly addresses: readonly string[];
}

/** A new swarm secret, 64 hex digits from the system's randomness. Whoever holds it belongs. */
export function newSwarmSecret(): string {
  return guard(() => native.swarmSecretNew());
}

/**
 * A new secret, 128 hex digits, to take the place of `secret` while the swarm stays the same: see
 * {@link Node.setSecrets}.
 * @throws InvalidArgumentError it is no secret.
 */
export function nextSwarmSecret(secret: string): string {
  const checked = text('nextSwarmSecret: secret', secret);
  return guard(() => native.swarmSecretNext(checked));
}

/**
 * What a ticket says.
 * @throws InvalidArgumentError it is no ticket, or damaged.
 */
export function parseTicket(ticket: string): TicketParts {
  const checked = text('parseTicket: ticket', ticket);
  return guard(() => native.ticketParse(checked), checked);
}

/** The version of this package's native half. */
export const version: string = native.version();
