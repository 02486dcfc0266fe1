//! What the conformance scenarios say, done through the front door of the core.
//!
//! Commands and answers: tests/conformance/README.md. Not here: what is right (the scenarios), and
//! running them (`run.py`). The adapters of the other languages have the same functions in the same
//! order.
//! Longer than 500 lines because each command of the scenarios is a function of its own.

mod notation;
mod pond;

use millpond::event::{
    AppId, KeyPosition, NewEvent, OffsetMap, Payload, StreamId, SwarmId, SwarmSecret, TagSet,
    Ticket,
};
use millpond::query::{Order, Query};
use millpond::{
    Appended, Batch, CausalSession, Columns, Cursor, Delivery, Error, ErrorKind, EventView,
    KeyStep, KeySubscription, NetworkOptions, Node, NodeOptions, PeerAddress, Pending,
    PublishOptions, QueryOptions, Result, StorageOptions, Subscription,
};
use notation::{Options, draft, error_text, errors, options};
use pond::Pond;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::future::Future;
use std::io::{BufRead, Write as _};
use std::path::PathBuf;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

/// Longer than any answer takes.
const SOON: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(100);
const SECRET: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

struct Follow {
    subscription: Subscription,
    told_caught_up: bool,
}

/// A subscription in key order.
struct KeyFollow {
    subscription: KeySubscription,
    told_caught_up: bool,
}

struct Adapter {
    folder: PathBuf,
    nodes: BTreeMap<String, Node>,
    /// Node id to name: answers hold no ids.
    names: BTreeMap<String, String>,
    tokens: BTreeMap<String, OffsetMap>,
    follows: BTreeMap<String, Follow>,
    key_follows: BTreeMap<String, KeyFollow>,
    key_positions: BTreeMap<String, KeyPosition>,
    sessions: BTreeMap<String, CausalSession>,
    pond: Pond,
}

fn main() {
    let folder = std::env::args_os().nth(1).expect("usage: conformance FOLDER").into();
    let mut adapter = Adapter {
        folder,
        nodes: BTreeMap::new(),
        names: BTreeMap::new(),
        tokens: BTreeMap::new(),
        follows: BTreeMap::new(),
        key_follows: BTreeMap::new(),
        key_positions: BTreeMap::new(),
        sessions: BTreeMap::new(),
        pond: Pond::default(),
    };
    let mut out = std::io::stdout();
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("commands are UTF-8");
        let answer = adapter.command(&line).unwrap_or_else(|error| error_text(&error));
        writeln!(out, "{answer}.").and_then(|()| out.flush()).expect("somebody reads");
    }
}

fn wait<T: Send + 'static>(mut pending: Pending<T>) -> Result<T> {
    let late = || Err(Error::new(ErrorKind::Timeout, "no answer in time"));
    pending.wait_timeout(SOON).unwrap_or_else(late)
}

/// The secret of 64 digits, or of the 128 that name its swarm first.
fn secret(hex: &str) -> SwarmSecret {
    let byte = |at: usize| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).expect("hex");
    let bytes = |from: usize| std::array::from_fn(|at| byte(from + at));
    match hex.len() {
        64 => SwarmSecret::from_bytes(bytes(0)),
        _ => SwarmSecret::of_swarm(SwarmId::from_bytes(bytes(0)), bytes(32)),
    }
}

