// The testing kit, as an application's compiler sees it. It never runs.
import { builtin, fish, folds, type Monotonicity, type Node, type Published } from 'millpond';
import {
  Lab,
  ScenarioError,
  checkGrowOnly,
  explore,
  lint,
  seeds,
  testWithLab,
  type LabBackup,
  type LabNode,
  type LabObserver,
  type LabOptions,
  type LabQuery,
  type LabTestOptions,
} from 'millpond/testing';

/** What an application does with its node. */
type Application = Pick<
  Node,
  | 'publish'
  | 'state'
  | 'observe'
  | 'run'
  | 'keepRunning'
  | 'waitFor'
  | 'session'
  | 'id'
  | 'account'
  | 'claim'
  | 'doOptimistically'
  | 'ownDoing'
  | 'whoDoes'
>;

const pieces = fish({
  id: 'pieces',
  version: 1,
  query: "FROM 'piece'",
  initial: () => 0,
  step: (count: number) => count + 1,
  growOnly: (one, other) => Math.max(one, other),
});

export async function order(node: Application): Promise<Published | undefined> {
  return node.run(pieces, async (count) => ({ tags: ['piece'], payload: count }));
}

export async function take(node: Application): Promise<number | bigint> {
  await node.account('steel').withdraw(1, { note: 'order 7' });
  await node.keepRunning(pieces, () => undefined, { cancelWhen: (count) => count > 0 });
  const doing = await node.doOptimistically('order 7');
  void doing.lost().then((winner) => winner?.key);
  const { winner } = await node.whoDoes('order 7');
  await node.waitFor((await node.claim('crane').report()).asOf, { query: "FROM 'crane'" });
  return winner === null ? 0 : (await node.account('steel').report()).balance;
}

export async function seen(node: Application): Promise<number> {
  for await (const { state } of node.observe(pieces, { timeoutMs: 5 })) if (state > 0) return state;
  return 0;
}

export async function tested(options: LabOptions): Promise<void> {
  const lab = new Lab({ ...options, nodes: 3 });
  const node: LabNode = lab.node(0);
  await order(node);
  await take(node);
  await seen(node);
  const observer: LabObserver<number> = node.observe(pieces, { after: node.offsets() });
  await observer.close();
  const backup: LabBackup = lab.backUp(0);
  lab.restore(0, backup);
  const query: LabQuery<number> = node.query<number>("FROM 'piece'");
  for await (const event of query) event.payload.toFixed();
  const { state, token } = await node.state(pieces);
  const counted = await node.state(builtin("FROM 'piece'", folds.count()), { after: token });
  lab.check(pieces, builtin("FROM 'piece'", folds.count()));
  const events = lab.events(pieces);
  checkGrowOnly(pieces, events);
  const verdict: Monotonicity = lint(pieces, events);
  // @ts-expect-error: only what fish() and builtin() make.
  lab.check({ id: 'pieces', version: 1, query: '', initial: () => 0, step: () => 0 });
  void [state.toFixed(), counted.state.value.toFixed(), verdict.text];
}

export function declared(test: (name: string, body: () => unknown) => unknown): number[] {
  const options: LabTestOptions = { nodes: 3, seeds: 20, shrink: false, without: [1, 7] };
  testWithLab(test, 'stock', options, async (lab) => lab.calm());
  void explore((seed) => seed.toFixed()).catch((error) => {
    if (error instanceof ScenarioError) return error.seed;
    throw error;
  });
  return seeds(3);
}
