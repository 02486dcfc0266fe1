// Code of fish: in which turn, in which context, and what it may not give or throw.
import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { test } from 'node:test';
import { seen } from './fish.mjs';
import { alone, numbered } from './support.mjs';

test('a slow step lets the event loop have its turn after few events', async (t) => {
  const node = await alone(t);
  await node.publish(numbered(64));
  let [steps, most] = [0, 0];
  const counting = () => {
    most = Math.max(most, steps);
    steps = 0;
    if (isRunning) setImmediate(counting);
  };
  let isRunning = true;
  setImmediate(counting);
  const slow = seen('very slow', {
    initial: () => 0,
    step: (count) => {
      steps += 1;
      const end = performance.now() + 5;
      while (performance.now() < end);
      return count + 1;
    },
  });
  assert.equal((await node.state(slow)).state, 64);
  isRunning = false;
  assert.ok(most <= 8, `${most} steps without a turn`);
});

test('a step runs outside of the context of whoever asked first', async (t) => {
  const node = await alone(t);
  await node.publish(numbered(1));
  const request = new AsyncLocalStorage();
  const inside = seen('context', { step: (all) => [...all, String(request.getStore())] });
  const { state } = await request.run('first', () => node.state(inside));
  assert.deepEqual(state, ['undefined']);
});

test('what cannot be shown as text stops a fish as well', async (t) => {
  const node = await alone(t);
  await node.publish(numbered(1));
  const unspeakable = [
    Object.create(null),
    Object.defineProperty(new Error(), 'message', {
      get: () => {
        throw new Error('not even this');
      },
    }),
  ];
  for (const [at, thrown] of unspeakable.entries()) {
    const step = () => {
      throw thrown;
    };
    await assert.rejects(node.state(seen(`unspeakable ${at}`, { step })), (error) => {
      assert.deepEqual([error.code, error.reason], ['user_code', 'step']);
      assert.equal(error.cause, thrown);
      return true;
    });
  }
});

test('a promise in place of an answer is refused, and taken over', async (t) => {
  const node = await alone(t);
  await node.publish(numbered(1));
  const promise = () => Promise.reject(new Error('nobody hears this'));
  const plain = {
    name: 'json',
    encode: (all) => Buffer.from(JSON.stringify(all)),
    decode: (bytes) => JSON.parse(Buffer.from(bytes).toString()),
  };
  const cases = {
    is_reset: { isReset: promise },
    encode: { codec: { ...plain, encode: promise } },
    decode: { codec: { ...plain, decode: promise } },
  };
  for (const [reason, rest] of Object.entries(cases)) {
    await assert.rejects(node.state(seen(`promised ${reason}`, rest)), {
      reason,
      message: /it cannot be asynchronous/,
    });
  }
});