impl Adapter {
    fn command(&mut self, line: &str) -> Result<String> {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let (name, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        let (options, rest) = options(rest);
        if let Some(done) = self.pond(verb, name, &options, rest) {
            return done;
        }
        match verb {
            // The text form of a secret is the facade's.
            "open" if options.get("swarm").is_some_and(|hex| hex.len() % SECRET.len() != 0) => {
                return Ok("absent\n".into());
            }
            "open" => self.open(name, &options)?,
            "close" => self.node(name).close(SOON)?,
            "publish" | "publish_all" => return self.publish(name, &options, rest),
            "query" => return self.query(name, &options, rest),
            "explain" => return self.explain(name, &options, rest),
            "republish" => return self.republish(name, rest),
            "offsets" => {
                let offsets = self.node(name).offsets()?;
                self.tokens.insert(rest.into(), offsets);
            }
            "token" => drop(self.tokens.insert(name.into(), rest.parse()?)),
            "same" => return Ok(format!("{}\n", self.token(name) == self.token(rest))),
            "subscribe" => self.subscribe(name, &options, rest)?,
            "next" => return self.next(name, rest.parse().expect("a number"), SOON),
            "idle" => return self.next(name, 1, SHORT),
            "take" => return self.take(name, rest),
            "lag" => return self.lag(name),
            "position" if self.key_follows.contains_key(name) => {
                let position = self.key_follows[name].subscription.position();
                self.key_positions.insert(rest.into(), position);
            }
            "position" => {
                let position = self.follows[name].subscription.position();
                self.tokens.insert(rest.into(), position);
            }
            "interrupt" => {
                let ready = pin!(self.follows[name].subscription.ready());
                let waits = ready.poll(&mut Context::from_waker(Waker::noop())).is_pending();
                return Ok(format!("{}\n", if waits { "cancelled" } else { "ready" }));
            }
            "unsubscribe" => drop(self.follows.remove(name)),
            // Tickets as a target of `connect`, and their check, are the facade's.
            "connect" if self.node(name).swarm_id() != self.node(rest).swarm_id() => {
                return Ok("absent\n".into());
            }
            "connect" | "connect_address" => self.connect(name, rest)?,
            "network" => self.node(name).set_network(rest == "on").wait()?,
            "verify" => return self.verify(name),
            "compact" => return self.compact(name),
            "stats" => return self.stats(name),
            "metric" => return self.metric(name, rest),
            "complete" => return self.complete(name, rest),
            "told" => return self.told(name),
            "refusal" => return self.refusal(name, rest),
            "secrets" => {
                let mut secrets = rest.split(' ').map(secret);
                let current = secrets.next().expect("a secret");
                self.node(name).set_secrets(current, secrets.collect()).wait()?;
            }
            "proved" => return self.proved(name, rest),
            "missed" => return self.missed(name, rest),
            "errors" => return Ok(errors()),
            _ => return Ok("absent\n".into()),
        }
        Ok("ok\n".into())
    }

    fn node(&self, name: &str) -> &Node {
        &self.nodes[name]
    }

    fn token(&self, name: &str) -> OffsetMap {
        self.tokens[name].clone()
    }

    fn open(&mut self, name: &str, options: &Options) -> Result<()> {
        let folder = options.get("folder").map_or(name, String::as_str);
        let ticket: Option<Ticket> = match options.get("ticket") {
            Some(of) => Some(self.node(of).ticket().wait()?),
            None => None,
        };
        let said = || secret(options.get("swarm").map_or(SECRET, String::as_str));
        let crowd = options.get("peers").map_or(0, |count| count.parse().expect("a count"));
        let made_up = (0..crowd).map(|number: usize| {
            let peer: Result<PeerAddress> = format!("{number:064x}@127.0.0.1:9").parse();
            peer.expect("an address")
        });
        let cap = |name| options.get(name).map_or(0, |bytes| bytes.parse().expect("a number"));
        let priority = options.get("priority").map(|said| Query::parse(&format!("FROM {said}")));
        let priority = priority.transpose()?;
        let network = options.contains_key("net").then(|| NetworkOptions {
            bind: vec!["127.0.0.1:0".parse().expect("an address")],
            discovery: false,
            allow: None::<BTreeSet<_>>,
            peers: ticket.iter().map(PeerAddress::from).chain(made_up).collect(),
            send_bytes_per_second_max: cap("cap_all"),
            send_bytes_per_second_per_peer_max: cap("cap_each"),
            priority,
        });
        let node = Node::open(NodeOptions {
            path: self.folder.join(folder),
            app_id: AppId::parse("conformance")?,
            swarm: ticket.as_ref().map_or_else(said, |ticket| ticket.secret().clone()),
            former_secrets: options.get("former").map(|hex| secret(hex)).into_iter().collect(),
            network,
            storage: StorageOptions::default(),
        })?;
        self.names.insert(node.node_id().to_string(), folder.into());
        self.nodes.insert(name.into(), node);
        Ok(())
    }

    fn publish(&mut self, name: &str, options: &Options, rest: &str) -> Result<String> {
        let fields: Vec<&str> = rest.split(' ').filter(|field| !field.is_empty()).collect();
        let drafts = fields.chunks(2).map(|pair| draft(pair[0], pair[1])).collect::<Result<_>>()?;
        self.publish_drafts(name, options, drafts)
    }

    fn publish_drafts(
        &mut self,
        name: &str,
        options: &Options,
        drafts: Vec<NewEvent>,
    ) -> Result<String> {
        let publishing = PublishOptions {
            idempotency_key: options.get("key").map(|key| key.clone().into_bytes()),
            expected: options.get("expected").map(|count| count.parse().expect("a number")),
            ..PublishOptions::default()
        };
        let done = match options.get("session") {
            Some(session) => self.sessions[session].publish(self.node(name), drafts, publishing),
            None => self.node(name).publish(drafts, publishing),
        };
        let done = wait(done)?;
        if let Some(token) = options.get("token") {
            self.tokens.insert(token.clone(), done.token());
        }
        Ok(self.published(&done))
    }

    fn published(&self, done: &Appended) -> String {
        let (offset, lamport) = (done.first_offset.value(), done.first_lamport.value());
        let (count, replayed) = (done.count, done.replayed);
        let stream = self.stream(&done.stream);
        format!("{stream} offset={offset} lamport={lamport} count={count} replayed={replayed}\n")
    }

    fn cursor(&mut self, name: &str, options: &Options, text: &str) -> Result<Cursor> {
        let names =
            options.get("columns").map(|names| names.split(',').filter(|name| *name != "-"));
        let reading = QueryOptions {
            order: match options.get("order").map(String::as_str) {
                Some("descending") => Order::Descending,
                Some("stream") => Order::Stream,
                _ => Order::Ascending,
            },
            lower: options.get("lower").map(|name| self.token(name)).unwrap_or_default(),
            upper: options.get("upper").map(|name| self.token(name)),
            columns: names.map_or_else(|| Ok(Columns::default()), Columns::from_names)?,
            ..QueryOptions::default()
        };
        let query = Query::parse(text)?;
        match options.get("session") {
            Some(session) => self.sessions[session].query(self.node(name), &query, reading),
            None => self.node(name).query(&query, reading),
        }
    }

    fn query(&mut self, name: &str, options: &Options, text: &str) -> Result<String> {
        let mut cursor = self.cursor(name, options, text)?;
        let mut answer = String::new();
        loop {
            let events = cursor.next_batch(100)?;
            if events.is_empty() {
                return Ok(answer + "end\n");
            }
            let columns = events.columns();
            events.iter().for_each(|event| answer += &self.event(&event, columns));
        }
    }

    fn explain(&mut self, name: &str, options: &Options, text: &str) -> Result<String> {
        let mut cursor = self.cursor(name, options, text)?;
        match options.get("read").map(String::as_str) {
            None => {}
            Some("all") => while !cursor.next_batch(100)?.is_empty() {},
            Some(count) => drop(cursor.next_batch(count.parse().expect("a number"))?),
        }
        let said = cursor.explain()?;
        let mut answer: String =
            said.to_string().lines().map(|line| format!("| {line}\n")).collect();
        let order = format!("{:?}", said.order).to_lowercase();
        let numbers = [said.expected, said.actual]
            .map(|looks| [looks.segments, looks.blocks, looks.frames, looks.events])
            .map(|looks| looks.map(|number| number.to_string()).join("/"));
        let [expected, actual] = numbers;
        let is_exact = said.is_exact;
        writeln!(answer, "{order} exact={is_exact} expected={expected} actual={actual}")
            .expect("it grows");
        Ok(answer)
    }

    fn republish(&mut self, name: &str, text: &str) -> Result<String> {
        let mut cursor = self.node(name).query(&Query::parse(text)?, QueryOptions::default())?;
        let again = |event: EventView<'_>| {
            let payload = Payload::from_value(&event.payload().to_value()?)?;
            Ok(NewEvent { tags: TagSet::new(event.tags())?, payload })
        };
        let drafts = cursor.next_batch(1000)?.iter().map(again).collect::<Result<_>>()?;
        self.publish_drafts(name, &Options::new(), drafts)
    }
}

