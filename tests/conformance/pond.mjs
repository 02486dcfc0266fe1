// Fish, sessions, accounts and claims of the scenarios, done in JavaScript. Commands: README.md.
import * as millpond from '../../node/dist/index.mjs';

/** The fish `code:ID[:VERSION]`: all payloads in an array. */
function listing(word, query) {
  const [, id, version] = word.split(':');
  return millpond.fish({
    id,
    version: version === undefined ? 1 : Number(version),
    query,
    initial: () => [],
    step: (payloads, event) => {
      if (event.payload === 'boom') throw new Error('boom');
      return [...payloads, event.payload];
    },
    isReset: (event) => event.payload === 'reset',
  });
}

/** `FISH QUERY`. */
function fishOf(rest) {
  const [, word, query] = /^(\S+) (.*)$/u.exec(rest);
  if (word.startsWith('code:')) return listing(word, query);
  return millpond.builtin(query, JSON.parse(word));
}

/** JSON without spaces; shorter keys first, then by bytes. */
function json(value) {
  if (typeof value === 'bigint') return String(value);
  if (Array.isArray(value)) return `[${value.map(json).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const keys = Object.keys(value).map((key) => [Buffer.from(key), key]);
  keys.sort(([a], [b]) => a.length - b.length || Buffer.compare(a, b));
  return `{${keys.map(([, key]) => `${JSON.stringify(key)}:${json(value[key])}`).join(',')}}`;
}

const missed = (error) => error instanceof millpond.TimeoutError;

/** The commands, over what the adapter holds. */
export function pondActs({
  nodes,
  tokens,
  sessions,
  streamName,
  publishedLines,
  errorLines,
  SOON,
  SHORT,
}) {
  const [observers, doings] = [new Map(), new Map()];

  const reading = (said) => ({
    timeoutMs: 'wait' in said ? Number(said.wait) : SOON,
    ...('after' in said ? { after: tokens.get(said.after) } : {}),
    ...('session' in said ? { session: sessions.get(said.session) } : {}),
  });

  /** What `done` comes to, or its error with what is missing, or who holds the rest. */
  async function explained(done, lines) {
    try {
      return lines(await done());
    } catch (error) {
      if (!(error instanceof millpond.MillpondError)) throw error;
      if (error instanceof millpond.QueryInvalidError) throw error;
      const said = errorLines(error, '');
      for (const [stream, count] of Object.entries(error.missing ?? {})) {
        said.push(`| missing ${streamName(stream)} ${count}`);
      }
      if (error instanceof millpond.OverdraftError) {
        const { wanted, available, elsewhere } = error.details;
        said.push(`| wanted=${wanted} available=${available}`);
        for (const { stream, amount } of elsewhere) said.push(`| ${streamName(stream)} ${amount}`);
      }
      return said;
    }
  }

  /** Whatever `pulled` gives within `timeoutMs` each goes to `use`. */
  async function drain(pulled, timeoutMs, use) {
    for (;;) {
      const { value, done } = await pulled.next({ timeoutMs });
      if (done) return false;
      use(value);
    }
  }

  const list = (entries) =>
    entries.map(([stream, number]) => `${streamName(stream)}:${number}`).join(',') || '-';
  const split = (rest) => /^(\S+) (.*)$/u.exec(rest).slice(1);

  return {
    async merge(name, _said, rest) {
      tokens.set(name, millpond.Offsets.merge(rest.split(' ').map((token) => tokens.get(token))));
    },
    async wait_for(name, said, rest) {
      const [token, ...query] = rest.split(' ');
      const options = query.length === 0 ? {} : { query: query.join(' ') };
      const { timeoutMs } = reading(said);
      const wait = () => nodes.get(name).waitFor(tokens.get(token), { ...options, timeoutMs });
      return explained(wait, () => ['ok']);
    },
    async session(name) {
      sessions.set(name, nodes.values().next().value.session());
    },
    async seen(name, _said, rest) {
      tokens.set(rest, sessions.get(name).token);
    },
    async observe(name, said, rest) {
      const [node, fish] = split(rest);
      const { after, timeoutMs } = reading(said);
      const options = after === undefined ? {} : { after, timeoutMs };
      const observer = nodes.get(node).observe(fishOf(fish), options);
      await observer.opened();
      observers.set(name, { observer, last: '-', ended: undefined });
    },
    async unobserve(name) {
      await observers.get(name).observer.close();
    },
    async shown(name) {
      const own = observers.get(name);
      if (own.ended !== undefined) throw own.ended;
      try {
        const show = ({ state }) => (own.last = json(state));
        if (!(await drain(own.observer, 0, show))) return ['end'];
      } catch (error) {
        if (!missed(error)) throw (own.ended = error);
      }
      return [own.last];
    },
    async state(name, said, rest) {
      return explained(
        () => nodes.get(name).state(fishOf(rest), reading(said)),
        ({ state, token }) => {
          if ('token' in said) tokens.set(said.token, token);
          return [json(state)];
        },
      );
    },
    async effect(name, _said, rest) {
      const [tags, fish] = split(rest);
      const effect = (state) => ({ tags: JSON.parse(tags), payload: state });
      return publishedLines(await nodes.get(name).run(fishOf(fish), effect, { timeoutMs: SOON }));
    },
    async account(name, said, rest) {
      const [deed, account] = split(rest);
      const own = nodes.get(name).account(account);
      const amount = 'amount' in said ? Number(said.amount) : 0;
      const once = { idempotencyKey: said.key };
      const to = 'to' in said ? nodes.get(said.to).id : undefined;
      const deeds = {
        create: () =>
          own.create(
            {
              amount,
              floor: 'floor' in said ? Number(said.floor) : 0,
              shares: to === undefined ? {} : { [to]: Number(said.share) },
            },
            once,
          ),
        deposit: () => own.deposit(amount, once),
        withdraw: () => own.withdraw(amount, once),
        grant: () => own.grant(to, amount, once),
        request: () => own.request(amount, once),
        recover: () => own.recover(once),
      };
      return explained(deeds[deed], publishedLines);
    },
    async report(name, _said, rest) {
      const report = await nodes.get(name).account(rest).report({ timeoutMs: SOON });
      const holds = list(report.holdings.map(({ stream, amount }) => [stream, amount]));
      const asks = list(report.requests.map(({ stream, outstanding }) => [stream, outstanding]));
      const { balance, floor, available, violations } = report;
      return [
        `balance=${balance} floor=${floor} available=${available} ` +
          `violations=${violations.length} holds=${holds} asks=${asks}`,
      ];
    },
    async policy(name, _said, rest) {
      const [account, reserve] = split(rest);
      const policy = reserve === 'off' ? null : { reserve: Number(reserve) };
      nodes.get(name).account(account).answerRequests(policy);
    },
    async claim(name, said, rest) {
      const [deed, what] = split(rest);
      const own = nodes.get(name).claim(what);
      const to = 'to' in said ? nodes.get(said.to).id : undefined;
      const once = { idempotencyKey: said.key };
      const deeds = {
        create: () => own.create({ ...once, holder: to }),
        transfer: () => own.transfer(to, once),
        request: () => own.request(once),
        unrequest: () => own.withdrawRequest(once),
        recover: () => own.recover(once),
      };
      return explained(deeds[deed], publishedLines);
    },
    async holder(name, _said, rest) {
      const { holders, ownFence, requests } = await nodes.get(name).claim(rest).report();
      const [holder] = holders;
      const [who, fence] = holder ? [streamName(holder.stream), holder.fence] : ['-', '-'];
      const own = ownFence !== null;
      return [`holder=${who} fence=${fence} own=${own} asks=${requests.length}`];
    },
    async hand_over(name, _said, rest) {
      const [what, wanted] = split(rest);
      nodes.get(name).claim(what).handOverWhenAsked(wanted === 'on');
    },
    async do(name, _said, rest) {
      const doing = await nodes.get(name).doOptimistically(rest, { timeoutMs: SOON });
      const { value } = await doing.next({ timeoutMs: SOON });
      doings.set(`${name} ${rest}`, { doing, last: value });
    },
    async release(name, _said, rest) {
      return publishedLines(await doings.get(`${name} ${rest}`).doing.release());
    },
    async standing(name, _said, rest) {
      const own = doings.get(`${name} ${rest}`);
      const heard = drain(own.doing, SHORT, (told) => (own.last = told));
      await heard.catch((error) => {
        if (!missed(error)) throw error;
      });
      const { standing, winner } = own.last;
      if (standing !== 'lost') return [standing];
      const [lamport, stream] = winner.key.split('/');
      return [`lost to=${list([[stream, lamport]])}`];
    },
    async who_does(name, _said, rest) {
      const { holder, doers } = await nodes.get(name).whoDoes(rest, { timeoutMs: SOON });
      const does = list(
        doers.map(({ key }) => {
          const [lamport, stream] = key.split('/');
          return [stream, lamport];
        }),
      );
      return [`holder=${holder === null ? '-' : streamName(holder.stream)} does=${does}`];
    },
  };
}
