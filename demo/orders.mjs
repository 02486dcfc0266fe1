// The order desk: publishes orders, reacts to what the press reports. One of three in the demo.
//
// `node orders.mjs FOLDER SECRET` opens a node and obeys lines on standard input; see run.py.

import { createInterface } from 'node:readline'
import { createWriteStream } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { open } from 'millpond'

const ORDER_EVERY_MS = 60
const STATUS_EVERY_MS = 250
const STROKES_PER_ORDER = 25

const say = (...words) => process.stdout.write(`${words.join(' ')}\n`)

const [folder, secret] = process.argv.slice(2)
const node = await open({
  path: folder, app: 'orders', swarm: secret, bind: ['127.0.0.1:0'], discovery: false,
})
const stopping = new AbortController()

/** Publishes a new order now and then until told to stop. */
async function takeOrders() {
  const held = await node.query("FROM 'kind:order' & isLocal").toArray()
  for (let number = held.length; !stopping.signal.aborted; number++) {
    const order = `O-${String(number).padStart(5, '0')}`
    await node.publish({
      tags: ['kind:order', `order:${order}`],
      payload: { order, pieces: STROKES_PER_ORDER, article: `A-${number % 7}` },
    })
    await sleep(ORDER_EVERY_MS, undefined, { signal: stopping.signal }).catch(() => {})
  }
}

/** Answers each fault of a press with a rework order, until told to stop. */
async function watchPress() {
  const events = node.subscribe("FROM 'kind:fault'", { signal: stopping.signal })
  try {
    for await (const event of events) {
      await node.publish({
        tags: ['kind:rework'],
        payload: { because: event.key, machine: event.payload.machine ?? null },
      })
    }
  } catch (error) {
    if (error.name !== 'AbortError') throw error
  }
}

async function report() {
  const status = await node.status()
  const peers = status.peers.filter((peer) => peer.state === 'connected')
  say('status', status.events, peers.length, Math.max(0, ...peers.map((peer) => peer.lag)))
}

/** Writes every event in the one order, a line each. */
async function dump(file) {
  const out = createWriteStream(file)
  let count = 0
  for await (const event of node.query('FROM allEvents')) {
    const payload = Buffer.from(event.payloadBytes).toString('hex')
    out.write(`${event.key} ${event.app} ${event.tags.join(',')} ${payload}\n`)
    count += 1
  }
  await new Promise((resolve) => out.end(resolve))
  say('dumped', count)
}

say('ticket', await node.ticket())
const work = Promise.all([takeOrders(), watchPress()])
const statusTimer = setInterval(() => {
  report().catch((error) => say('note', error.message))
}, STATUS_EVERY_MS)
for await (const line of createInterface({ input: process.stdin })) {
  const [word, ...rest] = line.trim().split(' ')
  if (word === 'quit') break
  if (word === 'peer') node.connect(rest[0]).catch((error) => say('note', error.message))
  if (word === 'cut' || word === 'heal') await node.setNetwork(word === 'heal')
  if (word === 'stop') {
    stopping.abort()
    await work
    say('stopped')
  }
  if (word === 'write') {
    const { token } = await node.publish({ tags: ['kind:last-order'], payload: null })
    say('token', token.token)
  }
  if (word === 'dump') await dump(rest[0])
}
clearInterval(statusTimer)
stopping.abort()
await work
await node.close()
process.exit(0) // Standard input may still be open.
