//! 1,000 t of steel, and two cities that are cut off from each other: three ways to spend it.
//!
//! `cargo run -p millpond --example escrow`; docs/escrow.md tells the story. Begin with [`story`].

use millpond::event::cbor::Value;
use millpond::event::{AppId, NewEvent, OffsetMap, Payload, SwarmSecret, TagSet};
use millpond::pond::escrow::Overdraft;
use millpond::query::Query;
use millpond::{
    After, Error, NetworkOptions, NewAccount, Node, NodeOptions, PeerAddress, PublishOptions,
    QueryOptions, StorageOptions,
};
use std::path::Path;
use std::time::Duration;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> Result<(), Error> {
    let folder = tempfile::tempdir().expect("a folder can be made");
    for line in story(folder.path())? {
        println!("{line}");
    }
    Ok(())
}

/// Plays the three ways with two nodes in `folder`, and tells what happened.
///
/// # Errors
/// Those of opening nodes and publishing.
pub(crate) fn story(folder: &Path) -> Result<Vec<String>, Error> {
    let [london, new_york] = ["london", "new-york"].map(|name| open(folder, name));
    let (london, new_york) = (london?, new_york?);
    let told = vec![
        available_and_wrong(&london, &new_york)?,
        consistent_and_refusing(&london, &new_york)?,
        escrow(&london, &new_york)?,
    ];
    london.close(PATIENCE)?;
    new_york.close(PATIENCE)?;
    Ok(told)
}

/// Each city takes from the balance that it knows.
fn available_and_wrong(london: &Node, new_york: &Node) -> Result<String, Error> {
    link(london, new_york)?;
    see(new_york, move_steel(london, 1000)?)?;
    cut(new_york)?;
    let mut ends = Vec::new();
    for (city, amount) in [(london, 500), (new_york, 900)] {
        // Both find enough: New York has not heard of the first 500.
        if balance(city)? >= amount {
            ends.push(move_steel(city, -amount)?);
        }
    }
    link(london, new_york)?;
    for (city, end) in [london, new_york].into_iter().zip(ends.into_iter().rev()) {
        see(city, end)?;
    }
    let (here, there) = (balance(london)?, balance(new_york)?);
    Ok(format!("available and wrong: London says {here}, New York says {there}"))
}

/// A city takes only when it can ask the other one.
fn consistent_and_refusing(london: &Node, new_york: &Node) -> Result<String, Error> {
    cut(new_york)?;
    let mut refused = Vec::new();
    for amount in [900, 10] {
        let reaches_all = new_york.status().wait()?.unheard.is_empty();
        if !reaches_all {
            refused.push(amount.to_string());
        }
    }
    link(london, new_york)?;
    Ok(format!("consistent and refusing: New York is refused {}", refused.join(" and ")))
}

/// The steel is divided beforehand, and each city spends its own rights.
fn escrow(london: &Node, new_york: &Node) -> Result<String, Error> {
    let steel = |city: &Node| city.account("steel");
    let shares = vec![(new_york.node_id(), 400)];
    let created = steel(london)?.create(NewAccount { amount: 1000, floor: 0, shares }).wait()?;
    see(new_york, created.token())?;
    cut(new_york)?;

    let first = steel(london)?.withdraw(500, None).wait()?;
    let refused = match steel(new_york)?.withdraw(900, None).wait() {
        Ok(_) => return Ok("escrow: New York was given what it does not hold".to_owned()),
        Err(error) => error,
    };
    let Some(overdraft) = Overdraft::of(&refused) else { return Err(refused) };
    let second = steel(new_york)?.withdraw(overdraft.available, None).wait()?;

    link(london, new_york)?;
    see(london, second.token())?;
    see(new_york, first.token())?;
    let [here, there] = [steel(london)?.report()?, steel(new_york)?.report()?];
    Ok(format!(
        "escrow: New York is refused {} and takes the {} it holds; London says {}, New York says \
         {}, and London holds {}",
        overdraft.wanted,
        overdraft.available,
        here.state.balance(),
        there.state.balance(),
        here.available,
    ))
}

/// Books steel in, or out, without asking anybody.
fn move_steel(city: &Node, amount: i64) -> Result<OffsetMap, Error> {
    let payload = Payload::from_value(&Value::from(amount))?;
    let event = NewEvent { tags: TagSet::new(["naive steel"])?, payload };
    Ok(city.publish(vec![event], PublishOptions::default()).wait()?.token())
}

/// What a city believes that there is.
fn balance(city: &Node) -> Result<i64, Error> {
    let mut cursor = city.query(&Query::parse("FROM 'naive steel'")?, QueryOptions::default())?;
    let mut sum = 0;
    loop {
        let batch = cursor.next_batch(1024)?;
        if batch.is_empty() {
            return Ok(sum);
        }
        for event in batch.iter() {
            if let Ok(Value::Integer(amount)) = Value::decode(event.payload_bytes()) {
                sum += i64::try_from(amount.value()).unwrap_or(0);
            }
        }
    }
}

fn open(folder: &Path, name: &str) -> Result<Node, Error> {
    let bind = vec!["127.0.0.1:0".parse().expect("an address")];
    Node::open(NodeOptions {
        path: folder.join(name),
        app_id: AppId::parse("com.example.steel")?,
        swarm: SwarmSecret::from_bytes([7; 32]),
        former_secrets: Vec::new(),
        network: Some(NetworkOptions { bind, ..NetworkOptions::default() }),
        storage: StorageOptions::default(),
    })
}

/// Pulls the cable.
fn cut(city: &Node) -> Result<(), Error> {
    city.set_network(false).wait()
}

/// Puts it back.
fn link(london: &Node, new_york: &Node) -> Result<(), Error> {
    new_york.set_network(true).wait()?;
    london.connect(PeerAddress::from(&new_york.ticket().wait()?)).wait()
}

/// Waits until a city has heard of what was written.
fn see(city: &Node, token: OffsetMap) -> Result<(), Error> {
    city.wait_for(&After { token, timeout: Some(PATIENCE) }, None).wait()
}