impl Adapter {
    fn subscribe(&mut self, name: &str, options: &Options, rest: &str) -> Result<()> {
        let (node, text) = rest.split_once(' ').unwrap_or((rest, ""));
        if options.contains_key("order") {
            return self.subscribe_by_key(name, options, node, text);
        }
        let from = match options.get("from").map_or("beginning", String::as_str) {
            "beginning" => OffsetMap::new(),
            "now" => self.node(node).offsets()?,
            token if self.key_positions.contains_key(token) => {
                let error = Error::new(ErrorKind::InvalidArgument, "it is one of key order");
                return Err(error.with_reason("key_position"));
            }
            token => self.token(token),
        };
        let delivery = match options.get("delivery").map_or("durable", String::as_str) {
            "durable" => Delivery::Durable,
            "live" => Delivery::Live,
            _ => return Err(Error::new(ErrorKind::InvalidArgument, "there is no such delivery")),
        };
        let subscription = self.node(node).subscribe(&Query::parse(text)?, from)?;
        let subscription = subscription.deliver(delivery);
        self.follows.insert(name.into(), Follow { subscription, told_caught_up: false });
        Ok(())
    }

    fn subscribe_by_key(
        &mut self,
        name: &str,
        options: &Options,
        node: &str,
        text: &str,
    ) -> Result<()> {
        let refused = |message| Error::new(ErrorKind::InvalidArgument, message);
        if options["order"] != "key" || options.contains_key("delivery") {
            return Err(refused("there is no such order or delivery"));
        }
        let from = match options.get("from") {
            None => KeyPosition::default(),
            Some(name) => self.key_positions.get(name).cloned().ok_or_else(|| {
                refused("it is not one of this order").with_reason("key_position")
            })?,
        };
        let subscription = self.node(node).subscribe_by_key(&Query::parse(text)?, from)?;
        let follow = KeyFollow { subscription, told_caught_up: false };
        self.key_follows.insert(name.into(), follow);
        Ok(())
    }

