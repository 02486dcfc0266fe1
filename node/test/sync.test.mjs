// Two nodes and more, over loopback.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ClosedError,
  LimitExceededError,
  PeerRefusedError,
  newSwarmSecret,
  nextSwarmSecret,
  parseTicket,
} from 'millpond';
import { STUCK_MS, numbered, onLoopback, take } from './support.mjs';

const limit = { timeout: STUCK_MS };

test('two nodes exchange their events by ticket, in one order', limit, async (t) => {
  const press = await onLoopback(t, { swarm: newSwarmSecret(), app: 'press' });
  await press.publish(numbered(500, 'press'));
  const orders = await onLoopback(t, { ticket: await press.ticket(), app: 'orders' });
  assert.equal(orders.swarmId, press.swarmId);
  const arriving = take(orders.subscribe("FROM 'press'"), 500);
  await orders.publish(numbered(500, 'orders'));
  const returning = take(press.subscribe("FROM 'orders'"), 500);
  const payloads = (await arriving).map((event) => event.payload);
  assert.deepEqual(payloads, Array.from({ length: 500 }, (_, index) => index));
  assert.equal((await returning)[0].app, 'orders');

  const keys = async (node) => (await node.query('FROM allEvents').toArray()).map((e) => e.key);
  const [left, right] = [await keys(press), await keys(orders)];
  assert.equal(left.length, 1000);
  assert.deepEqual(left, right);
});

test('a ticket says where it leads and hides its secret', limit, async (t) => {
  const swarm = newSwarmSecret();
  const node = await onLoopback(t, { swarm });
  const ticket = await node.ticket();
  const { swarmId, nodeId, addresses } = parseTicket(ticket);
  assert.deepEqual([swarmId, nodeId], [node.swarmId, node.id]);
  assert.deepEqual(addresses, (await node.status()).addresses);
  assert.ok(addresses.every((address) => address.startsWith('127.0.0.1:')));
});

test('a token of one node is covered by the other once it has caught up', limit, async (t) => {
  const left = await onLoopback(t, { swarm: newSwarmSecret() });
  const right = await onLoopback(t, { ticket: await left.ticket() });
  const { token } = await left.publish(numbered(10));
  await take(right.subscribe("FROM 'grain'"), 10);
  assert.ok(right.offsets().covers(token));
});

test('connecting resolves with a session that the status shows', limit, async (t) => {
  const swarm = newSwarmSecret();
  const [left, right] = [await onLoopback(t, { swarm }), await onLoopback(t, { swarm })];
  await right.connect(`${left.id}@${(await left.status()).addresses[0]}`);
  const peer = (await right.status()).peers.find(({ nodeId }) => nodeId === left.id);
  assert.notEqual(peer.connectedForMicros, null);
  await right.disconnect(left.id);
});

test('a secret is replaced, and who keeps the old one is left behind', limit, async (t) => {
  const swarm = newSwarmSecret();
  const later = nextSwarmSecret(swarm);
  const left = await onLoopback(t, { swarm });
  const right = await onLoopback(t, { swarm });
  await right.connect(await left.ticket());
  // Asked again and again: what lasts less than a look of the network is no news to a subscription.
  const until = async (wanted) => {
    let peer;
    do {
      const { peers } = await left.status();
      peer = peers.find(({ nodeId }) => nodeId === right.id);
    } while ((peer?.secret ?? null) !== wanted);
  };
  await until('current');
  await left.setSecrets(later, [swarm]);
  await until('former');
  await left.setSecrets(later);
  await until(null);
  // Until it hears of that, it is connected.
  const ticket = await left.ticket();
  let refused;
  do {
    refused = await right.connect(ticket).catch((error) => error);
  } while (refused === undefined);
  assert.equal(refused.reason, 'wrong_secret', String(refused));
  await right.setSecrets(later);
  await until('current');
  await assert.rejects(left.setSecrets(newSwarmSecret()), { reason: 'other_swarm' });
});

test('a node of another swarm is refused with the reason', limit, async (t) => {
  const left = await onLoopback(t, { swarm: newSwarmSecret() });
  const stranger = await onLoopback(t, { swarm: newSwarmSecret() });
  await left.publish(numbered(10));
  const [address] = (await left.status()).addresses;
  await assert.rejects(stranger.connect(`${left.id}@${address}`), (error) => {
    assert.ok(error instanceof PeerRefusedError, error.stack);
    assert.equal(error.reason, 'wrong_secret');
    return true;
  });
  assert.deepEqual(await stranger.query('FROM allEvents').toArray(), []);
});

test('with the network cut both go on, and they heal', limit, async (t) => {
  const left = await onLoopback(t, { swarm: newSwarmSecret() });
  const right = await onLoopback(t, { ticket: await left.ticket() });
  await left.publish(numbered(1, 'before'));
  await take(right.subscribe("FROM 'before'"), 1);
  await right.setNetwork(false);
  await left.publish(numbered(5, 'left'));
  await right.publish(numbered(5, 'right'));
  assert.deepEqual(await right.query("FROM 'left'").toArray(), []);
  await right.setNetwork(true);
  await Promise.all([
    take(left.subscribe("FROM 'right'"), 5),
    take(right.subscribe("FROM 'left'"), 5),
  ]);
});

test('closing a node while it connects ends the call', limit, async (t) => {
  const left = await onLoopback(t, { swarm: newSwarmSecret() });
  const right = await onLoopback(t, { swarm: newSwarmSecret() });
  const connecting = left.connect(`${right.id}@127.0.0.1:9`);
  const rejected = assert.rejects(connecting, ClosedError);
  await left.close();
  await rejected;
});

test('a peer beyond 1,024 is refused in words', limit, async (t) => {
  const swarm = newSwarmSecret();
  const id = (number) => number.toString(16).padStart(64, '0');
  const peers = Array.from({ length: 1024 }, (_, number) => `${id(number)}@127.0.0.1:9`);
  const [left, right] = [await onLoopback(t, { swarm, peers }), await onLoopback(t, { swarm })];
  await assert.rejects(left.connect(await right.ticket()), (error) => {
    assert.ok(error instanceof LimitExceededError);
    assert.match(error.message, /1024 peers.*disconnect/);
    return true;
  });
  assert.equal((await left.status()).peers.length, 1024);
  await left.disconnect(id(0));
  await left.disconnect(id(0)); // Nobody minds.
  await left.connect(await right.ticket());
});