    /// One step in key order: its lines, how many events, and whether it is the end.
    fn step(
        &mut self,
        name: &str,
        count_max: usize,
        limit: Duration,
        is_next: bool,
    ) -> Result<Option<(String, usize)>> {
        loop {
            let follow = self.key_follows.get_mut(name).expect("subscribed");
            let step = match follow.subscription.next_step(count_max) {
                Err(error) if error.kind() == ErrorKind::Closed => return Ok(None),
                other => other?,
            };
            let told = std::mem::replace(&mut follow.told_caught_up, true);
            match step {
                KeyStep::Events(batch) => {
                    follow.told_caught_up = told || batch.caught_up;
                    let events = batch.events.iter();
                    let mut lines: String =
                        events.map(|event| self.event(&event, Columns::default())).collect();
                    if is_next {
                        let (caught_up, lag) = (batch.caught_up, batch.lag);
                        writeln!(lines, "caught_up={caught_up} lag={lag}").expect("it grows");
                    }
                    return Ok(Some((lines, batch.events.len())));
                }
                KeyStep::Rewind { to } => {
                    follow.told_caught_up = false;
                    let key = to.map(|key| (key.lamport.value(), self.stream(&key.stream)));
                    let to = key.map_or("-".into(), |(lamport, name)| format!("{lamport}/{name}"));
                    return Ok(Some((format!("rewind to={to}\n"), 0)));
                }
                KeyStep::Nothing if !told => {
                    let lines = if is_next { "caught_up=true lag=0\n" } else { "" };
                    return Ok(Some((lines.into(), 0)));
                }
                KeyStep::Nothing => {
                    if !self.key_follows[name].subscription.wait(Some(limit))? {
                        return Err(Error::new(ErrorKind::Timeout, "there was nothing in time"));
                    }
                }
            }
        }
    }

    fn pull(&mut self, name: &str, count_max: usize, limit: Duration) -> Result<Option<Batch>> {
        let follow = self.follows.get_mut(name).expect("subscribed");
        loop {
            let batch = match follow.subscription.next_batch(count_max) {
                Err(error) if error.kind() == ErrorKind::Closed => return Ok(None),
                other => other?,
            };
            let first = batch.caught_up && !follow.told_caught_up;
            follow.told_caught_up |= batch.caught_up;
            if first || !batch.events.is_empty() {
                return Ok(Some(batch));
            }
            if !follow.subscription.wait(Some(limit))? {
                return Err(Error::new(ErrorKind::Timeout, "there was no event in time"));
            }
        }
    }

    fn next(&mut self, name: &str, count_max: usize, limit: Duration) -> Result<String> {
        if self.key_follows.contains_key(name) {
            let step = self.step(name, count_max, limit, true)?;
            return Ok(step.map_or("end\n".into(), |(lines, _)| lines));
        }
        let Some(batch) = self.pull(name, count_max, limit)? else { return Ok("end\n".into()) };
        let mut answer: String =
            batch.events.iter().map(|event| self.event(&event, Columns::default())).collect();
        writeln!(answer, "caught_up={} lag={}", batch.caught_up, batch.lag).expect("it grows");
        Ok(answer)
    }

    fn take(&mut self, name: &str, count: &str) -> Result<String> {
        let (count, mut answer) = (count.parse().expect("a number"), Vec::new());
        if self.key_follows.contains_key(name) {
            let (mut seen, mut lines) = (0, String::new());
            while seen < count {
                let Some((more, events)) = self.step(name, count - seen, SOON, false)? else {
                    break;
                };
                (seen, lines) = (seen + events, lines + &more);
            }
            return Ok(lines + "taken\n");
        }
        while answer.len() < count {
            let Some(batch) = self.pull(name, count - answer.len(), SOON)? else { break };
            let events = batch.events.iter();
            answer.extend(events.map(|event| self.event(&event, Columns::default())));
        }
        Ok(answer.concat() + "taken\n")
    }

    fn lag(&self, name: &str) -> Result<String> {
        // The core tells the lag with each batch; between batches it follows from the offsets.
        let held = self.follows[name].subscription.position();
        let node = self.nodes.values().next().expect("a node");
        let missing = |(_, gap): (_, std::ops::Range<u64>)| gap.end - gap.start;
        Ok(format!("{}\n", node.offsets()?.beyond(&held).map(missing).sum::<u64>()))
    }

    fn connect(&self, name: &str, other: &str) -> Result<()> {
        let ticket = self.node(other).ticket().wait()?;
        wait(self.node(name).connect(PeerAddress::from(&ticket)))
    }

    fn verify(&self, name: &str) -> Result<String> {
        let report = self.node(name).verify(|| true).wait()?;
        let (streams, events) = (report.streams, report.events);
        Ok(format!("streams={streams} events={events} damages={}\n", report.damage_count))
    }

    fn compact(&self, name: &str) -> Result<String> {
        let compacted = self.node(name).compact(|| true).wait()?;
        Ok(format!("{}\n", compacted.bytes_before > 0 && compacted.bytes_after > 0))
    }

    fn stats(&self, name: &str) -> Result<String> {
        let stats = self.node(name).stats()?;
        Ok(format!(
            "streams={} events={} record_bytes={} idempotency_keys={}\n",
            stats.streams, stats.events, stats.record_bytes, stats.idempotency_keys
        ))
    }

    fn metric(&self, name: &str, figure: &str) -> Result<String> {
        let text = self.node(name).metrics().wait()?;
        let value = text.lines().find_map(|line| line.strip_prefix(figure)?.strip_prefix(' '));
        Ok(format!("{}\n", value.expect("there is such a figure")))
    }

    fn complete(&self, name: &str, text: &str) -> Result<String> {
        let mut cursor = self.node(name).query(&Query::parse(text)?, QueryOptions::default())?;
        while !cursor.next_batch(1000)?.is_empty() {}
        let complete = cursor.completeness();
        Ok(format!("behind={} unheard={}\n", complete.behind.len(), complete.unheard.len()))
    }

    fn told(&self, name: &str) -> Result<String> {
        let mut statuses = self.node(name).subscribe_status();
        let first = wait(statuses.next_status())?;
        let is_quiet = statuses.next_status().wait_timeout(Duration::from_millis(100)).is_none();
        Ok(format!("{}\n", first.node_id == self.node(name).node_id() && is_quiet))
    }

    fn refusal(&self, name: &str, reason: &str) -> Result<String> {
        let refusals = self.node(name).status().wait()?.refusals;
        Ok(format!("{}\n", refusals.iter().any(|refusal| refusal.reason == reason)))
    }

    fn proved(&self, name: &str, peer: &str) -> Result<String> {
        let (peers, id) = (self.node(name).status().wait()?.peers, self.node(peer).node_id());
        let proved = peers.iter().find(|peer| peer.node == id).and_then(|peer| peer.secret);
        Ok(format!("{}\n", proved.unwrap_or("-")))
    }

    fn missed(&self, name: &str, peer: &str) -> Result<String> {
        let (unheard, id) = (self.node(name).status().wait()?.unheard, self.node(peer).node_id());
        let missed = unheard.iter().any(|gone| gone.node == id && gone.since.micros() > 0);
        Ok(format!("{missed}\n"))
    }

    fn stream(&self, stream: &StreamId) -> String {
        let id = stream.node.to_string();
        format!("{}-{}", self.names.get(&id).unwrap_or(&id), stream.number)
    }

    fn event(&self, event: &EventView<'_>, columns: Columns) -> String {
        let mut tags = "-".to_owned();
        if columns.tags {
            tags = event.tags().collect::<Vec<_>>().join("|");
        }
        let payload = if columns.payload { shown(event.payload_bytes()) } else { "-".into() };
        format!(
            "{} offset={} lamport={} app={} tags={tags} cbor={payload}\n",
            self.stream(&event.stream()),
            event.offset().value(),
            event.lamport().value(),
            event.app_id(),
        )
    }
}

fn shown(payload: &[u8]) -> String {
    if payload.len() > 128 {
        return format!("{} bytes", payload.len());
    }
    payload.iter().map(|byte| format!("{byte:02x}")).collect()
}
